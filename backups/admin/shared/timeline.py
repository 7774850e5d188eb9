"""When each stage of a run began, and how long it took."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from backups.admin.shared import formats
from backups.models import RestoreExecution, Run
from destinations.lib.formats import human_duration

Status = Run.Status
# the wait and the end have steps of their own
NO_STAGES = ("waiting", "done")
# shown only when something led there
WAYS_BACK = (RestoreExecution.Stage.ROLLING_BACK,)


@dataclass(frozen=True, slots=True)
class Step:
    """`state` is done, now, ahead, skipped or broken (the stage in which an execution ended too early)."""

    name: str
    label: str
    state: str
    began: datetime | None = None
    took: timedelta | None = None

    def words(self) -> dict[str, str]:
        """Return what a page shows of it."""
        took = human_duration(self.took) if self.took is not None else ""
        began = formats.clock(self.began) if self.began is not None else ""
        return {"name": self.name, "label": self.label, "state": self.state, "began": began, "took": took}


def steps(run: Run, now: datetime) -> list[Step]:
    """Return the wait in the queue, every stage whether reached or not, and the end when there is one."""
    ended = run.completed_at
    first = run.started_at or ended or now
    state = "now" if run.status == Status.QUEUED else "done" if run.started_at else "broken"
    waiting = Step("waiting", "Waiting", state, run.created_at, first - run.created_at)
    reached = _reached(run, ended or now)
    unreached = {name: _unreached(name, label, run) for name, label in _labels(run).items() if name not in WAYS_BACK}
    names = [name for name in _labels(run) if name in reached or name in unreached]
    return [waiting, *(reached.get(name) or unreached[name] for name in names), *_end(run)]


def _labels(run: Run) -> dict[str, str]:
    """Return the label of each stage of this kind of run, in their order."""
    choices = run._meta.get_field("stage").flatchoices
    return {name: label for name, label in choices if name not in NO_STAGES}


def _reached(run: Run, last: datetime) -> dict[str, Step]:
    moments = [(str(name), datetime.fromisoformat(moment)) for name, moment in run.timeline]
    labels = _labels(run)
    begun = [(name, moment) for name, moment in moments if name in labels]
    found: dict[str, Step] = {}
    for (name, began), (following, end) in pairwise([*begun, ("", last)]):
        state = "done" if following else _state_of_last(run)
        took = end - began
        if (earlier := found.get(name)) and earlier.began and earlier.took is not None:
            # two stages that take turns are shown once each, with all the time that each took
            began, took = earlier.began, earlier.took + took
        found[name] = Step(name, labels[name], state, began, took)
    return found


def _state_of_last(run: Run) -> str:
    if run.is_active:
        return "now"
    return "done" if run.status == Status.COMPLETED else "broken"


def _unreached(name: str, label: str, run: Run) -> Step:
    return Step(name, label, "ahead" if run.is_active else "skipped")


def _end(run: Run) -> list[Step]:
    if run.is_active:
        return []
    state = "done" if run.status == Status.COMPLETED else "broken"
    return [Step("end", run.get_status_display(), state, run.completed_at, run.duration)]
