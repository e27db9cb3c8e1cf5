"""arXiv's metadata snapshot: a JSON line per paper, plain or gzip, some megabytes at a time.

Source: https://www.kaggle.com/datasets/Cornell-University/arxiv
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from broadsheet.errors import UsageError

SCHEMA = pa.schema({"line": pa.int64(), "text": pa.string()})
"""A line's number, from 1, and what it says."""
BLOCK_BYTES = 4 * 2**20
_LONGEST_LINE = 64 * 2**20
_GZIP = b"\x1f\x8b"
Told = Callable[[int, int], None]
"""Told how many bytes of the file were read, of how many."""


def lines(file: Path, told: Told, block_bytes: int = BLOCK_BYTES) -> Iterator[pa.RecordBatch]:
    """The file's lines in order, without the empty ones.

    Nothing is decoded here: a line may have any bytes, and be no JSON.

    Raises:
        UsageError: the file cannot be read, its compression is damaged, or a line has no end.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as raw, _unpacked(raw) as text:
            yield from _batches(text, block_bytes, lambda: told(raw.tell(), size))
    except (OSError, EOFError, zlib.error) as error:
        reason = str(error) or type(error).__name__
        raise UsageError(f"cannot read {file}: {reason}", "download it again") from error


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[BinaryIO]:
    is_packed = raw.read(2) == _GZIP
    raw.seek(0)
    if not is_packed:
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as text:
        yield text  # type: ignore[misc]  # reads as any other


def _batches(text: BinaryIO, size: int, told: Callable[[], None]) -> Iterator[pa.RecordBatch]:
    number, rest = 1, b""
    while raw := text.read(size):
        told()
        whole, newline, rest = (rest + raw).rpartition(b"\n")
        if newline:
            batch, number = _batch(whole + newline, number)
            yield batch
        elif len(rest) > _LONGEST_LINE:
            raise OSError(f"line {number} has more than {_LONGEST_LINE} bytes")
    if rest:
        yield _batch(rest + b"\n", number)[0]


def _batch(block: bytes, number: int) -> tuple[pa.RecordBatch, int]:
    """The block's lines, numbered from there, and the number of the line after it."""
    chars = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(chars == ord("\n")) + 1
    offsets = np.concatenate([np.zeros(1, np.int32), ends.astype(np.int32)])
    texts = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(block))
    numbers = pa.array(np.arange(number, number + len(ends)))
    batch = pa.record_batch([numbers, texts], schema=SCHEMA)
    lengths = np.diff(offsets)
    is_told = (lengths > 2) | ((lengths == 2) & (chars[offsets[:-1]] != ord("\r")))
    return batch if is_told.all() else batch.filter(pa.array(is_told)), number + len(ends)
