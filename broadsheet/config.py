"""Settings (the environment over `broadsheet.toml`) and profiles (`profiles/*.toml`), validated.

Every setting is a field of `Settings`; its environment variable is `BROADSHEET_` and its name in
capitals. An unknown key, in the file or the environment, is an error that names the nearest one.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from broadsheet.errors import UsageError
from broadsheet.models import EXTRACTIVE
from broadsheet.resources import project

PREFIX = "BROADSHEET_"
LAKE_SCHEMES = ("s3", "gs", "abfs", "abfss", "file")
"""What a lake's URL can start with: what pyarrow's wheels open. Only `s3` and `file` are tested."""
T = TypeVar("T", bound=BaseModel)
SourceName = Literal["huggingface", "arxiv"]
Seconds = Annotated[float, Field(ge=0, le=3600)]
Dollars = Annotated[float, Field(ge=0)]
Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
_ADDRESS = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*"
Address = Annotated[str, Field(pattern=rf"^{_ADDRESS}$", max_length=254)]


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Model(_Frozen):
    """One language model, as an entry of `[[models]]`; prices are US dollars per million tokens."""

    name: Annotated[str, Field(min_length=1)]
    """litellm's name: provider/model."""
    max_concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 120.0
    max_output_tokens: Annotated[int, Field(ge=256)] = 4096
    endpoint: Url | None = None
    """Base URL, where it is not the provider's own or the one that its variable names."""
    rpm: Annotated[int, Field(ge=1)] | None = None
    """Quota: requests per minute."""
    rpd: Annotated[int, Field(ge=1)] | None = None
    """Quota: requests per day."""
    tpm: Annotated[int, Field(ge=1)] | None = None
    """Quota: tokens per minute."""
    window_seconds: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """The provider's minute: the seconds over which `rpm` and `tpm` are counted."""
    input_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None
    """Only where litellm knows no price."""
    output_usd_per_mtok: Annotated[float, Field(ge=0)] | None = None


