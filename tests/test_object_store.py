"""A lake in a bucket: the same promises as on a disk, no folder, few requests, two writers."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import logging
import multiprocessing
import os
import pickle
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from builders import DAY
from conftest import Bucket, Web, World
from small_files import fill, seen
from test_lake import TABLES, _fail_midway, example, full_row, partition

import broadsheet
from broadsheet import lake as lake_module
from broadsheet.asking import ask
from broadsheet.config import load_settings
from broadsheet.doctor import examine
from broadsheet.errors import LakeError
from broadsheet.lake import Lake
from broadsheet.maintaining import Upkeep, tidy
from broadsheet.models import Outcome
from broadsheet.publishing import Published
from broadsheet.rows import Row, to_rows
from broadsheet.schemas import PARTITIONS, SCHEMAS
from broadsheet.views import FRONT_NAMES, Only
from broadsheet.warehouse import Warehouse, save_views

A_RUN = "lake/runs/date=2026-01-06/a.parquet"


@pytest.fixture
def remote(object_store: Bucket) -> Lake:
    """An empty lake in a bucket."""
    return Lake(object_store.url)


def write_run(lake: Lake, run_id: str, date: dt.date = DAY) -> None:
    """A file of one run."""
    lake.write("runs", [{"run_id": run_id, "name": "cv"}], run_id, date=date)


def write_days(lake: Lake, days: int) -> list[dt.date]:
    """A digest of one paper for each of so many days, the newest first."""
    dates = [DAY - dt.timedelta(days=back) for back in range(days)]
    for date in dates:
        row = {"paper_id": "2601.00001", "position": 1, "title": f"{date}"}
        lake.write("digests", [row], "digest", profile="cv", date=date)
    return dates


def answers(lake: Lake, sql: str, only: Only | None = None) -> list[object]:
    """The first column of the answer."""
    with Warehouse(lake, only) as warehouse:
        return warehouse.sql(sql)[0].to_pylist()


# Whole or not at all


@pytest.mark.parametrize("table", TABLES)
def test_a_full_row_reads_back_as_written(remote: Lake, table: str) -> None:
    remote.write(table, [full_row(table)], "x", **partition(table))
    assert remote.rows(table, "x", **partition(table)) == [full_row(table)]
    with Warehouse(remote) as warehouse:
        assert to_rows(warehouse.sql(f"from lake.{table}")) == [full_row(table)]


def test_a_file_is_one_object_put_at_once(remote: Lake, object_store: Bucket) -> None:
    with object_store.counted() as requests:
        write_run(remote, "a")
        write_run(remote, "a")
    assert requests == [f"PUT /{A_RUN}"] * 2
    assert object_store.objects() == [A_RUN]


def test_a_write_that_fails_puts_nothing(
    remote: Lake, object_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake_module.pq, "write_table", _fail_midway)
    with object_store.counted() as requests, pytest.raises(LakeError, match="cannot write table"):
        write_run(remote, "a")
    assert requests == []


def large_rows(version: int) -> list[Row]:
    """Rows that make a file of more than one part, which is 10 MiB."""
    noise = random.Random(version)
    return [
        {"run_id": str(version), "listed": n, "message": noise.randbytes(150_000).hex()}
        for n in range(80)
    ]


def test_a_large_file_reads_back_as_written(remote: Lake, object_store: Bucket) -> None:
    with object_store.counted() as requests:
        remote.write("runs", large_rows(1), "a", date=DAY)
    assert f"POST /{A_RUN}?uploads" in requests
    rows = remote.rows("runs", "a", date=DAY)
    assert rows is not None
    assert [row["message"] for row in rows] == [row["message"] for row in large_rows(1)]
    assert answers(remote, "select count(*) from runs") == [1]


class Refusing:
    """A store where no upload in parts can begin; `put` holds what was put nevertheless."""

    def __init__(self) -> None:
        put = self.put = list[str]()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.send_error(403)

            def do_PUT(self) -> None:
                put.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()


@pytest.fixture
def refusing(object_store: Bucket, monkeypatch: pytest.MonkeyPatch) -> Iterator[Refusing]:
    """Such a store, where the lake is to be."""
    store = Refusing()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{store.server.server_port}")
    yield store
    store.server.shutdown()
    store.server.server_close()


def test_an_upload_that_cannot_begin_leaves_no_object(refusing: Refusing) -> None:
    lake = Lake("s3://bucket/lake")
    with pytest.raises(LakeError, match="cannot write table runs"):
        lake.write("runs", large_rows(1), "a", date=DAY)
    del lake
    assert refusing.put == []


_WRITE_FOREVER = """
import datetime as dt, sys
sys.path[:0] = sys.argv[3:]
from test_object_store import large_rows
from broadsheet.lake import Lake
lake = Lake(sys.argv[1])
rows = {
    "small": lambda version: [
        {"reason": f"{sys.argv[2]} {version} " + "m" * (version % 99), "rank": n} for n in range(50)
    ],
    "large": large_rows,
}[sys.argv[2].partition(" ")[0]]
table = "scores" if "small" in sys.argv[2] else "runs"
print("ready", flush=True)
for version in range(1_000_000):
    lake.write(table, rows(version), "a", profile="cv", date=dt.date(2026, 1, 6))
