"""`sql/marts/scores.sql`: interests, popularity and freshness become 0 to 100, and a reason."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from builders import (
    ARXIV,
    DAY,
    HF,
    NOON,
    POINTS,
    Row,
    an_interest,
    paper,
    run,
    scoring_of,
    write_list,
)

from broadsheet.lake import Lake
from broadsheet.schemas import SCHEMAS


def score(
    lake: Lake,
    *interests: Row,
    negative: Sequence[Row] = (),
    asked: Sequence[Mapping[str, object]] = (HF,),
    points: Mapping[str, float] = POINTS,
    scan: int | None = None,
) -> list[Row]:
    """The scores of the day, in the list's order."""
    given: Row = {"asked": list(asked), "points": points, "scan": scan}
    if interests:
        given["interests"] = list(interests)
    if negative:
        given["negative"] = list(negative)
    return run(lake, "marts.scores", **scoring_of(**given))


def score_one(lake: Lake, *interests: Row, **more: Any) -> Row:
    """The score of the one paper with that title, abstract and so on."""
    given = {key: more.pop(key) for key in list(more) if key in SCHEMAS["listings"].names}
    write_list(lake, paper("a", 1, **given))
    [row] = score(lake, *interests, **more)
    return row


def gives(interest_sum: float, points: float = 70) -> float:
    """The points of that sum of matches, as documented."""
    return round(points * (1 - math.exp(-1.2 * interest_sum)), 2)


def matches(lake: Lake, phrase: str, text: str) -> bool:
    """Whether the phrase is found in a title of that text."""
    return score_one(lake, an_interest("it", phrase), title=text)["reason"].startswith("it")


@pytest.mark.parametrize(
    ("title", "abstract", "hits"),
    [
        ("Flow Matching", "None.", 2),
        ("None", "Flow matching.", 1),
        ("None", "Flow matching and flow matching.", 2),
        ("Flow Matching", "Flow matching and flow matching.", 4),
        ("None", "None.", 0),
    ],
)
def test_a_title_counts_twice_an_abstract_once_with_less_for_each_more(
    lake: Lake, title: str, abstract: str, hits: int
) -> None:
    row = score_one(lake, an_interest("flow matching"), title=title, abstract=abstract)
    assert row["interest_points"] == gives(1 - 2**-hits)


def test_a_paper_without_abstract_has_the_points_of_its_title(lake: Lake) -> None:
    row = score_one(lake, an_interest("agent"), title="Agents", abstract=None)
    assert (row["interest_points"], row["reason"]) == (gives(1 - 2**-2), "agent")


def test_weights_and_interests_add_up(lake: Lake) -> None:
    interests = an_interest("diffusion", weight=1.5), an_interest("restoration", weight=0.5)
    row = score_one(lake, *interests, title="Diffusion", abstract="Restoration.")
    assert row["interest_points"] == gives(1.5 * 0.75 + 0.5 * 0.5)


def test_interest_points_never_pass_their_share(lake: Lake) -> None:
    many = [an_interest(word, weight=10) for word in ("one", "two", "three")]
    row = score_one(lake, *many, title="One two three one two three")
    assert 69.9 < row["interest_points"] <= 70


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("agent", "An Agent"),
        ("agent", "agents, many"),
        ("agent", "multi-agent"),
        ("Super-Resolution", "super resolution at last"),
        ("super resolution", "SUPER—RESOLUTION"),
        ("text to image", "Text-to-Image: a survey"),
        ("diffusion model", "(diffusion   models)"),
        ("denois*", "Denoising"),
        ("denois*", "a denoiser"),
        ("flow match*", "flow matching"),
        ("GRPO", "grpo++"),
        ("流匹配", "基于 流匹配 的生成"),
        ("über", "ÜBER alles"),
    ],
)
def test_a_phrase_matches_its_words(lake: Lake, phrase: str, text: str) -> None:
    assert matches(lake, phrase, text)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("agent", "reagents"),
        ("agent", "agentic"),
        ("agent*", "reagent"),
        ("flow matching", "matching flow"),
        ("flow matching", "flow and matching"),
        ("flow match", "flow matching"),
        ("masked autoregressive", "masked"),
        ("diffusion", "diffusionless"),
        (".*", "anything"),
        ("*", "anything"),
        ("%", "100 percent"),
        ("a_ent", "agent"),
    ],
)
def test_a_phrase_matches_nothing_else(lake: Lake, phrase: str, text: str) -> None:
    assert not matches(lake, phrase, text)


