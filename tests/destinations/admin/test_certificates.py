"""The form fetches the certificate of a server, and a tick pins it."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from destinations.models import BackupDestination
from tests.destinations.contract.ftp_place import account as ftp_account
from tests.destinations.contract.webdav_place import account as webdav_account
from tests.support.servers.certificates import Certificates

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("type_", ["ftp", "webdav"])
def test_a_certificate_is_fetched_and_pinned(
    request: pytest.FixtureRequest,
    staff: Callable[..., Client],
    certificates: Certificates,
    backup_root: Any,
    apart: str,
    type_: str,
) -> None:
    server = request.getfixturevalue("vsftpd" if type_ == "ftp" else "webdav")
    login = ftp_account(server) if type_ == "ftp" else webdav_account(server)
    # that the login is given later does not matter to the button
    given = {
        f"option_{option}": value for option, value in login.items() if option in ("host", "port", "encryption", "url")
    }
    page = reverse("admin:destinations_backupdestination_add") + f"?type={type_}"
    client = staff("add_backupdestination", "view_backupdestination")
    common = {"name": "cloud", "enabled": "on", "option_timeout": "30"}
    shown = client.post(page, {**common, **given, "_fetch_key": "1"}).content.decode()
    fingerprint = bytes.fromhex(certificates.valid.fingerprint).hex(":").upper()
    assert f'data-fingerprint="{fingerprint}"' in shown
    assert "openssl x509" in shown
    assert not BackupDestination.objects.exists()
    options = {f"option_{option}": value for option, value in login.items() if option != "ca_file"}
    ticked = {"option_certificate_fingerprint_accept": fingerprint, "option_base_path": apart, "option_passive": "on"}
    answer = client.post(page, {**common, **options, **ticked, "option_read_back": "on"})
    assert answer.status_code == 302, answer.content.decode()
    stored = BackupDestination.objects.get()
    assert stored.config_json["certificate_fingerprint"] == fingerprint
    assert stored.tests.get().passed