class Settings(_Frozen):
    """What one installation is set to; see docs/settings.md."""

    home: Path = Path("data")
    """Everything written is below it: lake/, reports/, state."""
    lake: str = ""
    """Root of the Parquet lake, path or URL; default `<home>/lake`."""
    profiles: Path = Path("profiles")
    """Folder of profile files; default `./profiles`, else those that come with Broadsheet."""
    styles: Path = Field(default_factory=lambda: project("reports"))
    """Folder of report styles."""
    models: tuple[Model, ...] = ()
    """Tried in this order; the extractive backend needs no entry, it is always the last."""
    huggingface_url: Url = "https://huggingface.co"
    """Base of Hugging Face: `/api/daily_papers` is below it."""
    arxiv_api_url: Url = "https://export.arxiv.org/api/query"
    """The query endpoint of the arXiv API itself."""
    arxiv_url: Url = "https://arxiv.org"
    """Base of arXiv: `/html/<id>` is below it."""
    arxiv_oai_url: Url = "https://oaipmh.arxiv.org/oai"
    """The OAI-PMH endpoint of arXiv itself, for `broadsheet harvest`."""
    arxiv_delay_seconds: Seconds = 3.0
    """Between two requests to the arXiv API or its OAI-PMH; their terms ask for three."""
    http_timeout_seconds: Seconds = 30.0
    """Longest wait for a source to connect or to go on answering."""
    http_attempts: Annotated[int, Field(ge=1, le=10)] = 5
    """Tries per page before a source counts as unavailable."""
    http_connections: Annotated[int, Field(ge=1, le=16)] = 4
    """Pages fetched at once from one site."""
    state: str = ""
    """What workers share of quotas and money: a file, or a postgresql:// URL for several machines;
    default `<home>/state.sqlite`."""
    budget_usd_per_run: Dollars | None = None
    """Most that one run may cost; beyond it analyses are left pending."""
    budget_usd_per_day: Dollars | None = None
    """Most that all runs of a UTC day may cost."""
    budget_usd_per_month: Dollars | None = None
    """Most that all runs of a UTC month may cost."""
    settle_days: Annotated[int, Field(ge=0, le=30)] = 3
    """How many days before the newest list a daily run reads again: a list fills up late."""
    catch_up_days: Annotated[int, Field(ge=0, le=366)] = 14
    """How many days back a daily run makes the digests of runs that were missed."""
    parallel_digests: Annotated[int, Field(ge=1, le=32)] = 2
    """Digests that one backfill makes at once."""
    outage_waits_seconds: Annotated[tuple[Seconds, ...], Field(max_length=10)] = ()
    """Pauses after which a source that is down is tried again; none: the run fails at once.
    The deployments of `prefect.yaml` have some."""
    usual_share: Annotated[float, Field(ge=0, le=1)] = 0.3
    """A list with less than this share of what that weekday usually has is warned about."""
    task_runner: Literal["threads", "dask", "ray"] = "threads"
    """Where a digest's papers are analyzed, side by side."""
    task_runner_address: str = ""
    """Of a running Dask scheduler or Ray cluster; without one, it is made on this machine."""
    task_workers: Annotated[int, Field(ge=1, le=256)] = 8
    """Papers analyzed at once: of one digest with threads, of all on a cluster of its own."""
    snapshot_days: Annotated[int, Field(ge=0)] = 30
    """Age of a list, days, from which maintenance keeps its first and newest snapshot only;
    before that, also the last one of each day."""
    warehouse_paths: Literal["absolute", "relative"] = "absolute"
    """How `broadsheet.duckdb` names the lake's files: relative, it works where home is moved to,
    opened from there; the lake must then be inside home."""
    keep_prefect_days: Annotated[int, Field(ge=1)] = 90
    """Age of a Prefect run, days, from which maintenance removes it; the table `runs` stays."""
    max_input_chars: Annotated[int, Field(ge=2000)] = 60_000
    """Longest text of a paper put to a model; whole sections are dropped beyond it."""
    smtp_host: str = ""
    """Mail server that takes the digests to be mailed; profiles say to whom."""
    smtp_port: Annotated[int, Field(ge=1, le=65535)] | None = None
    """Default: 587 with `starttls`, 465 with `tls`, 25 with `none`."""
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection to it is encrypted; its certificate is verified."""
    smtp_user: str = ""
    """Whom to log in as; nobody without."""
    smtp_password: SecretStr = SecretStr("")
    """From the environment only."""
    mail_from: Annotated[str, Field(pattern=rf"^({_ADDRESS}|[^<>\r\n]*<{_ADDRESS}>)?$")] = ""
    """Sender of the mails: an address, or `Name <address>`."""
    deliver_days: Annotated[int, Field(ge=0, le=366)] = 3
    """Age of a digest, days, up to which it is delivered without being asked to."""
    resend_completed: bool = False
    """A digest that was delivered partial is delivered once more when it is complete."""
    is_sample: bool = False
    """Digests are made from the embedded sample day and say so; `--sample` sets it."""
    site_url: Url | None = None
    """Where the built site is published: the base of the addresses in feeds and messages, where
    `<site_url>/<profile>/<date>.html` is a digest's page."""
    site_title: Annotated[str, Field(min_length=1)] = "Broadsheet"
    """The nameplate of the built site."""
    build_site: bool = False
    """Whether every run ends by bringing the site in home up to date."""
    user_agent: str = "broadsheet (daily digest of research papers)"
    """How requests to the sources introduce themselves; a contact address is polite."""

    @field_validator("home", "profiles", "styles")
    @classmethod
    def _home_is_meant(cls, path: Path) -> Path:
        try:
            return path.expanduser()
        except RuntimeError as error:  # ~name, where nobody has that name
            raise ValueError("there is no such user's home") from error

    @field_validator("lake")
    @classmethod
    def _can_be_opened(cls, root: str) -> str:
        scheme, is_url, _ = root.partition("://")
        if is_url and scheme not in LAKE_SCHEMES:
            works = ", ".join(f"{known}://" for known in LAKE_SCHEMES)
            raise ValueError(f"a lake is a path or a URL with {works}")
        return root

    @field_validator("outage_waits_seconds", mode="before")
    @classmethod
    def _splits_at_commas(cls, waits: object) -> object:
        if not isinstance(waits, str):
            return waits
        return [wait.strip() for wait in waits.split(",") if wait.strip()]

    @field_validator("models")
    @classmethod
    def _extractive_is_last(cls, models: tuple[Model, ...]) -> tuple[Model, ...]:
        names = [model.name for model in models]
        if twice := [name for name in names if names.count(name) > 1]:
            raise ValueError(f"two models are named {twice[0]}; their quotas would be one")
        return tuple(takewhile(lambda model: model.name != EXTRACTIVE, models))

    @model_validator(mode="after")
    def _lake_is_inside_where_paths_are_relative(self) -> Settings:
        inside = Path(self.lake_root).absolute().is_relative_to(self.home.absolute())
        if self.warehouse_paths == "relative" and not inside:
            raise ValueError(f"relative warehouse_paths need the lake inside home {self.home}")
        return self

    @model_validator(mode="after")
    def _password_is_not_told_to_everybody(self) -> Settings:
        if self.smtp_user and self.smtp_security == "none":
            raise ValueError("smtp_user needs smtp_security starttls or tls")
        return self

    @property
    def lake_root(self) -> str:
        """The lake's root, path or URL."""
        return self.lake or str(self.home / "lake")

    @property
    def state_store(self) -> str:
        """Where quotas and money are kept, path or URL."""
        return self.state or str(self.home / "state.sqlite")

    @property
    def reports(self) -> Path:
        """Where published digests are written."""
        return self.home / "reports"


