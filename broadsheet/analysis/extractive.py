"""A paper's own most telling sentences, quoted verbatim: the last backend, which needs no model.

A sentence scores by cue phrases and by how central it is to the text; the quoted ones are then
chosen one by one by maximal marginal relevance (Carbonell and Goldstein 1998,
https://doi.org/10.1145/290941.291025), so that a method is followed by a result rather than by
the same method in other words. `benchmarks/extractive.py` measures what that is worth.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from broadsheet.models import Section

CANDIDATES = 200
"""Sentences looked at, at most: a longer introduction does not get more telling."""

LONGEST = 400
"""Characters above which a sentence is quoted only if there is no shorter one."""

_PARAGRAPH = re.compile(r"\n[^\S\n]*\n|\n(?=[^\S\n]*(?:\||[-*•]\s))")
_MARKER = re.compile(r"^\s*[-*•]\s+(?=\S)")
_BOUNDARY = re.compile(
    r"""(?<![.!?…])[.!?…]++["'”’»)\]}$*]*+\s+"""  # a Western one needs the blank,
    r"""|[。！？]+["'”’」』）)]*\s*"""  # a Chinese or Japanese one does not,
    r"""|(?<=[a-z]{2})\.(?=(?:We|The|Our|This|In|To|However,)\s)"""  # and some are forgotten
)
# As Pandoc tells formulas from prices: no blank inside either dollar, no digit after the second
# (https://pandoc.org/MANUAL.html#extension-tex_math_dollars).
_FORMULA = re.compile(r"\$\$[^$]+\$\$|\$(?=[^\s$])[^$]{0,300}(?<=\S)\$(?!\d)")
_ABBREVIATION = re.compile(
    r"(?:^|[\s(\[~])(?:e\.g|i\.e|al|cf|vs|v\.s|viz|resp|approx|w\.r\.t|a\.k\.a|i\.i\.d|"
    r"[Ff]igs?|[Ee]qs?|[Ee]qns?|Secs?|Tabs?|Refs?|Thm|Lem|Prop|Def|Alg|App|Appx|Ch|Vol|pp|"
    r"Drs?|Prof|Mrs?|Ms|St|Jr|Inc|Nos?)\.$"
    r"|^\d{1,2}\.$"
)
_INITIAL = re.compile(r"(?:^|[\s(.])[A-Z]\.$")
_STARTER = re.compile(r"(?:We|The|This|These|Our|It|In|To|However|Here|A|An|For|By|With)\b")
# A sentence may begin with "vLLM" but not with "which".
_LOWER_WORD = re.compile(r"[a-z][a-z'’,;:)-]*(?:\s|$)")

_AROUND = 40
"""Characters either side of a full stop that tell what it is."""

