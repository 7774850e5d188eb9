"""What an upload needs to go on where it broke off: told by the thread that sends, saved by the thread of the run."""

import json
import logging
import threading
from time import monotonic

from django.db import Error as DatabaseProblem
from django.db import connection

from backups.lib import audit
from backups.models import BackupCopy
from destinations.backends.base import UploadState

INTERVAL_SECONDS = 1.0


class SavedState:
    """The state of an upload, kept in the row of `copy` so that a killed process loses about a second of it.

    A thread of the transfer has no database: a connection of its own would wait for the lock of another one, and an
    error of the database would fail an upload of hours.
    """

    def __init__(self, copy: BackupCopy, data: dict[str, object]) -> None:
        self.state = UploadState(data, self._take)
        self._copy = copy
        self._lock = threading.Lock()
        self._unsaved: str | None = None
        self._due_at = 0.0

    def _take(self, data: dict[str, object]) -> None:
        # a copy: what it is made of changes while it waits
        text = json.dumps(data)
        with self._lock:
            self._unsaved = text

    def save(self, *, at_once: bool = False) -> None:
        """Save what has changed; without `at_once` at most once a second. An error of the database is logged."""
        if self._unsaved is None or (monotonic() < self._due_at and not at_once):
            return
        with self._lock:
            text, self._unsaved = self._unsaved, None
        self._due_at = monotonic() + INTERVAL_SECONDS
        try:
            BackupCopy.objects.filter(pk=self._copy.pk).update(upload_state=json.loads(text) or None)
        except DatabaseProblem as error:
            connection.close_if_unusable_or_obsolete()
            audit.log("copy.state-not-saved", logging.WARNING, backup=self._copy.execution_id, error=error)
            with self._lock:
                self._unsaved = self._unsaved or text
