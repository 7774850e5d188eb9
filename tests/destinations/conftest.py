import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from pytest_django import Settings

from destinations.backends import TYPES, Destination, StoredFile, create_destination
from tests.support.secret_destination import VaultDestination

TOKEN = "token"


@pytest.fixture
def backup_root(tmp_path: Path, settings: Settings) -> Path:
    root = tmp_path / "root"
    root.mkdir(mode=0o700)
    settings.BACKUP_ROOT = root
    return root


@pytest.fixture
def local(backup_root: Path) -> Iterator[Destination]:
    with create_destination("local", {"path": "nas"}) as destination:
        yield destination


@pytest.fixture
def vault_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TYPES, "vault", VaultDestination)


def put(destination: Destination, path: str, data: bytes, *, token: str = TOKEN) -> StoredFile:
    return destination.put(io.BytesIO(data), path, size=len(data), token=token, sha256=hashlib.sha256(data).hexdigest())


def files_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


@pytest.fixture
def staff(db: None) -> Callable[..., Client]:
    """Return a function that logs in a member of staff with exactly the given permissions."""

    def log_in(*codenames: str) -> Client:
        user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
        permissions = Permission.objects.filter(content_type__app_label="destinations", codename__in=codenames)
        assert permissions.count() == len(codenames)
        user.user_permissions.set(permissions)
        client = Client()
        client.force_login(user)
        return client

    return log_in
