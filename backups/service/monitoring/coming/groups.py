"""Groups of runs that are due by the same cadence in the same queue: a page lists groups, not thousands of runs."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

# a run that has to wait longer for a slot of the workers overlaps with others
OVERLAPS_AFTER = timedelta(minutes=1)


class Sort(StrEnum):
    BACKUP = "backup"
    RETRY = "retry"
    DRILL = "drill"
    DIGEST = "digest"


@dataclass(slots=True, eq=False)
class Group:
    """Runs due at the same times: `runs` in all, the first at `first` and the last at `last`.

    `names` are their schedules, for digests their channels; `cadence` is in words. `longest` is the longest of their
    measured durations, None when none was measured. `waits` counts those that have to wait for a slot of the workers
    or for their instance, up to `wait`; `covered` slots need no run of their own, because the backup before them still
    waits. The runs of the instances in `outlasting` take longer than until the next slot.
    """

    sort: Sort
    queue: str
    cadence: str
    first: datetime
    last: datetime
    names: list[str] = field(default_factory=list)
    instances: list[str] = field(default_factory=list)
    runs: int = 0
    longest: timedelta | None = None
    wait: timedelta = timedelta()
    waits: int = 0
    covered: int = 0
    outlasting: list[str] = field(default_factory=list)
    # True when there may be more than were counted
    is_cut: bool = False
    # why a drill that is due waits
    notes: list[str] = field(default_factory=list)

    @property
    def overlaps(self) -> bool:
        return bool(self.waits or self.outlasting)


@dataclass(frozen=True, slots=True)
class Unplanned:
    """An enabled schedule without a next run, and why."""

    schedule: str
    instance: str
    reason: str


@dataclass(slots=True)
class QueueOutlook:
    """What one queue has to do: `slots` backups run there at once; `load` is the share of their time, as measured."""

    name: str
    slots: int
    groups: list[Group] = field(default_factory=list)
    load: float = 0.0

    @property
    def runs(self) -> int:
        return sum(group.runs for group in self.groups)


@dataclass(frozen=True, slots=True)
class Coming:
    """What is due until `until`."""

    since: datetime
    until: datetime
    queues: list[QueueOutlook]
    digests: list[Group]
    unplanned: list[Unplanned]