"""


def start_writer(lake: Lake, name: str) -> subprocess.Popen[str]:
    """A process that writes one file again and again, started."""
    command = [sys.executable, "-c", _WRITE_FOREVER, lake.store.url, name, *sys.path]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def test_a_writer_killed_while_it_uploads_leaves_a_whole_file_or_none(
    remote: Lake, object_store: Bucket
) -> None:
    for pause in (0.4, 0.8):
        writer = start_writer(remote, "large")
        time.sleep(pause)
        writer.kill()
        writer.wait()
        rows = remote.rows("runs", "a", date=DAY)
        assert rows is None or len(rows) == 80
    assert object_store.objects() in ([], [A_RUN])


def test_readers_see_whole_files_while_two_processes_write_the_same_one(
    remote: Lake, object_store: Bucket
) -> None:
    where: dict[str, Any] = {"profile": "cv", "date": DAY}
    remote.write("scores", [{"reason": "at first", "rank": n} for n in range(50)], "a", **where)
    writers = [start_writer(remote, "small one"), start_writer(remote, "small two")]
    read: list[str] = []
    try:
        with Warehouse(remote) as warehouse:
            until = time.monotonic() + 120
            while not (len(set(read)) > 20 and {"small one", "small two"} <= {r[:9] for r in read}):
                assert time.monotonic() < until, "the writers do not write"
                rows = remote.rows("scores", "a", **where)
                assert rows is not None
                assert [row["rank"] for row in rows] == list(range(50))
                (version,) = {str(row["reason"]) for row in rows}
                read.append(version)
                sql = "select count(*), count(distinct reason) from lake.scores"
                assert warehouse.con.sql(sql).fetchall() == [(50, 1)]
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    assert object_store.objects() == ["lake/scores/profile=cv/date=2026-01-06/a.parquet"]


# Damage


def test_a_damaged_object_is_moved_aside_and_counts_as_absent(
    remote: Lake, object_store: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    write_run(remote, "b")
    object_store.put(A_RUN, b"<html>503 Service Unavailable</html>" * 99)
    with caplog.at_level(logging.WARNING, logger="broadsheet.lake"):
        assert remote.rows("runs", "a", date=DAY) is None
    assert "runs/date=2026-01-06/a.parquet" in caplog.text
    assert remote.read("runs")["run_id"].to_pylist() == ["b"]
    kept = [key for key in object_store.objects() if not key.endswith("/")]
    assert kept == [
        "lake/runs/date=2026-01-06/b.parquet",
        "quarantine/runs/date=2026-01-06/a.parquet.damaged",
    ]


@pytest.mark.parametrize("damage", [b"", b"PAR1 half a file", b"<html>no</html>" * 99])
def test_a_query_answers_without_the_damaged_object(
    remote: Lake, object_store: Bucket, damage: bytes
) -> None:
    write_run(remote, "b")
    with Warehouse(remote) as warehouse:
        object_store.put(A_RUN, damage)
        assert warehouse.sql("select run_id from runs")["run_id"].to_pylist() == ["b"]
    assert len(remote.files("runs")) == 1


def test_a_query_answers_without_a_damaged_digest(remote: Lake, object_store: Bucket) -> None:
    first, second = write_days(remote, 2)
    object_store.put(f"lake/digests/profile=cv/date={first}/digest.parquet", b"PAR1 half PAR1")
    assert answers(remote, "select title from lake.digests") == [str(second)]
    assert len(remote.quarantined()) == 1


def test_a_flipped_bit_is_noticed_by_a_query(remote: Lake, object_store: Bucket) -> None:
    write_run(remote, "b")
    made = pa.BufferOutputStream()
    table = pa.table({"run_id": [f"{n:09}" for n in range(999)]})
    pq.write_table(table, made, write_page_checksum=True, use_dictionary=False)
    raw = bytearray(made.getvalue())
    raw[2000] ^= 1
    object_store.put(A_RUN, bytes(raw))
    assert answers(remote, "select run_id from runs") == ["b"]


def test_the_quarantine_of_a_whole_bucket_is_inside_it(object_store: Bucket) -> None:
    lake = Lake(f"s3://{object_store.name}")
    write_run(lake, "a")
    object_store.put(A_RUN.removeprefix("lake/"), b"half")
    assert lake.quarantine_damaged() == [f"{object_store.name}/{A_RUN.removeprefix('lake/')}"]
    kept = [key for key in object_store.objects() if not key.endswith("/")]
    assert kept == ["quarantine/runs/date=2026-01-06/a.parquet.damaged"]


def test_what_stands_for_a_folder_after_a_deletion_is_no_file(
    remote: Lake, object_store: Bucket
) -> None:
    write_run(remote, "a")
    remote.discard(remote.files("runs")[0])
    assert object_store.objects() == ["lake/runs/date=2026-01-06/"], "as pyarrow leaves it"
    assert remote.files("runs") == []
    assert remote.read("runs").num_rows == 0
    assert answers(remote, "select count(*) from runs") == [0]
    write_run(remote, "a")
    assert answers(remote, "select count(*) from runs") == [1]


# What is wrong is said


@pytest.mark.parametrize(
    "work",
    [
        pytest.param(lambda lake: lake.files("runs"), id="files"),
        pytest.param(lambda lake: lake.has_files("runs"), id="has_files"),
        pytest.param(lambda lake: lake.quarantine_damaged(), id="quarantine_damaged"),
        pytest.param(lambda lake: write_run(lake, "a"), id="write"),
        pytest.param(lambda lake: answers(lake, "from runs"), id="sql"),
    ],
)
def test_a_bucket_that_is_not_there_is_not_an_empty_lake(object_store: Bucket, work: Any) -> None:
    with pytest.raises(LakeError, match="NO_SUCH_BUCKET") as caught:
        work(Lake("s3://no-such-bucket/lake"))
    assert caught.value.remedy == "make the bucket, or correct BROADSHEET_LAKE"
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "code", ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"]
)
def test_wrong_credentials_are_named_and_not_told(
    object_store: Bucket, web: Web, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    said = "The key loopback-user with loopback-password is wrong"
    page = f"<Error><Code>{code}</Code><Message>{said}</Message></Error>"
    web.respond = lambda path, query: (403, page, {"content-type": "application/xml"})
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
    for work in (lambda lake: lake.files("runs"), lambda lake: answers(lake, "from runs")):
        with pytest.raises(LakeError) as caught:
            work(Lake(object_store.url))
        told = caught.value.message + caught.value.remedy
        assert "AWS_SECRET_ACCESS_KEY" in caught.value.remedy
        assert "loopback-user" not in told
        assert "loopback-password" not in told
        assert "\n" not in told


def test_a_store_that_is_not_reached_is_said_soon(
    object_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(LakeError, match="NETWORK_CONNECTION") as caught:
        answers(Lake(object_store.url), "from runs")
    assert "AWS_ENDPOINT_URL" in caught.value.remedy
    assert time.monotonic() - began < 20


def test_a_store_out_of_reach_for_a_moment_is_asked_again(
    remote: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(remote, "a")
    stored, failures = Lake.stored, ["NETWORK_CONNECTION"]

    def fail_once(lake: Lake, *args: Any) -> object:
        if failures:
            raise LakeError(f"cannot list: {failures.pop()}")
        return stored(lake, *args)

    monkeypatch.setattr(Lake, "stored", fail_once)
    assert answers(remote, "select run_id from lake.runs") == ["a"]
    assert not failures


def test_credentials_in_the_url_are_refused_and_not_told() -> None:
    with pytest.raises(LakeError) as caught:
        Lake("s3://hunter:two@bucket/lake")
    assert "AWS_SECRET_ACCESS_KEY" in caught.value.remedy
    assert "hunter" not in caught.value.message + caught.value.remedy


def test_an_unknown_scheme_names_those_that_work() -> None:
    with pytest.raises(LakeError) as caught:
        Lake("ftp://host/lake")
    assert caught.value.remedy.startswith("BROADSHEET_LAKE is a path or s3://, gs://")


# How it is reached


@pytest.mark.parametrize("url", ["gs://b/lake", "abfs://c@account.dfs.core.windows.net/lake"])
def test_stores_of_other_makers_are_opened_without_a_request(url: str) -> None:
    assert Lake(url).root == f"{url[url.index('//') + 2]}/lake"


def test_an_endpoint_for_s3_alone_goes_first(
    object_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", object_store.server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    write_run(Lake(object_store.url), "a")
    assert object_store.objects() == [A_RUN]


def test_an_endpoint_may_stand_in_the_url(
    object_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    host = object_store.server.partition("://")[2]
    write_run(Lake(f"{object_store.url}?scheme=http&endpoint_override={host}"), "a")
    assert object_store.objects() == [A_RUN]


def elsewhere(code: str, *arguments: str, **environ: str) -> str:
    """What another Python process prints."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, env={**os.environ, **environ}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_profile_gives_credentials_and_region(
    object_store: Bucket, web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(
        "[paper]\naws_access_key_id = by-profile\naws_secret_access_key = secret\n"
    )
    (tmp_path / "conf").write_text("[profile paper]\nregion = eu-north-1\n")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.delenv(name)
    code = "import sys; from broadsheet.lake import Lake; Lake(sys.argv[1]).files('runs')"
    web.respond = lambda path, query: (200, "<ListBucketResult></ListBucketResult>")
    elsewhere(
        code,
        object_store.url,
        AWS_PROFILE="paper",
        AWS_CONFIG_FILE=str(tmp_path / "conf"),
        AWS_SHARED_CREDENTIALS_FILE=str(tmp_path / "keys"),
        AWS_ENDPOINT_URL=web.url,
    )
    assert "by-profile/" in web.headers[0]["authorization"]
    assert "/eu-north-1/s3/" in web.headers[0]["authorization"]


