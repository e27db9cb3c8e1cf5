"""Delivering: what is due is sent, each delivery once; one that fails stops no other."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from broadsheet.config import Profile, Settings, load_profile, profile_names
from broadsheet.delivery import chatting, mailing
from broadsheet.delivery.letters import letter
from broadsheet.delivery.register import Entry, Key, Register, Standing
from broadsheet.delivery.sheets import Sheet, read_sheet
from broadsheet.delivery.targets import Target, fingerprint, targets_of
from broadsheet.errors import DeliveryError, LakeError, NotSent, UsageError
from broadsheet.models import Outcome
from broadsheet.state import State

logger = logging.getLogger(__name__)

LOST = "its sender was killed while handing it over; it may have arrived"


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What became of one delivery."""

    profile: str
    date: dt.date
    target: Target
    standing: Standing
    not_sent: NotSent | None = None
    """How it failed, where it was tried now."""
    message: str = ""
    remedy: str = ""

    @property
    def is_sent(self) -> bool:
        """Whether it has arrived."""
        return self.standing is Standing.SENT

    @property
    def is_good(self) -> bool:
        """Whether nothing is wrong: it has arrived, or would be sent."""
        return self.standing in (Standing.SENT, Standing.CLAIMED)

    def __str__(self) -> str:
        if self.is_sent:
            return f"{self.profile} {self.date} to {self.target}: sent"
        said = {Standing.CLAIMED: "to be sent", Standing.HANDING: "unknown"}
        reason = "; ".join(filter(None, [self.message, self.remedy]))
        told = f"{self.profile} {self.date} to {self.target}: {said.get(self.standing, 'failed')}"
        return f"{told}: {reason}" if reason else told


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be delivered."""

    settings: Settings
    profiles: Sequence[str] = ()
    """Whose digests; empty: everybody's."""
    date: dt.date | None = None
    """Of one digest, whatever its age; None: all that are due."""
    is_again: bool = False
    """Also what was sent, and what may have been."""
    is_dry: bool = False
    """Only say what would be sent."""


def deliver(request: Request) -> list[Delivered]:
    """Send what is due, and say what became of it, and of what may have arrived earlier.

    A mail server that cannot be reached is tried once, and what waits for it stays due.

    Raises:
        StateError: the shared state cannot be used.
    """
    if request.settings.is_sample:
        return []
    register = Register(State(request.settings.state_store))
    done: list[Delivered] = []
    is_down = False
    for sheet, target in _candidates(request, register):
        if is_down and target.kind == "mail":
            continue
        if one := _deliver_alone(request, register, sheet, target):
            done.append(one)
            is_mail = target.kind == "mail"
            is_down = is_down or (is_mail and one.not_sent is NotSent.UNREACHABLE)
    return done


def has_targets(settings: Settings, profiles: Sequence[str] = ()) -> bool:
    """Whether any of these profiles, of all without any, is delivered anywhere."""
    found = _profiles(settings, profiles)
    return not settings.is_sample and any(profile.delivery for profile in found)


def _profiles(settings: Settings, names: Sequence[str]) -> Iterator[Profile]:
    """Those that can be used."""
    for name in names or profile_names(settings):
        try:
            yield load_profile(settings, name)
        except UsageError as error:
            logger.warning("nothing is delivered for %s: %s; %s", name, error, error.remedy)


def _deliver_alone(
    request: Request, register: Register, sheet: Sheet, target: Target
) -> Delivered | None:
    try:
        return _deliver(request, register, sheet, target)
    except DeliveryError as error:  # another worker has it: this one was suspended for long
        logger.warning("%s; %s", error, error.remedy)
        return None


def _candidates(request: Request, register: Register) -> Iterator[tuple[Sheet, Target]]:
    """The published digests that may be due, oldest first, with each target of theirs."""
    settings = request.settings
    for profile in _profiles(settings, request.profiles):
        if not (targets := targets_of(profile)):
            continue
        recent = {request.date} if request.date else _recent(settings)
        for date in sorted(recent | _begun(request, register, profile.name)):
            sheet = _sheet(settings, profile, date)
            for target in targets if sheet else ():
                key = Key(profile=profile.name, date=date, target=target.key)
                if sheet and (date in recent or register.find(key)[0]):
                    yield sheet, target


