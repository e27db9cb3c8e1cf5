"""Bundles: one Parquet file that holds what several files of a partition held.

What those files were called, and how many rows each had, stands in the footer. So no column is
added: whatever opens a bundle sees the table as before, and a file without rows, which says that a
list was empty, keeps its name. A footer has no checksum of its own; the names bring theirs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

import pyarrow as pa

_PREFIX = "compacted-"
_KEY = b"broadsheet.files"


def file_name(files: int, raw: pa.Buffer) -> str:
    """What a bundle of so many files and these bytes is called: the same files, the same name."""
    return f"{_PREFIX}{files}-{hashlib.sha256(raw).hexdigest()[:16]}"


def is_bundle(name: str) -> bool:
    """Whether the file of that name, without its ending, is a bundle."""
    return name.startswith(_PREFIX)


def count(name: str) -> int:
    """How many files' rows are in the file of that name: 1 where it is no bundle."""
    return int(name.split("-")[1]) if is_bundle(name) else 1


def pack(parts: Mapping[str, pa.Table]) -> pa.Table:
    """The rows of all these files, by name, in the names' order, with the names beside them.

    Args:
        parts: the files' rows by name, without ending; one at least, all of one schema.
    """
    files = [[name, len(parts[name])] for name in sorted(parts)]
    whole = pa.concat_tables([parts[name] for name in sorted(parts)]).combine_chunks()
    said = {"files": files, "sha256": _checksum(files)}
    return whole.replace_schema_metadata({_KEY: json.dumps(said).encode()})


def names(metadata: Mapping[bytes, bytes] | None) -> dict[str, int]:
    """The names of the files whose rows a bundle holds, in its order, each with its rows' count.

    Args:
        metadata: of the bundle's footer.

    Raises:
        ValueError: the footer is damaged.
    """
    try:
        said = json.loads((metadata or {})[_KEY])
        files = said["files"]
        is_whole = said["sha256"] == _checksum(files)
    except (KeyError, TypeError) as error:
        raise ValueError(f"no names in the footer of a bundle: {error!r}") from error
    if not is_whole:
        raise ValueError("the names in the footer of a bundle are not those that were written")
    return dict(files)


def unpack(whole: pa.Table, files: Mapping[str, int]) -> dict[str, pa.Table]:
    """The rows of each file in the bundle, by name.

    Raises:
        ValueError: the bundle does not hold as many rows as its names say.
    """
    if sum(files.values()) != len(whole):
        raise ValueError(f"a bundle of {sum(files.values())} rows has {len(whole)}")
    parts, start = {}, 0
    for name, rows in files.items():
        parts[name] = whole.slice(start, rows)
        start += rows
    return parts


def _checksum(files: object) -> str:
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()