def test_neighbours_of_the_same_word_count_each(lake: Lake) -> None:
    row = score_one(lake, an_interest("agent"), title="Agent agent agents")
    assert row["reason"] == "agent ×3"


def test_a_title_and_an_abstract_do_not_run_together(lake: Lake) -> None:
    row = score_one(lake, an_interest("flow matching"), title="Flow", abstract="Matching.")
    assert row["reason"] == "no match"


def test_negative_keywords_take_points_off(lake: Lake) -> None:
    plain = score_one(lake, an_interest("diffusion"), title="Diffusion of speech")
    row = score_one(
        lake,
        an_interest("diffusion"),
        negative=[an_interest("speech")],
        title="Diffusion of speech",
    )
    assert row["negative_points"] == gives(0.75, points=40)
    assert row["score"] == round(plain["interest_points"] + 10 - row["negative_points"])
    assert row["interest_points"] == plain["interest_points"]
    assert row["reason"] == "diffusion, not: speech"


def test_popularity_is_the_share_of_papers_with_fewer_upvotes(lake: Lake) -> None:
    votes = {"a": 45, "b": 45, "c": 10, "d": 0, "e": None}
    write_list(lake, *(paper(name, 0, upvotes=count) for name, count in votes.items()))
    found = {row["paper_id"]: row["popularity_points"] for row in score(lake)}
    assert found == {"a": 15.0, "b": 15.0, "c": 10.0, "d": 5.0, "e": 0.0}


def test_papers_without_upvotes_have_no_popularity(lake: Lake) -> None:
    write_list(lake, paper("a", 1), paper("b", 2))
    assert [row["popularity_points"] for row in score(lake)] == [0.0, 0.0]
    assert {row["reason"] for row in score(lake)} == {"no match"}


def test_popularity_is_within_the_whole_day_whatever_is_scanned(lake: Lake) -> None:
    write_list(lake, *(paper(name, 0, upvotes=count) for count, name in enumerate("cba")))
    [row] = score(lake, scan=1)
    assert (row["paper_id"], row["popularity_points"], row["listed"]) == ("c", 0.0, 3)


@pytest.mark.parametrize(
    ("age_days", "points"), [(0, 10.0), (3, 9.0), (15, 5.0), (30, 0.0), (300, 0.0), (-2, 10.0)]
)
def test_freshness_falls_evenly_to_nothing(lake: Lake, age_days: int, points: float) -> None:
    row = score_one(lake, published_at=NOON - dt.timedelta(days=age_days))
    assert row["freshness_points"] == points


def test_a_paper_of_unknown_age_is_not_fresh(lake: Lake) -> None:
    assert score_one(lake, published_at=None)["freshness_points"] == 0.0


def test_a_score_stays_within_0_and_100(lake: Lake) -> None:
    everything = {"interest": 100, "popularity": 20, "freshness": 10, "fresh_days": 30}
    points = {**everything, "negative": 100}
    write_list(
        lake,
        paper("good", 1, title="good good good good good", upvotes=2),
        paper("bad", 2, title="bad bad bad bad", upvotes=1, published_at=None),
    )
    sought, shunned = an_interest("good", weight=10), an_interest("bad", weight=10)
    rows = score(lake, sought, negative=[shunned], points=points)
    assert [(row["paper_id"], row["score"]) for row in rows] == [("good", 100), ("bad", 0)]


