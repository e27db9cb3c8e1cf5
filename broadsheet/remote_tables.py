"""The tables of a lake in an object store, as DuckDB reads them without its extensions.

DuckDB reads `s3://` with `httpfs`, which it would download when it is first used. pyarrow needs
nothing, is told the columns instead of opening every file for them, skips the files of partitions
that a query filters away, and asks for many files at once.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from broadsheet.lake import Lake
from broadsheet.schemas import PARTITIONS, SCHEMAS
from broadsheet.stores import ObjectStore
from broadsheet.views import Partition

_FILES_AT_ONCE = 32
_REWRITTEN = ("analyses", "scores", "digests")
"""Tables whose files are put again under the same name, and are small; the others' are put once."""
_FORMAT = ds.ParquetFileFormat()
_SCAN = ds.ParquetFragmentScanOptions(page_checksum_verification=True, pre_buffer=True)


class RemoteTable(ds.FileSystemDataset):  # type: ignore[misc]  # ships no types
    """A table, or chosen partitions of it, whose files are listed anew whenever it is read.

    It looks empty where it is made, so that a view over it costs no request.
    """

    def __init__(self, lake: Lake, table: str, partitions: Sequence[Partition]) -> None:
        super().__init__([], SCHEMAS[table], _FORMAT)
        self._lake, self._table, self._partitions = lake, table, partitions

    def scanner(self, **wanted: Any) -> ds.Scanner:  # noqa: ANN401 (DuckDB's columns and filter)
        """What DuckDB reads: the columns it wants of the rows that may pass its filter.

        Raises:
            LakeError: the files cannot be listed.
        """
        schema = SCHEMAS[self._table]
        keys = pa.schema([schema.field(key) for key in PARTITIONS[self._table]])
        hive, fs = ds.partitioning(keys, flavor="hive"), self._lake.store.fs
        files = [
            _FORMAT.make_fragment(
                file.path, fs, hive.parse(f"{file.folder}/"), file_size=file.bytes
            )
            for file in self._lake.stored(self._table, self._partitions)
        ]
        if self._table in _REWRITTEN:
            listed = ds.FileSystemDataset(files, schema, _FORMAT)
            files = self._fetched(listed.get_fragments(wanted.get("filter")))
        return ds.FileSystemDataset(files, schema, _FORMAT).scanner(
            **wanted, fragment_readahead=_FILES_AT_ONCE, fragment_scan_options=_SCAN
        )

    def _fetched(self, files: Iterable[ds.Fragment]) -> list[ds.Fragment]:
        """The same files, in memory: one read in several requests could be of several versions."""
        chosen = list(files)
        with ThreadPoolExecutor(_FILES_AT_ONCE) as threads:
            found = threads.map(self._lake.store.get, [file.path for file in chosen])
            return [
                _FORMAT.make_fragment(pa.BufferReader(raw), None, file.partition_expression)
                for file, raw in zip(chosen, found, strict=True)
            ]


class Pretence(AbstractFileSystem):  # type: ignore[misc]  # as above
    """A file for every pattern, without rows: DuckDB looks at files where a view is made.

    With it, `broadsheet.duckdb` gets its views over the object store without reading that.
    """

    cachable = False

    def __init__(self, store: ObjectStore) -> None:
        super().__init__()
        self.protocol, _, self._path = store.url.partition("://")

    def glob(self, path: str, **_: object) -> list[str]:
        """A name that the pattern matches."""
        return [path.replace("*", "any")]

    def info(self, path: str, **_: object) -> dict[str, object]:
        """What DuckDB asks of a file."""
        return {"name": path, "size": len(self._content(path)), "type": "file"}

    def modified(self, path: str) -> dt.datetime:
        """Long ago."""
        return dt.datetime.fromtimestamp(0, dt.UTC)

    def _open(self, path: str, *_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(self._content(path))

    def _content(self, path: str) -> bytes:
        below = path.rpartition(f"{self._path}/")[2]
        made = io.BytesIO()
        pq.write_table(SCHEMAS[below.partition("/")[0]].empty_table(), made)
        return made.getvalue()
