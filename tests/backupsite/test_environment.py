"""Settings from the environment, as operators and container platforms write them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from backupsite.environment import Environment
from tests.support.paths import PROJECT


def test_a_variable_that_is_absent_or_empty_leaves_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BACKUP_WORKERS", raising=False)
    monkeypatch.setenv("BACKUP_TIMEOUT", "")

    assert Environment().int("BACKUP_WORKERS", default=2) == 2
    assert Environment().int("BACKUP_TIMEOUT", default=60) == 60


def test_a_file_is_read_without_its_last_line_break_and_wins_over_the_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(" correct horse \n")
    monkeypatch.setenv("SECRET_KEY", "another")
    monkeypatch.setenv("SECRET_KEY_FILE", str(secret))

    assert Environment().str("SECRET_KEY", default="") == " correct horse "


def test_a_secret_that_begins_with_a_dollar_sign_is_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "$HOME is where")

    assert Environment().str("SECRET_KEY", default="") == "$HOME is where"


def test_spaces_around_the_commas_of_a_list_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "backup.example.org, 192.0.2.7 ,")

    assert Environment().list("ALLOWED_HOSTS", default=[]) == ["backup.example.org", "192.0.2.7"]


def test_spaces_around_the_commas_of_a_dictionary_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_CUSTOM_CADENCES", "tides=shop.tides.next, moon = shop.moon.next")

    cadences = Environment().dict("BACKUP_CUSTOM_CADENCES", default={})

    assert cadences == {"tides": "shop.tides.next", "moon": "shop.moon.next"}


def test_a_wrong_number_is_an_error_that_names_the_variable_and_not_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BACKUP_TIMEOUT", "six hours")

    with pytest.raises(ImproperlyConfigured) as caught:
        Environment().int("BACKUP_TIMEOUT", default=60)

    assert str(caught.value) == "The setting BACKUP_TIMEOUT is not a whole number."


def test_a_command_answers_a_wrong_setting_with_one_line_and_exit_code_1(tmp_path: Path) -> None:
    given = {"BACKUPSITE_HOME": str(tmp_path / "home"), "BACKUP_TIMEOUT": "six hours"}
    environment = os.environ | given | {"DJANGO_SETTINGS_MODULE": "backupsite.settings"}
    manage = PROJECT / "manage.py"

    run = subprocess.run(
        [sys.executable, manage, "check"], env=environment, capture_output=True, text=True, check=False
    )

    assert run.returncode == 1
    assert run.stderr.splitlines() == [
        "Error: The setting BACKUP_TIMEOUT is not a whole number. (docs/configuration.md describes every setting)"
    ]


@pytest.mark.parametrize(
    ("given", "header"),
    [
        ({}, "None"),
        ({"SECURE_HSTS_SECONDS": "3600"}, "max-age=3600"),
        (
            {"SECURE_HSTS_SECONDS": "60", "SECURE_HSTS_INCLUDE_SUBDOMAINS": "true", "SECURE_HSTS_PRELOAD": "true"},
            "max-age=60; includeSubDomains; preload",
        ),
    ],
)
def test_https_alone_sends_no_hsts_and_each_part_of_it_has_its_own_setting(
    given: dict[str, str], header: str, tmp_path: Path
) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SECURE_HSTS")}
    environment |= {"BACKUPSITE_HOME": str(tmp_path), "DJANGO_SETTINGS_MODULE": "backupsite.settings", "HTTPS": "true"}
    asked = (
        "import django; django.setup()\n"
        "from django.http import HttpResponse\n"
        "from django.middleware.security import SecurityMiddleware\n"
        "from django.test import RequestFactory\n"
        "answer = SecurityMiddleware(lambda request: HttpResponse())(RequestFactory().get('/', secure=True))\n"
        "print(answer.headers.get('Strict-Transport-Security'), answer.status_code)\n"
    )

    run = subprocess.run(
        [sys.executable, "-c", asked], env=environment | given, capture_output=True, text=True, check=True
    )

    assert run.stdout.strip() == f"{header} 200"


def test_a_file_that_is_gone_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "gone"))

    with pytest.raises(ImproperlyConfigured, match=r"gone of the setting SECRET_KEY_FILE cannot be read: No such file"):
        Environment().str("SECRET_KEY", default="")


@pytest.mark.parametrize("content", ["", "\n", " \r\n"])
def test_an_empty_file_is_an_error_and_not_a_setting_that_is_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    (tmp_path / "passphrase").write_text(content)
    monkeypatch.setenv("BACKUP_ENCRYPTION_PASSPHRASE_FILE", str(tmp_path / "passphrase"))

    with pytest.raises(
        ImproperlyConfigured, match=r"passphrase of the setting BACKUP_ENCRYPTION_PASSPHRASE_FILE is empty"
    ):
        Environment().str("BACKUP_ENCRYPTION_PASSPHRASE", default="")


def test_a_database_url_is_taken_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = tmp_path / "url"
    url.write_text("postgres://backupsite:p%23ss@db.example.org:5432/backups\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(url))

    database = Environment().db_url("DATABASE_URL", default="sqlite:///:memory:")

    assert (database["HOST"], database["NAME"], database["PASSWORD"]) == ("db.example.org", "backups", "p#ss")
