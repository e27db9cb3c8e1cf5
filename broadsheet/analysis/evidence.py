r"""Whether what an analysis states occurs in the text it was made from: no model, no I/O.

A claim is a number, a percentage, or what is shaped like the name of a data set, a benchmark or a
model. A number is found where the text has one that rounds, or is cut off, to it; units aside, so
that 85% is 0.85, 1.2k is 1,200 and $10^{-4}$ is 1e-4. A name is found whatever its case, hyphens
and blanks. That a claim is found does not make it true: it says only that the text has it too.
`benchmarks/evidence.py` measures what is flagged wrongly and what is missed.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import NamedTuple

from broadsheet.models import Flag


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What of an analysis occurs in the text it was made from."""

    claims: int
    """Numbers, percentages and names stated, each once per section, count."""
    claims_found: int
    flags: tuple[Flag, ...]
    """The others, in the order of the sections."""


class Claim(NamedTuple):
    """Something stated that can be looked for: where it stands in a text, and as what."""

    start: int
    end: int
    text: str
    """As written."""
    kind: str
    """number, percentage or name."""


def check(sections: Mapping[str, str | tuple[str, ...]], source: str) -> Evidence:
    """What of the sections occurs in `source`: the paper's title and all the text that was read."""
    read = _Source(source)
    stated = [(name, claim) for name, value in sections.items() for claim in _once(value)]
    flags = tuple(
        Flag(section=name, claim=claim.text, kind=claim.kind)
        for name, claim in stated
        if not read.has(claim)
    )
    return Evidence(claims=len(stated), claims_found=len(stated) - len(flags), flags=flags)


def _once(value: str | tuple[str, ...]) -> Iterable[Claim]:
    texts = (value,) if isinstance(value, str) else value
    return {claim.text: claim for text in texts for claim in find_claims(text)}.values()


def find_claims(text: str) -> Iterator[Claim]:
    """Every claim of a text: names first, then numbers, each in order of place; may be none."""
    text = _NOT_CLAIMED.sub(_blank, text)
    for word in _WORD.finditer(text):
        if is_name := _is_name(word[0]):
            yield Claim(*word.span(), word[0], "name")
        if is_name or (word[0][0].isalpha() and any(map(str.isdigit, word[0]))):
            text = text[: word.start()] + _blank(word) + text[word.end() :]
    for stated in _STATED.finditer(text):
        is_percentage = _PERCENTAGE.search(stated[0]) is not None
        yield Claim(*stated.span(), stated[0], "percentage" if is_percentage else "number")


def _blank(match: re.Match[str]) -> str:
    return "\0" * len(match[0])


_LABELS = (
    r"sections?|secs?\.|chapters?|figures?|figs?\.|tables?|tabs?\.|equations?|eqs?\.|appendix|"
    r"appendices|algorithms?|theorems?|lemmas?|propositions?|definitions?|lines?|steps?|stages?|"
    r"phases?|refs?\."
)
_PLACES = (
    r"公式|方程|附录|算法|定理|引理|步骤|阶段|章节|示例|"
    r"(?:(?<![\u4e00-\u9fff])|(?<=[如见]))[图表式]"
)
_PLACE = r"[(（]?[A-Z]?\.?\d+(?:\.\d+)*[a-z]?[)）]?(?![\d%％倍]|\.\d)"
_NOT_CLAIMED = re.compile(
    r"```.*?```|`[^`\n]+`|&#?\w+;"
    r"|(?:https?://|www\.)[^\s)）\]，。；]+"
    r"|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.(?:com|org|net|io|ai|cn|edu)(?![\w-])(?:/[\w./-]*)?"
    r"|\b(?:arxiv:?\s?)?\d{4}\.\d{4,5}(?:v\d+)?(?!\d)"
    rf"|\b(?:{_LABELS})[~\s]?{_PLACE}(?:\s?(?:,|-|–|&|and)\s?{_PLACE})*"
    rf"|(?:{_PLACES})\s?{_PLACE}(?:\s?[、,，-]\s?{_PLACE})*"
    r"|第\s?\d+"
    r"|\[\d{1,3}(?:\s?[,，–-]\s?\d{1,3})*\](?!\()"
    r"|[(（]\d{1,2}[)）]"
    r"|(?:^|(?<=[;；。：，]))\s*(?:[-*•#]+\s+)?(?:\*\*)?\d{1,2}(?:[.)](?!\d)|[）、])",
    re.I | re.M | re.S | re.A,
)
"""Code, addresses, identifiers, references within the paper, citations, and list numbering."""

