"""Where a lake is kept: a disk, or an object store that pyarrow opens; whole files in and out.

pyarrow reads the usual AWS variables and profiles itself, but not `AWS_ENDPOINT_URL`.
"""

from __future__ import annotations

import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from broadsheet.config import LAKE_SCHEMES
from broadsheet.errors import LakeError

_CONNECT_SECONDS, _SILENCE_SECONDS, _ATTEMPTS = 5, 10, 3
_VERSIONS = 10  # of one object, put faster than it can be read
_ONE_PUT_BYTES = 8 * 2**20  # pyarrow sends what is below 10 MiB as one request


class Store(ABC):
    """A file system below one root."""

    def __init__(self, fs: pafs.FileSystem, root: str, url: str) -> None:
        self._fs, self.root, self.url = fs, root, url

    @property
    def fs(self) -> pafs.FileSystem:
        """What pyarrow reads it with."""
        return self._fs

    @abstractmethod
    def put(self, path: str, data: pa.Buffer) -> None:
        """Make the file appear with that content, at once; raises OSError where it does not."""

    @contextmanager
    def filling(self, path: str) -> Iterator[pa.NativeFile]:
        """What to write a file's content to: it appears where the block ends, not where it fails.

        Held in memory until then, where the store has no other way.
        """
        stream = pa.BufferOutputStream()
        yield stream
        self.put(path, stream.getvalue())

    @abstractmethod
    def list_all(self, folders: Iterable[str]) -> list[pafs.FileInfo]:
        """The files below the folders, in few requests; a folder that is not there has none."""

    @abstractmethod
    def children(self, folder: str) -> list[pafs.FileInfo]:
        """What is directly in the folder; nothing where it is not there."""

    @abstractmethod
    def move(self, path: str, target: str) -> None:
        """Give the file another path; raises OSError."""

    @abstractmethod
    def remedy(self, error: OSError, what: str) -> str:
        """What to do about an error, `what` being what the disk does not allow."""

    @abstractmethod
    def info(self, path: str) -> pafs.FileInfo:
        """The file as a listing shows it, of whatever type; raises OSError."""

    @abstractmethod
    def make_durable(self, folder: str) -> None:
        """See that the names in the folder outlast a loss of power."""

    def get(self, path: str) -> pa.Buffer:
        """The file's content; raises FileNotFoundError and other kinds of OSError."""
        with self.fs.open_input_file(path) as stream:
            return stream.read_buffer()

    def delete(self, path: str) -> None:
        """Make the file disappear; raises FileNotFoundError and other kinds of OSError."""
        self.fs.delete_file(path)


class Disk(Store):
    """A folder of this machine, or one that it has mounted."""

    def put(self, path: str, data: pa.Buffer) -> None:
        """Written aside, flushed to disk and renamed."""
        with self.filling(path) as stream:
            stream.write(data)

    @contextmanager
    def filling(self, path: str) -> Iterator[pa.NativeFile]:
        """As `put` does it; what was written aside until it failed is removed."""
        folder, _, name = path.rpartition("/")
        aside = Path(folder, aside_name(name.removesuffix(".parquet")))
        self.fs.create_dir(folder, recursive=True)
        try:
            with aside.open("wb") as file, pa.PythonFile(file, mode="w") as stream:
                yield stream
                stream.flush()
                os.fsync(file.fileno())
            self.fs.move(str(aside), path)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise

    def list_all(self, folders: Iterable[str]) -> list[pafs.FileInfo]:
        """Folder after folder."""
        found = (self._list(folder, recursive=True) for folder in folders)
        return [info for infos in found for info in infos if info.is_file]

    def children(self, folder: str) -> list[pafs.FileInfo]:
        """One look into the folder."""
        return self._list(folder, recursive=False)

    def _list(self, folder: str, *, recursive: bool) -> list[pafs.FileInfo]:
        selector = pafs.FileSelector(folder, allow_not_found=True, recursive=recursive)
        return list(self.fs.get_file_info(selector))

    def move(self, path: str, target: str) -> None:
        """Renamed, into a folder made for it."""
        self.fs.create_dir(target.rpartition("/")[0], recursive=True)
        self.fs.move(path, target)

    def info(self, path: str) -> pafs.FileInfo:
        """One look."""
        return self.fs.get_file_info(path)

    def make_durable(self, folder: str) -> None:
        """The folder flushed to disk."""
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)

    def remedy(self, error: OSError, what: str) -> str:
        """A disk's faults are its rights and its space."""
        return what


