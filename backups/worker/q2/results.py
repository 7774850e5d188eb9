"""Redaction of what django-q2 stores of a failed message: a traceback, which may quote secrets."""

from typing import Any

from django_q.signals import post_execute_in_worker

from destinations.lib.redaction import redact_cut

# characters at the begin and at the end of a traceback that are stored: the message may be at either
FIRST, LAST = 2_000, 18_000


def hide_secrets_in_results() -> None:
    """Redact the results in this process and in its forks from now on."""
    post_execute_in_worker.connect(_redact_result, dispatch_uid="backups.worker.q2.results")


def _redact_result(task: dict[str, Any], **_: Any) -> None:
    if isinstance(task.get("result"), str):
        task["result"] = redact_cut(task["result"], first=FIRST, last=LAST)
