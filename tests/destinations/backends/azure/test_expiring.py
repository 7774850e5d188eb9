"""A signature that expires during an upload: the upload ends with that sentence, and goes on with a new one."""

from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest

from destinations.backends.azure.session import Container
from destinations.backends.base import UploadState
from destinations.exceptions import DestinationUnavailable
from tests.destinations.backends.azure.conftest import Open
from tests.destinations.backends.azure.test_uploads import DATA, PATH, fetched, upload
from tests.support.servers.hostile import Answer, Asked, Hostile
from tests.support.servers.objects.azurite import Azurite

Signed = Callable[..., dict[str, Any]]


def test_a_signature_that_expires_during_an_upload_says_when_and_a_new_one_goes_on(
    azurite: Azurite, open_azure: Open, signed: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    expired, valid = signed(begin=-120, end=-60), signed()
    of_signature = {name for name, _ in parse_qsl(expired["sas_token"])}
    sent: list[int] = []

    def answer(request: Asked) -> Answer | None:
        if "comp=block&" in f"{request.path}&":
            sent.append(len(request.body))
        # as long as it holds, what the store gets is one that does
        if len(sent) <= 2:
            path, _, query = request.path.partition("?")
            others = [pair for pair in parse_qsl(query) if pair[0] not in of_signature]
            request.path = f"{path}?{urlencode([*others, *parse_qsl(valid['sas_token'])])}"
        return None

    kept: dict[str, object] = {}
    with Hostile(answer, behind=azurite.port) as server:
        place = azurite.url.replace(f":{azurite.port}", f":{server.port}")
        destination = open_azure(**expired | {"endpoint_url": place, "max_concurrency": 1})
        with pytest.raises(DestinationUnavailable, match=r"expired at \d{4}-") as caught:
            upload(destination, state=UploadState({}, kept.update))
    assert "sas_token" in caught.value.hint and expired["sas_token"] not in caught.value.text
    later = open_azure(**valid)
    assert list(later.list()) == []
    again: list[str] = []
    stage = Container.stage

    def note(self: Container, name: str, block: str, *args: Any) -> None:
        again.append(block)
        stage(self, name, block, *args)

    monkeypatch.setattr(Container, "stage", note)
    upload(later, state=UploadState(dict(kept), kept.update))
    # two of five had arrived
    assert len(again) == 3
    assert fetched(later) == DATA
    assert [file.path for file in later.list()] == [PATH]
    assert list(later.list_partials()) == []
