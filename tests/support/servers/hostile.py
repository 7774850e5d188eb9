"""An HTTP server that answers as a test says, and passes on what the test leaves to the server behind it."""

import http.client
import http.server
import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Answer:
    """`body` is sent in chunks where it is no bytes. The server behind does what it is asked, and the client does not
    get to know: it is cut off (`lost`), or waits until it gives up (`mute`).
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | Iterable[bytes] = b""
    lost: bool = False
    mute: bool = False


LOST, MUTE = Answer(lost=True), Answer(mute=True)
METHODS = ("GET", "HEAD", "PUT", "POST", "DELETE", "PROPFIND", "MKCOL", "MOVE")


class Hostile:
    """Listens at 127.0.0.1:`port`. `answer` returns None for what the server at the port `behind` is to answer."""

    def __init__(
        self, answer: Callable[[Asked], Answer | None], *, behind: int = 0, context: ssl.SSLContext | None = None
    ) -> None:
        self.answer, self.behind, self.asked = answer, behind, list[Asked]()
        self._encrypted = context is not None
        hostile = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                # names of headers in small letters
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, body)
                hostile.asked.append(asked)
                answer = hostile.answer(asked)
                if answer is None or answer.lost or answer.mute:
                    passed_on = hostile._pass_on(asked)
                    if answer is not None:
                        self.close_connection = True
                        if answer.mute:
                            with suppress(OSError):
                                # nothing comes; it ends when the client closes the connection
                                self.rfile.read(1)
                        return
                    answer = passed_on
                self.send_response(answer.status)
                is_whole = isinstance(answer.body, bytes)
                if is_whole and "content-length" not in map(str.lower, answer.headers):
                    self.send_header("Content-Length", str(len(answer.body)))  # type: ignore[arg-type]
                elif not is_whole:
                    self.close_connection = True
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "HEAD":
                    return
                with suppress(OSError):
                    for block in [answer.body] if isinstance(answer.body, bytes) else answer.body:
                        self.wfile.write(block)

            def log_message(self, format: str, *args: object) -> None:
                """Keep quiet; `Hostile.asked` has the requests."""

        for method in METHODS:
            setattr(Handler, f"do_{method}", Handler.respond)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> tuple[Any, Any]:
                connection, address = super().get_request()
                if context is not None:
                    # the handshake is made at the first read, in the thread of the connection
                    connection = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                return connection, address

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Say nothing of clients that go away."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port

    def __enter__(self) -> Self:
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True, name="hostile"
        )
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _pass_on(self, asked: Asked) -> Answer:
        if self._encrypted:
            # both sides are of the tests
            anybody = ssl._create_unverified_context()  # noqa: S323
            connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                "127.0.0.1", self.behind, timeout=30, context=anybody
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=30)
        headers = {name: value for name, value in asked.headers.items() if name not in {"content-length", "connection"}}
        connection.request(asked.method, asked.path, asked.body or None, headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in {"transfer-encoding"}}
        if asked.method != "HEAD":
            kept = {name: value for name, value in kept.items() if name.lower() != "content-length"}
        return Answer(response.status, kept, body)
