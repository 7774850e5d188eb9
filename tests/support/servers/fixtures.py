"""The servers as fixtures; each starts when the first test asks for it."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.servers.certificates import Certificates
from tests.support.servers.dropbox.server import Dropbox
from tests.support.servers.ftp.proftpd import Proftpd
from tests.support.servers.ftp.vsftpd import Vsftpd
from tests.support.servers.objects.azurite import Azurite
from tests.support.servers.objects.gcs import Gcs
from tests.support.servers.objects.moto import Moto
from tests.support.servers.proxy import Proxy
from tests.support.servers.rclone import Rclone
from tests.support.servers.running.server import Server
from tests.support.servers.sshd import Sshd
from tests.support.servers.webdav import Webdav

_numbers = itertools.count()


@pytest.fixture
def apart() -> str:
    """Return a name for a folder, bucket, container or prefix of one test."""
    return f"test-{os.getpid()}-{next(_numbers)}"


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def proxied() -> Iterator[Callable[[Server], Proxy]]:
    """Return a function that puts a proxy in front of a server."""
    with ExitStack() as stack:
        yield lambda server: stack.enter_context(Proxy(server.port, server.host))


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    with Sshd() as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd(certificates: Certificates) -> Iterator[Vsftpd]:
    """Return vsftpd with explicit TLS."""
    with Vsftpd("explicit", certificates) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd_implicit(certificates: Certificates) -> Iterator[Vsftpd]:
    with Vsftpd("implicit", certificates) as server:
        yield server


@pytest.fixture(scope="session")
def vsftpd_plain(certificates: Certificates) -> Iterator[Vsftpd]:
    with Vsftpd("plain", certificates) as server:
        yield server


@pytest.fixture(scope="session")
def proftpd(certificates: Certificates) -> Iterator[Proftpd]:
    """Return proftpd with explicit TLS."""
    with Proftpd("explicit", certificates) as server:
        yield server


@pytest.fixture(scope="session")
def moto(certificates: Certificates) -> Iterator[Moto]:
    with Moto(certificates) as server:
        yield server


@pytest.fixture(scope="session")
def moto_tls(certificates: Certificates) -> Iterator[Moto]:
    with Moto(certificates, certificates.valid) as server:
        yield server


@pytest.fixture(scope="session")
def azurite() -> Iterator[Azurite]:
    with Azurite() as server:
        yield server


@pytest.fixture(scope="session")
def azurite_tls(certificates: Certificates) -> Iterator[Azurite]:
    with Azurite(certificates.valid) as server:
        yield server


@pytest.fixture(scope="session")
def gcs() -> Iterator[Gcs]:
    with Gcs() as server:
        yield server


@pytest.fixture(scope="session")
def webdav(certificates: Certificates) -> Iterator[Webdav]:
    """Return WebDAV with TLS."""
    with Webdav(certificates, certificates.valid) as server:
        yield server


@pytest.fixture
def dropbox(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> Iterator[Dropbox]:
    """Return a Dropbox account of this test, which the SDK speaks to."""
    (tmp_path / "dropbox").mkdir()
    with Dropbox(tmp_path / "dropbox", certificates) as server:
        server.redirect(monkeypatch)
        yield server


@pytest.fixture
def rclone(tmp_path: Path, sshd: Sshd) -> Rclone:
    (tmp_path / "rclone").mkdir()
    return Rclone(tmp_path / "rclone", sshd)