_TELLING = re.compile(
    r"\b(?:abstract|introduction|conclusions?|concluding|discussions?)\b|摘要|引言|结论|讨论", re.I
)
_ABSTRACT = re.compile(r"\babstract\b|摘要", re.I)
_TOKEN = re.compile(r"[^\W\d_]{3,}|\d+(?:\.\d+)?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_ENDED = re.compile(r"""[.!?…。！？:;]["'”’»」』）)\]}$*]*$""")


def _cue(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


_AUTHORS = r"\b(?:we|(?:this|the) (?:paper|work|study|report|article|survey))\b(?: \w+,?){0,3}? "
_METHOD: tuple[tuple[re.Pattern[str], float], ...] = (
    (_cue(_AUTHORS + r"(?:propos|introduc|present|develop|design|unveil)(?:e?s|e?d|e)?\b"), 1.0),
    (
        _cue(
            _AUTHORS + r"(?:describe|construct|build|formulate|study|investigate|examine|explore|"
            r"survey|train|conduct|create|revisit|release)[sd]?\b"
        ),
        0.6,
    ),
    (_cue(r"(?:本文|我们|文章)\w{0,4}(?:提出|介绍|设计|构建|研究)|提出了"), 1.0),
    (
        _cue(
            r"\bto (?:address|tackle|overcome|bridge|mitigate|fill|solve|this end)\b"
            r"|\bin this (?:paper|work|study|report)\b"
            r"|\b(?:our|the proposed) (?:\S+ ){0,2}?(?:method|approach|framework|key idea)\b"
        ),
        0.4,
    ),
    (_cue(r"\b(?:a|an|the first) (?:\w+ and )?(?:novel|new|unified|simple|open|first)\b"), 0.2),
)
_RESULT: tuple[tuple[re.Pattern[str], float], ...] = (
    (
        _cue(
            r"\b(?:outperform|surpass|exceed|achiev|attain|improv|reduc|boost|deliver|yield|"
            r"match|reach|rival|accelerat)(?:e?s|e?d|e|ing)?\b|\b(?:improvement|gain|speedup)s?\b"
            r"|优于|超过|达到|提升|提高|降低"
        ),
        0.5,
    ),
    (_cue(r"\bstate[- ]of[- ]the[- ]art\b|\bsota\b|\bsuperior(?:ity)?\b|最先进"), 0.3),
    (
        _cue(
            r"\b(?:experiments?|evaluations?|results?|analys[ei]s|ablations?|findings|benchmarks?|"
            r"we)\b.{0,120}? (?:show|demonstrat|reveal|confirm|indicat|validat|find|found)"
            r"|(?:结果|实验)\w{0,6}(?:表明|显示)"
        ),
        0.5,
    ),
    (_cue(r"\d(?:\.\d+)?\s?(?:\\?%|x\b|×|\$?\\times|points?\b|-?fold\b)|\d\.\d"), 0.4),
)
_PROBLEM = _cue(
    r"\b(?:however|existing|current|prior|previous|recent|challeng\w+|suffer\w*|remains?|lack\w*|"
    r"limit(?:ed|ation)s?|struggl\w+|fail\w*|falter\w*|hinder\w*|bottleneck\w*|often|despite)\b"
    r"|然而|但是|现有"
)
_POINTER = _cue(
    r"https?://|\bwe hope\b|\bfuture (?:work|research)\b"
    r"|\b(?:code|data(?:set)?s?|models?|weights|project page|website|demo)\b[^.]{0,60}"
    r"\b(?:available|released|open-?sourced|found at)\b"
    r"|(?-i:\b(?:Fig(?:ure|s?\.)|Tab(?:le|\.)|Sec(?:tion|s?\.)|Appendix)[\s~]?[A-Z\d])"
)
_DANGLING = re.compile(
    r"(?:It|They|This|These|Those|Such|He|She|Moreover|Furthermore|Additionally|Also|"
    r"Specifically|Then|Second|Third|Finally)\b|\(?[\divx]{1,3}\)|.*\?$"
)

# Set by hand on one half of 1,100 abstracts and confirmed on the other half and 800 more. None is
# delicate: only without the first, which keeps a role from being told twice, are 3 % lost.
_REPEATED_ROLE = 0.35
_REDUNDANCY = 1.0
_CENTRALITY = 0.6
_PROBLEM_WEIGHT = 0.1
_ABSTRACT_WEIGHT = 0.4
_BACKGROUND = 0.3
_TOO_LONG = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sentence:
    """A sentence and where it stands; background is what comes before the authors' own part."""

    text: str
    is_background: bool
    is_abstract: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class _Candidate:
    """What the choice needs to know of a sentence; `vector` has length 1 (or is empty)."""

    method: float
    result: float
    rest: float
    vector: Mapping[str, float]


def split_sentences(text: str) -> list[str]:
    """The sentences of a text in order, whitespace collapsed, otherwise verbatim.

    A blank line, a table row and a list item end a sentence as well; an abbreviation, a decimal,
    an initial and whatever stands inside `$…$` do not.
    """
    return [s for block in _PARAGRAPH.split(text) for s in _split_block(_MARKER.sub("", block))]


def extract(sections: Sequence[Section], *, count: int = 3) -> tuple[str, ...]:
    """The most telling sentences of a reading, verbatim, in document order, at most `count`.

    Empty only where the sections hold no text (or `count` is 0). Of a full text only the abstract,
    introduction, discussion and conclusion are read, or the first sections if none is headed so.
    """
    sentences = _candidates(sections)
    chosen = _choose(_weigh(sentences), count)
    return tuple(sentence.text for index, sentence in enumerate(sentences) if index in chosen)


def _split_block(block: str) -> Iterator[str]:
    text = " ".join(block.split())
    formulas = (match.span() for match in _FORMULA.finditer(text))
    inside = {position for first, last in formulas for position in range(first + 1, last - 1)}
    start = 0
    for match in _BOUNDARY.finditer(text):
        end = match.end()
        if end - 1 in inside:
            continue
        if _ends_sentence(text[max(start, end - _AROUND) : end], text[end : end + _AROUND]):
            yield text[start:end].rstrip()
            start = end
    if start < len(text):
        yield text[start:]


def _ends_sentence(before: str, after: str) -> bool:
    """Whether a full stop between these two really is one."""
    said = before.rstrip()
    if said[-1] in "。！？" or _CJK.match(after):
        return True
    if _LOWER_WORD.match(after) or _ABBREVIATION.search(said):
        return False
    return not _INITIAL.search(said) or bool(_STARTER.match(after))


def _candidates(sections: Sequence[Section]) -> list[_Sentence]:
    """Up to `CANDIDATES` different sentences, the readable ones if there are any."""
    found: dict[str, _Sentence] = {}
    for section in _telling(sections):
        for sentence in _placed(section):
            found.setdefault(sentence.text, sentence)
    readable = [sentence for sentence in found.values() if _is_readable(sentence.text)]
    return (readable or list(found.values()))[:CANDIDATES]


def _placed(section: Section) -> Iterator[_Sentence]:
    """A section's sentences; all before the first that says what the authors did is background."""
    texts = split_sentences(section.text)
    turn = next((index for index, text in enumerate(texts) if _cue_score(text, _METHOD[:3])), 0)
    is_abstract = bool(_ABSTRACT.search(section.heading))
    for index, text in enumerate(texts):
        yield _Sentence(text=text, is_background=index < turn, is_abstract=is_abstract)


def _telling(sections: Sequence[Section]) -> list[Section]:
    """The sections that sum the paper up, with their subsections; all of them if none does."""
    told: list[Section] = []
    level: int | None = None
    for section in sections:
        if level is None or section.level <= level:
            level = section.level if _TELLING.search(section.heading) else None
        if level is not None and section.text.strip():
            told.append(section)
    return told or list(sections)


def _is_readable(sentence: str) -> bool:
    """Whether this is prose: not a heading, a table row, a formula or a fragment."""
    prose = _FORMULA.sub("", sentence)
    letters = sum(character.isalpha() for character in prose)
    words = len(prose.split()) + len(_CJK.findall(prose)) // 2
    return (
        words >= 5
        and letters >= 0.5 * len(sentence)
        and sentence.count("|") + sentence.count("&") < 3
        and bool(_ENDED.search(sentence))
    )


def _weigh(sentences: Sequence[_Sentence]) -> list[_Candidate]:
    vectors = _vectors([sentence.text for sentence in sentences])
    each = zip(sentences, vectors, _centralities(vectors), strict=True)
    return [_candidate(sentence, vector, centrality) for sentence, vector, centrality in each]


def _candidate(sentence: _Sentence, vector: Mapping[str, float], centrality: float) -> _Candidate:
    text = sentence.text
    is_problem = bool(_PROBLEM.search(text))
    rest = _CENTRALITY * centrality + _PROBLEM_WEIGHT * is_problem
    rest += _ABSTRACT_WEIGHT * sentence.is_abstract
    rest -= 0.6 * bool(_POINTER.search(text)) + 0.2 * bool(_DANGLING.match(text))
    # "State-of-the-art methods still fail" reports no result of this paper.
    believed = _BACKGROUND if sentence.is_background else 0.7 if is_problem else 1.0
    return _Candidate(
        method=_cue_score(text, _METHOD),
        result=_cue_score(text, _RESULT) * believed,
        rest=rest - (_TOO_LONG * len(text) / LONGEST if len(text) > LONGEST else 0),
        vector=vector,
    )


def _cue_score(text: str, cues: Sequence[tuple[re.Pattern[str], float]]) -> float:
    return sum(weight for pattern, weight in cues if pattern.search(text))


def _tokens(sentence: str) -> list[str]:
    """Lower-case words and numbers; runs of Chinese or Japanese, which has no blanks, as pairs."""
    words = [word for word in _TOKEN.findall(sentence.lower()) if not _CJK.search(word)]
    characters = _CJK.findall(sentence)
    return words + [a + b for a, b in pairwise(characters)]


def _vectors(sentences: Sequence[str]) -> list[dict[str, float]]:
    """One TF-IDF vector of length 1 per sentence."""
    counts = [Counter(_tokens(sentence)) for sentence in sentences]
    seen_in = Counter(token for count in counts for token in count)
    vectors = []
    for count in counts:
        raw = {t: n * math.log(1 + len(sentences) / seen_in[t]) for t, n in count.items()}
        norm = math.sqrt(sum(weight * weight for weight in raw.values()))
        vectors.append({token: weight / norm for token, weight in raw.items()})
    return vectors


def _centralities(vectors: Sequence[Mapping[str, float]]) -> list[float]:
    """Each sentence's similarity to all the others together, 1 for the most central."""
    total: dict[str, float] = {}
    for vector in vectors:
        for token, weight in vector.items():
            total[token] = total.get(token, 0.0) + weight
    sums = [sum(weight * (total[t] - weight) for t, weight in v.items()) for v in vectors]
    most = max(sums, default=0.0) or 1.0
    return [value / most for value in sums]


def _choose(candidates: Sequence[_Candidate], count: int) -> set[int]:
    """The positions of the sentences that add most, each to those chosen before it."""
    free = list(range(len(candidates)))
    told: list[_Candidate] = []
    while free and len(told) < count:
        gains = [_gain(candidates[index], told) for index in free]
        # The first of equals: what a paper says earlier wins.
        told.append(candidates[free.pop(gains.index(max(gains)))])
    return set(range(len(candidates))) - set(free)


def _gain(candidate: _Candidate, told: Sequence[_Candidate]) -> float:
    """What quoting this sentence adds to those already chosen."""
    method = candidate.method * (_REPEATED_ROLE if any(c.method >= 1 for c in told) else 1)
    result = candidate.result * (_REPEATED_ROLE if any(c.result >= 0.8 for c in told) else 1)
    redundancy = max((_cosine(candidate.vector, c.vector) for c in told), default=0.0)
    return (method + result + candidate.rest) * (1 - redundancy) - _REDUNDANCY * redundancy


def _cosine(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    return sum(weight * other.get(token, 0.0) for token, weight in one.items())