# Threads and processes


def test_eight_threads_share_one_lake(remote: Lake, object_store: Bucket) -> None:
    def work(number: int) -> list[Row] | None:
        write_run(remote, f"run-{number}")
        return remote.rows("runs", f"run-{number}", date=DAY)

    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        found = list(threads.map(work, range(64)))
    assert [rows[0]["run_id"] for rows in found if rows] == [f"run-{n}" for n in range(64)]
    assert len(object_store.objects()) == 64


def test_a_lake_goes_to_another_process_by_its_name(remote: Lake) -> None:
    write_run(remote, "a")
    assert len(pickle.dumps(remote)) < 500
    spawn = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=spawn) as processes:
        assert processes.submit(remote.files, "runs").result(60) == remote.files("runs")


_FORK = """
import os, sys
from broadsheet.errors import LakeError
from broadsheet.lake import Lake
lake = Lake(sys.argv[1])
lake.files("runs")
for work in (lambda: lake.files("runs"), lambda: Lake(sys.argv[1])):
    child = os.fork()
    if not child:
        try:
            work()
        except LakeError as error:
            print(error, flush=True)
        os._exit(0)
    os.waitpid(child, 0)
"""


def test_a_forked_process_is_refused_instead_of_left_hanging(object_store: Bucket) -> None:
    said = elsewhere(_FORK, object_store.url).splitlines()
    assert said == ["cannot use an object store in a process forked from one that does"] * 2


