"""What a worker can run: one entry a kind, the same for each."""

from collections.abc import Callable
from dataclasses import dataclass

from backups.models import BackupExecution, DrillExecution, RestoreExecution, Run
from backups.service.backup import run_backup
from backups.service.drill import run_drill
from backups.service.restore import run_restore


@dataclass(frozen=True, slots=True)
class RunKind:
    """`run` claims the run with that id and takes it to its end; it raises InstanceBusy, NotQueued or why it failed.

    `ending_seconds` is how long it may take to end in good order once it is told to; then it is killed.
    """

    model: type[Run]
    run: Callable[[str], Run]
    ending_seconds: float

    @property
    def noun(self) -> str:
        return self.model.noun


KINDS = {
    kind.noun: kind
    for kind in [
        RunKind(BackupExecution, run_backup, ending_seconds=10),
        # long enough to roll back
        RunKind(RestoreExecution, run_restore, ending_seconds=600),
        RunKind(DrillExecution, run_drill, ending_seconds=10),
    ]
}
