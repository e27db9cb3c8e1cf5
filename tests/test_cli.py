"""The command line as a person types it: exit codes, one-line errors, what goes to which stream."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]


def broadsheet(*args: str, cwd: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT_")}
    return subprocess.run(
        [sys.executable, "-c", "from broadsheet.cli import main; main()", *args],
        cwd=cwd or PROJECT,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a usage error is, after checking that it is one."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


def test_help_names_every_command() -> None:
    done = broadsheet("--help")
    assert done.returncode == 0
    assert all(command in done.stdout for command in ("run", "sql", "doctor"))


def test_help_imports_nothing_that_costs() -> None:
    code = "import broadsheet.cli, sys; print(sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    for name in ("prefect", "litellm", "pandas", "pyarrow", "duckdb", "pydantic", "httpx"):
        assert f"'{name}'" not in loaded.stdout


def test_unknown_profile_names_the_known_ones() -> None:
    said = refused(broadsheet("run", "--profile", "cvv"))
    assert "'cvv'" in said and "agents, cv, hf" in said and "did you mean cv?" in said


def test_text_that_is_no_date_is_refused() -> None:
    assert "2026-02-30" in refused(broadsheet("run", "--date", "2026-02-30"))


def test_malformed_settings_name_file_line_and_reason(tmp_path: Path) -> None:
    (tmp_path / "broadsheet.toml").write_text('arxiv_delay_seconds = 3\nmodels = "\n')
    said = refused(broadsheet("run", cwd=tmp_path))
    assert "broadsheet.toml" in said and "line 2" in said


def test_malformed_profile_names_file_line_and_reason(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('title = "x"\nstyle = \n')
    said = refused(broadsheet("run", "--profile", "mine", BROADSHEET_PROFILES=str(tmp_path)))
    assert "mine.toml" in said and "line 2" in said


def test_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "broadsheet.toml").write_text("arxiv_delay = 3\n")
    assert "arxiv_delay_seconds" in refused(broadsheet("run", cwd=tmp_path))
    assert "BROADSHEET_MODELS" in refused(broadsheet("run", BROADSHEET_MODEL="x"))


def test_home_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = refused(broadsheet("run", BROADSHEET_HOME=str(tmp_path / "file" / "home")))
    assert "cannot write to home" in said and "BROADSHEET_HOME" in said


def test_debug_shows_the_traceback() -> None:
    done = broadsheet("run", "--profile", "nope", "--debug")
    assert "Traceback" in done.stderr and "UsageError" in done.stderr


def test_sql_answers_in_every_format(tmp_path: Path) -> None:
    query = "select 1 as n, ['a', 'b'] as l, date '2026-01-06' as d"
    assert (
        broadsheet("sql", query, "--format", "csv").stdout
        == 'n,l,d\n1,"[""a"", ""b""]",2026-01-06\n'
    )
    rows = [
        json.loads(line)
        for line in broadsheet("sql", query, "--format", "json").stdout.splitlines()
    ]
    assert rows == [{"n": 1, "l": ["a", "b"], "d": "2026-01-06"}]
    assert "2026-01-06" in broadsheet("sql", query).stdout


def test_sql_reads_files_and_takes_parameters(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("select $a::int + 1 as n")
    done = broadsheet("sql", "-f", str(tmp_path / "q.sql"), "--param", "a=41", "--format", "csv")
    assert done.stdout == "n\n42\n"


def test_the_shell_completes_the_names_of_questions() -> None:
    asked = {
        "_BROADSHEET_COMPLETE": "complete_bash",
        "COMP_WORDS": "broadsheet sql tr",
        "COMP_CWORD": "2",
    }
    program = Path(sys.executable).with_name("broadsheet")
    done = subprocess.run([program], env={**os.environ, **asked}, capture_output=True, check=False)
    assert done.stdout.split() == [b"trends"]


@pytest.mark.parametrize(
    "query", ["drop view papers", "create table x as select 1", "select 1; select 2"]
)
def test_sql_does_not_write(query: str) -> None:
    refused(broadsheet("sql", query))


def test_sql_that_cannot_run_is_one_line() -> None:
    done = broadsheet("sql", "select nothing from papers")
    assert done.returncode == 1
    assert "nothing" in done.stderr and "Traceback" not in done.stderr


def test_doctor_is_content_with_an_empty_home() -> None:
    done = broadsheet("doctor")
    assert done.returncode == 0, done.stdout
    assert re.search(r"ok +profile cv", done.stdout) and "FAIL" not in done.stdout


@pytest.mark.flow
def test_sample_makes_digests_without_network_or_key(tmp_path: Path) -> None:
    prefect_home = {"PREFECT_HOME": str(tmp_path / "prefect")}
    done = broadsheet("run", "--sample", "--profile", "hf", "--show", **prefect_home)
    assert done.returncode == 0, done.stderr
    report = re.search(r"^hf 2026-01-06: complete, 8 papers: (\S+\.md)$", done.stdout, re.MULTILINE)
    assert report and "sample" in report[1] and Path(report[1]).is_file()
    assert "# Hugging Face Daily Papers Report" in done.stdout
    assert "published hf 2026-01-06: complete, 8 papers" in done.stderr
    assert "Traceback" not in done.stderr and "Flow run" not in done.stderr


def test_a_server_that_does_not_answer_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    done = broadsheet("run", "--sample", PREFECT_API_URL="http://127.0.0.1:9/api")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "PREFECT_API_URL http://127.0.0.1:9/api" in done.stderr
    assert "broadsheet up" in done.stderr
