"""Requests to the JSON API of one bucket. Imports google-auth: load it by the extra of the type.

The API: https://cloud.google.com/storage/docs/json_api, resumable uploads: .../docs/performing-resumable-uploads.
"""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import google.auth
import google.auth.exceptions
import google_crc32c
import requests
import requests.adapters
from google.auth.transport.requests import AuthorizedSession, Request
from google.oauth2 import service_account

from destinations.backends.gcs.answers import GcsRefused
from destinations.backends.gcs.sessions import RESUME_INCOMPLETE
from destinations.exceptions import ConnectionLost, DestinationConfigError, DestinationError, DestinationUnavailable
from destinations.network.connections import Connections
from destinations.network.http_adapter import guarded
from destinations.transfer.watch import Aborted

CONNECT_SECONDS = 10
SCOPES = ("https://www.googleapis.com/auth/devstorage.read_write",)
# to change what is known of an object takes more than to write it
LOCKING_SCOPES = ("https://www.googleapis.com/auth/devstorage.full_control",)


class Checksum:
    """The CRC32C of what it is given."""

    def __init__(self) -> None:
        self._value = 0

    def update(self, data: bytes) -> None:
        self._value = google_crc32c.extend(self._value, data)

    @property
    def text(self) -> str:
        """The checksum as the store writes it."""
        return base64.b64encode(self._value.to_bytes(4, "big")).decode()


class Bucket:
    """Sends requests about one bucket; `drop` makes those under way fail."""

    def __init__(self, options: Mapping[str, Any], *, endpoint: str, timeout: float) -> None:
        self.name: str = options["bucket_name"]
        self._dropped = False
        self._timeouts = (min(CONNECT_SECONDS, timeout), timeout)
        self._connections = Connections()
        self._objects = f"{endpoint}/storage/v1/b/{quote(self.name, safe='')}/o"
        self._uploads = f"{endpoint}/upload/storage/v1/b/{quote(self.name, safe='')}/o"
        self._project: str = options["project_id"] or ""
        # without a token, for what has an address that says who may use it
        self._plain = self._tracked(requests.Session())
        auth_request = Request(self._plain)
        credentials = _credentials(
            options["credentials"], auth_request, LOCKING_SCOPES if options["lock_max_days"] else SCOPES
        )
        session = AuthorizedSession(credentials, refresh_timeout=timeout, auth_request=auth_request)  # type: ignore[no-untyped-call]
        self._session = self._tracked(session)

    def drop(self) -> None:
        self._dropped = True
        self._connections.shut()
        self._session.close()
        self._plain.close()

    def about(self, name: str) -> dict[str, Any]:
        """Return what the store knows of the object `name`."""
        found: dict[str, Any] = self._send(self._session, "read", "GET", self._object(name), {}).json()
        return found

    def read(self, name: str, offset: int) -> Any:
        """Return the answer whose body are the bytes of an object from `offset`, not read yet."""
        headers = {"Range": f"bytes={offset}-"} if offset else {}
        query = {"alt": "media"}
        return self._send(self._session, "read", "GET", self._object(name), headers, stream=True, params=query)

    def delete(self, name: str, *, generation: str = "") -> None:
        """Delete the object; in a bucket with versions it is kept, unless its `generation` is given."""
        query = {"generation": generation} if generation else {}
        self._send(self._session, "delete", "DELETE", self._object(name), {}, params=query)

    def change(self, name: str, about: Mapping[str, Any], *, override: bool) -> None:
        """Change what the store knows of the object; `override` lets the mode of its lock change."""
        query = {"overrideUnlockedRetention": "true"} if override else {}
        self._send(self._session, "lock", "PATCH", self._object(name), {}, params=query, json=about)

    def restore(self, name: str, generation: str) -> None:
        """Bring back an object that was deleted softly, where none has its name."""
        query = {"generation": generation, "ifGenerationMatch": "0"}
        self._send(self._session, "restore", "POST", f"{self._object(name)}/restore", {}, params=query)

    def promote(self, name: str, generation: str) -> None:
        """Copy an earlier version of the object to its name, where none has it."""
        query = {"sourceGeneration": generation, "ifGenerationMatch": "0"}
        target = f"{self._object(name)}/rewriteTo/b/{quote(self.name, safe='')}/o/{quote(name, safe='')}"
        while True:
            # a large one is copied in several requests
            done = self._send(self._session, "write", "POST", target, {}, params=query).json()
            if done.get("done", True):
                return
            query["rewriteToken"] = done["rewriteToken"]

    def begin_upload(self, name: str, about: Mapping[str, Any], size: int) -> str:
        """Return the address of a new upload session, which fails where the object exists."""
        headers = {"X-Upload-Content-Type": "application/octet-stream", "X-Upload-Content-Length": str(size)}
        query = {"uploadType": "resumable", "name": name, "ifGenerationMatch": "0"}
        answer = self._send(
            self._session, "write", "POST", self._uploads, headers, params=query, json={"name": name, **about}
        )
        return str(answer.headers["Location"])

    def send_upload(self, address: str, headers: Mapping[str, str], body: Any = b"") -> Any:
        """Send bytes to an upload session, or ask for its state with none."""
        return self._send(self._plain, "write", "PUT", address, headers, data=body)

    def cancel_upload(self, address: str) -> None:
        """End an upload session and drop its bytes; no error when it has ended."""
        try:
            self._send(self._plain, "write", "DELETE", address, {"Content-Length": "0"})
        except GcsRefused as refused:
            if not refused.is_gone:
                raise

    def pages(self, prefix: str, **query: str) -> Iterator[dict[str, Any]]:
        """Yield the pages of the listing of objects whose names begin so; by `query` also of those that are kept."""
        kept = ",generation,timeDeleted,softDeleteTime" if query else ""
        query |= {"prefix": prefix, "fields": f"kind,nextPageToken,items(name,size,updated{kept})"}
        while True:
            try:
                page = self._send(self._session, "list", "GET", self._objects, {}, params=query).json()
            except requests.JSONDecodeError:
                page = {}
            # the page of a proxy that asks for a login, say, would read as a bucket without files
            if not isinstance(page, dict) or page.get("kind") != "storage#objects":
                raise DestinationUnavailable(
                    f"The bucket {self.name} cannot be listed: what {self._objects} answers is no listing.",
                    "Check custom_endpoint, and whether something else answers on the way there.",
                )
            yield page
            if not page.get("nextPageToken"):
                return
            query["pageToken"] = page["nextPageToken"]

    def _object(self, name: str) -> str:
        return f"{self._objects}/{quote(name, safe='')}"

    def _send(
        self, session: requests.Session, what: str, method: str, url: str, headers: Mapping[str, str], **options: Any
    ) -> Any:
        if self._dropped:
            raise Aborted
        if self._project:
            headers = {**headers, "X-Goog-User-Project": self._project}
        # objects come as they are stored; an answer of 308 is no redirection
        headers = {"Accept-Encoding": "identity", **headers}
        answer = session.request(method, url, headers=headers, timeout=self._timeouts, allow_redirects=False, **options)
        if answer.status_code < 300 or answer.status_code == RESUME_INCOMPLETE:
            return answer
        with answer:
            raise _refused(what, answer)

    def _tracked(self, session: Any) -> Any:
        adapter = requests.adapters.HTTPAdapter(max_retries=0)
        self._connections.track(adapter.poolmanager)
        for scheme in ("https://", "http://"):
            session.mount(scheme, adapter)
        return guarded(session)


