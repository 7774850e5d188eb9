"""FTP without encryption is possible, and said to be what it is wherever an operator looks."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from destinations.models import BackupDestination

pytestmark = pytest.mark.django_db


def added(name: str, encryption: str) -> BackupDestination:
    destination = BackupDestination(name=name, type="ftp", enabled=False)
    login = {"username": "backup", "password": "x"}
    destination.configure({"host": "ftp.example.org", "encryption": encryption, "base_path": name, **login})
    destination.save()
    return destination


def test_a_check_of_the_database_names_it(backup_root: Path) -> None:
    added("plain", "none")
    added("safe", "explicit")
    found = [message for message in run_checks(databases=["default"]) if message.id == "destinations.W008"]
    assert ["'plain'" in message.msg for message in found] == [True]


def test_the_command_that_adds_it_warns(backup_root: Path) -> None:
    def add(name: str, encryption: str) -> int:
        out = io.StringIO()
        options = ["host=ftp.example.org", "username=u", "password=p", f"encryption={encryption}"]
        call_command("adddestination", name, "--type", "ftp", "--untested", "--json", option=options, stdout=out)
        return len(json.loads(out.getvalue())["warnings"])

    assert (add("plain", "none"), add("safe", "implicit")) == (1, 0)


def test_its_page_warns(backup_root: Path, staff: Callable[..., Client]) -> None:
    client = staff("view_backupdestination")
    for name, encryption in (("plain", "none"), ("safe", "explicit")):
        page = client.get(
            reverse("admin:destinations_backupdestination_change", args=[added(name, encryption).pk])
        ).content.decode()
        assert ('data-notice="warning"' in page) == (encryption == "none")
