"""The facts that a verdict is made of: what is known of one instance and of the places of its archives."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from backups.models import BackupCopy, BackupExecution, DrillExecution, KeyCheck, RestoreExecution, RetentionPass
from backups.models.columns import AbsentComponent
from backups.service.drops.episodes import Episode
from backups.service.monitoring.drills import DrillState, Encrypted
from backups.service.monitoring.protection import Protection, taken_at
from backups.service.schedules.freshness import Freshness
from destinations.models import BackupDestination


@dataclass(frozen=True, slots=True)
class Place:
    """A destination as the rows know it. `leaves_machine` is true where archives are not lost with this machine."""

    destination: BackupDestination
    leaves_machine: bool
    key_check: KeyCheck | None
    retention: RetentionPass | None

    @property
    def name(self) -> str:
        return self.destination.name


@dataclass(frozen=True, slots=True)
class CopyFact:
    """A copy of the newest good backup: its row and where it is."""

    copy: BackupCopy
    place: Place

    @property
    def is_encrypted(self) -> bool:
        return bool(self.copy.encryption)


@dataclass(frozen=True, slots=True)
class OffTrend:
    """Record counts or sizes of one component that left their trend; `text` says so in a full sentence."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of one instance.

    `copies` are those of the newest good backup, sound or not.
    `opened` is how the archive is encrypted that the drill in `proof` read, None where that is not known.
    `missing`, `damaged` and `lacking` count backups whose archive is gone, is changed everywhere, or lacks a copy.
    `config_errors` are those in the instances file, `config_problem` those in the configuration of the service.
    """

    protection: Protection
    drills: DrillState
    is_described: bool = True
    copies: tuple[CopyFact, ...] = ()
    missing: int = 0
    damaged: int = 0
    lacking: int = 0
    half_restored: RestoreExecution | None = None
    restart_since: datetime | None = None
    restart_by: str = ""
    config_errors: tuple[str, ...] = ()
    config_problem: str = ""
    absent: tuple[AbsentComponent, ...] = ()
    off_trend: tuple[OffTrend, ...] = ()
    opened: Encrypted | None = None

    @property
    def instance(self) -> str:
        return self.protection.name

    @property
    def is_watched(self) -> bool:
        """False for an instance that is gone from the file and has no schedule: its backups may stay.

        One that a schedule of several instances covered is watched until a person lets that schedule forget it.
        """
        is_in_use = self.outlook.automatic or self.outlook.left or self.half_restored is not None
        return self.is_described or bool(self.config_errors) or bool(is_in_use)

    @property
    def good(self) -> BackupExecution | None:
        """The newest good backup, without its manifest."""
        return self.protection.good

    @property
    def failure(self) -> BackupExecution | None:
        """The newest backup that failed after it."""
        return self.protection.failure

    @property
    def active(self) -> BackupExecution | None:
        return self.protection.active

    @property
    def episode(self) -> Episode | None:
        return self.protection.episode

    @property
    def outlook(self) -> Freshness:
        """What the schedules demand."""
        return self.protection.outlook

    @property
    def overdue_from(self) -> datetime | None:
        return self.protection.overdue_from

    @property
    def next_run(self) -> datetime | None:
        return self.protection.outlook.next_run

    @property
    def sound_copies(self) -> list[CopyFact]:
        return [fact for fact in self.copies if fact.copy.is_sound]

    @property
    def copies_away(self) -> list[CopyFact]:
        """The sound copies of the newest good backup off this machine."""
        return [fact for fact in self.sound_copies if fact.place.leaves_machine]

    @property
    def proof(self) -> DrillExecution | None:
        """The newest drill that passed, of one of the newest backups at that time, with its backup."""
        return self.drills.proof

    @property
    def proven(self) -> BackupExecution | None:
        """The backup that the newest passed drill restored."""
        return self.proof.execution if self.proof else None

    @property
    def proven_until(self) -> datetime | None:
        """The time of the data that is proven to be restorable."""
        return taken_at(self.proof.execution) if self.proof else None

    @property
    def restore_time(self) -> timedelta | None:
        """How long the proven backup took to restore, as measured."""
        return timedelta(seconds=self.proof.seconds) if self.proof and self.proof.seconds is not None else None
