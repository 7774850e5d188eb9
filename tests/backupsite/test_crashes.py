"""Errors that nobody foresaw are shown without secrets: pages of DEBUG, mails to ADMINS, tracebacks on the terminal."""

import os
import subprocess
import sys
from html import unescape
from pathlib import Path

import pytest
from django.test import RequestFactory
from django.views.debug import get_exception_reporter_class
from pytest_django import Settings

from tests.support.paths import PROJECT

# spelt backwards, because a report quotes the lines of this file too
MARK = "yranac"[::-1]
CANARY = f"{MARK} <words> & 'quotes' \"x\""
URL = f"postgres://backups:{MARK}-url-77@db/backups"
MANAGE = PROJECT / "manage.py"


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("kind", ["html", "text"])
def test_a_report_of_a_crash_hides_secrets_in_messages_variables_and_the_environment(
    settings: Settings, debug: bool, kind: str
) -> None:
    settings.BACKUP_ENCRYPTION_PASSPHRASE, settings.DEBUG = CANARY, debug
    request = RequestFactory().get("/admin/", DATABASE_URL=URL)

    def log_in(words: str) -> None:
        nested = {"words": [words]}
        raise ValueError(f"530 login with {nested['words'][0]} failed")

    try:
        log_in(CANARY)
    except ValueError:
        reporter = get_exception_reporter_class(request)(request, *sys.exc_info(), is_email=not debug)
    report = {"html": reporter.get_traceback_html, "text": reporter.get_traceback_text}[kind]()

    assert "530 login with" in report
    assert MARK not in unescape(report)


def test_a_traceback_on_the_terminal_hides_secrets(tmp_path: Path) -> None:
    code = (
        "import threading; from django.conf import settings\n"
        "def fail(): raise ValueError(f'no: {settings.BACKUP_ENCRYPTION_PASSPHRASE}')\n"
        "thread = threading.Thread(target=fail); thread.start(); thread.join(); fail()"
    )
    given = {"BACKUPSITE_HOME": str(tmp_path / "home"), "BACKUP_ENCRYPTION_PASSPHRASE": CANARY}
    environment = os.environ | given | {"DJANGO_SETTINGS_MODULE": "backupsite.settings"}

    run = subprocess.run(
        [sys.executable, MANAGE, "shell", "--verbosity", "0", "--command", code],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert run.returncode == 1
    assert run.stderr.count("ValueError: no: [hidden]") == 2
    assert MARK not in run.stdout + run.stderr
