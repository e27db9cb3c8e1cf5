"""The lake's tables: one typed Arrow schema each, and how they are partitioned.

Partition columns are stored in the files too, so that a single file opened by anything is whole.
Adding a column is safe: older files read as null there. Renaming or retyping one is not.
"""

from __future__ import annotations

import pyarrow as pa

_TEXT = pa.string()
_TEXTS = pa.list_(pa.string())
_COUNT = pa.int32()
_INSTANT = pa.timestamp("us", tz="UTC")
_SECTION = pa.struct([("heading", _TEXT), ("text", _TEXT), ("level", pa.int8())])
_FLAG = pa.struct([("section", _TEXT), ("claim", _TEXT), ("kind", _TEXT)])

SCHEMAS: dict[str, pa.Schema] = {
    "listings": pa.schema(
        {
            "source": _TEXT,
            "scope": _TEXT,
            "date": pa.date32(),
            "paper_id": _TEXT,
            "rank": _COUNT,
            "upvotes": _COUNT,
            "comments": _COUNT,
            "title": _TEXT,
            "abstract": _TEXT,
            "authors": _TEXTS,
            "categories": _TEXTS,
            "version": pa.int16(),
            "published_at": _INSTANT,
            "code_url": _TEXT,
            "project_url": _TEXT,
            "ai_summary": _TEXT,
            "ai_keywords": _TEXTS,
            "missing": _TEXTS,
            "payload": _TEXT,
            "fetched_at": _INSTANT,
        }
    ),
    "archive": pa.schema(
        {
            "year": pa.int16(),
            "date": pa.date32(),
            "paper_id": _TEXT,
            "rank": _COUNT,
            "title": _TEXT,
            "abstract": _TEXT,
            "authors": _TEXTS,
            "categories": _TEXTS,
            "version": pa.int16(),
            "published_at": _INSTANT,
            "payload": _TEXT,
            "fetched_at": _INSTANT,
        }
    ),
    "fulltexts": pa.schema(
        {
            "date": pa.date32(),
            "paper_id": _TEXT,
            "version": pa.int16(),
            "reading_source": _TEXT,
            "reason": _TEXT,
            "sections": pa.list_(_SECTION),
            "chars": _COUNT,
            "sha256": _TEXT,
            "has_hidden_text": pa.bool_(),
            "fetched_at": _INSTANT,
        }
    ),
    "answers": pa.schema(
        {
            "prefix": _TEXT,
            "key": _TEXT,
            "model": _TEXT,
            "paper_id": _TEXT,
            "style": _TEXT,
            "prompt_version": _TEXT,
            "text": _TEXT,
            "finish_reason": _TEXT,
            "prompt_tokens": _COUNT,
            "completion_tokens": _COUNT,
            "cost_usd": pa.float64(),
            "latency_seconds": pa.float64(),
            "asked_at": _INSTANT,
            "fault": _TEXT,
        }
    ),
    "analyses": pa.schema(
        {
            "date": pa.date32(),
            "profile": _TEXT,
            "style": _TEXT,
            "language": _TEXT,
            "paper_id": _TEXT,
            "question": _TEXT,
            "status": _TEXT,
            "pending_reason": _TEXT,
            "model": _TEXT,
            "prompt_version": _TEXT,
            "reading_source": _TEXT,
            "source_sha256": _TEXT,
            "source_fetched_at": _INSTANT,
            "has_hidden_text": pa.bool_(),
            "claims": _COUNT,
            "claims_found": _COUNT,
            "flags": pa.list_(_FLAG),
            "sections": _TEXT,
            "extract": _TEXTS,
            "prompt_tokens": _COUNT,
            "completion_tokens": _COUNT,
            "cost_usd": pa.float64(),
            "asked_at": _INSTANT,
            "analyzed_at": _INSTANT,
        }
    ),
    "scores": pa.schema(
        {
            "profile": _TEXT,
            "date": pa.date32(),
            "paper_id": _TEXT,
            "rank": _COUNT,
            "score": _COUNT,
            "interest_points": pa.float64(),
            "popularity_points": pa.float64(),
            "freshness_points": pa.float64(),
            "negative_points": pa.float64(),
            "reason": _TEXT,
            "upvotes": _COUNT,
            "sources": _TEXTS,
            "featured_on": pa.date32(),
            "is_selected": pa.bool_(),
            "position": _COUNT,
        }
    ),
    "digests": pa.schema(
        {
            "profile": _TEXT,
            "date": pa.date32(),
            "paper_id": _TEXT,
            "position": _COUNT,
            "score": _COUNT,
            "reason": _TEXT,
            "title": _TEXT,
            "sources": _TEXTS,  # of imported papers: no list of theirs is stored
            "style": _TEXT,
            "language": _TEXT,
            "question": _TEXT,
            "status": _TEXT,
            "outcome": _TEXT,
            "listed": _COUNT,
            "scanned": _COUNT,
            "missing_sources": _TEXTS,
            "origin": _TEXT,
            "report_sha256": _TEXT,
            "run_id": _TEXT,
            "published_at": _INSTANT,
        }
    ),
    "runs": pa.schema(
        {
            "date": pa.date32(),
            "run_id": _TEXT,
            "flow": _TEXT,
            "name": _TEXT,
            "profile": _TEXT,
            "digest_date": pa.date32(),
            "outcome": _TEXT,
            "message": _TEXT,
            "started_at": _INSTANT,
            "ended_at": _INSTANT,
            "duration_seconds": pa.float64(),
            "listed": _COUNT,
            "scanned": _COUNT,
            "selected": _COUNT,
            "pending": _COUNT,
            "prompt_tokens": pa.int64(),
            "completion_tokens": pa.int64(),
            "cost_usd": pa.float64(),
        }
    ),
}

PARTITIONS: dict[str, tuple[str, ...]] = {
    "listings": ("source", "date"),
    "archive": ("year",),
    "fulltexts": ("date",),
    "answers": ("prefix",),
    "analyses": ("date",),
    "scores": ("profile", "date"),
    "digests": ("profile", "date"),
    "runs": ("date",),
}
