"""The lake: sole owner of Parquet.

Plain files, zstd, hive-partitioned, readable by anything, on a disk or in an object store. A file
appears whole or not at all: it is made in memory and then put, as `stores` says. A damaged file is
moved to `quarantine/` beside the lake, named in the log, and counts as absent, so that the next
ingest writes it anew.
"""

from __future__ import annotations

import datetime as dt
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from broadsheet import bundles
from broadsheet.errors import LakeError
from broadsheet.rows import Row, to_rows, to_table
from broadsheet.schemas import PARTITIONS, SCHEMAS
from broadsheet.stores import Disk, open_store, reason
from broadsheet.stores import aside_name as aside_name

logger = logging.getLogger(__name__)

_READ_AT_ONCE = 16  # files of an object store
_PARQUET = {"compression": "zstd", "write_page_checksum": True}
PartitionValue = str | int | dt.date
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """A file of the lake as a listing showed it."""

    path: str
    bytes: int
    modified_at: dt.datetime

    @property
    def folder(self) -> str:
        """Its partition's."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """What it is called there, without its ending."""
        return _stem(self.path)


class Lake:
    """Parquet tables below one root, a path or a URL (`s3://…`); for any thread, and it pickles."""

    def __init__(self, root: str) -> None:
        self.store = open_store(root)
        self.root = self.store.root
        self._bundled: dict[str, frozenset[str]] = {}  # what bundles hold: they never change

    def __reduce__(self) -> tuple[type[Lake], tuple[str]]:
        """Opened anew where it arrives: what is open to a store is one process's own."""
        return type(self), (self.store.url,)

    @property
    def is_local(self) -> bool:
        """Whether it is on a disk, where looking costs nothing; else each look is a request."""
        return isinstance(self.store, Disk)

    def directory(self, table: str, **partition: PartitionValue) -> str:
        """The folder of one partition; a table's own folder without one."""
        keys = [f"{key}={partition[key]}" for key in PARTITIONS[table] if key in partition]
        return "/".join([self.root, table, *keys])

    def write(
        self,
        table: str,
        rows: Iterable[Mapping[str, object]] | pa.Table,
        name: str,
        **partition: PartitionValue,
    ) -> None:
        """Put the rows into `<partition>/<name>.parquet`, whole, replacing what was there.

        Raises:
            LakeError: the lake cannot be written.
        """
        whole = _conform(table, rows, partition)
        with self._writing(table):
            path = f"{self.directory(table, **partition)}/{name}.parquet"
            self.store.put(path, _parquet(whole))

    def write_batches(
        self,
        table: str,
        batches: Iterable[pa.RecordBatch],
        name: str,
        **partition: PartitionValue,
    ) -> int:
        """As `write`, for what is too large for memory; each batch is a row group. Rows written.

        Raises:
            LakeError: the lake cannot be written.
        """
        rows = 0
        path = f"{self.directory(table, **partition)}/{name}.parquet"
        with (
            self._writing(table),
            self.store.filling(path) as stream,
            pq.ParquetWriter(stream, SCHEMAS[table], **_PARQUET) as file,
        ):
            for batch in batches:
                whole = _conform(table, pa.Table.from_batches([batch]), partition)
                file.write_table(whole)
                rows += len(whole)
        return rows

    @contextmanager
    def _writing(self, table: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            remedy = self.store.remedy(error, f"make {self.root} writable, with space left")
            raise LakeError(f"cannot write table {table}: {reason(error)}", remedy) from error

    def read(self, table: str, **partition: PartitionValue) -> pa.Table:
        """The partition's rows (columns as in `SCHEMAS`), in file order; no rows where none are."""

        def read() -> list[pa.Table]:
            folders: dict[str, list[str]] = {}
            for path in self.files(table, **partition):
                folders.setdefault(path.rpartition("/")[0], []).append(path)
            parts = [self.parts(table, paths) for paths in folders.values()]
            return [rows for part in parts for _, rows in sorted(part.items())]

        return pa.concat_tables(_again(read) or [SCHEMAS[table].empty_table()])

    def rows(self, table: str, name: str, **partition: PartitionValue) -> list[Row] | None:
        """The rows that `write` stored under that name, None where there are none.

        A file of that name goes before what a bundle holds of an older one.
        """
        folder = self.directory(table, **partition)

        def find() -> pa.Table | None:
            try:
                parts = self._read_file(table, f"{folder}/{name}.parquet") or {}
            except FileNotFoundError:
                parts = self._bundle_with(table, name, partition)
            return parts.get(name)

        whole = _again(find)
        return None if whole is None else to_rows(whole)

    def names(self, table: str, **partition: PartitionValue) -> list[str]:
        """The names that `write` stored the partition's rows under, sorted."""

        def find() -> set[str]:
            return {n for p in self.files(table, **partition) for n in self._names(table, p)}

        return sorted(_again(find))

    def parts(self, table: str, paths: Iterable[str]) -> dict[str, pa.Table]:
        """The rows in these files of one partition, by the name they were written under.

        A file that was written again after it was bundled goes before what the bundle holds;
        damaged files are left out.

        Raises:
            FileNotFoundError: a file is not there any more, nor its rows in a bundle among them.
        """
        bundles_first = sorted(paths, key=lambda path: not bundles.is_bundle(_stem(path)))
        found: dict[str, pa.Table] = {}
        for path in bundles_first:
            try:
                found |= self._read_file(table, path) or {}
            except FileNotFoundError:
                if _stem(path) not in found:
                    raise
        return found

    def bundle(self, table: str, folder: str, parts: Mapping[str, pa.Table]) -> str:
        """The path of one file with the rows of all these, by name; it is durable, and was read.

        Raises:
            LakeError: it cannot be written, or is not read as it was written.
        """
        raw = _parquet(bundles.pack(parts))
        name = bundles.file_name(len(parts), raw)
        path = f"{folder}/{name}.parquet"
        if not self._holds(path, raw):
            with self._writing(table):
                self.store.put(path, raw)
            if not self._holds(path, raw):
                raise LakeError(
                    f"cannot write {path}: not read as it was written", "check the disk"
                )
        self.store.make_durable(folder)
        return path

    def _holds(self, path: str, raw: pa.Buffer) -> bool:
        """Whether the file is there, with these bytes."""
        try:
            return bool(self.store.get(path).equals(raw))
        except FileNotFoundError:
            return False

    def retire(self, file: Stored) -> None:
        """Delete a file whose rows are in a bundle, unless it was written again since."""
        info = self.store.info(file.path)
        if (info.size, info.mtime) == (file.bytes, file.modified_at):
            self.discard(file.path)

    def discard(self, path: str) -> None:
        """Delete a file, if it is there."""
        try:
            self.store.delete(path)
        except FileNotFoundError:
            logger.debug("%s is gone already", path)
        except OSError as error:
            remedy = self.store.remedy(error, "make it writable")
            raise LakeError(f"cannot delete {path}: {reason(error)}", remedy) from error

    def files(self, table: str, **partition: PartitionValue) -> list[str]:
        """Paths of the partition's files, sorted; of all files without a partition."""
        infos = self.store.list_all([self.directory(table, **partition)])
        return sorted(info.path for info in infos if info.path.endswith(".parquet"))

    def dates(self, table: str, **partition: PartitionValue) -> list[dt.date]:
        """The dates that the partition has files of, sorted, each once."""
        found = (
            re.search(r"/date=(\d{4}-\d\d-\d\d)/", path) for path in self.files(table, **partition)
        )
        return sorted({dt.date.fromisoformat(one[1]) for one in found if one})

    def stored(
        self, table: str, partitions: Sequence[Mapping[str, PartitionValue]] = ({},)
    ) -> list[Stored]:
        """The files as they are now, sorted by path; of these partitions, or of the whole table.

        Raises:
            LakeError: the object store refuses, or does not answer.
        """
        return self._listed([self.directory(table, **one) for one in partitions], ".parquet")

    def strays(self) -> list[Stored]:
        """Files that were written aside, by a writer at work or one that was killed."""
        return self._listed([self.root], ".aside") if self.is_local else []

    def quarantined(self) -> list[Stored]:
        """The damaged files that were moved aside."""
        return self._listed([_beside(self.root)], "")

    def _listed(self, folders: Iterable[str], ending: str) -> list[Stored]:
        found = [
            Stored(path=info.path, bytes=info.size, modified_at=info.mtime)
            for info in self.store.list_all(folders)
            if info.path.endswith(ending)
        ]
        return sorted(found, key=lambda file: file.path)

    def has_files(self, table: str) -> bool:
        """Whether the table has any file; looks no further than the first."""
        folders = [self.directory(table)]
        while folders:
            for info in self.store.children(folders.pop()):
                if info.is_file and info.path.endswith(".parquet"):
                    return True
                if info.type == pafs.FileType.Directory:
                    if not self.is_local:  # there, a folder is a part of some object's name
                        return True
                    folders.append(info.path)
        return False

    def tables(self) -> list[str]:
        """The tables that have any file; one request to an object store."""
        if self.is_local:
            return [table for table in SCHEMAS if self.has_files(table)]
        folders = {info.base_name for info in self.store.children(self.root)}
        return [table for table in SCHEMAS if table in folders]

    def quarantine_damaged(self) -> list[str]:
        """Read every file of the lake whole, move the damaged ones aside and return their paths."""
        files = [(table, path) for table in SCHEMAS for path in self.files(table)]
        with ThreadPoolExecutor(1 if self.is_local else _READ_AT_ONCE) as threads:
            damaged = threads.map(lambda one: self._is_damaged(*one), files)
            return [
                path for (_, path), is_damaged in zip(files, damaged, strict=True) if is_damaged
            ]

    def _is_damaged(self, table: str, path: str) -> bool:
        try:
            if bundles.is_bundle(_stem(path)):
                return self._read_file(table, path) is None
            return self._looked_into(path, lambda file: _count_sound(table, file)) is None
        except FileNotFoundError:  # merged into another since it was listed
            return False

    def _bundle_with(
        self, table: str, name: str, partition: Mapping[str, PartitionValue]
    ) -> dict[str, pa.Table]:
        """What is in the partition's bundle that holds the name; empty where none does."""
        for path in self.files(table, **partition):
            if bundles.is_bundle(_stem(path)) and name in self._names(table, path):
                return self._read_file(table, path) or {}
        return {}

    def _names(self, table: str, path: str) -> frozenset[str]:
        """The names that the file's rows were written under; none where it is damaged."""
        if not bundles.is_bundle(_stem(path)):
            return frozenset([_stem(path)])
        if path not in self._bundled:
            self._bundled[path] = frozenset(self._read_file(table, path) or ())
        return self._bundled[path]

    def _read_file(self, table: str, path: str) -> dict[str, pa.Table] | None:
        """The file's rows in the table's columns, by the name they were written under.

        None, and moved aside, where it is damaged.

        Raises:
            FileNotFoundError: it is not there (any more).
        """

        def read(file: pq.ParquetFile) -> dict[str, pa.Table]:
            rows = file.read()
            _refuse_renamed(table, rows.column_names)
            whole = _conform(table, rows, {})
            if not bundles.is_bundle(_stem(path)):
                return {_stem(path): whole}
            return bundles.unpack(whole, bundles.names(rows.schema.metadata))

        return self._looked_into(path, read)

    def _looked_into(self, path: str, look: Callable[[pq.ParquetFile], T]) -> T | None:
        """What is found in the file; as `_read_file` where it is damaged or gone."""
        try:
            raw = self.store.get(path)
        except FileNotFoundError:
            raise
        except OSError as error:  # not damage: nothing is moved
            remedy = self.store.remedy(error, "make it readable")
            raise LakeError(f"cannot read {path}: {reason(error)}", remedy) from error
        try:
            return look(pq.ParquetFile(pa.BufferReader(raw), page_checksum_verification=True))
        except (pa.ArrowException, OSError, ValueError) as error:  # all it raises on damage
            self._quarantine(path, error)
            return None

    def _quarantine(self, path: str, error: Exception) -> None:
        relative = path.removeprefix(self.root).strip("/")
        aside = f"{_beside(self.root)}/{relative}.damaged"
        why = reason(error)[:200]
        try:
            self.store.move(path, aside)
        except OSError as refused:
            raise LakeError(
                f"cannot move damaged file {path} aside: {reason(refused)}", f"delete it ({why})"
            ) from refused
        logger.warning("damaged lake file %s: moved to %s (%s)", relative, aside, why)


def _again(look: Callable[[], T]) -> T:
    """What is found; once more where a file was merged into another between listing and reading.

    Raises:
        LakeError: a file is gone the second time, too.
    """
    try:
        try:
            return look()
        except FileNotFoundError:
            return look()
    except FileNotFoundError as error:
        raise LakeError(f"cannot read {error}", "try again: the lake was tidied") from error


def _parquet(rows: pa.Table) -> pa.Buffer:
    """The rows as a file of the lake."""
    stream = pa.BufferOutputStream()
    pq.write_table(rows, stream, **_PARQUET)
    return stream.getvalue()


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".parquet")


