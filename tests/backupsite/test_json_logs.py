"""LOG_FORMAT=json: each line is one object with what it belongs to, and as free of secrets as a line of text."""

import json
import logging
import sys
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory

from backups.lib import audit
from backups.lib.log_context import RUN_ID, logged_as
from backups.runs.execute import execute
from backups.runs.registry import kind_named
from backups.service.backup.start import start_backup
from backupsite.environment import Environment
from backupsite.json_logs import RedactingJsonFormatter
from backupsite.logs import FIRST, LAST
from backupsite.middleware import request_ids
from destinations.lib.redaction import HIDDEN
from destinations.models import BackupDestination

FORMATTER = RedactingJsonFormatter()
UUID = "0b9c1f6e-9d55-4a59-8d5e-2f0a54c0b1aa"


def line(record: logging.LogRecord) -> dict[str, Any]:
    text = FORMATTER.format(record)
    assert "\n" not in text
    assert text.isascii()
    found: dict[str, Any] = json.loads(text)
    return found


def events(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [line(record) for record in caplog.records if record.name == "backups"]


@pytest.fixture(autouse=True)
def _everything_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    # as it is written, in the context in which it is logged
    caplog.set_level(logging.INFO, "backups")


def test_an_event_has_its_name_and_its_fields_beside_the_text(caplog: pytest.LogCaptureFixture) -> None:
    audit.log("backup.queued", backup="42", instance="shop", reason='two "words" \x1b[2J', empty="")
    (found,) = events(caplog)
    assert found["time"].endswith("+00:00")
    assert (found["level"], found["logger"], found["event"]) == ("INFO", "backups", "backup.queued")
    assert found["fields"] == {"backup": "42", "instance": "shop", "reason": 'two "words" \x1b[2J'}
    assert found["message"].startswith("backup.queued backup=42 instance=shop reason=")
    assert found["run_id"] == "42"
    assert "request_id" not in found


@pytest.mark.parametrize(
    "fields", [{"error": "login with password=canary-1 failed"}, {"api_token": "canary-1"}, {"canary": "x"}], ids=str
)
def test_secrets_in_fields_and_texts_are_hidden(caplog: pytest.LogCaptureFixture, fields: dict[str, str]) -> None:
    audit.log("backup.failed", **fields)
    (found,) = events(caplog)
    assert "canary-1" not in json.dumps(found)
    assert (HIDDEN in json.dumps(found)) == ("canary" not in fields)


def test_a_traceback_is_one_bounded_text_without_secrets() -> None:
    try:
        raise ValueError("a " * 500_000 + "password=canary-2 the end")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "said %s", ("b " * 500_000,), sys.exc_info())
    found = line(record)
    assert found["exception"].endswith(" the end")
    assert "canary-2" not in found["exception"]
    assert len(found["message"]) < FIRST + 100
    assert len(found["exception"]) < LAST + 100


def test_bytes_that_are_no_text_and_an_odd_record_are_one_valid_line() -> None:
    found = line(logging.LogRecord("x", 20, "f", 1, "file \udce4 \u2028", (), None))
    assert found["message"] == "file \\udce4 \u2028"


@pytest.mark.parametrize(("given", "taken"), [(UUID, True), ("a" * 65, False), ("short", False), ("a b c d e f", False),
                                              ("line\nforged-id", False), ("", False)])  # fmt: skip
def test_the_id_of_a_proxy_is_taken_where_it_is_well_formed(
    given: str, taken: bool, caplog: pytest.LogCaptureFixture
) -> None:
    logged = []

    def page(request: HttpRequest) -> HttpResponse:
        logged.append(line(logging.LogRecord("x", 20, "f", 1, "within", (), None)))
        return HttpResponse()

    answer = request_ids(page)(RequestFactory().get("/", headers={"X-Request-ID": given}))
    assert (answer["X-Request-ID"] == given) is taken
    assert logged[0]["request_id"] == answer["X-Request-ID"]
    assert "request_id" not in line(logging.LogRecord("x", 20, "f", 1, "after", (), None))


@pytest.mark.django_db
def test_the_line_of_a_refused_request_has_the_id_that_its_answer_has(caplog: pytest.LogCaptureFixture) -> None:
    answer = Client().get("/nothing-here", headers={"X-Request-ID": UUID})
    refused = [line(record) for record in caplog.records if record.name == "django.request"]
    assert answer["X-Request-ID"] == UUID
    assert [found["request_id"] for found in refused] == [UUID]


@pytest.mark.django_db(transaction=True)
def test_each_line_of_a_run_has_its_id_and_no_line_after_it(
    tacacs_root: object, destination: BackupDestination, caplog: pytest.LogCaptureFixture
) -> None:
    lines: list[dict[str, Any]] = []

    class Collecting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(line(record))

    queued = start_backup("tacacs-hq", destination, by="tests")
    handler = Collecting()
    for name in ("backups", "destinations"):
        logging.getLogger(name).addHandler(handler)
    try:
        execute(kind_named("backup"), queued.pk)
        assert lines
        assert {found.get("run_id") for found in lines} == {queued.pk}
        logging.getLogger("backups").info("after")
        assert "run_id" not in lines[-1]
        with logged_as(RUN_ID, "outer"):
            logging.getLogger("destinations").warning("within")
        assert lines[-1]["run_id"] == "outer"
    finally:
        for name in ("backups", "destinations"):
            logging.getLogger(name).removeHandler(handler)


def test_an_unknown_format_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_FORMAT", "yaml")
    with pytest.raises(ImproperlyConfigured, match="LOG_FORMAT is not one of text, json"):
        Environment().choice("LOG_FORMAT", ["text", "json"], default="text")
    monkeypatch.setenv("LOG_FORMAT", "json")
    assert Environment().choice("LOG_FORMAT", ["text", "json"], default="text") == "json"
