"""Check that each backup has a recorded copy."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from backups.models import BackupCopy
from backups.service.archives.records.uncopied import without_copy
from destinations.lib.formats import counted
from destinations.lib.migrated import may_read

MOST_NAMED = 5


def check_copies(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W083: no copy of a completed backup is recorded, so no rule, catalogue or list of a destination counts it."""
    # a warning: `migrate` runs these checks, and refuses to run after an error
    if not may_read(BackupCopy, databases):
        return []
    ids = list(without_copy().order_by("-created_at").values_list("pk", flat=True))
    if not ids:
        return []
    named = ", ".join(pk[:8] for pk in ids[:MOST_NAMED]) + (", ..." if len(ids) > MOST_NAMED else "")
    return [
        Warning(
            f"{counted(len(ids), 'backup')} without a recorded copy: {named}.",
            hint="A process of an earlier release made them. Stop the workers of that release, then run: manage.py "
            "tick. One that stays has the same archive as another backup: see both with manage.py showbackup.",
            id="backups.W083",
        )
    ]
