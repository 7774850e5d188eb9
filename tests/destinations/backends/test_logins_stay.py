"""A login is sent to the server of the options only: not along with a redirection, and not replaced by a netrc file."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from destinations.backends import Destination, create_destination
from destinations.exceptions import DestinationUnavailable
from tests.destinations.backends.azure.conftest import Open, open_azure, signed
from tests.destinations.conftest import put
from tests.destinations.contract.azure_place import AzurePlace
from tests.destinations.contract.dropbox_place import DropboxPlace, dropbox_options
from tests.destinations.contract.gcs_place import GcsPlace
from tests.destinations.contract.place import Place
from tests.support.servers.certificates import Certificates
from tests.support.servers.dropbox.server import Dropbox
from tests.support.servers.hostile import Answer, Asked, Hostile
from tests.support.servers.objects.azurite import Azurite

__all__ = ["open_azure", "signed"]

PATH = "shop/manual/backup.tar.gz"
CODES = [302, 307]


def sending_on(code: int, port: int) -> Callable[[Asked], Answer]:
    return lambda asked: Answer(code, {"Location": f"http://localhost:{port}{asked.path}"})


def require_refused(destination: Destination, thief: Hostile) -> None:
    uses: list[Callable[[], object]] = [
        lambda: list(destination.list()),
        lambda: put(destination, PATH, b"x"),
    ]
    for use in uses:
        with pytest.raises(DestinationUnavailable, match="not followed") as caught:
            use()
        assert caught.value.hint
    assert thief.asked == []


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("by_signature", [False, True])
def test_azure_takes_no_login_to_another_host(
    azurite: Azurite, open_azure: Open, signed: Callable[..., dict[str, Any]], code: int, by_signature: bool
) -> None:
    with Hostile(lambda asked: None, behind=azurite.port) as thief, Hostile(sending_on(code, thief.port)) as server:
        login = {"connection_string": azurite.connection_string(server.port)}
        if by_signature:
            login = signed() | {"endpoint_url": f"http://127.0.0.1:{server.port}/{azurite.account}"}
        require_refused(open_azure(**login), thief)


@pytest.mark.parametrize("code", CODES)
def test_dropbox_takes_no_refresh_token_to_another_host(
    dropbox: Dropbox, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.valid.certificate, certificates.valid.key)
    with (
        Hostile(lambda asked: Answer(400)) as thief,
        Hostile(sending_on(code, thief.port), context=context) as server,
    ):
        dropbox.redirect(monkeypatch, port=server.port)
        require_refused(create_destination("dropbox", dropbox_options(dropbox, root_path="site")), thief)


@pytest.mark.parametrize("kind", [AzurePlace, DropboxPlace, GcsPlace])
def test_a_netrc_file_replaces_no_login(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: Callable[..., Place]
) -> None:
    place = kind(request)
    (tmp_path / "netrc").write_text("default login eve password mallory\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with place.open() as destination:
        put(destination, PATH, b"x")
        assert [file.path for file in destination.list()] == [PATH]
