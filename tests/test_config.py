"""Settings come from defaults, file and environment; what cannot be used is named."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broadsheet.config import (
    Model,
    Profile,
    Scoring,
    Settings,
    load_profile,
    load_settings,
    profile_names,
)
from broadsheet.errors import UsageError
from broadsheet.resources import project

PROFILE = """
title = "Lanterns"
style = "hf"

[[interests]]
name = "lantern"
"""


def in_file(tmp_path: Path, text: str, **environ: str) -> Settings:
    """The settings of that file, and of those variables."""
    file = tmp_path / "broadsheet.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings({"BROADSHEET_CONFIG": str(file), **environ})


def a_profile(tmp_path: Path, text: str) -> Profile:
    """The profile `lanterns` of that file."""
    folder = tmp_path / "profiles"
    folder.mkdir(exist_ok=True)
    (folder / "lanterns.toml").write_text(text, encoding="utf-8")
    return load_profile(load_settings({"BROADSHEET_PROFILES": str(folder)}), "lanterns")


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings file is in the working directory unless a test puts it there."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)


def test_nothing_needs_to_be_set() -> None:
    settings = load_settings({})
    assert settings.lake_root == str(Path("data/lake"))
    assert settings.reports == Path("data/reports")
    assert settings.models == ()
    assert not settings.is_sample
    assert settings.huggingface_url == "https://huggingface.co"
    assert profile_names(settings) == sorted(f.stem for f in project("profiles").glob("*.toml"))


def test_the_file_wins_over_the_default_and_the_environment_over_the_file(tmp_path: Path) -> None:
    text = "http_attempts = 7\nhttp_connections = 2\n"
    settings = in_file(tmp_path, text, BROADSHEET_HTTP_ATTEMPTS="3")
    assert settings.http_attempts == 3
    assert settings.http_connections == 2
    assert settings.http_timeout_seconds == Settings().http_timeout_seconds


def test_what_is_handed_over_wins_over_everything(tmp_path: Path) -> None:
    environ = {"BROADSHEET_HTTP_ATTEMPTS": "3"}
    assert load_settings(environ, http_attempts=2).http_attempts == 2


def test_the_process_environment_is_read_where_none_is_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROADSHEET_ARXIV_URL", "http://127.0.0.1:1")
    assert load_settings().arxiv_url == "http://127.0.0.1:1"


def test_the_file_in_the_working_directory_is_read() -> None:
    Path("broadsheet.toml").write_text("http_attempts = 4\n", encoding="utf-8")
    assert load_settings({}).http_attempts == 4


def test_an_empty_variable_is_no_setting() -> None:
    assert load_settings({"BROADSHEET_LAKE": ""}) == load_settings({})


def test_variables_of_others_are_not_ours() -> None:
    assert load_settings({"BROADSHEETS": "x", "PATH": "/bin"}) == load_settings({})


def test_the_lake_may_be_elsewhere_by_any_url_that_can_be_opened() -> None:
    for root in ("/srv/lake", "file:///srv/lake", "s3://bucket/lake", "gs://b/l", "abfs://c@a/l"):
        assert load_settings({"BROADSHEET_LAKE": root}).lake_root == root
    with pytest.raises(UsageError, match=r"a path or a URL with s3://, gs://") as caught:
        load_settings({"BROADSHEET_LAKE": "ftp://user:hunter2hunter2@host/lake"})
    assert "hunter2" not in caught.value.message + caught.value.remedy
    assert load_settings({"BROADSHEET_HOME": "/srv/b"}).lake_root == str(Path("/srv/b/lake"))


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_has_an_environment_variable(name: str) -> None:
    values = {"models": "a/b", "is_sample": "true", "task_runner": "dask", "usual_share": "0.9"}
    values |= {"warehouse_paths": "relative", "smtp_security": "tls", "mail_from": "a@b.org"}
    values |= {"resend_completed": "true", "build_site": "true"}
    numbers = {"max_input_chars": "2001", "parallel_digests": "3"}
    urls = {"huggingface_url", "arxiv_api_url", "arxiv_url", "arxiv_oai_url", "site_url"}
    value = values.get(name) or numbers.get(name) or ("http://127.0.0.1:1" if name in urls else "2")
    settings = load_settings({f"BROADSHEET_{name.upper()}": value})
    assert getattr(settings, name) != getattr(load_settings({}), name)


def test_an_unknown_setting_in_the_file_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="http_atempts") as raised:
        in_file(tmp_path, "http_atempts = 3\n")
    assert "http_attempts" in raised.value.remedy
    assert "broadsheet.toml" in str(raised.value)


def test_an_unknown_variable_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="BROADSHEET_MODLES") as raised:
        load_settings({"BROADSHEET_MODLES": "x"})
    assert "BROADSHEET_MODELS" in raised.value.remedy


def test_a_setting_that_is_like_no_other_is_answered_with_all_names() -> None:
    with pytest.raises(UsageError) as raised:
        load_settings({"BROADSHEET_QQQQ": "x"})
    assert all(name in raised.value.remedy for name in Settings.model_fields)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ('[[models]]\nname = "a/b"\ntimeout = 3\n', "timeout_seconds"),
        ('[[models]]\nname = "a/b"\ninput_usd_per_mtoks = 3\n', "input_usd_per_mtok"),
    ],
)
def test_an_unknown_key_of_a_model_names_the_nearest(
    tmp_path: Path, text: str, nearest: str
) -> None:
    with pytest.raises(UsageError, match=r"models\.0\.") as raised:
        in_file(tmp_path, text)
    assert raised.value.remedy.endswith(nearest)


def test_a_malformed_file_is_named_with_its_line_and_reason(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"broadsheet\.toml.*line 2") as raised:
        in_file(tmp_path, "http_attempts = 3\nlake = oops\n")
    assert "Invalid value" in str(raised.value)
    assert raised.value.remedy


def test_a_file_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    file = tmp_path / "broadsheet.toml"
    file.write_bytes(b'lake = "\xff"\n')
    with pytest.raises(UsageError, match=r"broadsheet\.toml") as raised:
        load_settings({"BROADSHEET_CONFIG": str(file)})
    assert "UTF-8" in raised.value.remedy


def test_a_file_that_is_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml"):
        load_settings({"BROADSHEET_CONFIG": str(tmp_path / "none.toml")})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("http_attempts", "0"),
        ("http_attempts", "11"),
        ("http_attempts", "many"),
        ("http_connections", "17"),
        ("http_timeout_seconds", "-1"),
        ("arxiv_delay_seconds", "3601"),
        ("max_input_chars", "1999"),
        ("arxiv_url", "arxiv.org"),
        ("arxiv_api_url", "ftp://arxiv.org"),
        ("huggingface_url", "https://hugging face.co"),
        ("is_sample", "perhaps"),
    ],
)
def test_a_value_out_of_range_is_named_with_what_was_given(name: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"invalid {name} in the environment") as raised:
        load_settings({f"BROADSHEET_{name.upper()}": value})
    assert value in raised.value.remedy


def test_a_value_out_of_range_in_the_file_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"invalid http_attempts in .*broadsheet\.toml"):
        in_file(tmp_path, "http_attempts = 0\n")


MODELS = """
[[models]]
name = "maker/big"
rpm = 5
output_usd_per_mtok = 2.5

