"""A URL whose password has a character that URLs reserve is named and never quoted, nor taken for another host."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from pytest_django import Settings

from backupsite.environment import Environment
from destinations.lib.redaction import redact
from tests.support.paths import PROJECT

# the second begins like the number of a port
PASSWORDS = [f"{begin}{char}Battery7" for begin in ("Xk9", "12", "") for char in "/?#"]


@pytest.mark.parametrize("password", PASSWORDS)
def test_a_reserved_character_in_a_password_is_one_error_that_does_not_quote_it(
    password: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgres://backup:{password}@db.example.org/site")
    monkeypatch.setenv("BACKUP_REDIS_URL", f"redis://:{password}@localhost:6379/0")
    for read in (lambda: Environment().db_url("DATABASE_URL"), lambda: Environment().redis_url("BACKUP_REDIS_URL")):
        with pytest.raises(ImproperlyConfigured, match="is not the URL of a") as caught:
            read()
        assert "Battery" not in str(caught.value) and "Xk9" not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("url", ["localhost:6379", "http://localhost", "//localhost", "mysqlx://db/x"])
def test_another_scheme_is_refused(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_URL", url)
    with pytest.raises(ImproperlyConfigured, match="X_URL is not the URL of a Redis"):
        Environment().redis_url("X_URL")
    with pytest.raises(ImproperlyConfigured, match="X_URL is not the URL of a database"):
        Environment().db_url("X_URL")


def test_a_command_names_the_setting_in_one_line(tmp_path: Path) -> None:
    given = {"BACKUPSITE_HOME": str(tmp_path), "BACKUP_REDIS_URL": "redis://:Xk9Horse#Battery7@localhost:6379/0"}
    environment = os.environ | given | {"DJANGO_SETTINGS_MODULE": "backupsite.settings"}
    run = subprocess.run(
        [sys.executable, PROJECT / "manage.py", "check"], env=environment, capture_output=True, text=True, check=False
    )
    (line,) = run.stderr.splitlines()
    assert (run.returncode, run.stdout) == (1, "")
    assert "BACKUP_REDIS_URL" in line and "Xk9" not in line


def test_the_password_of_redis_is_hidden_by_its_value(settings: Settings) -> None:
    settings.Q_CLUSTER = settings.Q_CLUSTER | {"redis": "redis://:canary%2Fpw@localhost:6379/0"}
    assert "canary" not in redact("AUTH canary%2Fpw and canary/pw failed")
