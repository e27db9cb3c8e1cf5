"""Letters: a sheet as a mail, text and HTML, with nothing in it that mail programs drop."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser

from broadsheet.delivery.register import Key
from broadsheet.delivery.sheets import Sheet, one_line
from broadsheet.resources import project

_POLICY = SMTP.clone(cte_type="7bit", max_line_length=78)
_LEFT_OUT = "style, script, link, base, meta[http-equiv], meta[name=color-scheme]"
_BODY = re.compile(r"<body[^>]*>")
_ANCHOR = re.compile(r"<a id='[^']*'></a>")


def letter(sheet: Sheet, key: Key, copy: int, sender: str, to: str, styles: Path) -> EmailMessage:
    """The mail for one reader.

    Whoever sends the same delivery again gives it the same Message-ID, by which mail programs
    that got it twice show it once.

    Args:
        sheet: what is sent.
        key: of the delivery.
        copy: how often it was sent before, on request.
        sender: an address, or `Name <address>`.
        to: an address.
        styles: the folder of report styles, whose layout has the mail's style sheet.
    """
    mail = EmailMessage(policy=_POLICY)
    name, _, address = sender.rstrip("> ").rpartition("<")
    domain = address.rpartition("@")[2]
    identity = hashlib.sha256(repr((*key.values, copy)).encode()).hexdigest()[:32]
    mail["From"] = Address(one_line(name).strip('"'), addr_spec=address)
    mail["To"] = Address(addr_spec=to)
    mail["Subject"] = subject(sheet, key)
    mail["Date"] = format_datetime(dt.datetime.now(dt.UTC))
    mail["Message-ID"] = f"<{identity}@{domain}>"
    mail["List-Id"] = f"<{sheet.profile}.broadsheet.{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_text(sheet))
    mail.add_alternative(inlined(sheet, styles), subtype="html")
    return mail


def subject(sheet: Sheet, key: Key) -> str:
    """Title and date, and whether it is the second mail of a digest that was partial."""
    return f"{sheet.heading} · complete" if key.stage == "completed" else sheet.heading


def _text(sheet: Sheet) -> str:
    page = _ANCHOR.sub("", sheet.markdown)
    return f"{page}\n-- \n{sheet.url}\n" if sheet.url else page


def inlined(sheet: Sheet, styles: Path) -> str:
    """The page with the mail's own styles in its tags, and no others.

    Formulas become their source: mail programs know no MathML.
    """
    import css_inline

    tree = LexborHTMLParser(sheet.html)
    for node in tree.css(_LEFT_OUT):
        node.decompose()
    for node in tree.css("math"):
        source = node.css_first("annotation")
        node.replace_with(node.attributes.get("alttext") or (source or node).text())
    for node in tree.css(".facts span + span"):
        node.insert_before(" · ")
    # in a block of its own: programs that show mails in a page of theirs drop the tag body
    page = _BODY.sub('<body><div class="page">', tree.html or "", count=1)
    page = page.replace("</body>", f"{_footer(sheet)}</div></body>")
    return css_inline.inline(
        page,
        extra_css=_style_sheet(styles),
        inline_style_tags=False,
        load_remote_stylesheets=False,
        minify_css=True,  # programs cut a mail off at 100 KB, and every tag has its style
    )


def _style_sheet(styles: Path) -> str:
    own = styles / "_layout" / "mail.css"
    file = own if own.exists() else project("reports") / "_layout" / "mail.css"
    return file.read_text(encoding="utf-8")


def _footer(sheet: Sheet) -> str:
    if not sheet.url:
        return ""
    url = escape(sheet.url)
    return f'<p class="facts end"><a href="{url}">{url}</a></p>'
