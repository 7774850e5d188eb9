from backups.models.drill import DrillExecution
from backups.models.execution import BackupExecution
from backups.models.heartbeat import Heartbeat
from backups.models.key_check import KeyCheck
from backups.models.leftover import LeftoverPart
from backups.models.restore import RestoreExecution
from backups.models.run import Run
from backups.models.schedule import BackupSchedule
from backups.models.state import InstanceState
from backups.models.tree_list import TreeList, TreeListBlock
from backups.models.use import ArchiveUse

__all__ = [
    "ArchiveUse",
    "BackupExecution",
    "BackupSchedule",
    "DrillExecution",
    "Heartbeat",
    "InstanceState",
    "KeyCheck",
    "LeftoverPart",
    "RestoreExecution",
    "Run",
    "TreeList",
    "TreeListBlock",
]