class ObjectStore(Store):
    """A bucket, or what is below a prefix of one; for any thread, but of one process only.

    Args:
        fs: what puts an object that is small.
        whole: what puts a large one; see `put`.
        root: bucket and prefix.
        url: the same with its scheme.
    """

    def __init__(self, fs: pafs.FileSystem, whole: pafs.FileSystem, root: str, url: str) -> None:
        super().__init__(fs, root, url)
        self._whole = whole

    @property
    def fs(self) -> pafs.FileSystem:
        """As said, where the process was not forked since."""
        _refuse_forked()
        return self._fs

    def put(self, path: str, data: pa.Buffer) -> None:
        """One request, or an upload in parts that is completed when all of them are there.

        The stream is not closed where a write failed: closing completes. One opened with
        `allow_delayed_open`, which is what makes a small object one request, is closed by its
        destructor all the same, and then puts what it holds where the upload could not begin.
        """
        fs = self.fs if data.size < _ONE_PUT_BYTES else self._whole
        stream = fs.open_output_stream(path)
        stream.write(data)
        stream.close()

    def get(self, path: str) -> pa.Buffer:
        """As pyarrow reads it: it asks for the length, and then for so many bytes.

        What was replaced by something longer in between is cut off, and asked for again. A Parquet
        file ends as it begins; one that does not, twice the same, is damaged.
        """
        raw = super().get(path)
        for _ in range(_VERSIONS):
            before, raw = raw, raw if _is_complete(raw) else super().get(path)
            if raw.equals(before):
                break
        return raw

    def list_all(self, folders: Iterable[str]) -> list[pafs.FileInfo]:
        """One request per 1000 objects of each folder, or of the one above where they share it."""
        above: dict[str, list[str]] = {}
        for folder in folders:
            above.setdefault(folder.rpartition("/")[0], []).append(folder)
        found: list[pafs.FileInfo] = []
        for parent, wanted in above.items():
            infos = self._list(wanted[0] if len(wanted) == 1 else parent, recursive=True)
            starts = tuple(f"{folder}/" for folder in wanted)
            found += [i for i in infos if i.is_file and i.path.startswith(starts)]
        return found

    def children(self, folder: str) -> list[pafs.FileInfo]:
        """One request per 1000."""
        return self._list(folder, recursive=False)

    def _list(self, folder: str, *, recursive: bool) -> list[pafs.FileInfo]:
        try:  # allow_not_found would make a bucket that is not there an empty one
            return list(self.fs.get_file_info(pafs.FileSelector(folder, recursive=recursive)))
        except FileNotFoundError:
            return []
        except OSError as error:
            remedy = self.remedy(error, "see docs/lake.md")
            raise LakeError(f"cannot list {self.url}: {reason(error)}", remedy) from error

    def move(self, path: str, target: str) -> None:
        """Copied and deleted; folders are not made, they are parts of names."""
        self.fs.move(path, target)

    def info(self, path: str) -> pafs.FileInfo:
        """From a listing: asked for alone, an object's time of change has whole seconds only."""
        beside = self._list(path.rpartition("/")[0], recursive=False)
        absent = pafs.FileInfo(path, type=pafs.FileType.NotFound)
        return next((info for info in beside if info.path == path), absent)

    def make_durable(self, folder: str) -> None:
        """An object that was put is there."""

    def remedy(self, error: OSError, what: str) -> str:
        """By what the store answered."""
        said = str(error)
        return next((remedy for sign, remedy in _REMEDIES if re.search(sign, said)), what)


