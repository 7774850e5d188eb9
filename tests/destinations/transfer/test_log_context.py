"""What a helping thread logs belongs to the run whose transfer it helps."""

from collections.abc import Callable

import pytest

from backups.lib.log_context import RUN_ID, logged_as
from destinations.transfer.ahead import worked_ahead
from destinations.transfer.parallel import Job, side_by_side


def ahead(jobs: list[Job]) -> None:
    list(worked_ahead(jobs, 2))


def beside(jobs: list[Job]) -> None:
    side_by_side(iter(jobs), 3)


@pytest.mark.parametrize("work", [ahead, beside])
def test_a_helping_thread_knows_the_run(work: Callable[[list[Job]], None]) -> None:
    seen: list[str] = []
    with logged_as(RUN_ID, "42"):
        work([lambda: seen.append(RUN_ID.get())] * 6)
    assert seen == ["42"] * 6
