"""The process that owns a run, as the row names it: host, pid and process identity."""

import os
import socket
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.lib.processes import identity
from backups.models import Run


def this_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def is_on_this_host(worker: str) -> bool:
    return worker.startswith(f"{socket.gethostname()}:")


def running_fields(now: datetime) -> dict[str, Any]:
    """Return the fields of a running run of this process."""
    running = {"worker": this_worker(), "process": identity(), "heartbeat_at": now}
    return running | {"reserved_at": None, "reserved_by": ""}


def reservation_fields(now: datetime) -> dict[str, Any]:
    """Return the fields of a queued run that this process has reserved."""
    return {"worker": this_worker(), "reserved_by": identity(), "reserved_at": now}


def process_owner_fields(run_id: str) -> dict[str, Any]:
    """Return the fields of a queued run that only this process may claim; none without a `run_id`, for any worker."""
    if not run_id:
        return {}
    return {"pk": run_id, "owner": Run.Owner.PROCESS, "process": identity(), **reservation_fields(timezone.now())}
