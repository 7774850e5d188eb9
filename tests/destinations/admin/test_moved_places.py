"""Where a destination points stays as it is while archives are recorded there: for every type, in form and command."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from destinations.admin.forms import OPTION, form_class
from destinations.backends import TYPES, destination_class
from destinations.models import BackupDestination
from tests.support.call_commands import refused
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGLjMMRRBjsbfVjBcy2KEXPAvGGkYXFVDbEIN6DPqLGh"
# the options of each type, and one that would lead elsewhere
PLACES: dict[str, tuple[dict[str, Any], str, str]] = {
    "local": ({"path": "site"}, "path", "elsewhere"),
    "sftp": ({"host": "a.example", "username": "b", "password": "s3cret", "host_key": KEY}, "base_path", "/elsewhere"),
    "ftp": ({"host": "a.example", "username": "b", "password": "s3cret"}, "host", "b.example"),
    "webdav": ({"url": "https://a.example/dav", "username": "b", "password": "s3cret"}, "base_path", "elsewhere"),
    "s3": ({"bucket_name": "archives", "access_key": "k", "secret_key": "s3cret"}, "location", "elsewhere"),
    "azure": (
        {"account_name": "site", "account_key": "c2VjcmV0", "azure_container": "archives"},
        "azure_container",
        "elsewhere",
    ),
    "gcs": ({"bucket_name": "archives"}, "bucket_name", "elsewhere"),
    "dropbox": ({"account": "a@b.example", "oauth2_access_token": "s3cret"}, "root_path", "/elsewhere"),
    "rclone": ({"remote": "nas:backups"}, "remote", "nas:elsewhere"),
    "storage": ({"alias": "archives"}, "location", "elsewhere"),
}


def test_every_type_is_tried() -> None:
    assert set(PLACES) == set(TYPES)


@pytest.mark.parametrize("kind", PLACES)
def test_a_place_with_archives_is_not_moved_and_the_way_out_is_named(kind: str, home: object, settings: Any) -> None:
    settings.BACKUP_STORAGE_ALIASES = ["archives"]
    settings.STORAGES = settings.STORAGES | {"archives": settings.STORAGES["default"]}
    options, moved, value = PLACES[kind]
    row = BackupDestination(name="nas", type=kind)
    row.configure(options)
    row.save()
    before = row.config_json
    an_execution(destination=row)
    # as the configuration of a service declares it
    row.configure(row.options() | {moved: value})
    with pytest.raises(ValidationError) as caught:
        row.full_clean()
    (text,) = caught.value.messages
    assert "1 of its archives" in text and "Add a new destination" in text
    row.refresh_from_db()
    secrets = destination_class(kind).secret_options
    shown = {OPTION + name: item for name, item in row.options().items() if name not in secrets and item is not None}
    fields = {"name": "nas", "enabled": "on", "retention_strategy": "", **shown, OPTION + moved: value}
    form = form_class(destination_class(kind))(fields, instance=row)
    assert "1 of its archives" in str(form.non_field_errors()), form.errors
    assert "1 of its archives" in refused("changedestination", "nas", "--option", f"{moved}={value}")
    row.refresh_from_db()
    assert row.config_json == before
