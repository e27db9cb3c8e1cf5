"""A claim is found where the text has it, however it is written there; nothing else is."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from builders import SECTIONS
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.analysis.evidence import check, find_claims
from broadsheet.models import Flag
from broadsheet.resources import project
from broadsheet.sources.latexml import read_page

HALLUCINATED = " It improves accuracy by 987.65% over the baseline."


def flags(text: str, source: str) -> list[str]:
    """The claims of the text that the source does not have."""
    return [flag.claim for flag in check({"a": text}, source).flags]


def stated(text: str) -> list[tuple[str, str]]:
    """The claims of a text."""
    return [(claim.text, claim.kind) for claim in find_claims(text)]


FOUND = [
    ("准确率为85.3%。", r"an accuracy of $85.3\%$"),
    ("85.3 percent", r"\mathbf{85.3}\%"),
    ("85%", "0.85"),
    ("85%", "0.8532"),
    ("0.85", "85%"),
    ("85.3%", "| MMLU | 85.3 | 71.0 |"),
    ("百分之85", "85%"),
    ("百分之八十五", "85%"),
    ("提升 5 个百分点", "five percent"),
    ("3–5%", "from 3 to 5%"),
    ("3%", "3-5%"),
    ("12.3", "12.34"),
    ("12.3", "12.28"),
    ("12.3", "12.39"),
    ("12", "12.7"),
    ("约1400小时", "over 1440 GPU hours"),
    ("1,234", "1234"),
    ("1 234", "1,234"),
    ("1234", "$1{,}234$"),
    ("1.2k", "1,234"),
    ("1.2M", "1,200,000"),
    ("1.5B", "1.5 billion"),
    ("15 亿", "1.5B parameters"),
    ("1.2 亿", "120M"),
    ("120M", "| Params (M) | 120 |"),
    ("3万", "30,000"),
    ("三万", "30k"),
    ("二百万", "two million"),
    ("2x", "twice as fast"),
    ("2 倍", r"a $2\times$ speedup"),
    ("两倍", "2x faster"),
    ("2×", "doubles the speed"),
    ("three times", "3x"),
    ("50%", "half of them"),
    ("1/3", r"\frac{1}{3}"),
    ("33%", "one third"),
    ("33%", "a third"),
    ("67%", "two-thirds"),
    ("1e-4", r"$10^{-4}$"),
    ("1e-4", r"$1\times10^{-4}$"),
    ("1×10⁻⁴", "0.0001"),
    ("10⁻⁴", "1e-4"),
    ("85.3 ± 0.2", r"$85.3 \pm 0.2$"),
    ("512×512", r"$512\times 512$"),
    ("128,256,512", "$\\{128,256,512\\}$"),
    ("0.853", "| .853 |"),
    ("3 个阶段", "three stages"),
    ("1 个", "the first"),
    ("3", "分为三个阶段"),
    ("16GB", "16 GB"),
    ("2024 年", "in 2024"),
    ("在MMLU上", "on MMLU."),
    ("GSM-8K", "GSM8K"),
    ("ImageNet1K", "ImageNet-1K"),
    ("imageNet-1k 与 HumanEval", "ImageNet 1K, Human-Eval+"),
    ("LLaMA-3-8B", "LLaMA-3 (8B)"),
    ("GPT-4-based", "GPT-4"),
    ("ImageNet-pretrained", "pretrained on ImageNet"),
    ("VQGANs", "a VQGAN"),
    ("VQGAN", "VQGANs"),
    ("MMLU", r"\textsc{mmlu}"),
    ("ResNet-50", r"ResNet$_{50}$"),
    ("GRPO", "Group Relative Policy Optimization"),
    ("Qwen2.5-VL-7B", "Qwen 2.5 VL 7B"),
]


@pytest.mark.parametrize(("claim", "source"), FOUND)
def test_a_claim_is_found_however_the_source_writes_it(claim: str, source: str) -> None:
    found = check({"a": claim}, source)
    assert found.claims == found.claims_found > 0
    assert found.flags == ()


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("987.65%", "98.765 and 87.65% and 1987.65%"),
        ("12.3", "12.4 or 12.24 or 1.23 or 123"),
        ("85.3%", "0.835"),
        ("3%", "3 stages, (3)"),
        ("1.2k", "1.2 and 12,000"),
        ("7B", "7 layers"),
        ("1M", "the million song challenge"),
        ("3–5%", "3%"),
        ("1e-4", "10^{-3} and 10"),
        ("两倍", "3x"),
        ("1.2 亿", "1.2M"),
        ("COCO", "coconut, MICROCOCO"),
        ("GPT-4", "GPT-3.5, 4"),
        ("ResNet-5", "ResNet-50"),
        ("LLaMA-3-8B", "LLaMA-3-70B"),
        ("GRPO", "group-relative policy optimization"),
        ("ImageNet", ""),
    ],
)
def test_a_claim_that_the_source_lacks_is_flagged(claim: str, source: str) -> None:
    assert flags(claim, source) == [claim]


@pytest.mark.parametrize(
    "text",
    [
        "1. First\n2) Second\n- 3. Third\n### 4. Fourth",
        "其中：1) 甲；2) 乙；（3）丙",
        "see Section 3.2, Fig. 4, Tables 1 and 2, Eq. (5), Appendix B.1, Step 2, 第 3 节",
        "见表 2、图3，如式（4）与公式 5，阶段 1",
        "as shown [12], [3, 4]",
        "`x = 17` and https://example.org/987 and github.com/a/b/987 and arXiv:2601.01234v2",
        "3D, 2nd, top-5, pass@1, F1, bf16, x_1, x_{12}, 16-",
        "LLMs, GPUs, a CNN-based VAE, RL, LoRA, AI-driven, Text-to-Image, T2V and PSNR",
        "state-of-the-art, Token-Boundary; 一个, 两阶段, one of them",
        "&#60;",
    ],
)
def test_numbering_references_and_what_everyone_says_are_no_claims(text: str) -> None:
    assert [claim for claim in stated(text) if claim != ("16", "number")] == []


def test_a_name_takes_its_digits_along() -> None:
    assert stated("GPT-4 与ResNet-50在MATH-500、T5、Phi-2上") == [
        ("GPT-4", "name"),
        ("ResNet-50", "name"),
        ("MATH-500", "name"),
        ("T5", "name"),
        ("Phi-2", "name"),
    ]


def test_a_flag_says_where_what_and_of_which_kind() -> None:
    sections = {"idea": "COCO, MMLU", "results": ("85% and 12", "85% again")}
    found = check(sections, "MMLU 12")
    assert (found.claims, found.claims_found) == (4, 2)
    assert found.flags == (
        Flag(section="idea", claim="COCO", kind="name"),
        Flag(section="results", claim="85%", kind="percentage"),
    )


def test_a_claim_is_counted_once_per_section() -> None:
    found = check({"a": "85% is 85%", "b": ("85%",)}, "85%")
    assert (found.claims, found.claims_found) == (2, 2)


def test_nothing_stated_is_nothing_missing() -> None:
    found = check({"a": "A calm night.", "b": ()}, "")
    assert (found.claims, found.claims_found, found.flags) == (0, 0, ())


SAMPLE = {
    path.stem: "\n\n".join(
        f"{section.heading}\n{section.text}"
        for section in read_page(path.read_text(encoding="utf-8")).sections
    )
    for path in sorted((project("broadsheet") / "sample" / "html").glob("*.html"))
}


@pytest.mark.parametrize("name", SAMPLE)
def test_a_text_is_evidence_of_itself(name: str) -> None:
    found = check({"a": SAMPLE[name]}, SAMPLE[name])
    assert found.claims > 5
    assert found.flags == ()


@pytest.mark.parametrize("name", SAMPLE)
@pytest.mark.parametrize("style", SECTIONS)
def test_an_invented_figure_is_flagged_in_every_section(style: str, name: str) -> None:
    said = {
        section: value + HALLUCINATED
        if isinstance(value, str)
        else tuple(item + HALLUCINATED for item in value)
        for section, value in SECTIONS[style].items()
    }
    flagged = {f.section for f in check(said, SAMPLE[name]).flags if f.claim == "987.65%"}
    assert flagged == set(said)


@pytest.mark.real
def test_recorded_abstracts_are_evidence_of_themselves(shared: Path) -> None:
    day = shared / "world" / "data" / "hf_early" / "2026-01-06.json"
    for entry in json.loads(day.read_text()):
        text = f"{entry['paper']['title']}\n{entry['paper']['summary']}"
        assert flags(text, text) == []
        assert flags(text + HALLUCINATED, text) == ["987.65%"]


odd = st.text(
    st.sampled_from("0123456789.,%％ ^{}\\×x-–eE+_kMB亿万千百十一二两点倍分之$/:~⁻⁴²GPTaIs\n\0"),
    max_size=40,
)


@given(text=odd | st.text(), source=odd | st.text())
@settings(max_examples=500, deadline=None)
def test_any_text_can_be_checked_against_any_other(text: str, source: str) -> None:
    found = check({"a": text}, source)
    assert found.claims == found.claims_found + len(found.flags)
    for claim in find_claims(text):
        assert text[claim.start : claim.end] == claim.text
        assert claim.kind in ("number", "percentage", "name")


@pytest.mark.parametrize(
    "piece", ["9", "1,", "A", "一", "1-", "a.", "10^", "1e9", "[1", "A ", "```"]
)
def test_no_text_takes_long(piece: str) -> None:
    long = piece * (60_000 // len(piece))
    started = time.process_time()  # other tests run beside it
    check({"a": long[:5000]}, long)
    assert time.process_time() - started < 3
