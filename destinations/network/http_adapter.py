"""Sessions of requests whose connections can be shut while another thread waits on them.

Imports requests: for modules of types whose library is built on it.
"""

from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from destinations.network.connections import Connections


class _Tracked(HTTPAdapter):
    def __init__(self, connections: Connections, *, threads: int, verify: str) -> None:
        self._connections, self._verify = connections, verify
        # tries, their delays and what passes are those of all types
        never = Retry(total=False, redirect=False, raise_on_status=False)
        super().__init__(pool_connections=threads, pool_maxsize=threads, max_retries=never)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options)
        self._connections.track(self.poolmanager)

    def send(self, request: Any, *args: Any, **options: Any) -> Any:
        if self._verify:
            # for this session it prevails over REQUESTS_CA_BUNDLE too
            options["verify"] = self._verify
        return super().send(request, *args, **options)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._connections.track(manager)
        return manager


def tracked_session(connections: Connections, *, threads: int, verify: str = "") -> requests.Session:
    """Return a session for that many threads, which retries nothing; `connections.shut` ends its requests.

    `verify` is the file of the authorities to trust, by default those of the environment or of requests.
    """
    session = requests.Session()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Tracked(connections, threads=threads, verify=verify))
    return session
