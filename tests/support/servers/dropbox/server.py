"""The HTTP server in front of the store, with the routes of the Dropbox API."""

import http.server
import json
import shutil
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest

from tests.support.servers.certificates import Certificate, Certificates
from tests.support.servers.dropbox.store import ApiError, Json, Store, hash_of, union
from tests.support.servers.running.ports import free_port

APP_KEY, APP_SECRET, REFRESH_TOKEN = "app-key-of-tests", "app-secret-of-tests", "refresh-token-of-tests"
READ, WRITE, ACCOUNT, METADATA = "files.content.read", "files.content.write", "account_info.read", "files.metadata.read"
TOKEN_SECONDS = 14_400


class Dropbox:
    """A Dropbox account over TLS, in a thread of the tests. A context manager.

    Its state is changed while it runs: `scopes` are the rights of the token, `store.quota` is the room, `page_size` the
    most entries of a page of a listing. `requests` has the routes that were asked for.
    """

    host = "127.0.0.1"
    app_key, app_secret, refresh_token = APP_KEY, APP_SECRET, REFRESH_TOKEN

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self.certificates = certificates
        self.port = free_port()
        self.store = Store(folder, quota=2 << 30)
        self.scopes = {READ, WRITE, ACCOUNT, METADATA}
        self.page_size = 500
        self.requests: list[str] = []
        self._failures: dict[str, list[tuple[int, Json, dict[str, str]]]] = {}
        self._tokens = {"access-token-0": True}
        self.use(certificates.valid)

    def __enter__(self) -> Self:
        self._http = _HttpServer((self.host, self.port), _Handler)
        self._http.dropbox = self
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def redirect(self, monkeypatch: pytest.MonkeyPatch, *, port: int = 0) -> None:
        """Let the SDK in this process speak to this server, at the port of a proxy where one is given.

        Its `ca_certs` has to be the file of the test authority.
        """
        # not at the top: every process of pytest imports this module
        from dropbox import dropbox_client

        address = f"{self.host}:{port or self.port}"
        monkeypatch.setattr(dropbox_client, "API_HOST", address)
        monkeypatch.setattr(dropbox_client, "API_CONTENT_HOST", address)
        refresh = dropbox_client._DropboxTransport.refresh_access_token
        monkeypatch.setattr(refresh, "__defaults__", (address, None))
        # they prevail over `ca_certs`
        monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)

    def environment(self, *, port: int = 0) -> dict[str, str]:
        """Return the variables that let the SDK in another process speak to this server."""
        address = f"{self.host}:{port or self.port}"
        authority = str(self.certificates.ca_file)
        return {"DROPBOX_API_HOST": address, "DROPBOX_API_CONTENT_HOST": address, "REQUESTS_CA_BUNDLE": authority}

    def use(self, certificate: Certificate) -> None:
        """Use another certificate for new connections."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate.certificate, certificate.key)
        self.tls = context

    @property
    def access_token(self) -> str:
        return list(self._tokens)[-1]

    def expire_tokens(self) -> None:
        """Answer requests with the present tokens as expired; a refresh gives a new one out."""
        self._tokens = dict.fromkeys(self._tokens, False)

    def fail(self, route: str, status: int = 500, *, times: int = 1) -> None:
        """Answer the next requests to a route with an error of the server."""
        self._failures.setdefault(route, []).extend([(status, {}, {})] * times)

    def limit(self, route: str, *, seconds: int, times: int = 1) -> None:
        """Answer the next requests to a route with 429 and Retry-After."""
        error = {"error": {"reason": union("too_many_requests"), "retry_after": seconds}}
        answer = (429, error | {"error_summary": "too_many_requests/."}, {"Retry-After": str(seconds)})
        self._failures.setdefault(route, []).extend([answer] * times)

    def refresh(self, form: dict[str, list[str]]) -> tuple[int, Json]:
        right = form.get("refresh_token") == [REFRESH_TOKEN] and form.get("client_id") == [APP_KEY]
        if not right or form.get("client_secret", [APP_SECRET]) != [APP_SECRET]:
            return 400, {"error": "invalid_grant", "error_description": "refresh token is invalid or revoked"}
        token = f"access-token-{len(self._tokens)}"
        self._tokens[token] = True
        return 200, {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS}

    def refusal(self, route: str, authorization: str) -> tuple[int, Json, dict[str, str]] | None:
        """Return the answer to a request that is not carried out, or None."""
        if failures := self._failures.get(route):
            return failures.pop(0)
        error: Json = {}
        valid = self._tokens.get(authorization.removeprefix("Bearer "))
        if valid is None:
            error = union("invalid_access_token")
        elif not valid:
            error = union("expired_access_token")
        elif (scope := ROUTES[route][0]) not in self.scopes:
            error = {".tag": "missing_scope", "required_scope": scope}
        return (401, {"error_summary": f"{error['.tag']}/.", "error": error}, {}) if error else None


def _list(dropbox: Dropbox, argument: Json, body: bytes) -> Json:
    path, recursive = argument["path"], bool(argument.get("recursive"))
    limit = min(dropbox.page_size, argument.get("limit") or dropbox.page_size)
    entries = [one for one in dropbox.store.below(path, recursive=recursive) if one.path > argument.get("after", "")]
    cursor = argument | {"after": entries[:limit][-1].path if entries else argument.get("after", "")}
    page = [one.metadata() for one in entries[:limit]]
    return {"entries": page, "cursor": json.dumps(cursor), "has_more": len(entries) > limit}


def _checked(argument: Json, body: bytes) -> bytes:
    if argument.get("content_hash") and argument["content_hash"] != hash_of(body):
        raise ApiError(union("content_hash_mismatch"))
    return body


def _start(dropbox: Dropbox, argument: Json, body: bytes) -> Json:
    session = dropbox.store.start_session(_checked(argument, body))
    if argument.get("close"):
        dropbox.store.closed.add(session)
    return {"session_id": session}


def _append(dropbox: Dropbox, argument: Json, body: bytes) -> None:
    dropbox.store.append(argument["cursor"], _checked(argument, body))
    if argument.get("close"):
        dropbox.store.closed.add(argument["cursor"]["session_id"])


def _finish(dropbox: Dropbox, argument: Json, body: bytes) -> Json:
    data = _checked(argument, body)
    return dropbox.store.finish(argument["cursor"], argument["commit"], data).metadata()


def _account(dropbox: Dropbox, argument: Json, body: bytes) -> Json:
    names = ("given_name", "surname", "familiar_name", "display_name", "abbreviated_name")
    return {
        "account_id": "dbid:" + "A" * 35, "name": dict.fromkeys(names, "Tests"), "email": "tests@example.org",
        "email_verified": True, "disabled": False, "locale": "en", "referral_link": "https://example.org",
        "is_paired": False, "account_type": union("basic"),
        "root_info": {".tag": "user", "root_namespace_id": "1", "home_namespace_id": "1"},
    }  # fmt: skip


def _space(dropbox: Dropbox, argument: Json, body: bytes) -> Json:
    return {"used": dropbox.store.used(), "allocation": {".tag": "individual", "allocated": dropbox.store.quota}}


# the scope that each route needs; a route gets the argument and the body, and returns what it answers
ROUTES: dict[str, tuple[str, Callable[[Dropbox, Json, bytes], Json | None]]] = {
    "users/get_current_account": (ACCOUNT, _account),
    "users/get_space_usage": (ACCOUNT, _space),
    "files/list_folder": (METADATA, _list),
    "files/list_folder/continue": (METADATA, lambda d, a, b: _list(d, json.loads(a["cursor"]), b)),
    "files/get_metadata": (METADATA, lambda d, a, b: d.store.find(a["path"], "path").metadata()),
    "files/create_folder_v2": (WRITE, lambda d, a, b: {"metadata": d.store.make_folder(a["path"]).metadata()}),
    "files/delete_v2": (WRITE, lambda d, a, b: {"metadata": d.store.delete(a["path"])}),
    "files/move_v2": (WRITE, lambda d, a, b: {"metadata": d.store.move(a["from_path"], a["to_path"]).metadata()}),
    "files/upload": (WRITE, lambda d, a, b: d.store.commit(d.store.write(_checked(a, b)), a).metadata()),
    "files/upload_session/start": (WRITE, _start),
    "files/upload_session/append_v2": (WRITE, _append),
    "files/upload_session/finish": (WRITE, _finish),
    "files/download": (READ, lambda d, a, b: d.store.find(a["path"], "path").metadata()),
}


class _HttpServer(http.server.ThreadingHTTPServer):
    daemon_threads = True
    dropbox: Dropbox

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        # the handshake is made at the first read, in the thread of the connection
        return self.dropbox.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that clients and proxies cut."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _HttpServer

    def do_POST(self) -> None:
        dropbox = self.server.dropbox
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        route = self.path.removeprefix("/2/")
        dropbox.requests.append(route)
        if route == "/oauth2/token":
            return self._answer(*dropbox.refresh(urllib.parse.parse_qs(body.decode())))
        if route not in ROUTES:
            return self._answer(400, {"error": f"unknown route {route}"})
        if refused := dropbox.refusal(route, self.headers.get("Authorization", "")):
            return self._answer(*refused)
        argument = self.headers.get("Dropbox-API-Arg") or body.decode() or "null"
        content: Path | None = None
        with dropbox.store.lock:
            try:
                result = ROUTES[route][1](dropbox, json.loads(argument) or {}, body)
                if route == "files/download":
                    content = dropbox.store.find(json.loads(argument)["path"], "path").content
            except ApiError as error:
                return self._answer(409, {"error_summary": f"{error.error['.tag']}/.", "error": error.error})
        return self._answer(200, result) if content is None else self._send(content, result)

    def _answer(self, status: int, answer: Json | None, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(answer).encode()
        self._head(status, "application/json", len(data), headers or {})
        self.wfile.write(data)

    def _send(self, content: Path, metadata: Json | None) -> None:
        size, begin, status = content.stat().st_size, 0, 200
        headers = {"Dropbox-API-Result": json.dumps(metadata)}
        if wanted := self.headers.get("Range"):
            begin, status = int(wanted.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {begin}-{size - 1}/{size}"
        with content.open("rb") as file:
            file.seek(begin)
            self._head(status, "application/octet-stream", size - begin, headers)
            shutil.copyfileobj(file, self.wfile, 1 << 18)

    def _head(self, status: int, kind: str, size: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        headers = {"Content-Type": kind, "Content-Length": str(size), "X-Dropbox-Request-Id": "1"} | headers
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Keep quiet; `Dropbox.requests` has the routes."""
