"""gcp-storage-emulator, and what it lacks of Google Cloud Storage: HOST PORT FOLDER.

- requests at the same time;
- ``ifGenerationMatch``, for an upload at its begin and at its end (412);
- pages of listings (``maxResults``, ``pageToken``);
- tokens: ``/token`` gives one out to the service account, requests with any other are refused (401).
"""

import http.server
import json
import sys
import threading
import urllib.parse
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Any

ACCOUNT = "backups@tests.example.org"
TOKEN = "the-token-of-the-tests"
LARGEST_PAGE = 1000
Handler = Callable[..., None]
_lock = threading.RLock()


def main(host: str, port: str, folder: str) -> None:
    # its table of routes holds the functions: they are replaced before it is made
    from gcp_storage_emulator.handlers import objects

    objects.insert = with_precondition(objects.insert)
    objects.upload_partial = with_precondition(objects.upload_partial)
    objects.delete = with_precondition(objects.delete)
    objects.ls = in_pages(objects.ls)
    from gcp_storage_emulator.server import RequestHandler
    from gcp_storage_emulator.storage import Storage

    for method in ("do_GET", "do_POST", "do_PUT", "do_PATCH", "do_DELETE"):
        setattr(RequestHandler, method, with_token(getattr(RequestHandler, method)))
    RequestHandler.protocol_version = "HTTP/1.1"
    serve = partial(RequestHandler, Storage(data_dir=folder))
    http.server.ThreadingHTTPServer((host, int(port)), serve).serve_forever()


def with_token(handle: Callable[[Any], None]) -> Callable[[Any], None]:
    def checked(request: Any) -> None:
        if request.path == "/token":
            body = request.rfile.read(int(request.headers["Content-Length"])).decode()
            given_out = "assertion" in urllib.parse.parse_qs(body)
            answer = {"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"}
            respond(request, HTTPStatus.OK, answer) if given_out else respond(request, HTTPStatus.BAD_REQUEST, {})
        # resumable uploads are known by their address alone
        elif request.headers.get("Authorization") == f"Bearer {TOKEN}" or "upload_id=" in request.path:
            handle(request)
        else:
            request.close_connection = True
            respond(request, HTTPStatus.UNAUTHORIZED, error(HTTPStatus.UNAUTHORIZED, "authError"))

    return checked


def respond(request: Any, status: HTTPStatus, answer: dict[str, Any]) -> None:
    body = json.dumps(answer).encode()
    request.send_response(status)
    request.send_header("Content-Type", "application/json")
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def error(status: HTTPStatus, reason: str) -> dict[str, Any]:
    errors = [{"reason": reason, "message": status.phrase, "domain": "global"}]
    return {"error": {"code": int(status), "message": status.phrase, "errors": errors}}


def with_precondition(handler: Handler) -> Handler:
    def checked(request: Any, response: Any, storage: Any, *args: Any, **kwargs: Any) -> None:
        body = request.data if request.method != "DELETE" else None
        with _lock:
            wanted = request.query.get("ifGenerationMatch", [None])[0]
            if wanted is not None and generation(storage, *object_of(request, storage, body)) != int(wanted):
                response.status = HTTPStatus.PRECONDITION_FAILED
                response.json(error(HTTPStatus.PRECONDITION_FAILED, "conditionNotMet"))
                return
            handler(request, response, storage, *args, **kwargs)

    return checked


def object_of(request: Any, storage: Any, body: Any) -> tuple[str, str]:
    bucket = request.params["bucket_name"]
    if "upload_id" in request.query:
        return bucket, storage.get_resumable_file_obj(request.query["upload_id"][0])["name"]
    if "object_id" in request.params:
        return bucket, request.params["object_id"]
    if "name" in request.query:
        return bucket, request.query["name"][0]
    return bucket, body.get("meta", body)["name"]


def generation(storage: Any, bucket: str, name: str) -> int:
    """Return the generation of an object, 0 where there is none."""
    from gcp_storage_emulator.exceptions import NotFound

    try:
        return int(storage.get_file_obj(bucket, name)["generation"])
    except NotFound:
        return 0


def in_pages(handler: Handler) -> Handler:
    def paged(request: Any, response: Any, storage: Any, *args: Any, **kwargs: Any) -> None:
        handler(request, response, storage, *args, **kwargs)
        if response.status != HTTPStatus.OK:
            return
        found = json.loads(response._content)
        begin = int(request.query.get("pageToken", ["0"])[0])
        end = begin + min(LARGEST_PAGE, int(request.query.get("maxResults", [LARGEST_PAGE])[0]))
        items = sorted(found["items"], key=lambda item: str(item["name"]))
        found["items"] = items[begin:end]
        if end < len(items):
            found["nextPageToken"] = str(end)
        response.json(found)

    return paged


if __name__ == "__main__":
    main(*sys.argv[1:])
