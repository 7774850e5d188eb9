"""Logins, certificates and the ways of encryption."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from destinations.backends.ftp import FtpDestination
from destinations.exceptions import DestinationConfigError, DestinationUnavailable, PeerNotTrusted
from tests.destinations.conftest import put
from tests.destinations.contract.ftp_place import account
from tests.destinations.servers.ftp.conftest import Open
from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.ftp.proftpd import Proftpd
from tests.support.servers.ftp.server import FtpServer
from tests.support.servers.ftp.vsftpd import Vsftpd
from tests.support.servers.running.accounts import FULL

PATH = "shop/manual/backup.tar.gz"


@contextmanager
def using(server: FtpServer, certificate: Certificate) -> Iterator[None]:
    before = server.certificate
    server.use(certificate)
    try:
        yield
    finally:
        server.use(before)


@pytest.mark.parametrize(("user", "password"), [(FULL, "canary-wrong-34"), ("nobody-here", "canary-wrong-34")])
def test_a_wrong_password_or_user_is_refused_once_and_not_repeated(
    server: FtpServer, opened: Open, user: str, password: str
) -> None:
    with server.control_proxy() as control:
        with pytest.raises(DestinationUnavailable, match=f"as {user}: the server refuses it") as caught:
            opened(user, through=control, password=password).stat(PATH)
        assert f"{control.host}:{control.port}" in caught.value.message
        assert "canary" not in caught.value.text
        # one that is tried again and again locks accounts
        assert control.connections == 1


@pytest.mark.parametrize("fixture", ["vsftpd", "vsftpd_implicit", "vsftpd_plain", "proftpd"])
def test_each_way_of_encryption_passes_the_test(request: pytest.FixtureRequest, apart: str, fixture: str) -> None:
    server: FtpServer = request.getfixturevalue(fixture)
    with FtpDestination({**account(server), "base_path": apart}) as destination:
        steps = {step.name: step.detail for step in destination.test()}
    assert list(steps)[:5] == ["resolve", "connect", "TLS", "log in", "folder"]
    assert ("TLSv1." in steps["TLS"]) == (server.mode != "plain")
    assert bool(destination.warnings()) == (server.mode == "plain")


def test_data_connections_that_the_server_opens_work_too(opened: Open, root: Path) -> None:
    destination = opened(passive=False)
    put(destination, PATH, b"active")
    assert (root / PATH).read_bytes() == b"active"
    assert [file.path for file in destination.list()] == [PATH]


def test_without_epsv_the_address_of_pasv_is_not_used(opened: Open, root: Path) -> None:
    """The servers of the tests name an address at which nobody is, as one behind a NAT does."""
    destination = opened()
    destination._opened().client._takes_epsv = False
    put(destination, PATH, b"pasv")
    assert (root / PATH).read_bytes() == b"pasv"


@pytest.mark.parametrize(
    ("kind", "says"),
    [("expired", "has expired"), ("wrong_name", "another"), ("unknown_ca", "not trusted here")],
)
def test_a_wrong_certificate_is_refused_before_the_login(
    vsftpd: Vsftpd, certificates: Certificates, apart: str, kind: str, says: str
) -> None:
    with using(vsftpd, getattr(certificates, kind)), FtpDestination({**account(vsftpd), "base_path": apart}) as opened:
        with pytest.raises(PeerNotTrusted, match=says) as caught:
            opened.test()
        assert f"{vsftpd.host}:{vsftpd.port}" in caught.value.message
        assert caught.value.hint


def test_a_certificate_that_its_own_authority_does_not_vouch_for_can_be_pinned(
    vsftpd: Vsftpd, certificates: Certificates, apart: str
) -> None:
    pinned = certificates.unknown_ca.fingerprint
    options = {**account(vsftpd), "base_path": apart, "ca_file": "", "certificate_fingerprint": pinned}
    with using(vsftpd, certificates.unknown_ca):
        with FtpDestination(options) as destination:
            steps = {step.name: step.detail for step in destination.test()}
            assert pinned.upper()[:2] + ":" in steps["TLS"]
        fetched = FtpDestination.fetch_peer_key(account(vsftpd) | {"base_path": apart})
        assert fetched.fingerprint.replace(":", "").lower() == pinned
        assert [key.value for key in FtpDestination.pinned_keys(pinned)] == [fetched.value]


def test_another_certificate_than_the_pinned_one_is_an_alarm_that_names_both(
    vsftpd: Vsftpd, certificates: Certificates, apart: str
) -> None:
    pinned = certificates.renewed.fingerprint
    options = {**account(vsftpd), "base_path": apart, "ca_file": "", "certificate_fingerprint": pinned}
    with FtpDestination(options) as destination, pytest.raises(PeerNotTrusted) as caught:
        destination.require_reachable()
    said = caught.value.message.replace(":", "").lower()
    assert pinned in said
    assert certificates.valid.fingerprint in said


def test_a_server_without_tls_does_not_get_the_password(vsftpd_plain: Vsftpd, apart: str) -> None:
    options = {**account(vsftpd_plain), "encryption": "explicit", "base_path": apart}
    with vsftpd_plain.control_proxy() as control:
        options |= {"host": control.host, "port": control.port}
        with (
            FtpDestination(options) as destination,
            pytest.raises(DestinationUnavailable, match="no explicit TLS") as caught,
        ):
            destination.require_reachable()
        assert "encryption" in caught.value.hint
        assert control.bytes["up"] == len("AUTH TLS\r\n")


def test_a_server_that_asks_for_encryption_says_so_to_a_login_without(proftpd: Proftpd, apart: str) -> None:
    options = {**account(proftpd), "encryption": "none", "ca_file": "", "base_path": apart}
    with FtpDestination(options) as destination, pytest.raises(DestinationUnavailable) as caught:
        destination.require_reachable()
    assert "encryption" in caught.value.hint


@pytest.mark.parametrize("text", ["", "no certificate"])
def test_a_file_of_the_authority_that_cannot_be_used_is_named(opened: Open, tmp_path: Path, text: str) -> None:
    file = tmp_path / "ca.pem"
    if text:
        file.write_text(text)
    with pytest.raises(DestinationConfigError, match=str(file)) as caught:
        opened(ca_file=str(file)).require_reachable()
    assert caught.value.option == "ca_file"
