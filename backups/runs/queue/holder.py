"""Who runs something: the process and its host, as rows name them."""

import os
import socket
from datetime import datetime
from typing import Any

from django.utils import timezone

from backups.models import Run
from backups.processes import identity


def this_worker() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def on_this_host(worker: str) -> bool:
    return worker.startswith(f"{socket.gethostname()}:")


def held_here(now: datetime) -> dict[str, Any]:
    """Return the fields of a run that this process runs, or is about to."""
    return {"worker": this_worker(), "process": identity(), "heartbeat_at": now}


def owned_here(run_id: str) -> dict[str, Any]:
    """Return the fields of a run that only this process may claim, nothing for one that any worker may."""
    return {"pk": run_id, "owner": Run.Owner.PROCESS, **held_here(timezone.now())} if run_id else {}