# Requests


def test_each_step_costs_few_requests(remote: Lake, object_store: Bucket) -> None:
    dates = write_days(remote, 60)
    write_run(remote, "a")
    with object_store.counted() as requests:
        assert remote.has_files("digests")
        assert remote.tables() == ["digests", "runs"]
        assert len(remote.files("digests", profile="cv", date=DAY)) == 1
        assert len(remote.stored("digests", [{"profile": "cv", "date": d} for d in dates])) == 60
    assert len(requests) == 4
    with object_store.counted() as requests:
        assert remote.rows("runs", "a", date=DAY)
    assert requests == [f"HEAD /{A_RUN}", f"GET /{A_RUN}"]


def test_chosen_partitions_are_those_and_no_others(remote: Lake) -> None:
    first, _, third = write_days(remote, 3)
    remote.write("digests", [{"title": "hf"}], "digest", profile="hf", date=DAY)
    only: Only = {
        "digests": [
            {"profile": "cv", "date": first},
            {"profile": "cv", "date": third},
            {"profile": "hf"},
        ],
        "runs": [],
    }
    write_run(remote, "a")
    found = answers(remote, "select title from lake.digests order by all", only)
    assert found == [str(third), str(first), "hf"]
    assert answers(remote, "select count(*) from runs", only) == [0]


