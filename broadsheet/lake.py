"""The lake: sole owner of Parquet.

Plain files, zstd, hive-partitioned, readable by anything. A file appears whole or not at all: it is
written aside, flushed to disk and renamed. A damaged file is moved to `quarantine/` beside the
lake, named in the log, and counts as absent, so that the next ingest writes it anew.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from broadsheet.errors import LakeError
from broadsheet.rows import Row, to_rows, to_table
from broadsheet.schemas import PARTITIONS, SCHEMAS

logger = logging.getLogger(__name__)

PartitionValue = str | dt.date


class Lake:
    """Parquet tables below one root, a path or a URL that pyarrow opens (`s3://…`)."""

    def __init__(self, root: str) -> None:
        self.fs, self.root = _open(root)

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
        folder = self.directory(table, **partition)
        aside = f"{folder}/{aside_name(name)}"
        try:
            self.fs.create_dir(folder, recursive=True)
            with self.fs.open_output_stream(aside) as stream:
                pq.write_table(whole, stream, compression="zstd", write_page_checksum=True)
            self._publish(aside, f"{folder}/{name}.parquet")
        except OSError as error:
            raise LakeError(
                f"cannot write table {table}: {error}",
                f"make {self.root} writable, with space left",
            ) from error

    def read(self, table: str, **partition: PartitionValue) -> pa.Table:
        """The partition's rows (columns as in `SCHEMAS`), in file order; no rows where none are."""
        tables = [self._read_file(table, path) for path in self.files(table, **partition)]
        return pa.concat_tables(
            [t for t in tables if t is not None] or [SCHEMAS[table].empty_table()]
        )

    def rows(self, table: str, name: str, **partition: PartitionValue) -> list[Row] | None:
        """The rows of the file that `write` made under that name, None where there is none."""
        path = f"{self.directory(table, **partition)}/{name}.parquet"
        is_there = self.fs.get_file_info(path).type == pafs.FileType.File
        whole = self._read_file(table, path) if is_there else None
        return None if whole is None else to_rows(whole)

    def files(self, table: str, **partition: PartitionValue) -> list[str]:
        """Paths of the partition's files, sorted; of all files without a partition."""
        selector = pafs.FileSelector(
            self.directory(table, **partition), allow_not_found=True, recursive=True
        )
        infos = self.fs.get_file_info(selector)
        return sorted(i.path for i in infos if i.is_file and i.path.endswith(".parquet"))

    def has_files(self, table: str) -> bool:
        """Whether the table has any file; looks no further than the first."""
        folders = [self.directory(table)]
        while folders:
            selector = pafs.FileSelector(folders.pop(), allow_not_found=True)
            for info in self.fs.get_file_info(selector):
                if info.is_file and info.path.endswith(".parquet"):
                    return True
                if info.type == pafs.FileType.Directory:
                    folders.append(info.path)
        return False

    def quarantine_damaged(self) -> list[str]:
        """Read every file of the lake whole, move the damaged ones aside and return their paths."""
        return [
            path
            for table in SCHEMAS
            for path in self.files(table)
            if self._read_file(table, path) is None
        ]

    def _read_file(self, table: str, path: str) -> pa.Table | None:
        """The file's rows in the table's columns; None, and moved aside, where it is damaged."""
        try:
            with self.fs.open_input_file(path) as stream:
                raw = stream.read_buffer()
        except OSError as error:  # not damage: nothing is moved
            raise LakeError(f"cannot read {path}: {error}", "make it readable") from error
        try:
            rows = pq.ParquetFile(pa.BufferReader(raw), page_checksum_verification=True).read()
            _refuse_renamed(table, rows.column_names)
            return _conform(table, rows, {})
        except (pa.ArrowException, OSError, ValueError) as error:  # all it raises on damage
            self._quarantine(path, error)
            return None

    def _quarantine(self, path: str, error: Exception) -> None:
        relative = path.removeprefix(self.root).strip("/")
        aside = f"{_beside(self.root)}/{relative}.damaged"
        reason = str(error).splitlines()[0][:200]
        try:
            self.fs.create_dir(aside.rpartition("/")[0], recursive=True)
            self.fs.move(path, aside)
        except OSError as refused:
            raise LakeError(
                f"cannot move damaged file {path} aside: {refused}", f"delete it ({reason})"
            ) from refused
        logger.warning("damaged lake file %s: moved to %s (%s)", relative, aside, reason)

    def _publish(self, aside: str, final: str) -> None:
        """Make a file that was written aside appear under its final name, at once and durably."""
        if isinstance(self.fs, pafs.LocalFileSystem):
            with Path(aside).open("rb") as written:
                os.fsync(written.fileno())
        self.fs.move(aside, final)


def aside_name(name: str) -> str:
    """What a file is called while it is written: no reader's pattern, no other writer's name."""
    return f".{name}.{os.getpid()}-{threading.get_native_id()}.aside"


def _open(root: str) -> tuple[pafs.FileSystem, str]:
    if "://" not in root:
        return pafs.LocalFileSystem(), Path(root).absolute().as_posix()
    try:
        fs, path = pafs.FileSystem.from_uri(root)
    except (pa.ArrowInvalid, OSError) as error:
        raise LakeError(f"cannot open lake {root}: {error}", "check BROADSHEET_LAKE") from error
    return fs, path.rstrip("/")


def _beside(root: str) -> str:
    """The quarantine folder: beside the lake, or inside it where the lake is a whole bucket."""
    parent = root.rpartition("/")[0]
    return f"{parent or root}/quarantine"


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
