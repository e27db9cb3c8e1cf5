"""Digests of other makers, made up: the two layouts of the predecessors with all their variants."""

from __future__ import annotations

QUOTA = """深度分析失败: 429 You exceeded your current quota, please check your plan. \
For more information head to: https://ai.google.dev/gemini-api/docs/rate-limits.
* Quota exceeded for metric: generativelanguage.googleapis.com/free_tier_requests, limit: 5
Please retry in 48.05s. [links {
  url: "https://ai.google.dev/gemini-api/docs/rate-limits"
}
, violations {
  quota_id: "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
}
, retry_delay {
  seconds: 48
}
]
"""
"""A provider's error as a predecessor printed it: its outer form, with facts of our own."""

PREAMBLE = "作为灯笼专家，我对这篇论文进行深度解析：\n\n---\n"

CV_ANALYSIS = """### 1. **核心创新点 (Key Contribution)**

一盏会数 $n_{photons}$ 的**灯笼**，它把 `x < y` 写下来。

### 2. **技术细节 (Methodology)**

*   **等待：** 先等。
    *   等到天黑。
        *   再等一会儿。
*   **计数：**
    不提及 Restoration。

    尽管如此，它数得准。

### 3. **对我的启发 (Takeaway for Lantern Keepers)**

对守灯人而言：

1.  **便宜：** 数数不贵。
2.  **耐心：** 等也不贵。

### 4. **潜在缺陷 (Limitations)**

1.  **只在夜里：** 白天不行。

2.  **怕风：** 风大会灭。

---
"""


def cv_page(*articles: str, date: str = "2026-01-29", scanned: str = "15") -> str:
    """A page of the layout `cv` with these articles, each from its title on."""
    titles = [article.partition("\n")[0] for article in articles]
    contents = "\n".join(f"- [{t}](#item-{n}) (Score: 9{n})" for n, t in enumerate(titles))
    items = "\n---\n".join(
        f"### <a id='item-{n}'></a>{n + 1}. {article}" for n, article in enumerate(articles)
    )
    return (
        f"# 🚀 CV 论文日报 | {date}\n"
        f"> 🤖 今日动态：扫描 {scanned} 篇 (HF Top {scanned})，精选 {len(articles)} 篇深度解读。\n"
        f"## 📋 目录 (Quick View)\n{contents}\n\n---\n## 🧠 深度解读 (Deep Dive)\n{items}\n\n---\n"
    )


def cv_article(
    number: int = 1,
    body: str = PREAMBLE + CV_ANALYSIS,
    *,
    title: str | None = None,
    score: str = "92/100",
    link: str | None = None,
) -> str:
    """An article of such a page."""
    url = link or f"https://arxiv.org/abs/2601.{number:05}"
    return (
        f"{title or f'Counting Photons by Lantern {number}'}\n"
        f"**来源**: HuggingFace 🔥 | **评分**: {score}\n"
        f"**原文链接**: [{url}]({url})\n\n{body}"
    )


HF_HEADINGS = {
    "hashes": "### {number}. {name}\n{text}\n",
    "numbered": "{number}. **{name}**\n   {text}\n",
    "with colons": "{number}. **{name}**：\n   {text}\n",
    "on one line": "{number}. **{name}**：{text}\n",
    "bold": "**{number}. {name}**\n{text}\n",
    "bare": "{name}：\n{text}\n",
    "english": "### {number}. {english}\n{text}\n",
}
"""The ways in which headings of the layout `hf` are written."""

HF_NAMES = {
    "area": ("应用领域", "Field of application"),
    "contribution": ("一句话核心贡献", "The contribution in one sentence"),
    "usage": ("使用指南", "How to use it"),
    "innovations": ("主要创新点", "What is new"),
    "results": ("实验效果", "Results"),
}
HF_TEXTS = {
    "area": "夜间测量。",
    "contribution": "一盏灯笼顶十盏。",
    "usage": "*   **输入**：一盏灯。",
    "innovations": "1.  **计数**：用手。",
    "results": "*   13 夜中有 12 夜。",
}


def hf_analysis(form: str = "hashes") -> str:
    """An analysis with its headings written in that form."""
    written = (
        HF_HEADINGS[form].format(
            number=number, name=HF_NAMES[key][0], english=HF_NAMES[key][1], text=text
        )
        for number, (key, text) in enumerate(HF_TEXTS.items(), start=1)
    )
    return "\n".join(written)


def hf_block(
    number: int = 1,
    body: str | None = None,
    *,
    title: str | None = None,
    read: str = "HTML",
    link: str | None = None,
) -> str:
    """A block of a page of the layout `hf`."""
    return (
        f"## 📄 {title or f'Counting Photons by Lantern {number}'}\n\n"
        f"- **链接**: {link or f'https://huggingface.co/papers/2601.{number:05}'}\n"
        f"- **阅读来源**: {read}\n\n"
        f"{hf_analysis() if body is None else body}"
    )


def hf_page(*blocks: str, date: str = "2026-01-06") -> str:
    """A page of the layout `hf` with these blocks."""
    rule = "=" * 60
    head = (
        f"# Hugging Face Daily Papers Report\n**Date**: {date}\n"
        f"**Source URL**: https://huggingface.co/papers/date/{date}\n"
    )
    return "\n".join([head, rule, "", *(f"{block}\n\n\n{rule}\n" for block in blocks)])


def table_page(*rows: str, topic: str = "Paper Lanterns") -> str:
    """A page of the layout `table-list`."""
    return (
        "## Updated on 2026.01.07\n> Usage instructions: [here](./docs/README.md#usage)\n\n"
        f"## {topic}\n\n|Publish Date|Title|Authors|PDF|Code|\n|---|---|---|---|---|\n"
        + "\n".join(rows)
        + "\n\n<p align=right>(<a href=#updated-on-20260107>back to top</a>)</p>\n"
    )


def table_row(number: int = 1, date: str = "2026-01-06", title: str | None = None) -> str:
    """A row of it."""
    name = f"2601.{number:05}"
    return (
        f"|**{date}**|**{title or f'Kite {number}'}**|Ada Wind et.al."
        f"|[{name}](http://arxiv.org/abs/{name})|**[link](https://github.com/a/b)**|"
    )