_REMEDIES = (
    ("NO_SUCH_BUCKET", "make the bucket, or correct BROADSHEET_LAKE"),
    ("NETWORK_CONNECTION", "check the network and AWS_ENDPOINT_URL"),
    (r"region|status 301", "set AWS_REGION to the bucket's region"),
    (
        r"ACCESS_DENIED|ACCESS_KEY|SIGNATURE|TOKEN|CREDENTIALS|status 40[13]",
        "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN or AWS_PROFILE: they"
        " must be allowed to list, get, put and delete objects there",
    ),
)


def reason(error: BaseException) -> str:
    """What an error says, on one line, without the store's number of the request."""
    line = " ".join(str(error).split())
    return re.sub(r" \(Request ID: [^)]*\)", "", line)


def _is_complete(raw: pa.Buffer) -> bool:
    return bytes(raw[-4:]) == b"PAR1"


def aside_name(name: str) -> str:
    """What a file is called while it is written: no reader's pattern, no other writer's name."""
    return f".{name}.{os.getpid()}-{threading.get_native_id()}.aside"


_process = 0


def _refuse_forked() -> None:
    """Raise in a child forked from a process that has had an object store open: it would hang."""
    global _process
    _process = _process or os.getpid()
    if _process != os.getpid():
        raise LakeError(
            "cannot use an object store in a process forked from one that does",
            "start processes by spawn: the store's threads and connections do not survive a fork",
        )


def open_store(root: str) -> Store:
    """The store that a path or URL names; nothing is asked of it yet.

    Raises:
        LakeError: it cannot be opened.
    """
    scheme = root.partition("://")[0] if "://" in root else ""
    if not scheme:
        path = Path(root).absolute().as_posix()
        return Disk(pafs.LocalFileSystem(), path, path)
    _refuse(root, scheme)
    try:
        if scheme == "s3" and not urlsplit(root).query:
            return _open_s3(root)
        fs, path = pafs.FileSystem.from_uri(root)
    except (pa.ArrowInvalid, OSError, ValueError) as error:
        raise LakeError(
            f"cannot open lake {root}: {reason(error)}", "check BROADSHEET_LAKE"
        ) from error
    path = path.rstrip("/")
    if isinstance(fs, pafs.LocalFileSystem):
        return Disk(fs, path, path)
    return ObjectStore(fs, fs, path, f"{scheme}://{path}")


def _refuse(root: str, scheme: str) -> None:
    """Raise where the URL cannot be opened, or must not be."""
    if scheme not in LAKE_SCHEMES:
        works = ", ".join(f"{known}://" for known in LAKE_SCHEMES)
        raise LakeError(f"cannot open lake {root}", f"BROADSHEET_LAKE is a path or {works}")
    if "@" in urlsplit(root).netloc and scheme == "s3":
        raise LakeError(
            "cannot open lake: its URL holds credentials",
            "give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or by AWS_PROFILE",
        )
    if scheme != "file":
        _refuse_forked()


def _open_s3(root: str) -> ObjectStore:
    parts = urlsplit(root)
    path = f"{parts.netloc}{parts.path}".rstrip("/")
    if not parts.netloc or " " in path:
        raise ValueError("write it as s3://bucket/prefix")
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = endpoint.rpartition("://")
    options = {
        "connect_timeout": _CONNECT_SECONDS,
        "request_timeout": _SILENCE_SECONDS,
        "retry_strategy": pafs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
        "scheme": scheme or "https",
        "endpoint_override": host.rstrip("/") or None,
    }
    small = pafs.S3FileSystem(**options, allow_delayed_open=True)
    return ObjectStore(small, pafs.S3FileSystem(**options), path, f"s3://{path}")
