"""Sessions of requests whose connections can be shut while another thread waits on them.

Imports requests: for modules of types whose library is built on it.
"""

from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from destinations.network.connections import Connections

S = TypeVar("S", bound=requests.Session)


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


def guarded(session: S) -> S:
    """Return `session`, after it was told to follow no redirection, and to take no login from a file of the system.

    A redirection would take the login along to another host; a line of .netrc would be sent in place of the login.
    """
    session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
    session.auth = _as_it_is
    return session


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def tracked_session(connections: Connections, *, threads: int, verify: str = "") -> requests.Session:
    """Return a session for that many threads, which retries nothing; `connections.shut` ends its requests.

    `verify` is the file of the authorities to trust, by default those of the environment or of requests.
    """
    session = guarded(requests.Session())
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Tracked(connections, threads=threads, verify=verify))
    return session