class Interest(_Frozen):
    """A subject a reader cares about; any of its phrases in a title or abstract counts."""

    name: Annotated[str, Field(min_length=1)]
    weight: Annotated[float, Field(gt=0, le=10)] = 1.0
    phrases: Annotated[tuple[str, ...], Field(min_length=1)]
    """Whole words, case and punctuation aside; a plural s is allowed, a final * any ending."""

    @model_validator(mode="before")
    @classmethod
    def _name_is_a_phrase(cls, data: object) -> object:
        if isinstance(data, dict) and "phrases" not in data and "name" in data:
            return {**data, "phrases": [data["name"]]}
        return data


class Scoring(_Frozen):
    """How many of the 100 points each component can give; the three add up to 100."""

    interest: Annotated[int, Field(ge=0, le=100)] = 70
    popularity: Annotated[int, Field(ge=0, le=100)] = 20
    freshness: Annotated[int, Field(ge=0, le=100)] = 10
    fresh_days: Annotated[int, Field(ge=1)] = 30
    """Days after submission when freshness has fallen to nothing."""
    negative_points: Annotated[int, Field(ge=0, le=100)] = 40
    """Points the first negative keyword can cost."""

    @model_validator(mode="after")
    def _adds_up(self) -> Scoring:
        if (total := self.interest + self.popularity + self.freshness) != 100:
            raise ValueError(f"interest + popularity + freshness must be 100, not {total}")
        return self


class Selection(_Frozen):
    """Which of the scored papers make the digest."""

    scan: Annotated[int, Field(ge=1)] | None = None
    """Only the top so many of the day's list; absent: all of it."""
    minimum_score: Annotated[int, Field(ge=0, le=100)] = 0
    at_most: Annotated[int, Field(ge=1)] | None = None
    repeat_after_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """A paper featured for this profile within so many days before is not featured again."""


class Delivery(_Frozen):
    """Where a digest is sent when it is published: by mail, or to one chat."""

    to: tuple[Address, ...] = ()
    """Mail addresses; each gets a mail of its own."""
    url_variable: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")] | None = None
    """Name of the environment variable that holds the chat's Apprise URL, which is a secret."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Delivery:
        if bool(self.to) == bool(self.url_variable):
            raise ValueError("a delivery needs either to or url_variable")
        if self.url_variable and self.url_variable.startswith(PREFIX):
            raise ValueError(f"{PREFIX}… are settings; give the variable another name")
        return self


class Profile(_Frozen):
    """One reader: what is scanned, how it is scored and selected, and how it is written up."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,40}$")]
    title: str
    style: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    language: Literal["zh", "en"] = "en"
    sources: Annotated[tuple[SourceName, ...], Field(min_length=1)] = ("huggingface",)
    categories: tuple[Annotated[str, Field(pattern=r"^[a-z-]+(\.[A-Za-z-]+|\.\*)?$")], ...] = ()
    """arXiv categories, for the source `arxiv`."""
    read: Literal["fulltext", "abstract"] = "fulltext"
    interests: tuple[Interest, ...] = ()
    negative: tuple[Interest, ...] = ()
    scoring: Scoring = Scoring()
    selection: Selection = Selection()
    delivery: tuple[Delivery, ...] = ()

    @model_validator(mode="after")
    def _arxiv_needs_categories(self) -> Profile:
        if "arxiv" in self.sources and not self.categories:
            raise ValueError("the source arxiv needs categories, such as ['cs.CL', 'cs.AI']")
        return self


def load_settings(environ: Mapping[str, str] | None = None, **overrides: object) -> Settings:
    """The settings in force: defaults, then the settings file, then the environment.

    Args:
        environ: variables to read instead of the process's own.
        overrides: settings that win over everything, for `--sample` and tests.

    Raises:
        UsageError: malformed file, unknown key, or a value out of range.
    """
    environ = os.environ if environ is None else environ
    file = Path(environ.get(f"{PREFIX}CONFIG", "broadsheet.toml"))
    values = _read_toml(file) if file.exists() or f"{PREFIX}CONFIG" in environ else {}
    _refuse_unknown(values, Settings.model_fields, f"setting in {file}")
    _refuse_password(values, file)
    given = _from_environment(environ, values.get("models", []))
    settings = _validated(Settings, {**values, **given, **overrides}, _place(file, values, given))
    if not settings.profiles.is_dir() and "profiles" not in settings.model_fields_set:
        settings = settings.model_copy(update={"profiles": project("profiles")})
    return settings


