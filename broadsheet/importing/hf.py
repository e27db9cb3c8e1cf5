"""The layout of the "Hugging Face Daily Papers Report": one `## 📄` block per paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from broadsheet.errors import FaultKind
from broadsheet.importing import pages
from broadsheet.importing.dates import day
from broadsheet.importing.digests import ImportedDigest, ImportedPaper, each_once
from broadsheet.importing.markdown import is_rule, lines_of
from broadsheet.importing.pages import Words

_BLOCK = "## 📄"
_LONG_RULE = 40  # signs of the rule that ends a block


@dataclass(frozen=True)
class Hf:
    """Pages with `## 📄` before every title, as the style `hf` has them."""

    words: Words
    name: str = "hf"
    looks_for: str = "headings with ## 📄 and a title"

    def recognises(self, text: str) -> bool:
        """Whether it has the headings, or is one of our own pages without a paper."""
        is_page = text.startswith(_BLOCK) or f"\n{_BLOCK}" in text
        return is_page or self._is_empty(lines_of(text[: pages.HEAD]))

    def _is_empty(self, lines: Sequence[str]) -> bool:
        dates = tuple(f"**{label}**: " for label in self.words.said("date"))
        is_dated = any(line.startswith(dates) for line in lines[:5])
        return is_dated and any(line in self.words.said("empty") for line in lines[:20])

    def parse(self, text: str) -> tuple[ImportedDigest, ...]:
        """The page's one digest; see `Layout.parse`."""
        lines = lines_of(text)
        starts = [at for at, line in enumerate(lines) if line.startswith(_BLOCK)]
        head = lines[: starts[0]] if starts else lines
        pages.refuse_sample(self.words, head)
        end, waiting = pages.pending_part(self.words, lines)
        spans = pages.spans(starts, end)
        read = [self._paper(lines[start:stop], waiting) for start, stop in spans]
        papers, repeated = each_once([paper for paper, _ in read])
        pages.refuse_nothing(papers, is_known=self._is_empty(lines))
        return (
            ImportedDigest(
                layout=self.name,
                profile=self.words.style,
                style=self.words.style,
                language=pages.language([language for _, language in read], self.words, head),
                date=day(pages.date_in("\n".join(head))),
                papers=papers,
                missing_sources=pages.missing_sources(self.words, head),
                repeated=repeated,
            ),
        )

    def _paper(
        self, lines: Sequence[str], waiting: Mapping[str, FaultKind]
    ) -> tuple[ImportedPaper, str]:
        title = lines[0].removeprefix(_BLOCK)
        kept = [line for line in lines[1:] if not (is_rule(line) and len(line) >= _LONG_RULE)]
        one = pages.article(self.words, title, kept, waiting)
        pages.refuse_untitled(one)
        link = one.facts.get("link", "")
        known = ImportedPaper(
            paper_id=pages.paper_id(link, one.title),
            title=one.title,
            sources=("huggingface" if "huggingface.co/" in link else "arxiv",),
            sections={},
        )
        return pages.read_article(one, known)
