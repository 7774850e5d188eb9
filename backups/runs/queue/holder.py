"""Who runs something: the process and its host, as rows name them."""

import os
import socket
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.lib.processes import identity
from backups.models import Run


def this_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def on_this_host(worker: str) -> bool:
    return worker.startswith(f"{socket.gethostname()}:")


def run_by_us(now: datetime) -> dict[str, Any]:
    """Return the fields of a run that this process runs."""
    running = {"worker": this_worker(), "process": identity(), "heartbeat_at": now}
    return running | {"reserved_at": None, "reserved_by": ""}


def reserved_by_us(now: datetime) -> dict[str, Any]:
    """Return the fields of a queued run that this process is about to start."""
    return {"worker": this_worker(), "reserved_by": identity(), "reserved_at": now}


def owned_here(run_id: str) -> dict[str, Any]:
    """Return the fields of a run that only this process may claim, nothing for one that any worker may."""
    if not run_id:
        return {}
    return {"pk": run_id, "owner": Run.Owner.PROCESS, "process": identity(), **reserved_by_us(timezone.now())}
