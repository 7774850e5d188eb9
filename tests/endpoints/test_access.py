"""Who gets the status of the site, who gets everything, and who gets nothing."""

import logging
from ipaddress import ip_network

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from backups.endpoints import collector, health
from backups.service.monitoring.health import Health
from tests.endpoints.conftest import TOKEN

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("home", "shop")]
FAR = "203.0.113.9"


@pytest.fixture(autouse=True)
def _all_is_well(monkeypatch: pytest.MonkeyPatch) -> None:
    # what is answered is not the point, and takes most of the time
    for module in (health, collector):
        monkeypatch.setattr(module, "health", lambda *_: Health(timezone.now(), [], []))


def status(path: str = "/health", *, address: str = "127.0.0.1", **headers: str) -> int:
    return int(Client(REMOTE_ADDR=address).get(path, headers=headers).status_code)


@pytest.mark.parametrize(
    ("address", "forwarded", "seen"),
    [
        ("127.0.0.1", None, True),
        ("127.9.9.9", None, True),
        ("::1", None, True),
        ("::ffff:127.0.0.1", None, True),
        (FAR, None, False),
        ("", None, False),
        # behind the proxy of this host: only what it added itself counts
        ("127.0.0.1", FAR, False),
        ("127.0.0.1", f"127.0.0.1, {FAR}", False),
        ("127.0.0.1", f"{FAR}, 127.0.0.1", True),
        ("127.0.0.1", "localhost", False),
        (FAR, "127.0.0.1", False),
    ],
)
def test_an_allowed_address_sees_the_status(address: str, forwarded: str | None, seen: bool) -> None:
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    assert (status(address=address, **headers) == 200) is seen
    assert status(address=address, **headers) in (200, 403)


def test_a_proxy_that_forwards_in_another_way_opens_nothing() -> None:
    assert status(Forwarded="for=203.0.113.9") == 403


def test_further_addresses_are_allowed_by_the_setting(settings: Settings) -> None:
    settings.BACKUP_MONITORING_ADDRESSES = [ip_network("203.0.113.0/24")]
    assert status(address=FAR) == 200
    assert status() == 403


@pytest.mark.parametrize("path", ["/health", "/metrics"])
def test_the_token_opens_everything_from_anywhere(path: str, token: str) -> None:
    assert status(path, address=FAR, Authorization=f"Bearer {token}") == 200
    assert status(path, address=FAR, Authorization=f"bearer  {token} ") == 200


@pytest.mark.parametrize("path", ["/health", "/metrics"])
@pytest.mark.parametrize(
    "header", ["Bearer wrong", f"Basic {TOKEN}", "Bearer", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", "Bearer \udcff"]
)
def test_a_wrong_token_is_refused_and_logged_without_it(
    path: str, header: str, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "backups")
    answer = Client().get(path, HTTP_AUTHORIZATION=header)
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    (line,) = (record.getMessage() for record in caplog.records if record.name == "backups")
    assert line == f"monitoring.refused path={path} address=127.0.0.1"


def test_without_a_token_in_the_settings_nobody_gets_the_details(settings: Settings) -> None:
    settings.BACKUP_MONITORING_TOKEN = ""
    assert status(Authorization="Bearer ") == 401
    assert status("/metrics") == 403


def test_the_metrics_need_the_token_from_an_allowed_address_too(token: str) -> None:
    assert status("/metrics") == 403


def test_a_program_on_the_host_reaches_them_without_tls_and_by_any_name(settings: Settings, token: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["backup.example.org"]
    assert status(Host="10.0.0.7:8000") == 200
    assert status("/metrics", Authorization=f"Bearer {token}", Host="10.0.0.7") == 200
    assert status("/admin/", Host="backup.example.org") == 301
    assert status("/admin/", Host="10.0.0.7") == 400


def test_an_answer_has_an_id_and_no_session_also_below_a_path_of_the_proxy() -> None:
    answer = Client().get("/health", SCRIPT_NAME="/backup")
    assert answer.status_code == 200
    assert answer["X-Request-ID"]
    assert "sessionid" not in answer.cookies
    assert "Vary" not in answer.headers


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_nothing_can_be_sent_there(method: str) -> None:
    assert getattr(Client(), method)("/health").status_code == 405
