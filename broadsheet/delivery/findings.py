"""What the doctor says of deliveries: whether each can be made, and what became of the open ones.

Nothing is sent: the mail server is greeted and logged in to, a chat's URL is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from broadsheet.config import Settings, load_profile, profile_names
from broadsheet.delivery import chatting, mailing
from broadsheet.delivery.delivering import LOST
from broadsheet.delivery.register import Key, Register, Standing
from broadsheet.delivery.targets import Target, targets_of
from broadsheet.errors import DeliveryError, NotSent, UsageError
from broadsheet.state import State


def findings(settings: Settings) -> list[str]:
    """A line per target of each profile, and one per delivery that has not arrived."""
    register = Register(State(settings.state_store))
    look_at_mail = cache(lambda: _mail(settings))  # one server for all readers
    found: list[str] = []
    for name in profile_names(settings):
        for target in _targets(settings, name):
            mark, said = look_at_mail() if target.kind == "mail" else _chat(target)
            last = register.last_sent(name, target.key) or "never"
            found.append(f"{mark:4}  delivery {name} to {target}: {said}; last sent: {last}")
            found += _open(register, name, target)
    return found


def _targets(settings: Settings, profile: str) -> list[Target]:
    try:
        return targets_of(load_profile(settings, profile))
    except UsageError:  # told where the doctor looks at profiles
        return []


def _mail(settings: Settings) -> tuple[str, str]:
    try:
        with mailing.connected(settings) as server:
            server.noop()
            return "ok", f"{mailing.address(settings)} answers"
    except DeliveryError as error:
        return _failed(error)


def _chat(target: Target) -> tuple[str, str]:
    try:
        return "ok", str(chatting.open_chat(target).service_name)
    except DeliveryError as error:
        return _failed(error)


def _failed(error: DeliveryError) -> tuple[str, str]:
    mark = "FAIL" if error.kind is NotSent.PERMANENT else "warn"
    return mark, f"{error}; {error.remedy}"


def _open(register: Register, profile: str, target: Target) -> Iterator[str]:
    for date in sorted(register.open_dates(profile)):
        entry, now = register.find(Key(profile=profile, date=date, target=target.key))
        if entry is None or entry.standing in (Standing.SENT, Standing.CLAIMED):
            continue
        about = f"delivery {profile} {date} to {target}"
        if entry.is_unknown(now):
            again = f"broadsheet deliver --date {date} --profile {profile} --again"
            yield f"warn  {about}: {entry.reason or LOST}; look, then {again}"
        elif entry.standing is not Standing.HANDING:
            yield f"warn  {about}: {entry.standing} after {entry.attempts} tries: {entry.reason}"
