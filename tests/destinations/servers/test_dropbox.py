"""The stand-in for Dropbox answers the real SDK as Dropbox does."""

from collections.abc import Callable, Iterator

import pytest
import requests
from dropbox import Dropbox as Client
from dropbox.exceptions import ApiError, AuthError, InternalServerError, RateLimitError
from dropbox.files import CommitInfo, UploadSessionCursor, WriteMode

from tests.support.servers.certificates import Certificates
from tests.support.servers.dropbox.server import WRITE, Dropbox
from tests.support.servers.dropbox.store import BLOCK_BYTES, hash_of
from tests.support.servers.proxy import Proxy

DATA = bytes(range(256)) * 20_000
PATH = "/backups/ü 1.tcbk"


def client_of(dropbox: Dropbox, **login: str) -> Client:
    login = login or {"oauth2_access_token": dropbox.access_token}
    authority = str(dropbox.certificates.ca_file)
    return Client(**login, ca_certs=authority, max_retries_on_error=0, max_retries_on_rate_limit=0, timeout=20)


@pytest.fixture
def client(dropbox: Dropbox) -> Iterator[Client]:
    with client_of(dropbox) as client:
        yield client


def error_of(step: Callable[[], object]) -> str:
    with pytest.raises(ApiError) as raised:
        step()
    return str(raised.value.error)


def test_an_upload_session_goes_on_at_the_offset_that_the_server_has(dropbox: Dropbox, client: Client) -> None:
    first, second = DATA[:BLOCK_BYTES], DATA[BLOCK_BYTES:]
    session = client.files_upload_session_start(first, content_hash=hash_of(first)).session_id
    behind = UploadSessionCursor(session, 1000)
    assert f"correct_offset={BLOCK_BYTES}" in error_of(lambda: client.files_upload_session_append_v2(b"1", behind))
    commit = CommitInfo(PATH, mode=WriteMode.add)
    done = client.files_upload_session_finish(second, UploadSessionCursor(session, BLOCK_BYTES), commit)
    assert (done.size, done.content_hash) == (len(DATA), hash_of(DATA))
    assert client.files_download(PATH)[1].content == DATA
    assert dropbox.store.sessions == {}


def test_a_wrong_hash_an_existing_name_and_a_full_account_are_refused(dropbox: Dropbox, client: Client) -> None:
    assert "content_hash_mismatch" in error_of(lambda: client.files_upload(b"1", PATH, content_hash="0" * 64))
    client.files_upload(b"1", PATH)
    assert "conflict" in error_of(lambda: client.files_upload(b"2", PATH))
    dropbox.store.quota = 10
    assert "insufficient_space" in error_of(lambda: client.files_upload(DATA, "/more"))
    space = client.users_get_space_usage()
    assert (space.used, space.allocation.get_individual().allocated) == (1, 10)


def test_listings_come_in_pages_and_a_later_page_can_fail(dropbox: Dropbox, client: Client) -> None:
    for number in range(3):
        client.files_upload(b"", f"/Many/{number}")
    dropbox.page_size = 2
    page = client.files_list_folder("/many")
    assert ([one.path_display for one in page.entries], page.has_more) == (["/Many/0", "/Many/1"], True)
    dropbox.fail("files/list_folder/continue", 503)
    with pytest.raises(InternalServerError):
        client.files_list_folder_continue(page.cursor)
    rest = client.files_list_folder_continue(page.cursor)
    assert ([one.name for one in rest.entries], rest.has_more) == (["2"], False)
    assert "not_found" in error_of(lambda: client.files_list_folder("/none"))


def test_files_are_moved_and_deleted(client: Client) -> None:
    client.files_create_folder_v2("/one")
    client.files_upload(b"1", "/one/file")
    client.files_upload(b"2", "/two")
    assert "conflict" in error_of(lambda: client.files_move_v2("/one/file", "/two"))
    client.files_move_v2("/one", "/three")
    assert client.files_get_metadata("/three/file").size == 1
    client.files_delete_v2("/three")
    assert "not_found" in error_of(lambda: client.files_get_metadata("/three/file"))
    assert [one.name for one in client.files_list_folder("", recursive=True).entries] == ["two"]


def test_a_limited_rate_says_when_to_come_back(dropbox: Dropbox, client: Client) -> None:
    dropbox.limit("files/upload", seconds=7)
    with pytest.raises(RateLimitError) as raised:
        client.files_upload(b"1", PATH)
    assert raised.value.backoff == 7
    assert client.files_upload(b"1", PATH).size == 1


def test_tokens_expire_and_are_refreshed_and_lack_rights(dropbox: Dropbox, client: Client) -> None:
    assert client.users_get_current_account().email == "tests@example.org"
    dropbox.expire_tokens()
    with pytest.raises(AuthError, match="expired_access_token"):
        client.files_list_folder("")
    login = {"app_key": dropbox.app_key, "app_secret": dropbox.app_secret}
    with client_of(dropbox, oauth2_refresh_token=dropbox.refresh_token, **login) as lasting:
        assert lasting.files_list_folder("").entries == []
        dropbox.scopes.remove(WRITE)
        with pytest.raises(AuthError, match="missing_scope"):
            lasting.files_upload(b"1", PATH)


def test_a_cut_upload_leaves_nothing(dropbox: Dropbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with Proxy(dropbox.port) as proxy:
        dropbox.redirect(monkeypatch, port=proxy.port)
        proxy.cut(up=1_000_000)
        with client_of(dropbox) as client, pytest.raises(requests.ConnectionError):
            client.files_upload(DATA, PATH)
    with client_of(dropbox) as client:
        client._host_map = dict.fromkeys(client._host_map, f"{dropbox.host}:{dropbox.port}")
        assert client.files_list_folder("").entries == []


def test_a_wrong_certificate_is_refused_by_the_client(dropbox: Dropbox, certificates: Certificates) -> None:
    dropbox.use(certificates.wrong_name)
    with client_of(dropbox) as client, pytest.raises(requests.exceptions.SSLError):
        client.users_get_current_account()