def test_views_are_made_without_a_request(remote: Lake, object_store: Bucket) -> None:
    write_days(remote, 3)
    with object_store.counted() as requests, Warehouse(remote):
        pass
    assert requests == []


def test_a_date_that_is_asked_for_is_all_that_is_read(remote: Lake, object_store: Bucket) -> None:
    write_days(remote, 9)
    with object_store.counted() as requests:
        assert answers(remote, f"select title from lake.digests where date = date '{DAY}'") == [
            str(DAY)
        ]
    assert len(requests) == 3, "one listing, one length, one file"


# The warehouse


def test_types_are_those_of_a_lake_on_a_disk(remote: Lake, lake: Lake) -> None:
    for one in (remote, lake):
        for table in TABLES:
            one.write(table, [full_row(table)], "x", **partition(table))
    with Warehouse(remote) as there, Warehouse(lake) as here:
        for name in [f"lake.{table}" for table in SCHEMAS] + list(FRONT_NAMES):
            assert there.con.sql(f"from {name}").types == here.con.sql(f"from {name}").types, name
            assert there.con.sql(f"from {name}").columns == here.con.sql(f"from {name}").columns


@pytest.mark.parametrize("table", TABLES)
def test_older_files_with_fewer_columns_read_as_null_there(
    remote: Lake, object_store: Bucket, table: str
) -> None:
    schema, keys = SCHEMAS[table], PARTITIONS[table]
    added = next(name for name in reversed(schema.names) if name not in keys)
    remote.write(table, [full_row(table)], "new", **partition(table))
    path = remote.files(table)[0]
    old = pq.ParquetFile(pa.BufferReader(remote.store.get(path))).read()
    made = pa.BufferOutputStream()
    pq.write_table(old.drop_columns([added, *keys]), made)  # the keys are in the path
    key = path.removeprefix(f"{object_store.name}/").replace("new.parquet", "old.parquet")
    object_store.put(key, made.getvalue().to_pybytes())
    with Warehouse(remote) as warehouse:
        rows = to_rows(warehouse.sql(f"from lake.{table} order by {added} is null"))
    assert [row[added] for row in rows] == [example(schema.field(added).type), None]
    assert [[row[key] for key in keys] for row in rows] == [list(partition(table).values())] * 2


def test_an_empty_bucket_answers_every_view(remote: Lake) -> None:
    with Warehouse(remote) as warehouse:
        for name in FRONT_NAMES:
            assert warehouse.sql(f"from {name}").num_rows == 0


