"""A canary in every secret of every type: in no error, log, traceback or text of an object, whatever a server does."""

import base64
import traceback
from pathlib import Path
from typing import Any

import pytest

from destinations.backends import TYPES, create_destination
from destinations.backends.remote import RemoteDestination
from destinations.lib.redaction import redact
from tests.destinations.conftest import put
from tests.support.servers.hostile import Answer, Asked, Hostile

KEY = base64.b64encode(b"canary-7 of azure").decode()
# of what is shown of a secret, plain or as it is sent
MARKS = ("canary-7", KEY, "Y2FuYXJ5LTc")
AZURE = {"azure_container": "abc", "endpoint_url": "URL/a", "account_name": "a"}
CASES: list[tuple[str, dict[str, Any]]] = [
    ("azure", {"azure_container": "abc", "connection_string": f"AccountName=a;AccountKey={KEY};BlobEndpoint=URL/a;"}),
    ("azure", AZURE | {"account_key": KEY}),
    ("azure", AZURE | {"sas_token": "sv=1&sp=rwdl&sig=canary-7%2Fx%3D"}),
    ("dropbox", {"oauth2_access_token": "canary-7"}),
    ("dropbox", {"oauth2_refresh_token": "canary-7", "app_key": "k", "app_secret": "canary-7-secret"}),
    ("rclone", {"remote": "nas:x", "config_file": "FILE", "config_password": "canary-7"}),
    ("s3", {"bucket_name": "abc", "endpoint_url": "URL", "access_key": "AKIAX", "secret_key": "canary-7"}),
    ("webdav", {"url": "URL/dav/", "username": "u", "password": "canary-7"}),
    ("webdav", {"url": "URL/dav/", "token": "canary-7"}),
]


def echo(asked: Asked) -> Answer:
    """Answer with all that was asked, as debugging servers and proxies do."""
    return Answer(403, {"x-ms-error-code": "Odd"}, f"{asked.path} {asked.headers} {asked.body!r}".encode())


@pytest.mark.parametrize("answer", [echo, lambda asked: Answer(200, {}, b"no answer")], ids=["echo", "garbage"])
@pytest.mark.parametrize(("type", "options"), CASES)
def test_no_secret_of_a_destination_is_shown(
    type: str, options: dict[str, Any], answer: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setattr(RemoteDestination, "retry_delays", ())
    (tmp_path / "odd.conf").write_text("[nas]\ntype = sftp\ncanary-7\n")
    caplog.set_level("DEBUG")
    with Hostile(answer) as server:
        address = f"127.0.0.1:{server.port}"
        monkeypatch.setattr("dropbox.dropbox_client.API_HOST", address)
        own = TYPES[type].fields()
        given = {"timeout": 2, "base_path": "b"} | {
            name: str(value).replace("URL", f"http://{address}").replace("FILE", str(tmp_path / "odd.conf"))
            for name, value in options.items()
        }
        with create_destination(type, {name: value for name, value in given.items() if name in own}) as destination:
            for use in (lambda: list(destination.list()), lambda: put(destination, "a/b.tar", b"x")):
                with pytest.raises(Exception, match=r"\.$") as caught:
                    use()
                error: Any = caught.value
                # what is logged and printed is redacted on its way out
                shown = redact("".join(traceback.format_exception(error)) + caplog.text)
                for text in (error.text, repr(error), repr(destination), shown):
                    assert [mark for mark in MARKS if mark in text] == []
