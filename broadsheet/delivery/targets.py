"""Targets: where a profile's digests are delivered, each a mailbox or a chat."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Literal

from broadsheet.config import Profile, Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One mailbox, by its address, or one chat, by the variable that holds its URL."""

    kind: Literal["mail", "chat"]
    name: str

    @property
    def key(self) -> str:
        """What the register knows it by: a hash, so that it holds nobody's address."""
        name = self.name.lower() if self.kind == "mail" else self.name
        return hashlib.sha256(f"{self.kind} {name}".encode()).hexdigest()[:16]

    def __str__(self) -> str:
        return self.name


def targets_of(profile: Profile) -> list[Target]:
    """The profile's targets, each once, in its order; may be empty."""
    found = [
        target
        for delivery in profile.delivery
        for target in (
            [Target(kind="chat", name=delivery.url_variable)]
            if delivery.url_variable
            else [Target(kind="mail", name=address) for address in delivery.to]
        )
    ]
    return list({target.key: target for target in found}.values())


def fingerprint(settings: Settings, target: Target) -> str:
    """A word that is another one when what the delivery depends on was changed.

    It is kept, and made of passwords: so it is slow to guess them by.
    """
    said: tuple[object, ...] = (os.environ.get(target.name),)
    if target.kind == "mail":
        password = settings.smtp_password.get_secret_value()
        place = (settings.smtp_host, settings.smtp_port, settings.smtp_security)
        said = (*place, settings.smtp_user, password, settings.mail_from)
    salt = target.key.encode()
    return hashlib.scrypt(repr(said).encode(), salt=salt, n=2**14, r=8, p=1, dklen=8).hex()
