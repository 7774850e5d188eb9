"""The log entries of a run: what persons did with it."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType

from backups.models import Run

MOST_HISTORY = 20


def history(run: Run) -> dict[str, Any]:
    """Return the context of history.html: the newest entries, newest first."""
    content_type = ContentType.objects.get_for_model(run)
    entries = LogEntry.objects.filter(content_type=content_type, object_id=run.pk).select_related("user")
    return {"history": list(entries[:MOST_HISTORY]), "most_history": MOST_HISTORY}