def _beside(root: str) -> str:
    """The quarantine folder: beside the lake, or inside it where the lake is a whole bucket."""
    parent = root.rpartition("/")[0]
    return f"{parent or root}/quarantine"


def _count_sound(table: str, file: pq.ParquetFile) -> int:
    """The file's rows, once all were read, a row group at a time: a year of the archive is large.

    Raises:
        pa.ArrowException, OSError or ValueError: it is damaged.
    """
    _refuse_renamed(table, file.schema_arrow.names)
    groups = (file.read_row_group(number) for number in range(file.num_row_groups))
    return sum(len(_conform(table, group, {})) for group in groups)


def _refuse_renamed(table: str, columns: list[str]) -> None:
    """Raise where a column stands in another's place: the footer, which has no checksum, is hit."""
    known = SCHEMAS[table].names
    strange = [name for name in columns if name not in known]
    if strange and not set(known) <= set(columns):
        raise ValueError(f"unknown column {strange[0]!r} in place of one of {table}")


def _conform(
    table: str, rows: Iterable[Mapping[str, object]] | pa.Table, partition: Mapping[str, object]
) -> pa.Table:
    """The rows in the table's columns and types; what they lack is null or the partition's."""
    schema = SCHEMAS[table]
    if not isinstance(rows, pa.Table):
        return to_table([{**partition, **row} for row in rows], schema)
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.array([partition.get(field.name)] * len(rows), type=field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)