[[models]]
name = "maker/small"
"""


def test_models_of_the_file_keep_their_order(tmp_path: Path) -> None:
    models = in_file(tmp_path, MODELS).models
    assert [model.name for model in models] == ["maker/big", "maker/small"]
    assert (models[0].rpm, models[0].output_usd_per_mtok) == (5, 2.5)


def test_models_of_the_environment_keep_what_the_file_says_of_them(tmp_path: Path) -> None:
    environ = {"BROADSHEET_MODELS": "other/one, maker/big"}
    models = in_file(tmp_path, MODELS, **environ).models
    assert [model.name for model in models] == ["other/one", "maker/big"]
    assert models[0] == Model(name="other/one")
    assert (models[1].rpm, models[1].output_usd_per_mtok) == (5, 2.5)


@pytest.mark.parametrize("value", ["extractive", " extractive ,", ","])
def test_extractive_alone_means_no_model(tmp_path: Path, value: str) -> None:
    assert in_file(tmp_path, MODELS, BROADSHEET_MODELS=value).models == ()


def test_extractive_is_last_anyway_and_may_be_listed() -> None:
    models = load_settings({"BROADSHEET_MODELS": "a/b,extractive"}).models
    assert [model.name for model in models] == ["a/b"]


def test_a_model_needs_a_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"models\.0\.name"):
        in_file(tmp_path, "[[models]]\nrpm = 5\n")


@pytest.mark.parametrize(
    "text", ["models = 3\n", 'models = ["name"]\n', "models = [3]\n", "[models]\nname = 'x'\n"]
)
@pytest.mark.parametrize("environ", [{}, {"BROADSHEET_MODELS": "a/b"}])
def test_models_of_another_shape_are_a_usage_error_or_replaced(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    try:
        settings = in_file(tmp_path, text, **environ)
    except UsageError as error:
        assert "models" in str(error)
    else:
        assert [model.name for model in settings.models] == ["a/b"]


@given(st.dictionaries(st.sampled_from(sorted(Settings.model_fields)), st.text(max_size=20)))
@settings(deadline=None)
def test_no_value_of_a_variable_is_anything_but_settings_or_a_usage_error(
    values: dict[str, str],
) -> None:
    environ = {f"BROADSHEET_{name.upper()}": value for name, value in values.items()}
    try:
        assert isinstance(load_settings(environ), Settings)
    except UsageError as error:
        assert error.remedy


def test_an_unknown_profile_names_the_known_ones_and_the_nearest(tmp_path: Path) -> None:
    a_profile(tmp_path, PROFILE)
    (tmp_path / "profiles" / "moths.toml").write_text(PROFILE, encoding="utf-8")
    settings = load_settings({"BROADSHEET_PROFILES": str(tmp_path / "profiles")})
    with pytest.raises(UsageError, match="lantern") as raised:
        load_profile(settings, "lantern")
    assert "lanterns, moths" in raised.value.remedy
    assert "did you mean lanterns" in raised.value.remedy


def test_a_folder_without_profiles_says_so(tmp_path: Path) -> None:
    settings = load_settings({"BROADSHEET_PROFILES": str(tmp_path)})
    assert profile_names(settings) == []
    with pytest.raises(UsageError) as raised:
        load_profile(settings, "cv")
    assert "none" in raised.value.remedy


@pytest.mark.parametrize("name", ["../lanterns", "profiles/lanterns", "", "LANTERNS "])
def test_a_profile_is_found_by_name_only(tmp_path: Path, name: str) -> None:
    a_profile(tmp_path, PROFILE)
    settings = load_settings({"BROADSHEET_PROFILES": str(tmp_path / "profiles")})
    with pytest.raises(UsageError):
        load_profile(settings, name)


def test_a_profile_cannot_take_the_name_of_another(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"invalid name in .*lanterns\.toml"):
        a_profile(tmp_path, f"name = 'moths'\n{PROFILE}")


def test_a_profile_needs_little(tmp_path: Path) -> None:
    profile = a_profile(tmp_path, PROFILE)
    assert (profile.name, profile.language, profile.sources) == ("lanterns", "en", ("huggingface",))
    assert profile.interests[0].phrases == ("lantern",)
    assert profile.selection.at_most is None


@pytest.mark.parametrize(
    ("text", "key", "nearest"),
    [
        ("titel = 'x'", "titel", "title"),
        ("[selection]\nminimun_score = 3", "selection.minimun_score", "minimum_score"),
        ("[selection]\nmaximum = 3", "selection.maximum", ""),
        ("[scoring]\nfreshnes = 10", "scoring.freshnes", "freshness"),
        ("[[interests]]\nname = 'a'\nphrase = ['b']", "interests.1.phrase", "phrases"),
        ("[[negative]]\nname = 'a'\nwieght = 2", "negative.0.wieght", "weight"),
    ],
)
def test_an_unknown_key_of_a_profile_names_the_nearest(
    tmp_path: Path, text: str, key: str, nearest: str
) -> None:
    with pytest.raises(UsageError) as raised:
        a_profile(tmp_path, f"{text}\n{PROFILE}" if "[" not in text else f"{PROFILE}\n{text}\n")
    assert key in str(raised.value)
    assert "lanterns.toml" in str(raised.value)
    assert nearest in raised.value.remedy


def test_the_nearest_of_a_nested_key_is_of_its_own_table(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        a_profile(tmp_path, f"{PROFILE}\n[selection]\ninterest = 3\n")
    assert "interest" not in raised.value.remedy.partition(":")[2]


@pytest.mark.parametrize(
    "text",
    [
        "[selection]\nminimum_score = 101",
        "[selection]\nat_most = 0",
        "[selection]\nrepeat_after_days = -1",
        "[scoring]\nfresh_days = 0",
        "[[interests]]\nname = 'a'\nweight = 0",
        "[[interests]]\nname = 'a'\nphrases = []",
        "[[interests]]\nphrases = ['a']",
    ],
)
def test_a_value_of_a_profile_out_of_range_names_file_and_key(tmp_path: Path, text: str) -> None:
    table = text.strip("[").partition("]")[0]
    with pytest.raises(UsageError, match=rf"invalid {table}\..* in .*lanterns\.toml"):
        a_profile(tmp_path, f"{PROFILE}\n{text}\n")


@pytest.mark.parametrize(
    "text", ["language = 'fr'", "read = 'all'", "sources = []", "style = '../x'"]
)
def test_a_choice_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    rest = PROFILE.replace('style = "hf"', "") if text.startswith("style") else PROFILE
    with pytest.raises(UsageError, match=f"invalid {text.partition(' ')[0]}"):
        a_profile(tmp_path, f"{text}\n{rest}")


@given(interest=st.integers(0, 100), popularity=st.integers(0, 100), freshness=st.integers(0, 100))
@settings(deadline=None)
def test_points_must_add_up_to_a_hundred(interest: int, popularity: int, freshness: int) -> None:
    points = {"interest": interest, "popularity": popularity, "freshness": freshness}
    if interest + popularity + freshness == 100:
        assert Scoring(**points).interest == interest
    else:
        with pytest.raises(ValueError, match="must be 100, not"):
            Scoring(**points)


def test_points_that_do_not_add_up_are_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="must be 100, not 90"):
        a_profile(tmp_path, f"{PROFILE}\n[scoring]\ninterest = 60\n")


def test_the_source_arxiv_needs_categories(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="categories"):
        a_profile(tmp_path, f"sources = ['arxiv']\n{PROFILE}")
    profile = a_profile(
        tmp_path, f"sources = ['arxiv']\ncategories = ['cs.CL', 'math.*']\n{PROFILE}"
    )
    assert profile.categories == ("cs.CL", "math.*")


@pytest.mark.parametrize("category", ["cs CL", "cs.CL OR all:x", "CS", "cs.", ""])
def test_a_category_is_arxivs(tmp_path: Path, category: str) -> None:
    with pytest.raises(UsageError, match="categories"):
        a_profile(tmp_path, f"sources = ['arxiv']\ncategories = ['{category}']\n{PROFILE}")


@pytest.mark.parametrize("name", profile_names(load_settings({})))
def test_every_shipped_profile_loads(name: str) -> None:
    profile = load_profile(load_settings({}), name)
    assert profile.name == name
    assert profile.title


def test_the_shipped_settings_file_loads() -> None:
    file = Path(__file__).parents[1] / "broadsheet.toml"
    if not file.exists():
        pytest.skip("this checkout has no broadsheet.toml")
    assert load_settings({"BROADSHEET_CONFIG": str(file)})


def documented(kind: type[Any]) -> set[str]:
    """The fields of the class that a line of text follows."""
    (body,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(body, ast.ClassDef)
    pairs = zip(body.body, body.body[1:], strict=False)
    return {
        one.target.id
        for one, other in pairs
        if isinstance(one, ast.AnnAssign)
        and isinstance(one.target, ast.Name)
        and isinstance(other, ast.Expr)
        and isinstance(other.value, ast.Constant)
    }


def test_every_setting_is_described_where_it_is_defined() -> None:
    assert set(Settings.model_fields) - documented(Settings) == set()


def test_models_end_at_the_extractive_backend() -> None:
    names = {"BROADSHEET_MODELS": "openai/a, extractive, openai/b"}
    assert [model.name for model in load_settings(names).models] == ["openai/a"]
    assert load_settings({"BROADSHEET_MODELS": "extractive,openai/b"}).models == ()


def test_a_home_below_the_users_own_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/ada")
    assert load_settings({"BROADSHEET_HOME": "~/papers"}).home == Path("/srv/ada/papers")


def test_a_home_of_nobody_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no such user"):
        load_settings({"BROADSHEET_HOME": "~0/papers"})


def test_unended_text_at_the_end_of_a_file_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('arxiv_delay_seconds = 3\nlake = "x')
    with pytest.raises(UsageError, match="line 2"):
        load_settings({"BROADSHEET_CONFIG": str(tmp_path / "s.toml")})


def test_unknown_source_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('title = "x"\nstyle = "hf"\nsources = ["reddit"]\n')
    with pytest.raises(UsageError, match="sources"):
        load_profile(load_settings({"BROADSHEET_PROFILES": str(tmp_path)}), "p")


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="two models are named openai/any"):
        load_settings({"BROADSHEET_MODELS": "openai/any,openai/other,openai/any"})


def test_relative_paths_need_the_lake_inside_home() -> None:
    given = {"BROADSHEET_WAREHOUSE_PATHS": "relative", "BROADSHEET_HOME": "/a/home"}
    assert load_settings(given).warehouse_paths == "relative"
    with pytest.raises(UsageError, match="inside home"):
        load_settings({**given, "BROADSHEET_LAKE": "s3://bucket/lake"})
