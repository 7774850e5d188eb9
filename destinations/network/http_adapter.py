"""Sessions of requests whose connections can be shut while another thread waits on them.

Imports requests: for modules of types whose library is built on it.
"""

import re
from collections.abc import Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from destinations.exceptions import DestinationUnavailable
from destinations.lib.formats import human_size
from destinations.network.connections import Connections

S = TypeVar("S", bound=requests.Session)
# of an answer that is read as a whole, such as a page of a listing
MOST_BYTES = 64 * 1024 * 1024
_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


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
        answer = super().send(request, *args, **options)
        if not is_download(request) or answer.status_code >= 400:
            _bound(answer.raw, urlsplit(request.url).netloc, _asked_for(request))
        return answer

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            self._connections.track(manager)
        return manager


def is_download(request: requests.PreparedRequest) -> bool:
    """Whether the answer is a whole file, which is read block by block and whose size the caller knows."""
    return str(request.url).endswith("/files/download")


def _asked_for(request: requests.PreparedRequest) -> int:
    """Return how many bytes the answer may have."""
    asked = _RANGE.fullmatch(str(request.headers.get("x-ms-range") or request.headers.get("Range") or ""))
    # one of an error may be longer than what was asked for
    return MOST_BYTES if asked is None else max(int(asked[2]) - int(asked[1]) + 1, 1024 * 1024)


def _bound(raw: Any, where: str, most: int) -> None:
    """Let an answer without an end fail, instead of filling the memory."""
    stream = raw.stream

    def counted(*args: Any, **options: Any) -> Iterator[bytes]:
        read = 0
        for block in stream(*args, **options):
            read += len(block)
            if read > most:
                raw.close()
                raise DestinationUnavailable(
                    f"{where} answers with more than {human_size(most)}, which is more than it was asked for.",
                    "See whether something else answers on the way there.",
                )
            yield block

    raw.stream = counted


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
