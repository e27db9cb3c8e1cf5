"""Search in the pages: Pagefind's index of the papers' pages, as files beside them.

Pagefind divides Chinese into words when it indexes, and the browser does when it is asked, by
another dictionary: a tenth of the phrases of real digests were not found again. What is indexed
here is therefore a copy of the pages in which every Han character stands alone, and `search.js`
asks for Chinese as a phrase of characters, which finds exactly the pages that have it.

Every copy also ends with one letter that nobody types: to list the pages that a filter leaves,
`search.js` asks for it, because Pagefind loads its whole index where it is asked for nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from broadsheet.errors import SiteError

FOLDER = "pagefind"
_SEARCHED = "*/papers/**/*.html"
_MARK = "data-pagefind-body"
_ASIDE = ".pagefind.new"
_FINGERPRINT = "pages.sha256"
_UNUSED = ("*-ui.css", "*-ui.js", "*-highlight.js")
_HAN = "\u2e80-\u2fdf\u3005\u3007\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_BESIDE_HAN = re.compile(rf"(?<=[{_HAN}])(?=\w)|(?<=\w)(?=[{_HAN}])")
_EVERY_PAGE = "\ua66e"
_TEXT = re.compile(r"(?<=>)[^<]+")


def index(site: Path) -> int:
    """How many pages of a site can be searched, now that `<site>/pagefind/` is their index.

    The pages are `<language>/papers/**.html` that have `data-pagefind-body`. An index of the same
    pages is left alone: Pagefind never writes the same bytes twice. The old one stays until the
    new one is whole; without any page there is none.

    Raises:
        SiteError: Pagefind is not there, failed, or did not index every page.
    """
    pages = _pages(site)
    fingerprint = _fingerprint(pages)
    if not pages:
        shutil.rmtree(site / FOLDER, ignore_errors=True)
    elif _fingerprint_of(site / FOLDER) != fingerprint:
        _replace(site, pages, fingerprint)
    return len(pages)


def searched(page: str) -> str:
    """The copy to index: zero-width spaces around every Han character of a page's text."""
    apart = _TEXT.sub(lambda text: _BESIDE_HAN.sub("\u200b", text[0]), page)
    return apart.replace("</main>", f" {_EVERY_PAGE}</main>")


def _pages(site: Path) -> dict[str, str]:
    found = {path: path.read_text("utf-8") for path in sorted(site.glob(_SEARCHED))}
    return {
        path.relative_to(site).as_posix(): page for path, page in found.items() if _MARK in page
    }


def _fingerprint(pages: dict[str, str]) -> str:
    """A hash of the pages and of what would index them."""
    from importlib.metadata import version

    known = [version("pagefind"), Path(__file__).read_text("utf-8"), *pages.items()]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()


def _fingerprint_of(folder: Path) -> str:
    known = folder / _FINGERPRINT
    return known.read_text("utf-8") if known.is_file() else ""


def _replace(site: Path, pages: dict[str, str], fingerprint: str) -> None:
    """Make the index aside, then put it in the old one's place."""
    aside = site / _ASIDE
    shutil.rmtree(aside, ignore_errors=True)
    for name, page in pages.items():
        copy = aside / "pages" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(searched(page), "utf-8")
    try:
        made = _made(aside, len(pages))
        (made / _FINGERPRINT).write_text(fingerprint, "utf-8")
        if (site / FOLDER).exists():
            (site / FOLDER).rename(aside / "old")
        made.rename(site / FOLDER)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _made(aside: Path, count: int) -> Path:
    """The folder of the whole index of the pages aside, without what no page of ours uses."""
    folder = aside / "index"
    _run(aside)
    languages = json.loads((folder / "pagefind-entry.json").read_bytes())["languages"]
    indexed = sum(language["page_count"] for language in languages.values())
    if indexed != count:
        raise SiteError(
            f"search index {aside.parent}: Pagefind took {indexed} of {count} pages",
            "look for pages that are empty or no HTML in <language>/papers/",
        )
    for pattern in _UNUSED:
        for path in folder.glob(pattern):
            path.unlink()
    return folder


def _run(aside: Path) -> None:
    """Run Pagefind on the pages aside, deaf to settings of its own in the environment."""
    from pagefind.service import get_executable

    program = get_executable()
    if program is None or not program.is_file():
        raise SiteError(
            f"search index {aside.parent}: Pagefind is not installed",
            "run `make setup`, or install pagefind[extended]",
        )
    command = [str(program), "--site", "pages", "--output-path", "index", "--silent"]
    settings = {k: v for k, v in os.environ.items() if not k.startswith("PAGEFIND_")}
    done = subprocess.run(  # noqa: S603 (its own program, no words of strangers)
        command, cwd=aside, env=settings, capture_output=True, check=False
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip().splitlines()
        raise SiteError(
            f"search index {aside.parent}: Pagefind ended with {done.returncode}"
            f"{': ' + said[-1] if said else ''}",
            "the index made before is untouched; build again, or run with another Pagefind",
        )
