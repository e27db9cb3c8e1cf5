"""The checks of pages find what is wrong with a page, and nothing where nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import (
    Kind,
    Site,
    chosen,
    crawl,
    inaccessible,
    page_of,
    serve,
    text,
    too_wide,
)
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser

POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'"
HEAD = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>A page</title>
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<link rel="icon" href="/a/b/icon.png"><link rel="stylesheet" href="/a/b/style.css">"""
FEED = """<feed xmlns="http://www.w3.org/2005/Atom"><link href="/a/b/two.html"/></feed>"""


def a_page(body: str = "", head: str = "", policy: str = POLICY) -> str:
    """A page with nothing wrong of its own."""
    start = HEAD.format(policy=policy) + head
    return f"{start}</head><body><main><h1>A page</h1>{body}</main></body></html>"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Two sound pages and a feed; the tests add what is wrong."""
    folder = tmp_path / "pages"
    folder.mkdir()
    files = {
        "index.html": a_page('<a href="two.html#there">two</a> <a href="feed.xml">feed</a>'),
        "two.html": a_page('<p id="there">There</p> <a href="https://example.org/">out</a>'),
        "feed.xml": FEED,
        "style.css": "p { color: #111 }",
        "icon.png": "",
        "ok.js": "document.title",
    }
    for name, content in files.items():
        (folder / name).write_text(content)
    with serve(folder) as found:
        yield found


def add(site: Site, body: str = "", head: str = "", policy: str = POLICY) -> None:
    """Give the second page something more."""
    (site.folder / "two.html").write_text(a_page(f'<p id="there">{body}</p>', head, policy))


def test_nothing_is_wrong_with_sound_pages(browser: Browser, site: Site) -> None:
    found = crawl(browser, site)
    assert not found.problems, found
    assert found.pages == found.opened == ("index.html", "two.html")
    assert not inaccessible(browser, site.url)
    assert not too_wide(browser, site.url)


def test_sizes_count_all_that_a_page_loads(browser: Browser, site: Site) -> None:
    add(site, head='<script src="ok.js"></script>')
    sizes = crawl(browser, site).sizes
    files = ("two.html", "style.css", "ok.js", "icon.png")
    assert sizes["two.html"] == sum((site.folder / one).stat().st_size for one in files)


BROKEN: list[tuple[Kind, str, str]] = [
    ("broken link", '<a href="gone.html">gone</a>', "404"),
    ("broken link", '<a href="/two.html">above the path</a>', "404"),
    ("broken link", '<img src="gone.png" alt="gone">', "gone.png"),
    ("broken anchor", '<a href="index.html#nowhere">nowhere</a>', "#nowhere"),
    ("broken anchor", '<a href="#nowhere">nowhere</a>', "#nowhere"),
    ("external request", '<img src="https://example.org/x.png" alt="x">', "example.org"),
    ("bad feed", '<a href="bad.xml">feed</a>', "bad.xml"),
    ("csp", "<script>document.title = 1</script>", "script-src"),
    ("csp", '<i style="color: red">x</i>', "style-src"),
    ("console", '<script src="error.js"></script>', "error: oh"),
    ("console", '<script src="warning.js"></script>', "warning: oh"),
    ("page error", '<script src="throw.js"></script>', "thrown"),
]
SEEN_BY_READING = {"broken link", "broken anchor", "external request", "bad feed"}


def spoil(site: Site, body: str) -> None:
    """A second page that is wrong, and the files it may want."""
    add(site, body)
    scripts = {
        "error": "console.error('oh')",
        "warning": "console.warn('oh')",
        "throw": "throw Error('thrown')",
    }
    for name, script in scripts.items():
        (site.folder / f"{name}.js").write_text(script)
    (site.folder / "bad.xml").write_text("<feed>")


@pytest.mark.parametrize(("kind", "body", "told"), BROKEN)
def test_a_crawl_finds(browser: Browser, site: Site, kind: Kind, body: str, told: str) -> None:
    spoil(site, body)
    found = crawl(browser, site)
    assert found.problems
    assert {one.page for one in found.problems} == {"two.html"}
    assert any(told in one.what for one in found.of(kind)), found


@pytest.mark.parametrize(
    ("kind", "body", "told"), [one for one in BROKEN if one[0] in SEEN_BY_READING]
)
def test_reading_alone_finds(
    browser: Browser, site: Site, kind: Kind, body: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(site, body)
    monkeypatch.setattr("browser.chosen", lambda pages, sample: [])
    found = crawl(browser, site, sample=0)
    assert not found.opened
    assert any(told in one.what for one in found.of(kind)), found


def test_a_broken_link_in_a_feed_or_to_another_language_is_found(
    browser: Browser, site: Site
) -> None:
    (site.folder / "feed.xml").write_text(FEED.replace("two", "three"))
    add(site, head='<link rel="alternate" hreflang="zh" href="zh/two.html">')
    wrong = {(one.page, one.what.rpartition("/b/")[2]) for one in crawl(browser, site).problems}
    assert wrong == {("feed.xml", "three.html"), ("two.html", "zh/two.html")}


def test_a_request_that_a_script_makes_elsewhere_is_found(browser: Browser, site: Site) -> None:
    (site.folder / "call.js").write_text("fetch('https://example.org/').catch(() => 0)")
    add(site, head='<script src="call.js"></script>', policy="script-src 'self'; connect-src *")
    outside = crawl(browser, site).of("external request")
    assert [one.what for one in outside] == ["https://example.org/"]


def test_a_sample_has_every_kind_of_page() -> None:
    digests = [f"zh/cv/2026-01-{day:02}.html" for day in range(1, 31)]
    papers = [f"zh/papers/2601.{number:05}.html" for number in range(100)]
    found = chosen(["index.html", "zh/about.html", *digests, *papers], sample=5)
    assert {"index.html", "zh/about.html", digests[0], papers[0]} < set(found)
    assert len(found) == 4 + 5
    assert found == chosen(["index.html", "zh/about.html", *digests, *papers], sample=5)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_too_little_contrast_is_found_in_each_scheme(
    browser: Browser, site: Site, scheme: str
) -> None:
    other = "light" if scheme == "dark" else "dark"
    rules = "body { color: #111; background: #fff }"
    faint = f"@media (prefers-color-scheme: {scheme}) {{ p {{ color: #ccc }} }}"
    (site.folder / "style.css").write_text(f"{rules} {faint}")
    add(site, "Hardly to be read")
    found = inaccessible(browser, site.at("two.html"))
    assert len(found) == 2
    assert all("color-contrast" in one and scheme in one and other not in one for one in found)


def test_a_picture_without_words_is_found(browser: Browser, site: Site) -> None:
    add(site, '<img src="icon.png">')
    assert any("critical image-alt" in one for one in inaccessible(browser, site.at("two.html")))


@pytest.mark.parametrize(
    ("body", "is_wide"),
    [
        ('<table class="wide"><tr><td>x</table>', True),
        ("x" * 200, True),
        ('</p><div class="box"><table class="wide"><tr><td>x</table></div>', False),
        ("x " * 200, False),
    ],
)
def test_what_is_wider_than_a_phone_is_found(
    browser: Browser, site: Site, body: str, is_wide: bool
) -> None:
    rules = ".wide { width: 600px } .box { display: block; overflow-x: auto }"
    (site.folder / "style.css").write_text(rules)
    add(site, body)
    assert bool(too_wide(browser, site.at("two.html"))) is is_wide


def test_text_without_scripts_lacks_what_scripts_write(browser: Browser, site: Site) -> None:
    (site.folder / "late.js").write_text("document.querySelector('main').append('from a script')")
    add(site, "Written", head='<script src="late.js" defer></script>')
    assert "Written" in text(browser, site.at("two.html"))
    assert "from a script" not in text(browser, site.at("two.html"))
    assert "from a script" in text(browser, site.at("two.html"), scripts=True)


def test_problems_after_an_act_are_logged_with_their_page(browser: Browser, site: Site) -> None:
    (site.folder / "act.js").write_text("addEventListener('click', () => console.error('late'))")
    add(site, head='<script src="act.js" defer></script>')
    with page_of(browser, site) as (page, log):
        page.goto(site.at("two.html"))
        assert not log.problems
        page.click("h1")
    assert [(one.page, one.what) for one in log.problems] == [("two.html", "error: late")]
