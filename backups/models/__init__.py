from backups.models.accepted_reason import AcceptedReason
from backups.models.archive_lease import ArchiveUse
from backups.models.backup import BackupExecution
from backups.models.copy import BackupCopy
from backups.models.copying import CopyExecution
from backups.models.drill import DrillExecution
from backups.models.heartbeat import Heartbeat
from backups.models.instance_state import InstanceState
from backups.models.key_check import KeyCheck, KeyState, SigningKeyUse
from backups.models.notice import Delivery, Notice
from backups.models.notification_channel import NotificationChannel
from backups.models.partial_upload import LeftoverPart
from backups.models.restore import RestoreExecution
from backups.models.retention_pass import RetentionPass
from backups.models.run import Run
from backups.models.run_log import BackupLog, CopyLog, DrillLog, RestoreLog, RunLog
from backups.models.schedule import BackupSchedule, ScheduleDestination
from backups.models.starting_group import StartingGroup
from backups.models.tree_list import TreeList, TreeListBlock

__all__ = [
    "AcceptedReason",
    "ArchiveUse",
    "BackupCopy",
    "BackupExecution",
    "BackupLog",
    "BackupSchedule",
    "CopyExecution",
    "CopyLog",
    "Delivery",
    "DrillExecution",
    "DrillLog",
    "Heartbeat",
    "InstanceState",
    "KeyCheck",
    "KeyState",
    "LeftoverPart",
    "Notice",
    "NotificationChannel",
    "RestoreExecution",
    "RestoreLog",
    "RetentionPass",
    "Run",
    "RunLog",
    "ScheduleDestination",
    "SigningKeyUse",
    "StartingGroup",
    "TreeList",
    "TreeListBlock",
]