def test_an_open_connection_and_its_cursors_see_new_files(
    object_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_LAKE", object_store.url)
    with broadsheet.connect() as con:
        assert con.sql("select count(*) from runs").fetchall() == [(0,)]
        write_run(Lake(object_store.url), "a")
        assert con.sql("select run_id from runs").fetchall() == [("a",)]
        assert con.cursor().sql("select run_id from runs").fetchall() == [("a",)]
        assert con.sql("from runs").pl().height == 1


@pytest.mark.parametrize("table", ["runs", "digests"])
def test_a_file_deleted_between_listing_and_reading_is_listed_again(
    remote: Lake, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    for name in ("a", "b"):
        remote.write(table, [{"run_id": name}], name, **partition(table))
    stored, outdated = Lake.stored, [remote.stored(table)]
    remote.discard(remote.files(table)[0])
    monkeypatch.setattr(
        Lake, "stored", lambda lake, *args: outdated.pop() if outdated else stored(lake, *args)
    )
    monkeypatch.setattr(remote, "quarantine_damaged", lambda: pytest.fail("looked for damage"))
    assert answers(remote, f"select run_id from lake.{table}") == ["b"]
    assert not outdated


def test_the_saved_file_has_views_over_the_bucket(
    remote: Lake, object_store: Bucket, tmp_path: Path
) -> None:
    write_run(remote, "a")
    with object_store.counted() as requests:
        save_views(remote, tmp_path)
    assert not [request for request in requests if ".parquet" in request], "no file is read for it"
    saved = (tmp_path / "broadsheet.duckdb").stat()
    with object_store.counted() as requests:
        save_views(remote, tmp_path)
    assert len(requests) == 1
    assert (tmp_path / "broadsheet.duckdb").stat().st_mtime_ns == saved.st_mtime_ns
    with duckdb.connect(str(tmp_path / "broadsheet.duckdb"), read_only=True) as con:
        views = dict(
            con.sql(
                "select view_name, sql from duckdb_views() where schema_name = 'lake'"
            ).fetchall()
        )
        assert f"'{object_store.url}/runs/date=*/*.parquet'" in views["runs"]
        assert con.sql("select count(*) from digests").fetchall() == [(0,)], "no file: no bucket"


# All of it


def test_maintenance_keeps_every_row_and_its_files_are_fewer(
    remote: Lake, object_store: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BROADSHEET_LAKE", object_store.url)
    fill(remote, days=2)
    before, files = seen(remote), len(remote.files("answers"))
    later = dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)
    tidy(Upkeep(settings=load_settings(), now=later), pause=lambda _: None)
    assert files == 8
    assert len(remote.files("answers")) == 2
    after = seen(remote)
    assert {view: after[view] for view in after if view != "listings"} == {
        view: before[view] for view in before if view != "listings"
    }


def make(profile: str) -> Published:
    """The digest, made by the flow."""
    from flows.digest import digest

    state: Any = digest(profile, DAY, return_state=True)
    result = state.result()
    assert isinstance(result, Published)
    return result


def comparable(lake: Lake) -> dict[str, list[str]]:
    """All rows of all tables, without instants and in which run; of `runs`, nothing else is."""
    return {
        table: sorted(
            repr({k: v for k, v in row.items() if k != "run_id" and not isinstance(v, dt.datetime)})
            for row in to_rows(lake.read(table))
            if table != "runs"
        )
        for table in SCHEMAS
    }


@pytest.mark.real
@pytest.mark.flow
def test_both_profiles_come_out_as_on_a_disk(
    world: World, object_store: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: list[dict[str, Any]] = []
    for name, root in (("disk", str(tmp_path / "disk")), ("bucket", object_store.url)):
        monkeypatch.setenv("BROADSHEET_HOME", str(tmp_path / name))
        monkeypatch.setenv("BROADSHEET_LAKE", root)
        made = [make(profile) for profile in ("cv", "hf")]
        assert [one.outcome for one in made] == [Outcome.COMPLETE] * 2
        pages = [one.report.read_bytes() for one in made if one.report]
        found.append({**comparable(Lake(root)), "pages": pages})
        bad = [line for line in examine() if not line.startswith("ok ")]
        assert not [line for line in bad if line.startswith("FAIL")], bad
        counts = ask("select profile, count(*)::int as n from digests group by all", None, [])
        assert sorted(counts.to_pylist(), key=str) == [
            {"profile": "cv", "n": 2},
            {"profile": "hf", "n": 24},
        ]
    for table, rows in found[0].items():
        assert rows == found[1][table], table
    assert not [key for key in object_store.objects() if key.endswith("/") or ".aside" in key]
