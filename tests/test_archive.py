"""arXiv's metadata snapshot becomes the table `archive`: bounded, resumable, each paper once."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from builders import DAY, Row, paper, rows_of, run, write_list
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet import archive, scoring, snapshots
from broadsheet.config import Settings, load_profile, load_settings
from broadsheet.editions import Edition
from broadsheet.errors import LakeError, UsageError, WarehouseError
from broadsheet.lake import Lake
from broadsheet.rows import to_rows
from broadsheet.sources.arxiv import submission_window
from broadsheet.styles import load_style
from broadsheet.volume import volumes_of

CREATED = "Mon, 2 Apr 2007 19:18:42 GMT"


def record(paper_id: str = "0704.0001", **changed: Any) -> Row:
    """A record as the snapshot has it."""
    return {
        "id": paper_id,
        "submitter": "Pavel Wind",
        "authors": "C. Kite, P. M. Wind",
        "title": "Calculation of kites\n  in the wind",
        "comments": "37 pages",
        "journal-ref": "Phys.Rev.D76",
        "doi": "10.1103/x",
        "report-no": None,
        "categories": "hep-ph cs.CV",
        "license": None,
        "abstract": "  Kites\nfly $\\alpha$.\n",
        "versions": [
            {"version": "v1", "created": CREATED},
            {"version": "v2", "created": "Tue, 24 Jul 2007 20:10:27 GMT"},
        ],
        "update_date": "2008-11-26",
        "authors_parsed": [["Kite", "C.", ""], ["Wind", "P. M.", "Jr."]],
        **changed,
    }


def snapshot(folder: Path, *records: Row | str | bytes, name: str = "arxiv.json") -> Path:
    """A file of these records, or of lines as they are."""
    lines = [
        one
        if isinstance(one, bytes)
        else (one if isinstance(one, str) else json.dumps(one)).encode()
        for one in records
    ]
    content = b"\n".join([*lines, b""])
    file = folder / name
    file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    os.utime(file, (1_700_000_000, 1_700_000_000))
    return file


def load(file: Path, **options: Any) -> archive.Load:
    return archive.load(file, load_settings(), **options)


def test_a_record_becomes_a_paper_with_the_day_it_was_announced(lake: Lake, tmp_path: Path) -> None:
    found = load(snapshot(tmp_path, record()))
    assert (found.papers, found.bad, found.years) == (1, 0, (2007,))
    [row] = run(lake, "staging.archive")
    assert json.loads(str(row.pop("payload")))["doi"] == "10.1103/x"
    assert row == {
        "paper_id": "0704.0001",
        "year": 2007,
        "date": dt.date(2007, 4, 4),
        "rank": 1,
        "title": "Calculation of kites in the wind",
        "abstract": "Kites fly $\\alpha$.",
        "authors": ["C. Kite", "P. M. Wind Jr."],
        "categories": ["hep-ph", "cs.CV"],
        "version": 2,
        "published_at": dt.datetime(2007, 4, 2, 19, 18, 42, tzinfo=dt.UTC),
        "fetched_at": dt.datetime.fromtimestamp(1_700_000_000, dt.UTC),
    }


@pytest.mark.parametrize("name", ["arxiv.json", "arxiv.json.gz"])
def test_plain_and_compressed_are_the_same(lake: Lake, tmp_path: Path, name: str) -> None:
    load(snapshot(tmp_path, record("math/0309136"), record("math.GT/0309137"), name=name))
    assert rows_of(lake, "archive", "paper_id") == [("math.GT/0309137",), ("math/0309136",)]


@given(seconds=st.integers(0, 20_000 * 86_400))
@settings(max_examples=100, deadline=None)
def test_the_day_is_the_one_whose_window_arxiv_says_it_was_submitted_in(seconds: int) -> None:
    at = dt.datetime(1991, 8, 14, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
    line = json.dumps(
        record(versions=[{"version": "v1", "created": f"{at:%a, %d %b %Y %H:%M:%S} GMT"}])
    )
    [row] = parsed(line)
    window = submission_window(row["date"])
    assert window is not None
    assert window[0] <= at < window[1]


def parsed(*lines: str) -> list[Row]:
    """What `archive.records` makes of the lines."""
    import duckdb
    import pyarrow as pa

    from broadsheet.queries import query

    rows = pa.table({"line": range(1, len(lines) + 1), "text": lines}, schema=snapshots.SCHEMA)
    with duckdb.connect() as con:
        con.execute("set TimeZone = 'UTC'")
        archive.parse(con, rows)
        given_at = {"fetched_at": dt.datetime(2026, 1, 6, tzinfo=dt.UTC)}
        return to_rows(con.sql(query("archive.records").sql, params=given_at).to_arrow_table())


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60))
@settings(max_examples=80, deadline=None)
def test_any_text_is_on_one_line_and_otherwise_as_written(text: str) -> None:
    [row] = parsed(json.dumps(record(abstract=f"  x{text}x\n")))
    control = "\x1c\x1d\x1e\x1f\x85"  # spaces to Python, not to Unicode
    assert row["abstract"] == " ".join(_spaced(f"x{text}x", control).split()).translate(_BACK)


_BACK = {0xE000 + i: char for i, char in enumerate("\x1c\x1d\x1e\x1f\x85")}


def _spaced(text: str, control: str) -> str:
    """The text with private characters in place of these."""
    return text.translate({ord(char): 0xE000 + i for i, char in enumerate(control)})


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("{oops", "not JSON"),
        ("", None),
        (json.dumps(record(None)), "no id"),
        (json.dumps(record("../../etc/passwd")), "an id that is none of arXiv's"),
        (json.dumps(record(title=None)), "no title"),
        (json.dumps(record(versions=[])), "no date that can be read"),
        (json.dumps(record(versions=[{"created": "soon"}])), "no date that can be read"),
        (json.dumps(record(title="a\0b")), "a NUL in its text"),
        (json.dumps(record()).replace("Calc", "\\ud800"), "not JSON"),
        (json.dumps(record()).encode().replace(b"Calc", b"\xff\xfe"), "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1]", "no id"),
        ("x" * 9_000_000, "not JSON"),
    ],
)  # fmt: skip
def test_a_bad_line_is_counted_named_and_skipped(
    lake: Lake, tmp_path: Path, line: str | bytes, fault: str | None
) -> None:
    found = load(snapshot(tmp_path, record("0704.0001"), line, record("0704.0002")))
    assert rows_of(lake, "archive", "paper_id") == [("0704.0001",), ("0704.0002",)]
    assert found.faults == ((f"line 2: {fault}",) if fault else ())
    assert (found.papers, found.bad) == (2, 1 if fault else 0)


def test_only_the_first_bad_lines_are_named(lake: Lake, tmp_path: Path) -> None:
    found = load(snapshot(tmp_path, record(), *(["{"] * 8)))
    assert (found.bad, len(found.faults)) == (8, 5)
    assert archive.told(found).splitlines()[1:] == [
        *(f"  line {number}: not JSON" for number in range(2, 7)),
        "  and 3 more",
    ]


@pytest.mark.parametrize(
    "content",
    [b"", b"\n\n", b"a,b\n1,2\n", b'{"hello": "world"}\n', b"\x89PNG\r\n\x1a\n\0\0", b"[]\n" * 10],
)
def test_another_file_is_refused_and_nothing_is_written(
    lake: Lake, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "other.json"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="not arXiv's metadata snapshot"):
        load(file)
    assert lake.tables() == []


def test_a_file_that_is_not_there_or_was_cut_short_is_refused(lake: Lake, tmp_path: Path) -> None:
    whole = snapshot(tmp_path, *(record(f"0704.{n:04}") for n in range(500)), name="a.json.gz")
    whole.write_bytes(whole.read_bytes()[:-40])
    for file in (whole, tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match="cannot read"):
            load(file)
    assert lake.tables() == []


def test_a_second_load_does_nothing_unless_told_to(lake: Lake, tmp_path: Path) -> None:
    file = snapshot(tmp_path, record())
    first = load(file)
    [path] = lake.stored("archive")
    second = load(file)
    assert second.is_known
    assert not first.is_known
    assert lake.stored("archive") == [path]
    before = run(lake, "staging.archive")
    assert not load(file, is_again=True).is_known
    assert lake.stored("archive") != [path]
    assert run(lake, "staging.archive") == before


def test_a_year_that_was_lost_is_loaded_again(lake: Lake, tmp_path: Path) -> None:
    file = snapshot(tmp_path, record())
    load(file)
    lake.discard(lake.files("archive")[0])
    assert not load(file).is_known
    assert len(rows_of(lake, "archive", "paper_id")) == 1


def versions(count: int) -> list[Row]:
    return [{"version": f"v{n}", "created": CREATED} for n in range(1, count + 1)]


@pytest.mark.parametrize("order", [(1, 3, 2), (3, 1, 2), (2, 3, 1)])
def test_the_newest_version_wins_whichever_came_first(
    lake: Lake, tmp_path: Path, order: tuple[int, ...]
) -> None:
    for count in order:
        changed = record(title=f"Version {count}", versions=versions(count))
        load(snapshot(tmp_path, changed, record("0704.0009"), name=f"{count}.json"))
    assert rows_of(lake, "archive", "paper_id", "version", "title", "rank") == [
        ("0704.0001", 3, "Version 3", 1),
        ("0704.0009", 2, "Calculation of kites in the wind", 2),
    ]


def test_a_paper_twice_in_one_file_is_there_once(lake: Lake, tmp_path: Path) -> None:
    load(snapshot(tmp_path, record(title="First"), record(title="Last")))
    assert rows_of(lake, "archive", "title") == [("Last",)]
    assert run(lake, "checks.duplicate_keys") == []


def test_a_file_is_sorted_by_date_and_ranked_within_it(lake: Lake, tmp_path: Path) -> None:
    days = ["Mon, 9 Apr 2007 10:00:00 GMT", CREATED, "Mon, 9 Apr 2007 09:00:00 GMT"]
    records = [
        record(f"0704.000{9 - n}", versions=[{"version": "v1", "created": day}])
        for n, day in enumerate(days)
    ]
    load(snapshot(tmp_path, *records))
    rows = to_rows(lake.read("archive"))
    assert [(r["date"], r["paper_id"], r["rank"]) for r in rows] == [
        (dt.date(2007, 4, 4), "0704.0008", 1),
        (dt.date(2007, 4, 10), "0704.0007", 1),
        (dt.date(2007, 4, 10), "0704.0009", 2),
    ]


def test_authors_without_parsed_names_are_split(lake: Lake, tmp_path: Path) -> None:
    [row] = parsed(json.dumps(record(authors_parsed=None, authors="A. B (1), C. D, and E. F")))
    assert row["authors"] == ["A. B", "C. D", "E. F"]


KILLED = """
import os, sys
from pathlib import Path
from broadsheet import archive, lake
from broadsheet.config import load_settings
left = int(sys.argv[2])
store = lake.Lake.write_batches
def dying(*args, **options):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    return store(*args, **options)
lake.Lake.write_batches = dying
archive._YEARS_AT_ONCE = 1
archive.load(Path(sys.argv[1]), load_settings())
"""


def of_years(years: range) -> list[Row]:
    return [
        record(
            f"{year % 100:02}04.0001",
            versions=[{"version": "v1", "created": f"Wed, 2 Apr {year} 09:00:00 GMT"}],
        )
        for year in years
    ]


@pytest.mark.parametrize("stored", [0, 2])
def test_killed_it_leaves_whole_years_and_goes_on_with_the_others(
    lake: Lake, tmp_path: Path, stored: int
) -> None:
    file = snapshot(tmp_path, *of_years(range(2008, 2013)))
    killed = subprocess.run([sys.executable, "-c", KILLED, str(file), str(stored)], timeout=120)
    assert killed.returncode == 9
    assert len(archive.years(lake)) == stored
    kept = lake.stored("archive")
    assert load(file).papers == 5
    assert archive.years(lake) == [*range(2008, 2013)]
    assert [one for one in lake.stored("archive") if one in kept] == kept
    assert load(file).is_known


def test_what_is_staged_is_read_a_small_piece_at_once(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[int] = []

    def look(lake: Lake, desk: Any, years: Any) -> None:
        for file in map(pq.ParquetFile, desk.papers.rglob("*.parquet")):
            metadata = file.metadata
            groups.extend(metadata.row_group(n).num_rows for n in range(metadata.num_row_groups))

    monkeypatch.setattr(archive, "ROWS_AT_ONCE", 2048)
    monkeypatch.setattr(archive, "_store_staged", look)
    load(snapshot(tmp_path, *(record(f"0704.{n:05}") for n in range(9_000))))
    assert sum(groups) == 9_000
    assert max(groups) <= 2048


def test_where_memory_does_not_suffice_that_is_said(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = archive._store_year

    def starved(lake: Lake, desk: Any, year: int) -> int:
        monkeypatch.setattr(archive, "_MEMORY", "1MB")
        return store(lake, desk, year)

    monkeypatch.setattr(archive, "_store_year", starved)
    with pytest.raises(WarehouseError, match=r"cannot store the archive.s year 2007"):
        load(snapshot(tmp_path, *(record(f"0704.{n:05}") for n in range(9_000))))


def test_nothing_is_left_of_a_load_but_the_note_of_it(lake: Lake, tmp_path: Path) -> None:
    load(snapshot(tmp_path, record()))
    folder = load_settings().home / "state" / "archive"
    assert [path.name for path in folder.iterdir()] == ["loaded.json"]


def test_a_lake_in_an_object_store_is_filled_as_well(
    object_store: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BROADSHEET_LAKE", object_store.url)
    for count in (1, 2):
        load(snapshot(tmp_path, record(versions=versions(count)), name=f"{count}.json"))
    assert [key.rpartition("archive/")[2] for key in object_store.objects()] == [
        "year=2007/papers.parquet"
    ]
    assert rows_of(Lake(object_store.url), "archive", "paper_id", "version") == [("0704.0001", 2)]


def test_where_the_lake_cannot_be_written_nothing_is_half(lake: Lake, tmp_path: Path) -> None:
    Path(lake.root).parent.mkdir(parents=True)
    Path(lake.root).write_text("a file in its place")
    with pytest.raises(LakeError):
        load(snapshot(tmp_path, record()))


def test_lines_are_numbered_whatever_the_blocks(tmp_path: Path) -> None:
    texts = ["a", "", "bc" * 40, "\r", "d"]
    file = tmp_path / "lines"
    file.write_bytes("\n".join(texts).encode())
    for size in (1, 3, 50, 1000):
        found = [
            (row["line"], row["text"].strip())
            for batch in snapshots.lines(file, lambda *_: None, size)
            for row in batch.to_pylist()
        ]
        assert found == [(1, "a"), (3, "bc" * 40), (5, "d")]


def test_archive_papers_are_listings_and_papers(lake: Lake, tmp_path: Path) -> None:
    load(snapshot(tmp_path, record(), record("0704.0002")))
    write_list(lake, paper("0704.0002", title="From HF", upvotes=9), date=dt.date(2007, 4, 6))
    assert rows_of(
        lake, "listings", "source", "scope", "date", "paper_id", "rank", "is_listed"
    ) == [
        ("arxiv", "", dt.date(2007, 4, 4), "0704.0001", 1, True),
        ("arxiv", "", dt.date(2007, 4, 4), "0704.0002", 2, True),
        ("huggingface", "", dt.date(2007, 4, 6), "0704.0002", 1, True),
    ]
    found = rows_of(lake, "papers", "paper_id", "title", "upvotes", "sources", "first_listed_on")
    assert found == [
        ("0704.0001", "Calculation of kites in the wind", None, ["arxiv"], dt.date(2007, 4, 4)),
        ("0704.0002", "From HF", 9, ["arxiv", "huggingface"], dt.date(2007, 4, 4)),
    ]


def test_a_daily_digest_reads_no_file_of_the_archive(lake: Lake, tmp_path: Path) -> None:
    loaded, profile = load_settings(), load_profile(load_settings(), "hf")
    load(snapshot(tmp_path, record()))
    [path] = lake.files("archive")
    Path(path).write_bytes(b"PAR1 whoever reads this moves it aside PAR1")
    write_list(lake, paper("2601.00001", title="Diffusion", upvotes=3))
    style = load_style(loaded, profile.style, profile.language)
    edition = Edition(settings=loaded, profile=profile, style=style, date=DAY)
    scores = scoring.score(edition)
    assert len(scores) == 1
    scoring.select(edition, scores)
    assert [volume.listed for volume in volumes_of(edition)] == [1]
    assert lake.files("archive") == [path]
    assert lake.quarantine_damaged() == [path]


def test_settings_for_the_harvest_have_a_default() -> None:
    assert Settings().arxiv_oai_url == "https://oaipmh.arxiv.org/oai"