def _refused(what: str, answer: Any) -> GcsRefused:
    try:
        error = answer.json()["error"]
        reason = str((error.get("errors") or [{}])[0].get("reason", ""))
        message = str(error.get("message", ""))
    # requests about bytes are refused in plain text
    except (ValueError, KeyError, TypeError, AttributeError):
        reason, message = "", answer.text[:200]
    return GcsRefused(what, answer.status_code, reason, message, answer.headers)


def _credentials(text: str, auth_request: Request, scopes: Sequence[str]) -> Any:
    if not text:
        return google.auth.default(scopes=scopes, request=auth_request)[0]
    try:
        # of this kind only: others name programs to run and addresses to fetch
        return service_account.Credentials.from_service_account_info(json.loads(text), scopes=scopes)  # type: ignore[no-untyped-call]
    # the text of the error may hold what was entered
    except (ValueError, TypeError, AttributeError, google.auth.exceptions.GoogleAuthError):
        raise DestinationConfigError(
            "The option 'credentials' of a destination of type 'gcs' cannot be used.",
            "Enter the whole JSON of the key file of a service account.",
            "credentials",
        ) from None


def explain_library_error(error: Exception, action: str, where: str) -> DestinationError | None:
    """Return what an operator reads for an error of the libraries that is none of the network; None for others."""
    text = f"Cannot {action} at {where}"
    if isinstance(error, google.auth.exceptions.DefaultCredentialsError):
        return DestinationUnavailable(
            f"{text}: there are no credentials.",
            "Enter the JSON of a service account as credentials, or give this machine a service account.",
        )
    if isinstance(error, google.auth.exceptions.RefreshError):
        if error.retryable:
            return ConnectionLost(f"{text}: no token is given out at the moment.", "The next try may succeed.")
        return DestinationUnavailable(
            f"{text}: the credentials are not accepted.",
            "Check that the service account and its key exist, and that the clock of this machine is right.",
        )
    if isinstance(error, google.auth.exceptions.GoogleAuthError | requests.RequestException):
        return ConnectionLost(f"{text}: the request failed ({type(error).__name__}).", "The next try may succeed.")
    return None