def _begun(request: Request, register: Register, profile: str) -> set[dt.date]:
    """Dates of any age with something begun, where no date is asked for."""
    if request.date:
        return set()
    return register.open_dates(profile, request.settings.resend_completed)


def _recent(settings: Settings) -> set[dt.date]:
    today = dt.datetime.now(dt.UTC).date()  # and the next day, which has begun somewhere
    return {today - dt.timedelta(days=age) for age in range(-1, settings.deliver_days + 1)}


def _sheet(settings: Settings, profile: Profile, date: dt.date) -> Sheet | None:
    try:
        return read_sheet(settings, profile, date)
    except LakeError as error:
        logger.warning("%s; %s", error, error.remedy)
        return None


def _deliver(
    request: Request, register: Register, sheet: Sheet, target: Target
) -> Delivered | None:
    """Send it if it is due; None where there is nothing to do and nothing to say."""
    settings, key = request.settings, _key(request.settings, register, sheet, target)
    about = partial(Delivered, profile=sheet.profile, date=sheet.date, target=target)
    found, now = register.find(key)
    if found and found.is_unknown(now) and not request.is_again:
        return about(standing=Standing.HANDING, message=found.reason or LOST, remedy=_look(key))
    if found and found.standing is Standing.SENT and not request.is_again:
        return None
    mark = fingerprint(settings, target)
    if found and not found.may_be_claimed(now, mark, request.is_again):
        return None
    if request.is_dry:
        return about(standing=Standing.CLAIMED)
    entry = register.claim(key, sheet.outcome, mark, again=request.is_again)
    if entry is None:  # another worker was faster
        return None
    carry = partial(_carry, settings, sheet, target, key, entry)
    failure = _attempt(register, key, entry, carry)
    return _said(about, register, key, entry, failure)


def _key(settings: Settings, register: Register, sheet: Sheet, target: Target) -> Key:
    """Which delivery is looked at: the second one where that is wished for and the first done."""
    first = Key(profile=sheet.profile, date=sheet.date, target=target.key)
    if not settings.resend_completed or sheet.outcome is not Outcome.COMPLETE:
        return first
    found, _ = register.find(first)
    was_partial = found is not None and found.outcome is Outcome.PARTIAL
    is_sent = found is not None and found.standing is Standing.SENT
    return replace(first, stage="completed") if was_partial and is_sent else first


def _look(key: Key) -> str:
    return f"look, then broadsheet deliver --date {key.date} --profile {key.profile} --again"


Carry = Callable[[Callable[[], None]], None]


def _attempt(register: Register, key: Key, entry: Entry, carry: Carry) -> DeliveryError | None:
    """Why it was not sent, or may not have been; None where it was."""
    is_handed_over = False

    def hand_over() -> None:
        nonlocal is_handed_over
        register.hand_over(key, entry)
        is_handed_over = True

    try:
        carry(hand_over)
    except DeliveryError as error:
        return error
    except Exception as error:  # noqa: BLE001 (whatever it is, it concerns this delivery alone)
        kind = NotSent.UNKNOWN if is_handed_over else NotSent.TEMPORARY
        return DeliveryError(f"cannot deliver: {error!r}"[:300], "see what it says", kind)
    return None


def _said(
    about: Callable[..., Delivered],
    register: Register,
    key: Key,
    entry: Entry,
    failure: DeliveryError | None,
) -> Delivered:
    """Note what became of it, in register and log."""
    if failure is None:
        register.sent(key, entry)
        delivered = about(standing=Standing.SENT)
        logger.info("delivered %s", delivered)
        return delivered
    if failure.kind is NotSent.UNKNOWN:
        failure = DeliveryError(failure.message, _look(key), NotSent.UNKNOWN)
    standing = register.failed(key, entry, failure)
    told = {"message": failure.message, "remedy": failure.remedy, "not_sent": failure.kind}
    delivered = about(standing=standing, **told)
    logger.warning("not delivered: %s", delivered)
    return delivered


def _carry(
    settings: Settings,
    sheet: Sheet,
    target: Target,
    key: Key,
    entry: Entry,
    on_handing_over: Callable[[], None],
) -> None:
    if target.kind == "chat":
        chatting.send(target, sheet, key, on_handing_over)
        return
    mailing.refuse_unset(settings)
    mail = letter(sheet, key, entry.copy, settings.mail_from, target.name, settings.styles)
    mailing.send(settings, mail, on_handing_over)
