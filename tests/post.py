"""What tests of deliveries share: a mail server on loopback, and published digests to deliver."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from builders import write_digest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from broadsheet.config import load_settings
from broadsheet.delivery.delivering import Delivered, Request, deliver
from broadsheet.lake import Lake

TODAY = dt.datetime.now(dt.UTC).date()
READER, OTHER = "reader@example.org", "other@example.org"
TO_READER = f'[[delivery]]\nto = ["{READER}"]\n'
TO_BOTH = f'[[delivery]]\nto = ["{OTHER}", "{READER}"]\n'
TO_CHAT = '[[delivery]]\nurl_variable = "CV_CHAT"\n'
LOGIN = LoginPassword(b"news", b"correct-horse-9")


class PostOffice:
    """A mail server; what it took is in `mails`, and `answers` says what else it says to whom."""

    def __init__(self, **options: Any) -> None:
        self.mails: list[EmailMessage] = []
        self.raw: list[bytes] = []
        self.readers: list[str] = []
        self.answers: dict[str, str] = {}
        self.at_end: Callable[[], str] = lambda: "250 OK"
        self.is_asked = threading.Event()
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port(), **options)
        self._controller.start()
        self.port = self._controller.port

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: Any, session: Any, envelope: Any, address: str, options: Any
    ) -> str:
        self.is_asked.set()
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        answer = self.at_end()
        if answer.startswith("250"):
            self.raw.append(envelope.original_content)
            mail = message_from_bytes(envelope.original_content, policy=policy.default)
            assert isinstance(mail, EmailMessage)
            self.mails.append(mail)
            self.readers += envelope.rcpt_tos
        return answer

    def close(self) -> None:
        self._controller.stop()


def knows_login(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Whether it is ours, for aiosmtpd."""
    return AuthResult(success=data == LOGIN, handled=False)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def a_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's side of TLS for 127.0.0.1, and the file that makes it trusted."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "post office")])
    now = dt.datetime.now(dt.UTC)
    loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([loopback]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file, key_file = folder / "post.pem", folder / "post.key"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file, key_file)
    return context, file


def write_profile(folder: Path, deliveries: str, name: str = "cv", title: str = "The Kite") -> None:
    folder.mkdir(exist_ok=True)
    interests = '[[interests]]\nname = "kites"\n'
    text = f"title = {title!r}\nstyle = 'cv'\n{interests}{deliveries}"
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def publish(
    *papers: str,
    date: dt.date = TODAY,
    profile: str = "cv",
    html: str = "<p>Kites fly.</p>",
    **more: Any,
) -> Path:
    """A published digest, in lake and reports; the path of its page."""
    settings = load_settings()
    page = settings.reports / profile / f"{date}.md"
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"# The Kite {date}\n\nKites fly. {more.get('outcome', '')}\n")
    page.with_suffix(".html").write_text(
        f"<!doctype html><html><head><style>:root {{ --ink: red }}</style></head>"
        f"<body><header><h1>The Kite</h1></header><main>{html}</main></body></html>"
    )
    sha256 = hashlib.sha256(page.read_bytes()).hexdigest()
    told: dict[str, Any] = {"report_sha256": sha256, **more}
    write_digest(Lake(settings.lake_root), papers, profile=profile, date=date, **told)
    return page


def send(**changed: Any) -> list[Delivered]:
    """What a run or the command does."""
    return deliver(Request(settings=load_settings(), **changed))


def said(done: Sequence[Delivered]) -> list[str]:
    return [str(one.standing) for one in done]


def let_time_pass() -> None:
    """Every claim has run out, and every next try is due."""
    with sqlite3.connect(load_settings().state_store) as store:
        store.execute("update deliveries set until = 0")


def stored() -> list[tuple[Any, ...]]:
    """Everything that the register holds."""
    with sqlite3.connect(load_settings().state_store) as store:
        return store.execute("select * from deliveries").fetchall()
