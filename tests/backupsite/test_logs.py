"""What strangers can put into one record of the log is bounded, and costs no time."""

import logging
import sys

from django.test import Client
from pytest import LogCaptureFixture
from pytest_django import Settings

from backupsite.logs import FIRST, LAST, RedactingFormatter
from destinations.lib.redaction import CUT, HIDDEN

MOST = FIRST + LAST + 100
LINE = RedactingFormatter("{levelname} {message}", style="{")


def test_a_record_has_a_bounded_length_and_keeps_both_of_its_ends() -> None:
    try:
        raise ValueError("a-" * 500_000 + " the end")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "said %s", ("b " * 500_000,), sys.exc_info())
    line = LINE.format(record)
    assert len(line) < MOST
    assert line.startswith("ERROR said b b b ") and line.endswith(" the end")
    assert CUT in line


def test_a_secret_at_the_cut_of_a_record_is_hidden() -> None:
    for length in range(FIRST - 40, FIRST + 5):
        record = logging.LogRecord("x", 20, "f", 1, f"{'b' * length} password='canary 77' {'c ' * 500_000}", (), None)
        assert "canary" not in LINE.format(record) and " 77" not in LINE.format(record)


def test_a_long_host_header_of_a_stranger_is_logged_shortly(settings: Settings, caplog: LogCaptureFixture) -> None:
    settings.ALLOWED_HOSTS = ["localhost"]
    caplog.handler.setFormatter(RedactingFormatter())
    with caplog.at_level(logging.ERROR):
        answer = Client(raise_request_exception=False).get("/admin/login/", headers={"host": "a-" * 400_000})
    assert answer.status_code == 400
    lines = [caplog.handler.format(record) for record in caplog.records]
    assert any("HTTP_HOST" in line for line in lines)
    assert all(len(line) < MOST for line in lines)
    assert HIDDEN not in lines[0]