def test_scan_looks_at_the_top_of_the_merged_list_only(lake: Lake) -> None:
    write_list(lake, paper("a", 0), paper("b", 0), paper("c", 0))
    assert [row["paper_id"] for row in score(lake, scan=2)] == ["a", "b"]
    assert [row["paper_id"] for row in score(lake, scan=None)] == ["a", "b", "c"]
    assert [row["rank"] for row in score(lake, scan=99)] == [1, 2, 3]


def test_the_reason_names_interests_by_weight_then_upvotes(lake: Lake) -> None:
    row = score_one(
        lake,
        an_interest("diffusion"),
        an_interest("flow matching", weight=1.2),
        title="Flow Matching",
        abstract="Flow matching, flow matching; diffusion.",
        upvotes=45,
    )
    assert row["reason"] == "flow matching ×3, diffusion; 45 upvotes"


def test_in_the_reason_weight_goes_before_hits(lake: Lake) -> None:
    liked, loved = an_interest("diffusion"), an_interest("flow matching", weight=2)
    row = score_one(lake, liked, loved, title="Diffusion, flow matching", abstract="Diffusion.")
    assert row["reason"] == "flow matching, diffusion ×2"


def test_sources_are_merged_in_the_order_asked_each_paper_once(lake: Lake) -> None:
    write_list(lake, paper("x", 0, title="From HF", upvotes=3), paper("both", 0, title="From HF"))
    write_list(
        lake,
        paper("both", 0, title="From arXiv", version=2),
        paper("y", 0),
        source="arxiv",
        scope="cs.CV",
    )
    rows = score(lake, asked=[HF, ARXIV])
    assert [(r["paper_id"], r["rank"], r["sources"]) for r in rows] == [
        ("x", 1, ["huggingface"]),
        ("both", 2, ["huggingface", "arxiv"]),
        ("y", 3, ["arxiv"]),
    ]
    assert (rows[1]["title"], rows[1]["version"]) == ("From HF", 2)
    turned = score(lake, asked=[{**ARXIV, "place": 0}, {**HF, "place": 1}])
    assert [(r["paper_id"], r["sources"]) for r in turned] == [
        ("both", ["arxiv", "huggingface"]),
        ("y", ["arxiv"]),
        ("x", ["huggingface"]),
    ]


def test_only_the_lists_asked_for_count(lake: Lake) -> None:
    write_list(lake, paper("hf", 0))
    write_list(lake, paper("cl", 0), source="arxiv", scope="cs.CL")
    write_list(lake, paper("old", 0), date=DAY - dt.timedelta(days=1))
    assert [row["paper_id"] for row in score(lake, asked=[HF, ARXIV])] == ["hf"]


def test_an_empty_day_scores_nothing(lake: Lake) -> None:
    write_list(lake)
    assert score(lake, an_interest("x")) == []


@pytest.mark.parametrize("seed", range(8))
def test_scores_do_not_depend_on_the_order_of_rows(lake: Lake, seed: int) -> None:
    shuffled = random.Random(seed)
    words = ["diffusion", "agents", "flow matching", "speech", "a", "restoration"]
    rng = random.Random(0)
    papers = [
        paper(
            f"p{n:02}",
            0,
            title=" ".join(rng.choices(words, k=3)),
            abstract=" ".join(rng.choices(words, k=9)),
            upvotes=rng.choice([None, 1, 1, 5]),
        )
        for n in range(12)
    ]
    interests = [
        an_interest(w, weight=weight) for w, weight in zip(words, (1, 1, 0.7, 2), strict=False)
    ]
    write_list(lake, *papers)
    expected = score(lake, *interests, asked=[HF, ARXIV], negative=[an_interest("speech")])
    path = lake.files("listings")[0].rpartition("/")[2].removesuffix(".parquet")
    stored = lake.rows("listings", path, source="huggingface", date=DAY) or []
    shuffled.shuffle(stored)
    shuffled.shuffle(interests)
    lake.write("listings", stored, path, source="huggingface", date=DAY)
    again = score(lake, *interests, asked=[ARXIV, HF], negative=[an_interest("speech")])
    assert again == expected
    assert len({row["score"] for row in expected}) > 3
