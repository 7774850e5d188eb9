"""Destinations of a type whose packages are not installed here, such as after a move to another host."""

import io

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command

from destinations.exceptions import DestinationConfigError
from destinations.models import BackupDestination
from destinations.transfer import extras

pytestmark = pytest.mark.django_db
OPTIONS = {
    "gcs": {"bucket_name": "backups"},
    "s3": {"bucket_name": "backups"},
    "sftp": {"host": "nas.example", "username": "u", "password": "pw-canary", "known_hosts_file": "/etc/known_hosts"},
}
MOVED: dict[str, dict[str, object]] = {
    "gcs": {"bucket_name": "elsewhere"},
    "s3": {"bucket_name": "elsewhere"},
    "sftp": {**OPTIONS["sftp"], "base_path": "/elsewhere"},
}


@pytest.fixture(autouse=True)
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "_is_installed", lambda module: False)


@pytest.fixture(params=OPTIONS)
def destination(request: pytest.FixtureRequest) -> BackupDestination:
    made = BackupDestination(name="far", type=request.param, enabled=False, established=True)
    made.configure(OPTIONS[request.param])
    made.save()
    return made


def test_its_place_is_known_and_what_to_install(destination: BackupDestination) -> None:
    place = "nas.example" if destination.type == "sftp" else "backups"
    assert place in destination.location_text
    assert f"pip install -r requirements-{destination.type}.txt" in destination.location_text


def test_it_cannot_be_opened(destination: BackupDestination) -> None:
    with pytest.raises(DestinationConfigError, match="not installed"):
        destination.open()


def test_it_is_not_moved_away_from_its_archives(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("destinations.models.destination.archives_at", lambda destination: 3)
    destination.configure(MOVED[destination.type])
    with pytest.raises(ValidationError) as caught:
        destination.full_clean()
    assert caught.value.error_dict["__all__"][0].code == "moved"


def test_a_second_destination_in_its_place_is_refused(destination: BackupDestination) -> None:
    second = BackupDestination(name="second", type=destination.type, enabled=False)
    second.config_json = dict(destination.config_json)
    with pytest.raises(ValidationError, match="already stores"):
        second.full_clean()


@pytest.mark.parametrize("command", ["listdestinations", "showdestination far"])
def test_commands_that_ask_no_server_work(destination: BackupDestination, command: str) -> None:
    out = io.StringIO()
    call_command(*command.split(), stdout=out)
    assert "far" in out.getvalue() and "not installed" in out.getvalue()
