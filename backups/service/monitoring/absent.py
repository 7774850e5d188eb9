"""Components that an instance describes and that do not exist now.

The tick of the host that holds the files looks for them and keeps what it found in the row of the instance: pages read
that, and touch no file system. So a mount that does not answer stops no page, and another host reports nothing absent.
"""

import os
from collections.abc import Mapping, Sequence

from django.db.models import Count

from backups.components import Component
from backups.errors import BackupError, ComponentError, MissingComponent
from backups.instances import Instance
from backups.instances.kinds import components_of
from backups.instances.kinds.layers import Configuration
from backups.lib.in_time import in_time
from backups.lib.paths import stat_path
from backups.lib.site_paths import NO_SITE_PATHS
from backups.models import BackupExecution, InstanceState
from backups.models.columns import AbsentComponent
from backups.service.backup.held_before import last_backup_with
from destinations.lib.formats import printable
from destinations.lib.operator_error import sentences

PROBLEM, LOSS, NOTE, EXPECTED = "problem", "loss", "note", "expected"
# what a backup that is made meanwhile, or an import, may change
UNSETTLED = (NOTE, EXPECTED)

Gone = tuple[Component, ComponentError]


def find_gone(instance: Instance, configuration: Configuration) -> list[Gone]:
    """Return the components of `instance` without a file or folder, each with the error of its export.

    `configuration` names their files. Raises ComponentError as `components_of`, and Unresponsive.
    """

    def look() -> list[Gone]:
        parts = components_of(instance.service, configuration, own=NO_SITE_PATHS)
        return [(part, error) for part in parts if (error := _error_of(part)) is not None]

    return in_time(instance.name, look)


def require_answer(instance: Instance) -> None:
    """Raise Unresponsive when a folder of `instance` lies on a mount that does not answer."""
    folders = (*instance.service.root.allowed, *instance.service.named_paths())

    def look() -> None:
        for folder in folders:
            # a missing one is the error of whatever reads it; Path.exists may raise
            os.path.exists(folder)  # noqa: PTH110

    in_time(instance.name, look)


def judge(
    instance: Instance, gone: Sequence[Gone], known: Sequence[AbsentComponent], backups: int
) -> list[AbsentComponent]:
    """Return what is to be kept of the components that are `gone`; `known` was kept before.

    `backups` is how many the instance has: what `known` says is looked up again when there are others.
    """
    before = {(item["component"], item["reason"]): item for item in known}
    found: list[AbsentComponent] = []
    for part, error in gone:
        reason = printable(error.message)
        kept = before.get((part.name, reason))
        if kept is not None and (kept["severity"] not in UNSETTLED or kept["backups"] == backups):
            found.append(kept)
            continue
        holder = last_backup_with(instance, part.name) if isinstance(error, MissingComponent) else None
        severity, hint = PROBLEM, error.hint
        if holder is not None:
            severity = LOSS if part.optional else PROBLEM
            advice = "" if part.optional else "If it was removed on purpose, mark it optional."
            hint = sentences(f"Restore {part.name} from {holder}, which holds it.", advice)
        elif part.optional:
            severity, hint = NOTE, ""
        elif part.made_at_first_use and isinstance(error, MissingComponent):
            severity, hint = EXPECTED, ""
        found.append({"component": part.name, "reason": reason, "hint": hint, "severity": severity, "backups": backups})
    return found


def unknown(error: BackupError) -> list[AbsentComponent]:
    """Return what is kept of an instance whose components cannot be looked for."""
    return [{"component": "", "reason": error.message, "hint": error.hint, "severity": PROBLEM, "backups": 0}]


def backups_by_instance(states: Mapping[str, InstanceState]) -> dict[str, int]:
    """Return how many backups there are of each instance with an absence that another backup may explain."""
    names = [
        name
        for name, state in states.items()
        if any(item["severity"] in UNSETTLED for item in state.absent_components or ())
    ]
    if not names:
        return {}
    completed = BackupExecution.objects.completed().filter(instance__in=names).order_by()
    return dict(completed.values_list("instance").annotate(Count("pk")))


def _error_of(part: Component) -> ComponentError | None:
    for path in part.sources():
        try:
            stat_path(path)
        except ComponentError as error:
            return error
    return None
