"""A store that is restarted during an upload."""

import threading
from typing import Any

import pytest

from destinations.backends.gcs import GcsDestination
from tests.destinations.backends.gcs.conftest import Open
from tests.destinations.backends.gcs.test_gcs import DATA, MIB, PATH, fetched, upload
from tests.support.servers.objects.gcs import Gcs
from tests.support.servers.proxy import Proxy


def test_a_store_that_restarts_during_an_upload_gets_it_all_the_same(
    gcs: Gcs, proxy: Proxy, open_gcs: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GcsDestination, "retry_delays", (0.1,) * 50)
    destination: Any = open_gcs(proxy)
    destination.require_reachable()
    begun = proxy.bytes["up"]
    proxy.rate(8 * MIB)

    def restart() -> None:
        proxy.wait_for(up=begun + MIB)
        gcs.restart()
        proxy.rate(None)

    thread = threading.Thread(target=restart)
    thread.start()
    upload(destination)
    thread.join()
    assert fetched(open_gcs()) == DATA
    assert [file.path for file in destination.list()] == [PATH]
