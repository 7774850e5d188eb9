"""What django-q2 keeps of a message that failed: a traceback, which may quote anything."""

from typing import Any

from django_q.signals import post_execute_in_worker

from destinations.lib.redaction import redact_cut

# of a traceback: its message may be at both ends
FIRST, LAST = 2_000, 18_000


def hide_secrets_in_results() -> None:
    """From now on let the results of this process and of its forks hold no secret."""
    post_execute_in_worker.connect(_hide, dispatch_uid="backups.worker.q2.results")


def _hide(task: dict[str, Any], **_: Any) -> None:
    if isinstance(task.get("result"), str):
        task["result"] = redact_cut(task["result"], first=FIRST, last=LAST)
