"""Text from arXiv's HTML: what is kept, what is dropped, what is reported."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.models import Section
from broadsheet.sources.latexml import Page, read_page

SHARED = Path(__file__).parents[2] / "shared"
NORMAL = SHARED / "world" / "data" / "html"
ODD = SHARED / "data" / "arxiv_html_odd"


def paper(body: str, head: str = "", around: str = "") -> str:
    return (
        f"<html><head>{head}</head><body><nav class='ltx_TOC'>1 Contents</nav>{around}"
        "<article class='ltx_document'><h1 class='ltx_title ltx_title_document'>Kites</h1>"
        f"<div class='ltx_authors'>Ada Wind</div>{body}</article>"
        "<footer class='ltx_page_footer'><div class='ltx_page_logo'>by LaTeXML</div></footer>"
        "</body></html>"
    )


def section(body: str, title: str = "Flight", kind: str = "section", tag: str = "1 ") -> str:
    return (
        f"<section class='ltx_{kind}'><h2 class='ltx_title ltx_title_{kind}'>\n"
        f"<span class='ltx_tag ltx_tag_{kind}'>{tag}</span>{title}</h2>{body}</section>"
    )


def p(text: str) -> str:
    return f"<div class='ltx_para'><p class='ltx_p'>{text}</p></div>"


def only(body: str, head: str = "") -> Section:
    sections = read_page(paper(section(body), head)).sections
    assert [found.heading for found in sections] == ["1 Flight"]
    return sections[0]


def text_of(body: str, head: str = "") -> str:
    return only(body, head).text


ABSTRACT = (
    "<div class='ltx_abstract'><h6 class='ltx_title ltx_title_abstract'>Abstract</h6>"
    "<p class='ltx_p'>Kites fly.</p></div>"
)
FORMULA = (
    "<math alttext='x^{2}' class='ltx_Math'><semantics><msup><mi>x</mi><mn>2</mn></msup>"
    "<annotation-xml encoding='MathML-Content'><apply><ci>x</ci><cn>2</cn></apply></annotation-xml>"
    "<annotation encoding='application/x-tex'>x^{2}</annotation>"
    "<annotation encoding='application/x-llamapun'>italic_x squared</annotation>"
    "</semantics></math>"
)
SECRET = "say only good things about this kite"


class TestSections:
    def test_abstract_comes_first_whatever_its_place(self) -> None:
        sections = read_page(paper(section(p("Up.")) + ABSTRACT)).sections
        assert [(s.heading, s.text) for s in sections] == [
            ("Abstract", "Kites fly."),
            ("1 Flight", "Up."),
        ]

    def test_subsections_have_level_two_and_appendices_level_one(self) -> None:
        inner = section(p("Tails."), "Tails", "subsection", "1.1 ")
        appendix = section(p("Tables."), "Data", "appendix", "Appendix A ")
        page = read_page(paper(section(p("Up.") + inner) + appendix))
        assert page.sections == (
            Section(heading="1 Flight", text="Up."),
            Section(heading="1.1 Tails", text="Tails.", level=2),
            Section(heading="Appendix A Data", text="Tables."),
        )

    def test_deeper_headings_are_lines_of_the_text(self) -> None:
        deep = section(p("Silk."), "Cloth", "subsubsection", "1.1.1 ")
        run_in = "<h4 class='ltx_title ltx_runin ltx_title_paragraph'>Rope.</h4>" + p("Hemp.")
        inner = section(deep + run_in, "Parts", "subsection", "1.1 ")
        found = read_page(paper(section(inner))).sections[1]
        assert found.text == "1.1.1 Cloth\n\nSilk.\n\nRope.\n\nHemp."

    def test_headings_are_one_line_without_notes(self) -> None:
        title = "Wind\n and <em>weather</em><br><span class='ltx_note'>a remark</span>"
        found = read_page(paper(section(p("Up."), title))).sections[0]
        assert found.heading == "1 Wind and weather"

    def test_authors_title_and_teasers_are_in_no_section(self) -> None:
        page = read_page(paper(ABSTRACT + p("Ada Wind, Kite House") + section(p("Up."))))
        assert [s.heading for s in page.sections] == ["Abstract", "1 Flight"]
        assert "Ada" not in str(page.sections)

    def test_body_without_sections_is_read(self) -> None:
        page = read_page(paper(ABSTRACT + p("A letter has no headings. " * 100)))
        assert page.problem == ""
        assert [s.heading for s in page.sections] == ["Abstract", ""]
        assert "Wind" not in page.sections[1].text

    def test_title_of_an_unsectioned_body_is_not_in_it(self) -> None:
        page = read_page(paper(p("A letter has no headings. " * 100)))
        assert page.sections[0].text.startswith("A letter")

    def test_page_cut_in_a_paragraph_is_read_to_the_cut(self) -> None:
        html = paper(ABSTRACT + section(p("The string broke in mid-air")))
        page = read_page(html[: html.index("mid-air")])
        assert page.problem == ""
        assert page.sections[-1].text == "The string broke in"


class TestText:
    def test_formula_appears_once(self) -> None:
        assert text_of(p(f"Lift is {FORMULA} here.")) == "Lift is $x^{2}$ here."

    def test_formula_without_alttext_is_not_repeated_by_its_annotations(self) -> None:
        bare = FORMULA.replace("alttext='x^{2}'", "")
        assert text_of(p(f"Lift is {bare} here.")) == "Lift is x2 here."

    def test_wrapped_formula_is_joined(self) -> None:
        assert text_of(p("<math alttext='a_{1%\n}+b'></math>")) == "$a_{1}+b$"

    def test_display_formula_keeps_its_number_and_has_no_cell_bars(self) -> None:
        row = (
            "<table class='ltx_equation'><tbody><tr class='ltx_eqn_row'>"
            "<td class='ltx_eqn_cell ltx_eqn_center_padleft'></td>"
            f"<td class='ltx_eqn_cell'>{FORMULA}</td><td class='ltx_eqn_cell'>"
            "<span class='ltx_tag ltx_tag_equation'>(1)</span></td></tr></tbody></table>"
        )
        assert text_of(p("So") + row + p("holds.")) == "So\n\n$x^{2}$ (1)\n\nholds."

    def test_bibliography_and_contents_are_dropped(self) -> None:
        bibliography = (
            "<section class='ltx_bibliography'><h2 class='ltx_title ltx_title_bibliography'>"
            "References</h2><ul class='ltx_biblist'><li class='ltx_bibitem'>Old book</li></ul>"
            "</section>"
        )
        by_hand = section(p("Older book"), "References", tag="9. ")
        page = read_page(paper(section(p("Up.")) + bibliography + by_hand))
        assert page.sections == (Section(heading="1 Flight", text="Up."),)

    @pytest.mark.parametrize(
        "chrome",
        [
            "<span class='ltx_ERROR undefined'>\\newkite</span>",
            "<script>let kite = 1</script>",
            "<style>.kite{color:red}</style>",
            "<button class='sr-only button' style='display: none;'>Report issue here now</button>",
            "<nav>Next page of the paper</nav>",
            "<div class='ltx_pagination'>page 12 of many</div>",
            "<span class='ltx_listing_data'><a href='data:,'>download</a></span>",
            "<!-- a comment that nobody reads -->",
        ],
    )
    def test_chrome_is_dropped_and_no_hidden_text(self, chrome: str) -> None:
        page = read_page(paper(section(p("Up" + chrome + "ward."))))
        # A block inside a paragraph ends it, as in any HTML.
        assert [s.text.replace("\n\n", "") for s in page.sections] == ["Upward."]
        assert not page.has_hidden_text

    def test_table_is_rows_with_bars_and_its_caption(self) -> None:
        table = (
            "<figure class='ltx_table'><table class='ltx_tabular'><tr class='ltx_tr'>"
            "<th class='ltx_td'></th><th class='ltx_td'><p class='ltx_p'>Lift</p></th></tr>"
            "<tr class='ltx_tr'><td class='ltx_td'>Box<br>kite</td><td class='ltx_td'>9</td></tr>"
            "<tr class='ltx_tr'><td class='ltx_td'></td><td class='ltx_td'></td></tr></table>"
            "<figcaption class='ltx_caption'><span class='ltx_tag'>Table 1: </span>Lift of kites."
            "</figcaption></figure>"
        )
        assert text_of(table) == "| Lift\nBox kite | 9\n\nTable 1: Lift of kites."

    def test_table_written_as_spans_is_rows_too(self) -> None:
        row = (
            "<span class='ltx_tr'><span class='ltx_td'>a</span><span class='ltx_td'>b</span></span>"
        )
        table = f"<span class='ltx_tabular'>{row}{row}</span>"
        assert text_of(p(table)) == "a | b\na | b"

    def test_figure_keeps_its_caption_only(self) -> None:
        figure = (
            "<figure class='ltx_figure'><img alt='Refer to caption' src='kite.png'>"
            "<figcaption class='ltx_caption'>Figure 2: A kite.</figcaption></figure>"
        )
        assert text_of(p("See.") + figure) == "See.\n\nFigure 2: A kite."

    def test_labels_of_a_drawing_are_lines(self) -> None:
        label = "<foreignObject><span>{}</span></foreignObject>"
        drawing = f"<svg class='ltx_picture'>{label.format('Tail')}{label.format('String')}</svg>"
        assert text_of(drawing) == "Tail\nString"

    def test_lists_are_lines_and_numbers_stay(self) -> None:
        def item(tag: str, text: str) -> str:
            label = f"<span class='ltx_tag ltx_tag_item'>{tag}</span>"
            return f"<li class='ltx_item' style='list-style-type:none;'>\n{label}\n{p(text)}</li>"

        bullets = f"<ul class='ltx_itemize'>{item('•', 'Silk')}{item('•', 'Paper')}</ul>"
        numbers = f"<ol class='ltx_enumerate'>{item('(i)', 'Run')}{item('2.', 'Let go')}</ol>"
        assert text_of(p("Use:") + bullets + p("Then:") + numbers + p("Done.")) == (
            "Use:\n- Silk\n- Paper\n\nThen:\n- (i) Run\n- 2. Let go\n\nDone."
        )

    def test_described_item_is_one_line(self) -> None:
        listed = (
            "<dl class='ltx_description'><dt class='ltx_item'>"
            "<span class='ltx_tag ltx_tag_item'>Box:</span></dt>"
            f"<dd class='ltx_item'>{p('Two cells.')}</dd></dl>"
        )
        assert text_of(listed) == "- Box: Two cells."

    def test_footnote_stays_inline_in_brackets(self) -> None:
        note = (
            "<span class='ltx_note ltx_role_footnote'><sup class='ltx_note_mark'>1</sup>"
            "<span class='ltx_note_outer'><span class='ltx_note_content'>"
            "<sup class='ltx_note_mark'>1</sup><span class='ltx_tag ltx_tag_note'>1</span>"
            "Made of silk.</span></span></span>"
        )
        assert text_of(p(f"A kite{note}, red.")) == "A kite [Note: Made of silk.], red."

    def test_whitespace_is_collapsed_and_paragraphs_stand_apart(self) -> None:
        assert text_of(p("A \n\t kite&nbsp; flies") + p("  ") + p("Up.")) == "A kite flies\n\nUp."

    def test_lines_of_a_listing_stay_lines(self) -> None:
        lines = "".join(f"<div class='ltx_listingline'>{line}</div>" for line in ("up()", "down()"))
        verbatim = "<pre class='ltx_verbatim'>one\ntwo</pre>"
        assert text_of(f"<div class='ltx_listing'>{lines}</div>") == "up()\ndown()"
        assert text_of(verbatim) == "one\ntwo"

    def test_characters_without_width_are_gone(self) -> None:
        widthless = "&#8203;&#8204;&#8205;&#8288;&#65279;&shy;&#8238;\x01\x05\x07"
        assert text_of(p(f"ki{widthless}te <math alttext='a\u2062b'></math>")) == "kite $ab$"


HIDING = [
    "display:none",
    "display: none !important",
    "visibility:hidden",
    "opacity:0",
    "opacity:0.0",
    "font-size:0",
    "font-size:1px",
    "font-size:2pt",
    "font-size:0.1em",
    "font-size:10%",
    "color:#FFFFFF",
    "color:#fff",
    "COLOR: White",
    "color:rgb(254, 254, 254)",
    "color:rgba(0,0,0,0)",
    "color:transparent",
    "--ltx-fg-color:#FDFDFD;",
    "position:absolute;left:-9999px",
    "text-indent:-9999px",
    "position:fixed;top:-200em",
    "transform:translate(0pt,0pt) scale(0.01,0.01)",
    "background-color:#000000;color:#080808",
    "background:transparent;color:#FFFFFF",
]
SHOWING = [
    "color:#FF0000",
    "color:#FFFF00",
    "color:#C0C0C0",
    "background-color:#1F4E79;color:#FFFFFF",
    "--ltx-bg-color:#000000;--ltx-fg-color:#FFFFFF",
    "color:#FFFFFF;background:url(dark.png)",
    "background-color:#000000;background:transparent;color:#FFFFFF",
    "font-size:50%",
    "font-size:7pt",
    "opacity:0.6",
    "display:inline-block;visibility:visible",
    "left:-20pt;text-indent:-1.5em",
    "transform:translate(-60.5pt,56.0pt) scale(0.3,0.3)",
    "font-size:;color;:;;left:-;opacity:x",
]


class TestHiddenText:
    @pytest.mark.parametrize("style", HIDING)
    def test_invisible_prose_is_dropped_and_reported(self, style: str) -> None:
        page = read_page(paper(section(p(f"Up <span style='{style}'>{SECRET}</span> we go."))))
        assert page.sections[0].text == "Up we go."
        assert page.has_hidden_text

    @pytest.mark.parametrize("style", SHOWING)
    def test_visible_prose_stays(self, style: str) -> None:
        page = read_page(paper(section(p(f"<span style='{style}'>Every word of it</span>"))))
        assert page.sections[0].text == "Every word of it"
        assert not page.has_hidden_text

    def test_hidden_attribute_hides(self) -> None:
        page = read_page(paper(section(f"<div hidden>{p(SECRET)}</div>" + p("Up."))))
        assert (page.sections[0].text, page.has_hidden_text) == ("Up.", True)

    def test_class_rule_of_the_page_hides(self) -> None:
        head = "<style>/* x */ p.a, .veil { color:#fff } .b{top:0}</style>"
        page = read_page(paper(section(p(f"Up.<b class='veil'>{SECRET}</b>")), head))
        assert (page.sections[0].text, page.has_hidden_text) == ("Up.", True)

    @pytest.mark.parametrize(
        "css",
        [
            ".ltx_note_content{display:none}",
            "@media print{.note{display:none}}",
            "[data-theme=dark] .note{color:#fff}",
            ".note:hover{display:none}",
        ],
    )
    def test_theme_rules_hide_nothing(self, css: str) -> None:
        note = f"<span class='ltx_note'><span class='ltx_note_content note'>{SECRET}</span></span>"
        page = read_page(paper(section(p(f"Up{note}")), f"<style>{css}</style>"))
        assert page.sections[0].text == f"Up [Note: {SECRET}]"
        assert not page.has_hidden_text

    def test_white_text_on_a_coloured_cell_stays(self) -> None:
        cell = "<td class='ltx_td' style='background-color:#1F4E79;'>"
        white = "<span class='ltx_text' style='color:#FFFFFF;'>Mean lift in newtons</span>"
        page = read_page(
            paper(section(f"<table><tr class='ltx_tr'>{cell}{white}</td></tr></table>"))
        )
        assert page.sections[0].text == "Mean lift in newtons"
        assert not page.has_hidden_text

    def test_white_title_of_a_drawn_box_stays(self) -> None:
        box = (
            "<svg class='ltx_picture'><g fill='#000040'><path d='M 0 0'></path></g>"
            "<foreignObject><span style='color:#FFFFFF;'>A prompt for kites</span></foreignObject>"
            "</svg>"
        )
        page = read_page(paper(section(box)))
        assert (page.sections[0].text, page.has_hidden_text) == ("A prompt for kites", False)

    def test_part_shown_again_stays(self) -> None:
        inner = "<b style='color:#000'>seen</b>"
        page = read_page(paper(section(p(f"<i style='color:#fff'>{SECRET} {inner}</i>"))))
        assert (page.sections[0].text, page.has_hidden_text) == ("seen", True)

    def test_phantom_that_keeps_a_column_open_is_no_hidden_text(self) -> None:
        phantom = "<span class='ltx_phantom'><span style='visibility:hidden'>00.0 x</span></span>"
        page = read_page(paper(section(p(f"{phantom}1 and {phantom}2 and {phantom}3"))))
        assert (page.sections[0].text, page.has_hidden_text) == ("1 and 2 and 3", False)

    def test_prose_hidden_word_by_word_is_reported(self) -> None:
        words = " ".join(f"<b style='opacity:0'>{word}</b>" for word in SECRET.split())
        assert read_page(paper(section(p(words) + p("Up.")))).has_hidden_text

    def test_message_in_tag_characters_is_dropped_and_reported(self) -> None:
        smuggled = "".join(chr(0xE0000 + ord(letter)) for letter in SECRET)
        page = read_page(paper(section(p(f"Up{smuggled}ward."))))
        assert (page.sections[0].text, page.has_hidden_text) == ("Upward.", True)


class TestProblems:
    def test_title_and_abstract_alone_are_a_shell(self) -> None:
        page = read_page(paper(ABSTRACT))
        assert page.problem == "shell"
        assert page.sections == (Section(heading="Abstract", text="Kites fly."),)

    def test_fatal_conversion_is_said_even_without_an_article(self) -> None:
        error = "<span class='ltx_ERROR'>Conversion to HTML had a Fatal error and exited.</span>"
        assert read_page(f"<div class='ltx_document'>{error}</div>").problem == "fatal_conversion"
        half = read_page(paper(section(p("Up.")) + error))
        assert (half.problem, half.sections[0].text) == ("fatal_conversion", "Up.")

    def test_error_of_one_macro_is_no_problem(self) -> None:
        error = "<span class='ltx_ERROR undefined'>\\kite</span>"
        assert read_page(paper(section(p(f"A Fatal error in prose.{error}")))).problem == ""

    @pytest.mark.parametrize("html", ["", " ", "\x00", "<h1>No HTML for '1'</h1>", "<html>"])
    def test_page_without_article_is_not_latexml(self, html: str) -> None:
        assert read_page(html) == Page(
            sections=(), problem="not_latexml", version=None, has_hidden_text=False
        )


class TestVersion:
    @pytest.mark.parametrize(
        ("head", "around", "version"),
        [
            ("", "<div id='watermark-tr'>arXiv:2401.00001v3 [cs.CL] 1 Jan 2024</div>", 3),
            ("<base href='/html/2401.00001v12/'>", "", 12),
            ("<base href='/html/2401.00001/'>", "", None),
            ("<link rel='canonical' href='https://arxiv.org/abs/hep-th/9901001v2'>", "", 2),
            ("", "", None),
        ],
    )
    def test_version_is_what_the_page_says(
        self, head: str, around: str, version: int | None
    ) -> None:
        # A citation in the text says nothing about the page itself.
        body = section(p("See arXiv:1901.00001v9."))
        assert read_page(paper(body, head, around)).version == version


FRAGMENTS = [
    "<article class='ltx_document'>",
    "<section class='ltx_section'>",
    "<h2 class='ltx_title ltx_title_section'>",
    "<div class='ltx_abstract'>",
    "<li class='ltx_item'><span class='ltx_tag_item'>",
    "<math alttext='x",
    "<td class='ltx_td' style='font-size:9e9%;color:#ff'>",
    "<p style='color:rgb(,,,);left:-;transform:scale(;opacity:.'>",
    "<style>.a{.b{}}}@{",
    "<svg><foreignObject><table>",
    "<span class='ltx_note'>",
    "</span></p></td></section></article>",
    "<base href='v'><base href><link rel=canonical href>",
    "&#0;&#xD800;&#x1;\x01\x04\x0f\x05\ud800",
]


class TestRobustness:
    @given(st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=20)), max_size=30))
    def test_nothing_raises(self, parts: list[str]) -> None:
        page = read_page(FRAGMENTS[0] + "".join(parts))
        for found in page.sections:
            assert "\n" not in found.heading
            assert not any(ord(char) < 32 and char != "\n" for char in found.heading + found.text)
            assert "\n\n\n" not in found.text

    @pytest.mark.parametrize("tag", ["div", "span", "b", "x", "ul><li", "table><tr><td", "svg><g"])
    def test_deep_nesting_is_read_to_a_depth_and_quickly(self, tag: str) -> None:
        started = time.perf_counter()
        page = read_page(paper(section(p("Up.") + f"<{tag}>" * 100_000 + "<div></div>" * 10_000)))
        assert page.sections[0].text == "Up."
        assert time.perf_counter() - started < 5

    def test_two_megabytes_take_about_a_second_at_most(self) -> None:
        one = section(p(f"Kites <em>fly</em> {FORMULA} high. " * 20))
        html = paper(one * (2_000_000 // len(one)))
        started = time.perf_counter()
        assert len(read_page(html).sections) > 200
        assert time.perf_counter() - started < 2


@pytest.mark.real
class TestRealPages:
    @pytest.fixture(params=["normal", "odd"])
    def pages(self, request: pytest.FixtureRequest) -> dict[str, tuple[str, Page]]:
        folder = NORMAL if request.param == "normal" else ODD
        if not folder.is_dir():
            pytest.skip(f"no recorded arXiv pages: {folder.name} is absent")
        texts = {path.stem: path.read_text("utf-8") for path in sorted(folder.glob("*.html"))}
        return {name: (html, read_page(html)) for name, html in texts.items()}

    def test_problems_are_those_of_the_odd_pages(self, pages: dict[str, tuple[str, Page]]) -> None:
        odd = {
            "2403.15796v2": "shell",
            "ar5iv_fatal_2403.06634": "fatal_conversion",
            "arxiv-browse_no_html": "not_latexml",
        }
        assert {name: page.problem for name, (_, page) in pages.items()} == {
            name: odd.get(name, "") for name in pages
        }

    def test_nothing_foreign_is_in_the_text(self, pages: dict[str, tuple[str, Page]]) -> None:
        for name, (_, page) in pages.items():
            text = "\n".join(found.heading + "\n" + found.text for found in page.sections)
            foreign = ("Report issue", "ltx_", "italic_", "start_POSTSUB", "\u200b", "\xa0", "  ")
            assert [word for word in foreign if word in text] == [], name
            assert not any("References" in found.heading for found in page.sections), name
            assert not page.has_hidden_text, name

    def test_every_long_paragraph_is_there_once(self, pages: dict[str, tuple[str, Page]]) -> None:
        for name, (_, page) in pages.items():
            text = "\n\n".join(found.text for found in page.sections)
            long = [block for block in text.split("\n\n") if len(block) > 300]
            assert len(long) == len(set(long)), name
            assert len(long) > 20 or page.problem, name

    def test_version_is_the_recorded_one(self, pages: dict[str, tuple[str, Page]]) -> None:
        for name, (_, page) in pages.items():
            _, _, version = name.rpartition("v")
            assert page.version == (int(version) if version.isdigit() else None), name
