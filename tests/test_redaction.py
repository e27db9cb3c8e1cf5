"""Secrets are taken out of text and of log records; prose stays as it is."""

from __future__ import annotations

import io
import json
import logging
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from broadsheet.redaction import REDACTED, redact, redact_logs

KEY = "made-up/0123456789+credential"
PASSWORD = "hunter2secret"


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("BROADSHEET_STATE", f"postgresql://bob:{PASSWORD}@db.internal/quotas")


@pytest.mark.parametrize(
    "name",
    [
        "GEMINI_API_KEY",
        "HF_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "OPENAI_API_KEY_2",
        "azure_api_key",
        "PGPASSWORD",
        "DB_PASSWD",
        "PREFECT_API_AUTH_STRING",
        "APIKEY",
    ],
)
def test_value_of_a_secret_variable_is_gone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "qwertzuiop-asdf")
    assert redact("you sent nqwertzuiop-asdf.") == f"you sent n{REDACTED}."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENAI_API_KEY", "anything"),
        ("OPENAI_API_KEY", "short"),
        ("SSL_KEY_FILE", "anything/else/there"),
        ("GOOGLE_APPLICATION_CREDENTIALS", "anything/else/there"),
        ("TOKENIZERS_PARALLELISM", "anything/else/there"),
        ("KEYBOARD_LAYOUT", "anything/else/there"),
        ("HOME", "anything/else/there"),
    ],
)
def test_value_that_is_no_secret_stays(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    assert redact(f"x {value} x") == f"x {value} x"


def test_key_written_into_a_url_is_gone() -> None:
    assert redact("/v1?k=made-up%2F0123456789%2Bcredential") == f"/v1?k={REDACTED}"


def test_password_of_a_url_variable_is_gone_alone_too() -> None:
    assert redact(f"password {PASSWORD!r} refused") == f"password '{REDACTED}' refused"


OPAQUE = "abcd1234efgh"
STANDING = [
    "Authorization: Bearer {}",
    "authorization=Basic {}",
    '{{"Authorization": "Bearer {}"}}',
    "{{'authorization': 'Token {}'}}",
    "[(b'Authorization', b'Bearer {}')]",
    "sent as Bearer {}",
    "x-api-key: {}",
    "x-goog-api-key: {}",
    "api-key: {}",
    '{{"api_key": "{}"}}',
    r"{{\"api_key\": \"{}\"}}",
    "Incorrect API key provided: {}",
    "GEMINI_API_KEY={}",
    "https://host/v1/models?key={}&alt=json",
    "https://host/v1?alt=json&key={}",
    "access_token={}",
    '{{"client_secret": "{}"}}',
    "host=db password={} user=bob",
    "postgresql://bob:{}@db/quotas",
    "postgresql://bob:p@{}@db/quotas",
    "https://user:{}@mirror.example/api",
    "https://{}{0}@sentry.example/1",
]


@pytest.mark.parametrize("form", STANDING)
def test_secret_is_known_by_where_it_stands(form: str) -> None:
    form = form.replace("{}{0}", "{0}{0}")
    text = form.format(OPAQUE)
    assert OPAQUE not in redact(text)
    assert REDACTED in redact(text)
    assert redact(redact(text)) == redact(text)


def test_what_is_around_a_secret_stays() -> None:
    assert redact("postgresql://bob:x1@db/q?a=1") == f"postgresql://bob:{REDACTED}@db/q?a=1"
    assert redact('{"api_key": "abcd1234", "b": 1}') == f'{{"api_key": "{REDACTED}", "b": 1}}'


A30 = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7xCf"
SHAPES = [
    f"sk-{A30}",
    "sk-0123456789abcdef0123456789abcdef",
    f"sk-proj-{A30}",
    f"sk-svcacct-{A30}",
    f"sk-ant-api03-{A30}-_x",
    f"sk-or-v1-{A30.lower()}",
    f"AIzaSy{A30}",
    f"gsk_{A30}",
    f"hf_{A30}",
    f"ghp_{A30}",
    f"github_pat_{A30}_x",
    f"xai-{A30}",
    f"nvapi-{A30}",
    f"pnu_{A30}",
    "AKIAIOSFODNN7EXAMPLE",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmN",
]


@pytest.mark.parametrize("key", SHAPES)
@pytest.mark.parametrize(
    "form", ["{}", "it was {}.", '"{}"', "({})", "=\n{}\n", "密钥{}。", "x_{}"]
)
def test_secret_is_known_by_its_shape(key: str, form: str) -> None:
    assert redact(form.format(key)) == form.format(REDACTED)


WORDS = re.split(
    r"\s+",
    """key keys: token tokens, secret password authorization basic api-key API the standard-bearer
    sk-learn-compatible-estimators hf_transformers Bearer-token? sk- gsk_ AIza key=value 99.5% model
    ResNet-50 StyleGAN2 LLaMA-3.1-8B-Instruct https://github.com/owner/repository-2024 2024-01-01
    https://arxiv.org/abs/2601.00001v2 doi:10.1145/3292500.3330701 a@b.example password-free ``key``
    postgresql:// cross-attention key–value KeyError tokenization $x_{t+1}$ [redacted] ?q=1&page=2
    state-of-the-art-self-supervised-representation-learning max_tokens=8192000""",
)


@given(st.lists(st.sampled_from(WORDS)).map(" ".join))
@example("Basic ResNet-50 and bearer tokens; authorization: Principles of access")
@example("the api key: a survey, and token=word")
def test_prose_about_keys_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.real
def test_no_word_of_real_papers_is_blotted_out(shared: Path) -> None:
    listed = 0
    for path in sorted((shared / "world" / "data").glob("hf_*/*.json")):
        for entry in json.loads(path.read_text("utf-8")):
            listed += 1
            for text in (entry["paper"]["title"], entry["paper"]["summary"]):
                assert redact(text) == text, path.name
    assert listed > 100


@pytest.mark.real
def test_no_page_of_a_real_paper_is_blotted_out(shared: Path) -> None:
    from broadsheet.sources.latexml import read_page

    pages = sorted((shared / "world" / "data" / "html").glob("*.html"))
    for path in pages:
        for section in read_page(path.read_text("utf-8")).sections:
            assert redact(section.text) == section.text, path.name
    assert pages


@given(before=st.text(), after=st.text(), key=st.sampled_from([KEY, PASSWORD, *SHAPES[:8]]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_text_around_saves_a_secret(before: str, after: str, key: str) -> None:
    # A letter in front makes a key of known shape part of another word.
    assert key not in redact(f"{before} {key}{after}")


@given(st.dictionaries(st.text(), st.text() | st.sampled_from([*SHAPES, *WORDS, KEY])))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_stays_json(values: dict[str, str]) -> None:
    assert json.loads(redact(json.dumps(values))) is not None


@pytest.mark.parametrize(
    "part", ["sk-", "a-", "a_", "eyJaaaaaaaaaa.", "://a", 'token="', "bearer ", "AIza", "x:", "0"]
)
def test_long_texts_take_no_long_time(part: str) -> None:
    started = time.perf_counter()
    redact(part * (60_000 // len(part)))
    assert time.perf_counter() - started < 1


def test_a_log_line_takes_less_than_a_millisecond() -> None:
    line = "request to openai/any about 2601.00001 failed (rate): RateLimitError: " + "word " * 60
    redact(line)
    started = time.process_time()
    for _ in range(200):
        redact(line)
    assert (time.process_time() - started) / 200 < 0.001


class Odd:
    """An argument that cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no")

    def __repr__(self) -> str:
        return f"Odd({KEY})"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What a handler of any library's prints, of a logger of any library's."""
    before = logging.getLogRecordFactory()
    redact_logs()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(message)s"))
    logger = logging.getLogger("somebody.elses")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield stream
    logger.removeHandler(handler)
    logging.setLogRecordFactory(before)


class TestLogs:
    logger = logging.getLogger("somebody.elses")

    def test_message_and_arguments_are_clean(self, log: io.StringIO) -> None:
        self.logger.info("asked with %s", KEY)
        self.logger.info(f"asked with {KEY}")
        self.logger.info("asked with %(key)r", {"key": KEY})
        self.logger.info(ValueError(KEY))
        assert log.getvalue().count(REDACTED) == 4
        assert KEY not in log.getvalue()

    def test_traceback_is_clean_with_its_causes(self, log: io.StringIO) -> None:
        try:
            try:
                raise ValueError(KEY)
            except ValueError as error:
                raise RuntimeError(f"Bearer {OPAQUE}") from error
        except RuntimeError:
            self.logger.exception("it failed")
        assert "ValueError: [redacted]" in log.getvalue()
        assert "RuntimeError: Bearer [redacted]" in log.getvalue()
        assert KEY not in log.getvalue()
        assert OPAQUE not in log.getvalue()

    def test_stack_is_there(self, log: io.StringIO) -> None:
        self.logger.info("here", stack_info=True)
        assert "test_stack_is_there" in log.getvalue()

    def test_record_without_a_secret_keeps_arguments_and_exception(self) -> None:
        redact_logs()
        make = logging.getLogRecordFactory()
        exc_info = (ValueError, ValueError("no"), None)
        record = make("x", logging.INFO, "x.py", 1, "%s %d", ("a", 1), exc_info)
        assert (record.msg, record.args) == ("%s %d", ("a", 1))
        assert record.exc_info == exc_info

    def test_malformed_line_is_clean_and_no_error(
        self, log: io.StringIO, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.logger.info("%d keys", KEY)
        self.logger.info("key %s", Odd())
        assert log.getvalue().count(REDACTED) == 2
        assert KEY not in log.getvalue() + capsys.readouterr().err

    def test_asking_twice_redacts_once(self, log: io.StringIO) -> None:
        make = logging.getLogRecordFactory()
        redact_logs()
        assert logging.getLogRecordFactory() is make


def test_terminal_shows_no_secret(capsys: pytest.CaptureFixture[str]) -> None:
    from broadsheet import terminal

    before = logging.getLogRecordFactory()
    with terminal.progress(debug=True):
        logging.getLogger("broadsheet.anything").warning("refused: %s", KEY)
    logging.setLogRecordFactory(before)
    assert capsys.readouterr().err == f"warning: refused: {REDACTED}\n"
