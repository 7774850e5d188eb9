"""The request for a restore, from a page, a command, a dry run or an undo."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backups.archive.manifest.document import Manifest
from backups.instances import inventory
from backups.instances.identity import instance_of
from backups.models import BackupExecution, RestoreExecution


def home_of(backup: BackupExecution) -> str:
    """Return the instance that `backup` goes into unless another is named: its own, by the name that it has here."""
    if backup.manifest_json is None or backup.instance in inventory().instances:
        return backup.instance
    return instance_of(Manifest.from_dict(backup.manifest_json))


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreRequest:
    """The restore of `source`, a backup or an archive file, into `instance`: of `components`, or of all without any.

    `archive_sha256` and `changes_seen` are those of the preview that the person confirmed; without the latter, the
    present state of the instance counts as confirmed.
    """

    source: BackupExecution | Path
    instance: str
    archive_sha256: str
    components: Sequence[str] = ()
    force_invalid_config: bool = False
    allow_other_instance: bool = False
    accept_unsigned: bool = False
    undo_of: RestoreExecution | None = None
    changes_seen: str | None = None

    @property
    def backup(self) -> BackupExecution | None:
        return self.source if isinstance(self.source, BackupExecution) else None

    def row(self, **columns: Any) -> RestoreExecution:
        """Return the row of this restore, not saved."""
        return RestoreExecution(
            instance=self.instance,
            execution=self.backup,
            archive_file="" if self.backup is not None else str(self.source),
            archive_sha256=self.archive_sha256,
            components=list(self.components),
            force_invalid_config=self.force_invalid_config,
            allow_other_instance=self.allow_other_instance,
            accept_unsigned=self.accept_unsigned,
            undo_of=self.undo_of,
            **columns,
        )
