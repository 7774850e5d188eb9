from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from backups.models import NotificationChannel
from backups.notifications.channels import configure
from tests.support.servers.receivers import SECRET, MailReceiver, WebReceiver, mail_receiver, web_receiver

Add = Callable[..., NotificationChannel]


@pytest.fixture(autouse=True)
def instances(tmp_path: Path, settings: Settings) -> None:
    settings.BACKUP_WORKSPACE_ROOT = tmp_path / "workspaces"
    settings.BACKUP_SITE_URL = "https://backup.example.net"
    component = {"orders": {"kind": "sqlite", "path": "o.db"}}
    settings.BACKUP_INSTANCES = {
        name: {"kind": "generic", "root": str(tmp_path), "components": component} for name in ("shop", "wiki")
    }


# one server for all tests of a module: each test looks at what it has got itself
@pytest.fixture(scope="module")
def web_server() -> Iterator[WebReceiver]:
    with web_receiver() as receiver:
        yield receiver


@pytest.fixture
def web(web_server: WebReceiver) -> WebReceiver:
    web_server.status, web_server.answer, web_server.location = 200, b"ok", ""
    web_server.taken.clear()
    web_server.refused.clear()
    return web_server


@pytest.fixture(scope="module")
def mail_server() -> Iterator[MailReceiver]:
    with mail_receiver() as receiver:
        yield receiver


@pytest.fixture
def mail(mail_server: MailReceiver, settings: Settings) -> MailReceiver:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mail_server.port
    settings.DEFAULT_FROM_EMAIL = "backupsite@example.net"
    mail_server.mails.clear()
    mail_server.refused.clear()
    return mail_server


@pytest.fixture
def add(db: None) -> Add:
    """Return a function that adds a channel of a kind with these options; fields of the row are given with `row`."""

    def make(kind: str, options: dict[str, Any], **row: Any) -> NotificationChannel:
        channel = NotificationChannel(kind=kind, **{"name": kind, "hide_paths": False, **row})
        configure(channel, options)
        channel.save()
        return channel

    return make


@pytest.fixture
def hook(add: Add, web: WebReceiver) -> NotificationChannel:
    """A webhook that takes everything."""
    return add("webhook", {"url": f"{web.url}/hook", "secret": SECRET}, name="hook")
