"""Requests to one account. Imports the SDK of Dropbox: load it by the extra of the type."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from dropbox import Dropbox, dropbox_client
from dropbox.exceptions import ApiError, InternalServerError
from dropbox.files import CommitInfo, FileMetadata, UploadSessionCursor, WriteMode

from destinations.backends.base import BLOCK_SIZE
from destinations.backends.dropbox.errors import tags
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.network.connections import Connections
from destinations.network.http_adapter import tracked_session
from destinations.network.retry_after import retry_after
from destinations.transfer.watch import Aborted

PAGE = 2000
# the SDK notes every request there
logging.getLogger("dropbox").setLevel(logging.WARNING)

T = TypeVar("T")


@dataclass(frozen=True)
class File:
    """What Dropbox says of a file; `path` begins with a slash. `content_hash` is its checksum of the whole.

    `revision` changes whenever the file does.
    """

    path: str
    size: int
    modified_at: datetime
    content_hash: str
    revision: str


class Account:
    """Sends requests; `drop` makes those under way fail. Raises errors of the SDK and of requests."""

    def __init__(self, options: Mapping[str, Any], *, timeout: float) -> None:
        self._dropped = False
        self._connections = Connections()
        verify: str = options["verify"] or ""
        if verify and not Path(verify).is_file():
            raise DestinationConfigError(
                f"The file {verify} of certificates does not exist here.", "Check the option verify.", "verify"
            )
        self._session = tracked_session(self._connections, threads=2, verify=verify)
        self._session.hooks["response"].append(self._note_answer)
        # what the last answer asked for, in seconds
        self._retry_after = 0.0
        self._client = Dropbox(
            oauth2_access_token=options["oauth2_access_token"] or None,
            oauth2_refresh_token=options["oauth2_refresh_token"] or None,
            app_key=options["app_key"] or None,
            app_secret=options["app_secret"] or None,
            session=self._session,
            timeout=timeout,
            # tries, their delays and what passes are those of all types
            max_retries_on_error=0,
            max_retries_on_rate_limit=0,
        )

    def drop(self) -> None:
        self._dropped = True
        self._connections.shut()
        self._session.close()

    def _ask(self, request: Callable[..., T], *args: Any, **options: Any) -> T:
        if self._dropped:
            raise Aborted
        try:
            return request(*args, **options)
        except InternalServerError as error:
            # as `RateLimitError` has it: of this one the SDK leaves it out
            error.backoff = self._retry_after
            raise

    def _note_answer(self, answer: Any, **_: Any) -> None:
        if answer.status_code >= 400:
            # of a download that is refused the SDK does not, and its connection would stay open
            answer.content  # noqa: B018
        self._retry_after = retry_after(answer.headers.get("Retry-After", ""))
        if "Retry-After" in answer.headers:
            # the SDK reads no date
            answer.headers["Retry-After"] = str(round(self._retry_after))

    def email(self) -> str:
        return str(self._ask(self._client.users_get_current_account).email)

    def free_space(self) -> int | None:
        usage: Any = self._ask(self._client.users_get_space_usage)
        allocation = usage.allocation
        if allocation.is_individual():
            return max(int(allocation.get_individual().allocated) - int(usage.used), 0)
        if allocation.is_team():
            team = allocation.get_team()
            return max(int(team.allocated) - int(team.used), 0)
        return None

    # --- files ----------------------------------------------------------------------------------------------------
    def find(self, path: str) -> File | None:
        """Return the file, or None where there is none; a folder is none."""
        try:
            found = self._ask(self._client.files_get_metadata, path)
        except ApiError as error:
            if "not_found" in tags(error.error):
                return None
            raise
        return _file(found) if isinstance(found, FileMetadata) else None

    def list(self, folder: str) -> Iterator[list[File]]:
        """Yield the files below the folder in pages, in no order; none where there is no such folder."""
        try:
            page: Any = self._ask(self._client.files_list_folder, folder, recursive=True, limit=PAGE)
        except ApiError as error:
            if "not_found" in tags(error.error):
                return
            raise
        seen = set[str]()
        while True:
            yield [_file(entry) for entry in page.entries if isinstance(entry, FileMetadata)]
            if not page.has_more:
                return
            if page.cursor in seen:
                raise DestinationUnavailable(
                    "What Dropbox lists has no end: it comes back to a page that was listed.",
                    "See status.dropbox.com, and whether something else answers on the way there.",
                )
            seen.add(page.cursor)
            page = self._ask(self._client.files_list_folder_continue, page.cursor)

    def read(self, path: str, offset: int, write: Callable[[bytes], None]) -> None:
        headers = {"Range": f"bytes={offset}-"} if offset else None
        _, answer = self._ask(self._client.files_download, path, extra_headers=headers)
        with closing(answer):
            for block in answer.iter_content(BLOCK_SIZE):
                write(block)

    def delete(self, path: str, *, revision: str = "") -> None:
        """Delete the file; where a revision is given, only that one."""
        self._ask(self._client.files_delete_v2, path, parent_rev=revision or None)

    # --- upload sessions ------------------------------------------------------------------------------------------
    def begin_upload(self) -> str:
        return str(self._ask(self._client.files_upload_session_start, b"").session_id)

    def append(
        self, session: str, offset: int, data: bytes, content_hash: str, alive: Callable[[], None] = lambda: None
    ) -> None:
        """Add to the session, which compares the checksum. `alive` is called while it is sent."""
        cursor = UploadSessionCursor(session, offset)
        self._connections.alive = alive
        try:
            self._ask(self._client.files_upload_session_append_v2, data, cursor, content_hash=content_hash)
        finally:
            self._connections.alive = lambda: None

    def offset_of(self, session: str, beyond: int) -> int | None:
        """Return how many bytes the session has, of which there are fewer than `beyond`; None where it has ended."""
        try:
            # to add nothing at a place that it cannot have reached: the answer says where it is
            self._ask(self._client.files_upload_session_append_v2, b"", UploadSessionCursor(session, beyond))
        except ApiError as error:
            if (found := correct_offset(error)) is not None:
                return found
            if {"not_found", "closed"} & set(tags(error.error)):
                return None
            raise
        return None

    def finish_upload(self, session: str, size: int, path: str) -> File:
        """Make a file of the session where none has its name, not even one of the same bytes."""
        commit = CommitInfo(path, mode=WriteMode.add, autorename=False, mute=True, strict_conflict=True)
        cursor = UploadSessionCursor(session, size)
        return _file(self._ask(self._client.files_upload_session_finish, b"", cursor, commit))


def endpoint() -> str:
    return f"https://{dropbox_client.API_HOST}"


def correct_offset(error: ApiError) -> int | None:
    """Return where an upload session stands, from its refusal of another offset."""
    union = error.error
    if getattr(union, "_tag", "") == "incorrect_offset":
        return int(union.get_incorrect_offset().correct_offset)
    return None


def _file(found: Any) -> File:
    # Dropbox has UTC without saying so
    modified = found.server_modified.replace(tzinfo=UTC)
    return File(str(found.path_display), int(found.size), modified, str(found.content_hash or ""), str(found.rev))
