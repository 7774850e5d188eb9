"""Logins, certificates, and what of rights and names is different from other types."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from destinations.backends.webdav import WebdavDestination
from destinations.exceptions import DestinationUnavailable, NameTaken, NotFound, PeerNotTrusted
from tests.destinations.conftest import put
from tests.destinations.contract.webdav_place import account
from tests.destinations.servers.webdav.conftest import Open
from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.running.accounts import APPEND_ONLY, FULL
from tests.support.servers.webdav import Webdav

PATH = "shop/manual/backup.tar.gz"


@contextmanager
def using(server: Webdav, certificate: Certificate) -> Iterator[None]:
    before = server.certificate
    server.use(certificate)
    try:
        yield
    finally:
        assert before is not None
        server.use(before)


def test_the_test_names_each_step(opened: Open) -> None:
    steps = {step.name: step.detail for step in opened().test()}
    assert list(steps)[:4] == ["resolve", "connect", "TLS", "log in"]
    assert "TLSv1.3" in steps["TLS"]
    assert steps["free space"] != "not reported"


@pytest.mark.parametrize(("user", "password"), [(FULL, "canary-wrong"), ("nobody", "canary-wrong")])
def test_a_wrong_login_is_refused_and_not_repeated(opened: Open, user: str, password: str, webdav: Webdav) -> None:
    with pytest.raises(DestinationUnavailable, match="refuses the login") as caught:
        opened(username=user, password=password).stat(PATH)
    assert f"{webdav.host}:{webdav.port}" in caught.value.message
    assert "canary" not in caught.value.text


def test_without_encryption_a_password_is_sent_by_digest_where_the_server_knows_it(
    certificates: Certificates, apart: str
) -> None:
    with Webdav(certificates, digest=True) as server:
        options = {**account(server), "base_path": apart}
        with WebdavDestination(options) as destination:
            destination.test()
            put(destination, PATH, b"digest")
            assert (server.home(FULL) / apart / PATH).read_bytes() == b"digest"
            assert destination.warnings()
        with (
            WebdavDestination({**options, "password": "wrong"}) as wrong,
            pytest.raises(DestinationUnavailable, match="refuses the login"),
        ):
            wrong.stat(PATH)


@pytest.mark.parametrize(
    ("kind", "says"), [("expired", "has expired"), ("wrong_name", "another"), ("unknown_ca", "not trusted here")]
)
def test_a_wrong_certificate_is_refused(
    webdav: Webdav, certificates: Certificates, opened: Open, kind: str, says: str
) -> None:
    with using(webdav, getattr(certificates, kind)):
        with pytest.raises(PeerNotTrusted, match=says) as caught:
            opened().test()
        assert f"{webdav.host}:{webdav.port}" in caught.value.message
        assert caught.value.hint


def test_a_certificate_is_pinned_and_another_one_is_an_alarm_that_names_both(
    webdav: Webdav, certificates: Certificates, opened: Open, apart: str
) -> None:
    pinned = certificates.valid.fingerprint
    opened(ca_file="", certificate_fingerprint=pinned).require_reachable()
    with using(webdav, certificates.renewed):
        with pytest.raises(PeerNotTrusted) as caught:
            opened(ca_file="", certificate_fingerprint=pinned).require_reachable()
        said = caught.value.message.replace(":", "").lower()
        assert pinned in said and certificates.renewed.fingerprint in said
        fetched = WebdavDestination.fetch_peer_key({**account(webdav), "base_path": apart})
        assert fetched.fingerprint.replace(":", "").lower() == certificates.renewed.fingerprint


def test_an_account_that_may_not_delete_is_told_so(webdav: Webdav, opened: Open, apart: str) -> None:
    destination = opened(APPEND_ONLY)
    (webdav.home(APPEND_ONLY) / apart / "shop").mkdir(parents=True)
    (webdav.home(APPEND_ONLY) / apart / "shop" / "a.tar").write_bytes(b"x")
    with pytest.raises(DestinationUnavailable, match="does not permit"):
        destination.delete("shop/a.tar")


def test_a_folder_in_place_of_an_archive_is_never_deleted(opened: Open, root: Path) -> None:
    destination = opened()
    put(destination, PATH, b"x")
    (root / "shop" / "manual" / "other.tar").mkdir()
    (root / "shop" / "manual" / "other.tar" / "kept").touch()
    with pytest.raises(NotFound):
        destination.delete("shop/manual/other.tar")
    assert (root / "shop" / "manual" / "other.tar" / "kept").exists()


def test_a_move_that_would_overwrite_is_refused_by_the_server(
    opened: Open, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = opened()
    put(destination, "shop/manual/before.tar", b"x")
    folder = destination._opened()
    # between the look and the move: what stands then is the header
    monkeypatch.setattr(folder, "look", lambda path, **options: (root / PATH).write_bytes(b"theirs") and None)
    (root / f"{PATH}.t.part").write_bytes(b"ours")
    with pytest.raises(NameTaken):
        folder.publish(f"{PATH}.t.part", PATH)
    assert (root / PATH).read_bytes() == b"theirs"
