"""The result of a restore as text for a terminal."""

from collections.abc import Iterator

from backups.models import RestoreExecution
from destinations.lib.formats import counted, human_duration, human_size, printable


def result_text(restore: RestoreExecution) -> str:
    return "\n".join(map(printable, _lines(restore)))


def _lines(restore: RestoreExecution) -> Iterator[str]:
    took = f" in {human_duration(restore.duration)}" if restore.duration else ""
    yield f"{restore.status:12} {restore.instance} from {restore.execution or restore.archive_file}{took}"
    if restore.error_message:
        yield f"error        {restore.error_message}"
    if restore.error_hint:
        yield f"next step    {restore.error_hint}"
    for name, note in restore.outcome.items():
        rows = "" if note["rows"] is None else f"{counted(note['rows'], 'row')}, "
        yield f"{note['state']:12} {name}: {rows}{human_size(note['bytes'])}, {note['path']}"
    yield from (f"warning      {printable(text)}" for text in restore.warnings)
    if restore.safety_backup is not None:
        yield f"safety       backup {restore.safety_backup.pk} has the state before, until this is acknowledged"
    if restore.status == restore.Status.COMPLETED:
        yield f"undo         manage.py restore --undo {restore.pk} --confirm"
        if restore.acknowledged_at is None:
            yield f"restart      restart {restore.instance}, then: manage.py restore --acknowledge {restore.pk}"
    yield f"id           {restore.pk}"
