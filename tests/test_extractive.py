"""The backend that quotes the paper itself: `broadsheet.analysis.extractive`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadsheet.analysis.extractive import LONGEST, extract, split_sentences
from broadsheet.models import Section

ABSTRACT = (
    "Kites have flown over this valley for many centuries. "
    "Steering them in gusty wind still depends on the skill of a pilot. "
    "A pilot gets tired after an hour and needs a warm drink. "
    "To address this, we propose Tether, a controller that reads the tension of every line. "
    "The controller runs on a small board that is fixed to the reel. "
    "Experiments over two windy summers show that Tether reduces crashes by 41%. "
    "Drawings of the reel are available at https://kites.example/tether."
)
METHOD = "To address this, we propose Tether, a controller that reads the tension of every line."
RESULT = "Experiments over two windy summers show that Tether reduces crashes by 41%."


def extract_text(text: str, count: int = 3) -> tuple[str, ...]:
    return extract([Section(heading="", text=text)], count=count)


def collapsed(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    "text",
    [
        "Knots hold well, e.g. The Bowline, i.e. Rope.",
        "Reels jam as in Fig. 3 and Eqs. (4) and Sec. V of the manual.",
        "Lines by Moreau et al. (2019) beat those of J. Okafor by 3.5 grams.",
        "Silk vs. Nylon was settled by the U.S. Kite League.",
        "The lift is $L = a. B + c$ at sea level.",
        "See https://kites.example/a.html?b=C.D for the plans.",
        "Wait ... and see.",
        "2. Reels",
    ],
)
def test_a_full_stop_inside_a_sentence_does_not_split_it(text: str) -> None:
    assert split_sentences(text) == [text]


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("It flies. We cheer! Why? (So.)", ["It flies.", "We cheer!", "Why?", "(So.)"]),
        ("It rose by $4\\%$. Then it fell.", ["It rose by $4\\%$.", "Then it fell."]),
        ("A reel is $5. Two are $10. Good.", ["A reel is $5.", "Two are $10.", "Good."]),
        ("See https://kites.example/. It flies.", ["See https://kites.example/.", "It flies."]),
        ("This is kite A. We like it.", ["This is kite A.", "We like it."]),
        ("It flies.We cheer.", ["It flies.", "We cheer."]),
        ("It flies. kD-reel helps.", ["It flies.", "kD-reel helps."]),
        ("风筝飞得很高。我们很高兴！真的吗？", ["风筝飞得很高。", "我们很高兴！", "真的吗？"]),
    ],
)
def test_a_full_stop_at_the_end_splits(text: str, sentences: list[str]) -> None:
    assert split_sentences(text) == sentences


def test_a_blank_line_a_table_row_and_a_list_item_end_a_sentence() -> None:
    text = "Reels\n\nThey\nturn.\n| a | b |\n| 1 | 2 |\n- one item\n- another"
    rows = ["| a | b |", "| 1 | 2 |", "one item", "another"]
    assert split_sentences(text) == ["Reels", "They turn.", *rows]


def test_an_extract_tells_method_and_result() -> None:
    assert extract_text(ABSTRACT, count=2) == (METHOD, RESULT)


def test_an_extract_is_in_document_order() -> None:
    positions = [ABSTRACT.index(sentence) for sentence in extract_text(ABSTRACT, count=5)]
    assert len(positions) == 5
    assert positions == sorted(positions)


def test_line_breaks_are_all_that_changes() -> None:
    assert extract_text(ABSTRACT.replace(" ", "\n  ")) == extract_text(ABSTRACT)


def test_the_same_text_gives_the_same_extract() -> None:
    assert len({extract_text(ABSTRACT) for _ in range(5)}) == 1


def test_two_sentences_that_say_the_same_are_not_both_quoted() -> None:
    again = "To address this, we propose Tether, a controller that reads the tension of all lines."
    quoted = extract_text(f"{again} {ABSTRACT}")
    assert RESULT in quoted
    assert len({METHOD, again} & set(quoted)) == 1


def test_a_repeated_sentence_is_quoted_once() -> None:
    assert extract_text(f"{METHOD} {METHOD} {METHOD}") == (METHOD,)


def test_praise_of_earlier_work_is_not_taken_for_the_result() -> None:
    praise = (
        "Experiments show that sails achieve state-of-the-art lift and outperform hulls by 12%."
    )
    assert extract_text(f"{praise} {ABSTRACT}", count=2) == (METHOD, RESULT)


def test_two_strong_results_do_not_crowd_out_a_plain_method() -> None:
    method = "We introduce a reel made of cork."
    results = (
        "Experiments show that calm pilots outperform machines by 12%.",
        "Evaluations at night reveal that silk improves state-of-the-art lift by 3.5 points.",
    )
    assert method in extract_text(" ".join((method, *results)), count=2)


def test_the_abstract_is_preferred_to_the_rest_of_a_full_text() -> None:
    told = "We propose Tether, a controller of kites."
    retold = "We present wind-aware steering on small boards."
    sections = [Section(heading="Conclusion", text=retold), Section(heading="Abstract", text=told)]
    assert extract(sections, count=1) == (told,)


def test_of_sentences_without_cues_the_most_central_is_quoted() -> None:
    central = "Wind and rope and reel make a kite fly."
    text = f"Breakfast was served at dawn. A reel holds the rope. {central} Kite pilots like wind."
    assert extract_text(text, count=1) == (central,)


def test_a_link_is_quoted_last() -> None:
    assert not any("https://" in sentence for sentence in extract_text(ABSTRACT, count=6))


def test_headings_tables_and_formulas_are_not_quoted() -> None:
    noise = "1 Our Proposed Method\n\n| Tether | achieves | 41% | 12 |\n\n$a + b = c + d + e + f$."
    assert extract_text(f"{noise}\n\n{METHOD}\n\n{RESULT}") == (METHOD, RESULT)


def test_a_table_is_quoted_where_there_is_nothing_else() -> None:
    assert extract_text("| Tether | 41% |") == ("| Tether | 41% |",)


def test_an_overlong_sentence_gives_way_to_a_shorter_one() -> None:
    parts = ", ".join(["a reel with one more line"] * 16)
    overlong = f"To address this, in this paper, we propose the first open kite, that is {parts}."
    assert len(overlong) > LONGEST
    assert extract_text(f"{overlong} {METHOD}", count=1) == (METHOD,)
    assert extract_text(overlong) == (overlong,)


def test_chinese_is_quoted_by_its_own_cues() -> None:
    method, result = "本文提出了一种新的风筝控制器。", "实验结果表明坠落次数降低了四成。"
    text = f"风筝在山谷里飞了许多年。{method}飞行员一小时以后就会疲倦。{result}大家都非常喜欢它。"
    assert extract_text(text, count=2) == (method, result)


def test_a_full_text_is_read_where_it_sums_itself_up() -> None:
    ignored = "We propose a reel that outperforms every other reel by 99%."
    sections = [
        Section(heading="1 Introduction", text=METHOD),
        Section(heading="1.1 History", text="Kites are old and rather pretty.", level=2),
        Section(heading="2. Related reels", text=ignored),
        Section(heading="VI. Conclusion and outlook", text=RESULT),
    ]
    assert extract(sections) == (METHOD, "Kites are old and rather pretty.", RESULT)


def test_a_full_text_without_such_headings_is_read_from_its_start() -> None:
    sections = [Section(heading="Reels", text=METHOD), Section(heading="Wind", text=RESULT)]
    assert extract(sections) == (METHOD, RESULT)


def test_an_empty_abstract_section_does_not_hide_the_rest() -> None:
    sections = [Section(heading="Abstract", text=" "), Section(heading="Reels", text=METHOD)]
    assert extract(sections) == (METHOD,)


def test_no_text_gives_no_extract() -> None:
    assert extract([]) == ()
    assert extract([Section(heading="Abstract", text=" \n ")]) == ()
    assert extract_text(ABSTRACT, count=0) == ()


def test_one_sentence_is_quoted_alone() -> None:
    assert extract_text(METHOD) == (METHOD,)


FRAGMENTS = st.sampled_from(
    ["We propose ", "a kite. ", "$x.", " Y$ ", "e.g. ", "。", "\n\n", "| ", "- ", "12.5% ", "?!"]
)
TEXTS = st.text() | st.lists(FRAGMENTS).map("".join)


@given(st.lists(TEXTS, max_size=4), st.integers(min_value=0, max_value=5))
def test_every_text_gives_substrings_of_itself(texts: list[str], count: int) -> None:
    quoted = extract([Section(heading="", text=text) for text in texts], count=count)
    assert all(any(q in collapsed(text) for text in texts) for q in quoted)
    assert len(quoted) == len(set(quoted)) <= count
    assert bool(quoted) or not count or not any(text.strip() for text in texts)


@given(TEXTS)
def test_splitting_loses_nothing_but_blanks_and_list_markers(text: str) -> None:
    markers_and_blanks = re.compile(r"[-*•\s]")
    kept = markers_and_blanks.sub("", "".join(split_sentences(text)))
    assert kept == markers_and_blanks.sub("", text)