def _refuse_password(values: Mapping[str, object], file: Path) -> None:
    if "smtp_password" in values:
        raise UsageError(
            f"cannot take smtp_password from {file}: a secret has no place in a file of settings",
            f"remove it there and set {PREFIX}SMTP_PASSWORD in the environment",
        )


def _place(file: Path, values: Mapping[str, object], given: Mapping[str, object]) -> str:
    """What to call the origin of a bad value: the file, the environment or both."""
    return " or ".join([str(file)] * bool(values) + ["the environment"] * bool(given)) or "settings"


def _from_environment(environ: Mapping[str, str], models: object) -> dict[str, object]:
    """The settings that BROADSHEET_* variables give.

    A list of models is names split at commas; one that the file describes keeps what it says.
    """
    found = {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environ.items()
        if name.startswith(PREFIX) and name != f"{PREFIX}CONFIG" and value != ""
    }
    _refuse_unknown(found, Settings.model_fields, "environment variable", PREFIX)
    values: dict[str, object] = dict(found)
    if "models" in found:
        entries = models if isinstance(models, list) else []
        described = {str(entry.get("name")): entry for entry in entries if isinstance(entry, dict)}
        names = [name.strip() for name in found["models"].split(",")]
        values["models"] = [described.get(name, {"name": name}) for name in names if name]
    return values


def profile_names(settings: Settings) -> list[str]:
    """The names of all profiles, sorted; empty where the folder has none."""
    return sorted(path.stem for path in settings.profiles.glob("*.toml"))


def load_profile(settings: Settings, name: str) -> Profile:
    """The profile of that name.

    Raises:
        UsageError: no such profile (the message names those there are), or a malformed one.
    """
    known = profile_names(settings)
    if name not in known:
        raise UsageError(
            f"unknown profile {name!r}: there is no {settings.profiles / name}.toml",
            f"known profiles: {', '.join(known) or 'none'}{_did_you_mean(name, known)}",
        )
    file = settings.profiles / f"{name}.toml"
    values = _read_toml(file)
    _refuse_unknown(values, Profile.model_fields, f"key in {file}")
    if values.get("name", name) != name:
        raise UsageError(f"invalid name in {file}: the file's own is the profile's", "leave it out")
    return _validated(Profile, {"name": name, **values}, str(file))


def _read_toml(file: Path) -> dict[str, Any]:
    text = ""
    try:
        text = file.read_text(encoding="utf-8")
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = f"at end of document, line {len(text.splitlines())}"
        reason = str(error).replace("at end of document", last)
        raise UsageError(f"cannot read {file}: {reason}", "mend that line") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}", "make it a readable UTF-8 file") from error


def _refuse_unknown(
    values: Iterable[str], fields: Iterable[str], what: str, prefix: str = ""
) -> None:
    known = list(fields)
    for key in values:
        if key not in known:
            shown, hint = f"{prefix}{key.upper()}" if prefix else key, _nearest(key, known)
            nearest = f"{prefix}{hint.upper()}" if prefix else hint
            raise UsageError(
                f"unknown {what}: {shown}",
                f"nearest valid name: {nearest}" if hint else f"valid names: {', '.join(known)}",
            )


def _nearest(name: str, known: Iterable[str]) -> str:
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.3)), "")


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    nearest = next(iter(difflib.get_close_matches(name, list(known), n=1)), "")
    return f"; did you mean {nearest}?" if nearest else ""


def _validated(kind: type[T], values: Mapping[str, object], place: str) -> T:
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"]) or kind.__name__.lower()
        remedy = _remedy(first, kind)
        raise UsageError(f"invalid {key} in {place}: {first['msg']}", remedy) from error


_TABLES: dict[str, type[BaseModel]] = {
    "models": Model,
    "interests": Interest,
    "negative": Interest,
    "scoring": Scoring,
    "selection": Selection,
    "delivery": Delivery,
}


def _remedy(error: Mapping[str, Any], kind: type[BaseModel]) -> str:
    if error["type"] != "extra_forbidden":
        is_table = isinstance(error["input"], dict)
        return "see docs/settings.md" if is_table else f"got {error['input']!r}"[:200]
    fields = _TABLES.get(str(error["loc"][0]), kind).model_fields
    nearest = _nearest(str(error["loc"][-1]), fields)
    return f"nearest valid name: {nearest}" if nearest else f"valid names: {', '.join(fields)}"
