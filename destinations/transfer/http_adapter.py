"""Sessions of requests whose connections can be shut while another thread waits on them.

Imports requests: for modules of types whose library is built on it.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from destinations.transfer.connections import Connections


class _Tracked(HTTPAdapter):
    def __init__(self, connections: Connections, *, threads: int) -> None:
        self._connections = connections
        # tries, their delays and what passes are those of all types
        never = Retry(total=False, redirect=False, raise_on_status=False)
        super().__init__(pool_connections=threads, pool_maxsize=threads, max_retries=never)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._connections.track(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._connections.track(manager)
        return manager


def tracked_session(connections: Connections, *, threads: int) -> requests.Session:
    """Return a session for that many threads, which retries nothing; `connections.shut` ends its requests."""
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Tracked(connections, threads=threads))
    return session