_LETTERS = "A-Za-z\u0370-\u03ff"
_WORD = re.compile(
    rf"(?<![{_LETTERS}\d.\\])(?:\d{{1,3}}(?=[A-Z]))?[{_LETTERS}][{_LETTERS}\d]*+"
    rf"(?:[-_@][{_LETTERS}\d]+|(?<=\d)\.\d+)*\+?"
)
_HYPHEN = re.compile(r"[-_@]")
_BEFORE_LETTER = re.compile(r"[-_@](?=[^\W\d])")
_TOKEN = re.compile(r"[a-z]+|\d+", re.A)
_CAPITALIZED = re.compile(
    r"[A-Z][A-Za-z]{0,30}+(?:[\s-](?:(?:of|for|and|in|the|to|on|with|via|by)[\s-])?"
    r"[A-Z][A-Za-z]{0,30}+){2,}"
)

_GENERIC = frozenset(
    """
    ai aigc agi ml dl nlp nlu nlg cv hci ui gui ux ar vr xr mr iot ocr asr tts qa vqa kg rag ir llm
    vlm mllm lmm slm lm lvlm vla vit dit cnn rnn lstm gnn gan vae dnn mlp ffn nn ann moe cot icl sft
    rl rlhf rlaif rlvr peft lora ssl knn svm pca sgd kv gpu cpu tpu npu ram vram cuda nvidia rtx
    flop gflop tflop mac fps api sdk cli sql csv html css xml json yaml pdf url http https usb id
    ids os pc sota rgb rgbd cad bev fov dof hd uhd 2d 3d 4d 6dof t2i t2v i2i i2v v2v i2t ii iii iv
    vi vii viii ix phd usa uk eu faq todo bf16 fp8 fp16 fp32 int4 int8 github huggingface arxiv mit
    readme latex gb tb mb kb mhz ghz khz tops rpm ood iid pde ode sde f1 l1 l2 q1 q2 q3 q4 iou miou
    map auc roc auroc mse mae rmse psnr ssim lpips fid bleu rouge
    """.split()  # noqa: SIM905 (a list of two hundred words is not easier to read)
)
"""What every field says, so that saying it claims nothing."""

_ORDINARY = frozenset(
    """
    top step stage phase level type task layer part fig figure table section sec eq appendix version
    round epoch grade day week class group case rank tier pass recall precision hits best algorithm
    question rule point item example image video token iteration
    """.split()  # noqa: SIM905 (as above)
)
"""Words that a number may follow without the two being a name."""


def _is_name(word: str) -> bool:
    """MMLU, GSM8K, ImageNet-1K, Phi-2, T5, Qwen-VL; not LLM-based, Top-5, F1-score or 16GB."""
    first, *others = parts = _HYPHEN.split(word.rstrip("+"))
    if _key(word) in _GENERIC or first.lower() in _ORDINARY:
        return False
    if any(map(_is_telling, parts)):
        return True
    if not first[0].isupper() or _key(first) in _GENERIC:
        return False
    return any(map(str.isdigit, first)) or any(
        p[0].isdigit() or (len(p) == 2 and p.isupper() and _key(p) not in _GENERIC) for p in others
    )


def _is_telling(part: str) -> bool:
    """At least two of at least three letters are capitals, and it is not what every field says."""
    letters = [c for c in part if c.isalpha()]
    is_generic = {_key(part), _key("".join(letters))} & _GENERIC
    return len(letters) > 2 and sum(map(str.isupper, letters)) > 1 and not is_generic


def _key(name: str) -> str:
    """The name's letters and digits, in lower case, without a plural s."""
    key = "".join(_TOKEN.findall(name.lower()))
    return key[:-1] if len(key) > 3 and name.endswith("s") else key


