"""Mailing: one mail for one reader to the mail server that the settings name, by SMTP.

What the server says is taken at its word; where it is silent after the mail's end, nobody knows.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage

from broadsheet.config import Settings
from broadsheet.errors import DeliveryError, NotSent

_TIMEOUT_SECONDS = 30.0  # of each step, of which a mail has about ten
_PORTS = {"starttls": 587, "tls": 465, "none": 25}
_LINE_START_DOT = re.compile(rb"^\.", re.MULTILINE)
_READY, _ACCEPTED, _PERMANENTLY = 354, 250, 500  # RFC 5321, 4.2.1


def send(settings: Settings, mail: EmailMessage, on_handing_over: Callable[[], None]) -> None:
    """Hand the mail to the server.

    Args:
        settings: in force.
        mail: with its sender and one reader.
        on_handing_over: called before the step that cannot be taken back, the mail's end.

    Raises:
        DeliveryError: the server did not take it, or may have.
    """
    with connected(settings) as server:
        _accepted(server.mail(mail["From"].addresses[0].addr_spec), "the sender")
        _accepted(server.rcpt(mail["To"].addresses[0].addr_spec), "the reader")
        _accepted(server.docmd("DATA"), "the mail", _READY)
        server.send(_LINE_START_DOT.sub(b"..", mail.as_bytes()))
        on_handing_over()
        _accepted(_end(server), "the mail")
        with suppress(smtplib.SMTPException, OSError):  # it has arrived, whatever comes now
            server.quit()


@contextmanager
def connected(settings: Settings) -> Iterator[smtplib.SMTP]:
    """The server, logged in; closed at the end, within a mail without a word.

    Raises:
        DeliveryError: it cannot be used; also for what the block gets from it.
    """
    refuse_unset(settings)
    place = address(settings)
    try:
        server = _open(settings)
        try:
            yield server
        finally:
            server.close()
    except smtplib.SMTPAuthenticationError as error:
        raise _refused(error.smtp_code, error.smtp_error, "the login") from None
    except ssl.SSLCertVerificationError as error:
        raise DeliveryError(
            f"cannot mail by {place}: its certificate is not valid: {error.verify_message}",
            "let smtp_host be the name in it; SSL_CERT_FILE names authorities of your own",
            _PERMANENT,
        ) from None
    except smtplib.SMTPNotSupportedError as error:
        raise DeliveryError(
            f"cannot mail by {place}: {error}", "see smtp_security and smtp_user", _PERMANENT
        ) from None
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code, error.smtp_error, "the connection") from None
    except (smtplib.SMTPException, OSError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DeliveryError(
            f"cannot mail by {place}: {reason}"[:300],
            "see whether it runs, and smtp_port",
            NotSent.UNREACHABLE,
        ) from None


_PERMANENT = NotSent.PERMANENT


def refuse_unset(settings: Settings) -> None:
    """Raise where a setting is missing without which nothing can be mailed."""
    if not settings.smtp_host or not settings.mail_from:
        missing = "mail_from" if settings.smtp_host else "smtp_host"
        raise DeliveryError(f"cannot mail: {missing} is not set", f"set {missing}", _PERMANENT)


def address(settings: Settings) -> str:
    """Host and port of the mail server."""
    return f"{settings.smtp_host}:{settings.smtp_port or _PORTS[settings.smtp_security]}"


def _open(settings: Settings) -> smtplib.SMTP:
    host, _, port = address(settings).rpartition(":")
    context = ssl.create_default_context()
    if settings.smtp_security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, int(port), timeout=_TIMEOUT_SECONDS, context=context
        )
    else:
        server = smtplib.SMTP(host, int(port), timeout=_TIMEOUT_SECONDS)
    try:
        if settings.smtp_security == "starttls":
            server.starttls(context=context)
        if settings.smtp_user:
            server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
        else:
            server.ehlo_or_helo_if_needed()
    except BaseException:
        server.close()
        raise
    return server


def _end(server: smtplib.SMTP) -> tuple[int, bytes]:
    """What the server answers to the mail's end."""
    try:
        server.send(b".\r\n")
        return server.getreply()
    except (smtplib.SMTPException, OSError) as error:
        raise DeliveryError(
            "the mail server did not answer after the mail's end; it may have arrived",
            kind=NotSent.UNKNOWN,
        ) from error


def _accepted(reply: tuple[int, bytes], what: str, code: int = _ACCEPTED) -> None:
    if reply[0] != code and not (code == _ACCEPTED and reply[0] in (251, 252)):
        raise _refused(*reply, what)


def _refused(code: int, said: bytes | str, what: str) -> DeliveryError:
    """The server's refusal: 5yz is for good, as is a bad login."""
    text = said.decode(errors="replace") if isinstance(said, bytes) else said
    is_permanent = code >= _PERMANENTLY
    return DeliveryError(
        f"the mail server refused {what}: {code} {' '.join(text.split())}"[:300],
        "put right what it says, or send it with broadsheet deliver --again" * is_permanent,
        NotSent.PERMANENT if is_permanent else NotSent.TEMPORARY,
    )