_SCALES = {
    "k": 1e3, "K": 1e3, "M": 1e6, "B": 1e9, "b": 1e9, "T": 1e12,
    "hundred": 1e2, "thousand": 1e3, "million": 1e6, "billion": 1e9, "trillion": 1e12,
    "百": 1e2, "千": 1e3, "万": 1e4, "十万": 1e5, "百万": 1e6, "千万": 1e7,
    "亿": 1e8, "十亿": 1e9, "百亿": 1e10, "千亿": 1e11, "万亿": 1e12,
}  # fmt: skip
_SMALL = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen"),
)
_TENS = ("ten", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_VALUES: dict[str, float] = {word: n for n, word in enumerate(_SMALL)}
_VALUES |= {word: 10 * n for n, word in enumerate(_TENS, 1)}
_VALUES |= {
    "a": 1, "single": 1, "first": 1, "once": 1, "second": 2, "twice": 2, "double": 2,
    "doubles": 2, "doubled": 2, "doubling": 2, "twofold": 2, "dual": 2, "both": 2, "pair": 2,
    "third": 3, "triple": 3, "tripled": 3, "triples": 3, "threefold": 3, "fourth": 4,
    "quadruple": 4, "fourfold": 4, "fivefold": 5, "tenfold": 10, "dozen": 12, "magnitude": 10,
    "half": 0.5, "halve": 0.5, "halves": 0.5, "halving": 0.5, "quarter": 0.25, "thirds": 2 / 3,
}  # fmt: skip
_SPELT_UNITS = {word: scale for word, scale in _SCALES.items() if len(word) > 5}
_SPELT_UNITS |= {"percent": 0.01, "third": 1 / 3}
_HANZI = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_HANZI_UNITS = {"十": 10, "百": 100, "千": 1000}
_NUMERAL = "[零〇一二两三四五六七八九十百千]{1,12}"

_END = r"(?![A-Za-z\d])"
_GAP = r"(?:\s|~|\\[,;: ])?"
_DIGITS = r"\d++(?:(?:,|\{,\}|\\[,!]|[ \u00a0\u2009\u202f])\d{3}(?!\d))*+(?:\.\d++)?+"
_TEN = r"\^\s?\{?\s?[-−+]?\d{1,2}\s?\}?|[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]{1,2}"
_EXPONENT = rf"[eE][-−+]?\d{{1,2}}{_END}|{_GAP}(?:×|x|\*|\\times|\\cdot|·)\s?10(?:{_TEN})|{_TEN}"
_SCALE = (
    rf"{_GAP}(?:(?:[kKMBbT]|hundred|thousand|million|billion|trillion){_END}"
    r"|[十百千万]?亿|万亿|[十百千]?万|[百千](?!分))"
)
_PERCENT = rf"{_GAP}(?:\\?[%％]|(?:per\s?cent|percentage points?|pp){_END}|个?百分点)"
_UNIT = rf"(?:{_SCALE})?(?:{_PERCENT})?"
_NUMBER = re.compile(
    rf"(?P<digits>{_DIGITS})(?P<exponent>{_EXPONENT})?(?P<scale>{_SCALE})?(?P<percent>{_PERCENT})?"
)
_TO = r"(?:--?|–|—|~|～|\$\\sim\$|to|至|到)"
_SHARED = re.compile(rf"{_GAP}{_TO}{_GAP}{_DIGITS}(?P<scale>{_SCALE})?(?P<percent>{_PERCENT})?")
_ORDINAL = rf"(?!(?:D|st|nd|rd|th|DoF){_END})"
_ATTACHED = rf"(?:[A-Za-z]{{1,6}}{_END}|\s?(?:×|倍|\\times)|-fold{_END}|\s(?:x|fold|times){_END})?"
_ONE = rf"{_DIGITS}{_ORDINAL}(?:{_EXPONENT})?{_UNIT}"
_JOINT = rf"\s?(?:{_TO}|/|×|x|\*|:|：|±|\\pm|\+/-|\\times)\s?"
_SPELT = (
    rf"百分之{_NUMERAL}(?:点{_NUMERAL})?"
    rf"|{_NUMERAL}(?:点{_NUMERAL})?(?:万亿|[万亿]|(?<!一)倍|个百分点)"
    rf"|(?<![A-Za-z])(?:{'|'.join(_SMALL[1:13])})[\s-]"
    rf"(?:percent|fold|times|hundred|thousand|million|billion){_END}"
)
_STATED = re.compile(
    rf"百分之{_GAP}{_DIGITS}|(?<![\d_^.])(?<![_^]\{{){_ONE}(?:{_JOINT}{_ONE})*{_ATTACHED}|{_SPELT}"
)
_PERCENTAGE = re.compile(rf"百分之|percent|{_PERCENT}")
_BETWEEN_DIGITS = re.compile(r"[^\d.]+")
_TIMES_TEN = re.compile(rf"^{_GAP}(?:×|x|\*|\\times|\\cdot|·)\s?10")
_NOT_AN_INTEGER = re.compile(r"[^\d-]+")
_NOT_A_SCALE = re.compile(r"[^A-Za-z\u4e00-\u9fff]+")
_SPELT_PARTS = re.compile(rf"(百分之)?({_NUMERAL}(?:点{_NUMERAL})?)(.*)")
_BARE_POWER = tuple("^⁻⁺⁰¹²³⁴⁵⁶⁷⁸⁹")
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁺−", "0123456789-+-")


class _Number(NamedTuple):
    """A number as it is written: `face` times `scale`; the last digit of `face` is worth `step`."""

    face: float
    step: float
    scale: float = 1.0
    is_percent: bool = False
    groups: tuple[float, ...] = ()
    """The numbers that it is, if the commas in it separate rather than group digits."""


def _numbers(text: str) -> Iterator[_Number]:
    """The numbers written in digits, in order of place."""
    for match in _NUMBER.finditer(text):
        face, exponent, scale, percent = match.groups()
        groups: tuple[float, ...] = ()
        if not face.replace(".", "", 1).isdecimal():
            pieces = _BETWEEN_DIGITS.split(face)
            face, groups = "".join(pieces), tuple(map(float, pieces))
        if exponent is scale is percent is None and (shared := _SHARED.match(text, match.end())):
            scale, percent = shared.groups()
        factor = 1.0 if scale is None else _SCALES[_NOT_A_SCALE.sub("", scale)]
        if exponent is not None:
            if not exponent.startswith(_BARE_POWER):
                factor *= 10.0 ** _power(exponent)
            elif face == "10":
                face, factor = "1", factor * 10.0 ** _power(exponent)
        if text.startswith(".", match.start() - 1) and "." not in face:
            face = f".{face}"
        step = 10.0 ** -len(face.partition(".")[2])
        yield _Number(float(face), step, factor, percent is not None, groups)


def _power(exponent: str) -> int:
    return int(_NOT_AN_INTEGER.sub("", _TIMES_TEN.sub("", exponent).translate(_SUPERSCRIPT)))


def _spelt(text: str) -> _Number:
    """The number in a claim without digits: 百分之八十五, 三十二亿, three times, two million."""
    if match := _SPELT_PARTS.match(text):
        percent, numeral, unit = match.groups()
        decimals = len(numeral.partition("点")[2])
        scale = _SCALES.get(unit, 1.0)
        return _Number(_hanzi(numeral), 10.0**-decimals, scale, bool(percent) or "百分点" in unit)
    word, unit = re.split(r"[\s-]", text, maxsplit=1)
    return _Number(_VALUES[word], 1.0, _SCALES.get(unit, 1.0), unit == "percent")


def _hanzi(numeral: str) -> float:
    whole, _, fraction = numeral.partition("点")
    total = digit = 0
    for c in whole:
        if c in _HANZI_UNITS:
            total, digit = total + (digit or 1) * _HANZI_UNITS[c], 0
        else:
            digit = digit * 10 + _HANZI[c]
    decimals = "".join(str(_HANZI.get(c, "")) for c in fraction)
    return float(f"{total + digit}.{decimals or 0}")


class _Source:
    """A text, indexed for questions whether it has a claim; each index is made when first asked."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._lower = text.lower()

    def has(self, claim: Claim) -> bool:
        if claim.kind == "name":
            return self._has_name(claim.text)
        written = list(_numbers(claim.text)) or [_spelt(claim.text)]
        if claim.text.startswith("百分之"):
            written = [number._replace(is_percent=True) for number in written]
        return all(map(self._has_number, written))

    def _has_number(self, number: _Number) -> bool:
        face, step, scale, is_percent, groups = number
        every, measured, bare = self._values
        if is_percent:
            # A long text has every small number somewhere; a share must be one there too.
            faces = every if face >= 10 else measured
            return _is_near(faces, face, step) or _is_near(every, face / 100, step / 100)
        if _is_near(every, face * scale, _last_digit(face, step) * scale):
            return True
        # 120M where the head of the table says "(M)"; 100,200,300 where the commas list.
        is_bare = scale > 1 and face >= 100 * step and _is_near(bare, face, step)
        return is_bare or (bool(groups) and all(_is_near(every, part, 1.0) for part in groups))

    @cached_property
    def _values(self) -> tuple[list[float], list[float], list[float]]:
        """All numbers in all their readings; percentages and decimals; those without a unit."""
        every: list[float] = []
        measured: list[float] = []
        bare: list[float] = []
        for face, step, scale, is_percent, groups in _numbers(self._text):
            every.append(face)
            (bare if scale == 1.0 else every).append(face * scale)
            if is_percent:
                every.append(face / 100)
            if is_percent or step < 1.0:
                measured.append(face)
            if groups:
                every += groups
        return sorted(every + list(self._spelt_values())), sorted(measured), sorted(bare)

    def _spelt_values(self) -> Iterator[float]:
        """What the words of the text count: one, twice, half a, two million, 三."""
        words = set(self._words)
        yield from (_VALUES[word] for word in words & _VALUES.keys())
        for unit in words & _SPELT_UNITS.keys():
            before = (_TOKEN.findall(piece[-12:]) for piece in self._lower.split(unit)[:-1])
            counts = (_VALUES.get(last) for *_, last in filter(None, before))
            yield from (count * _SPELT_UNITS[unit] for count in counts if count is not None)
        yield from map(_hanzi, set(re.findall(_NUMERAL, self._text)))

    def _has_name(self, name: str) -> bool:
        parts = [p for p in _BEFORE_LETTER.split(name) if not p.islower() or not p.isalpha()]
        return (
            self._has_key(_key(name))
            or (len(parts) > 0 and parts != [name] and all(self._has_key(_key(p)) for p in parts))
            or self._spells_out(name)
        )

    def _has_key(self, key: str) -> bool:
        """Whether the letters and digits stand there, from one boundary of words to another."""
        letters, bounds = self._letters
        start = letters.find(key)
        while start >= 0:
            end = start + len(key)
            is_whole = end in bounds or (letters.startswith("s", end) and end + 1 in bounds)
            if start in bounds and is_whole:
                return True
            start = letters.find(key, start + 1)
        return False

    def _spells_out(self, name: str) -> bool:
        """Whether a run of capitalized words has these initials: Group Relative Policy … (GRPO)."""
        initials = name.rstrip("s")
        return initials.isalpha() and initials.isupper() and initials in self._initials

    @cached_property
    def _words(self) -> list[str]:
        return _TOKEN.findall(self._lower)

    @cached_property
    def _letters(self) -> tuple[str, frozenset[int]]:
        """The text without anything else, and where in it a word begins or ends."""
        return "".join(self._words), frozenset(accumulate(map(len, self._words), initial=0))

    @cached_property
    def _initials(self) -> str:
        runs = _CAPITALIZED.findall(self._text)
        return " ".join("".join(re.findall(r"\b[A-Z]", run)) for run in runs)


def _last_digit(face: float, step: float) -> float:
    """What the last digit that means something is worth: 100 in 1,400, but 1 in 400."""
    if step == 1.0 and face >= 1000:
        while face % (step * 10) == 0 and face >= step * 100:
            step *= 10
    return step


def _is_near(values: list[float], stated: float, step: float) -> bool:
    """Whether a value is rounded, or cut off, to the one stated."""
    slack = 1e-9 * abs(stated)
    at = bisect_left(values, stated - step / 2 - slack)
    return at < len(values) and values[at] < stated + step - slack
