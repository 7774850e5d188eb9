"""Dispatch: the message for a run goes to the queue of its instance, after the commit, and not repeatedly."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from backups.errors import InstanceError
from backups.instances import get_instance
from backups.lib.processes import identity
from backups.models import BackupExecution, RestoreExecution
from backups.runs.queue.ownership import this_worker
from backups.runs.queue.queues import of_queue, queue_of, queues, release, release_dead, reserve, waiting
from backups.worker import tasks
from backups.worker.tasks import backup, dispatch_lost, dispatch_waiting, enqueue, start_next
from tests.support.rows import an_execution

pytestmark = pytest.mark.django_db
Status = BackupExecution.Status
INSTANCES = """\
[shop]
kind = "generic"
root = "/srv/shop"
components.orders = {kind = "sqlite", path = "orders.db"}

[radius]
kind = "generic"
root = "/srv/radius"
queue = "branch"
components.users = {kind = "sqlite", path = "users.db"}
"""


@pytest.fixture(autouse=True)
def instances(declare: Callable[[str], None]) -> None:
    declare(INSTANCES)


def messages() -> list[tuple[str, str, tuple[str, ...]]]:
    return [(row.key, row.task["func"], row.task["args"]) for row in OrmQ.objects.order_by("pk")]


def queued(instance: str = "shop", **fields: object) -> BackupExecution:
    return an_execution(instance, status=Status.QUEUED, **fields)


def test_an_instance_belongs_to_the_queue_that_its_description_names(settings: Settings) -> None:
    assert queue_of("radius") == "branch"
    assert queue_of("shop") == settings.BACKUP_QUEUE == "backups"
    assert queue_of("unknown") == "backups"
    assert queues() == {"backups": ["shop"], "branch": ["radius"]}


def test_a_queue_has_a_name_like_any_other(declare: Callable[[str], None]) -> None:
    declare(INSTANCES.replace('"branch"', '"the branch office"'))

    with pytest.raises(InstanceError, match="queue: This is not the name of a queue"):
        get_instance("radius")


def test_runs_are_told_apart_by_queue_and_unknown_instances_belong_to_the_default_one() -> None:
    shop, radius, gone = queued("shop"), queued("radius"), queued("gone")

    assert set(of_queue(BackupExecution.objects.all(), "backups")) == {shop, gone}
    assert set(of_queue(BackupExecution.objects.all(), "branch")) == {radius}
    assert not of_queue(BackupExecution.objects.all(), "nowhere").exists()


@pytest.mark.parametrize("damage", ["syntax", "encoding", "permissions", "missing", "half written"])
def test_while_the_instances_file_cannot_be_read_a_run_stays_queued_and_its_own_worker_takes_it_later(
    damage: str, declare: Callable[[str], None], settings: Settings
) -> None:
    shop, radius = (queued(name, age=timedelta(minutes=2)) for name in ("shop", "radius"))
    file = settings.BACKUP_INSTANCES_FILE
    match damage:
        case "syntax":
            declare(INSTANCES + "[radius")
        case "encoding":
            file.write_bytes(b"\xff")
        case "permissions":
            # root may read what nobody may
            file.unlink()
            file.mkdir()
        case "missing":
            file.unlink()
        case "half written":
            file.write_text("")

    assert [dispatch_waiting("backups"), dispatch_waiting("branch"), messages()] == [0, 0, []]
    assert [backup(shop.pk), backup(radius.pk)] == ["nothing waits"] * 2
    assert set(BackupExecution.objects.values_list("status", flat=True)) == {"queued"}

    if damage == "permissions":
        file.rmdir()
    declare(INSTANCES)
    assert list(waiting(BackupExecution, "backups")) == [shop]
    assert list(waiting(BackupExecution, "branch")) == [radius]


def test_an_instance_with_a_mistake_belongs_to_its_queue_all_the_same(declare: Callable[[str], None]) -> None:
    declare(INSTANCES.replace('"users.db"', "5"))
    radius = queued("radius", age=timedelta(minutes=2))

    assert (queue_of("radius"), queues()) == ("branch", {"backups": ["shop"], "branch": ["radius"]})
    assert not waiting(BackupExecution, "backups").exists()
    assert list(waiting(BackupExecution, "branch")) == [radius]


def test_a_message_that_came_to_the_worker_of_another_queue_starts_nothing_of_that_queue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    radius = queued("radius", age=timedelta(minutes=2))
    monkeypatch.setattr(tasks, "own_queue", lambda: "backups")

    assert backup(radius.pk) == "nothing waits"

    radius.refresh_from_db()
    assert (radius.status, radius.reserved_by) == ("queued", "")


def test_enqueueing_calls_the_worker_of_the_instance_with_nothing_but_the_id(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    shop, radius = queued("shop"), queued("radius")

    with django_capture_on_commit_callbacks(execute=True):
        enqueue(shop)
        enqueue(radius)

    assert messages() == [
        ("backups", "backups.worker.tasks.backup", (shop.pk,)),
        ("branch", "backups.worker.tasks.backup", (radius.pk,)),
    ]
    assert OrmQ.objects.first().task["ack_failure"] is True  # type: ignore[union-attr]
    shop.refresh_from_db()
    assert shop.rang_at is not None


@pytest.mark.django_db(transaction=True)
def test_no_message_is_sent_for_a_row_that_is_rolled_back() -> None:
    run = queued()

    with pytest.raises(RuntimeError, match="the page failed"), transaction.atomic():
        enqueue(run)
        raise RuntimeError("the page failed")

    assert messages() == []


def test_no_message_is_sent_for_a_run_that_is_not_queued_any_more(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    run = queued()
    run.transition(Status.QUEUED, status=Status.CANCELLED)

    with django_capture_on_commit_callbacks(execute=True):
        enqueue(run)

    assert messages() == []


def test_a_run_that_a_process_made_for_itself_is_never_for_a_worker() -> None:
    own = queued("own", owner="process", age=timedelta(minutes=2), rang_at=timezone.now())

    assert not waiting(BackupExecution, "backups").exists()
    assert (dispatch_waiting("backups"), dispatch_lost("backups"), messages()) == (0, 0, [])
    assert not reserve(BackupExecution.objects.get(pk=own.pk))
    assert backup(own.pk) == "nothing waits"


def test_a_run_that_was_not_handed_to_a_worker_yet_is_left_alone_for_a_minute() -> None:
    fresh = queued(age=timedelta(seconds=5))
    forgotten = queued("unknown", age=timedelta(minutes=2))

    assert list(waiting(BackupExecution, "backups")) == [forgotten]
    assert dispatch_waiting("backups") == 1
    assert [args for _, _, args in messages()] == [(forgotten.pk,)]
    assert fresh.rang_at is None


def test_runs_wait_in_the_order_they_came_and_only_for_instances_that_are_free() -> None:
    an_execution("shop", status=Status.RUNNING)
    RestoreExecution.objects.create(
        instance="restoring", status=Status.RUNNING, triggered_by="alice", archive_file="/tmp/x.tar.gz"
    )
    for busy in ("shop", "restoring"):
        queued(busy, rang_at=timezone.now())
    second = queued("second", age=timedelta(minutes=3))
    first = queued("first", age=timedelta(minutes=4))

    assert list(waiting(BackupExecution, "backups")) == [first, second]


def test_a_call_is_repeated_after_a_minute_and_never_piles_up(settings: Settings) -> None:
    settings.BACKUP_WORKERS = 2
    for number in range(5):
        queued(f"shop-{number}", age=timedelta(minutes=10 - number))

    assert [dispatch_lost("backups") for _ in range(4)] == [2, 2, 1, 0]
    assert len(messages()) == 5

    BackupExecution.objects.update(rang_at=timezone.now() - timedelta(seconds=61))
    assert dispatch_lost("backups") == 2


def test_two_that_call_for_the_same_run_at_once_leave_one_message() -> None:
    run = queued(age=timedelta(minutes=2))
    mine, yours = BackupExecution.objects.get(pk=run.pk), BackupExecution.objects.get(pk=run.pk)
    from backups.worker.tasks import _dispatch

    assert [_dispatch(mine), _dispatch(yours)] == [True, False]
    assert len(messages()) == 1


def test_a_run_is_reserved_by_one_and_given_back_or_free_again_after_a_minute_of_silence() -> None:
    run = queued(rang_at=timezone.now())
    mine, yours = BackupExecution.objects.get(pk=run.pk), BackupExecution.objects.get(pk=run.pk)

    assert [reserve(mine), reserve(yours)] == [True, False]
    assert not waiting(BackupExecution, "backups").exists()
    assert reserve(mine), "who has it may go on"

    queued(run.instance, rang_at=timezone.now(), kind="scheduled")
    assert not waiting(BackupExecution, "backups").exists(), "one at a time for each instance"
    BackupExecution.objects.exclude(pk=run.pk).delete()

    release(mine)
    assert waiting(BackupExecution, "backups").get() == run

    reserve(BackupExecution.objects.get(pk=run.pk))
    BackupExecution.objects.update(reserved_at=timezone.now() - timedelta(seconds=61))
    assert waiting(BackupExecution, "backups").get() == run


def test_what_a_dead_task_of_this_host_had_reserved_is_free_again_at_once() -> None:
    here = this_worker().partition(":")[0]
    reserved = {"reserved_at": timezone.now(), "rang_at": timezone.now()}
    gone = "/".join([*identity().split("/")[:2], "999999999", "1"])
    dead = queued("dead", worker=f"{here}:999999999", reserved_by=gone, **reserved)
    queued("alive", worker=this_worker(), reserved_by=identity(), **reserved)
    for elsewhere in ("another-boot/4026531836/999999999/1", gone.replace(gone.split("/")[1], "1234567890")):
        queued(f"of {elsewhere}"[:64], worker=f"{here}:999999999", reserved_by=elsewhere, **reserved)

    assert release_dead() == 1
    assert list(waiting(BackupExecution, "backups")) == [dead]


def test_the_end_of_a_run_calls_for_the_oldest_one_that_waits_for_its_instance(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    ended = an_execution("shop")
    older = queued("shop", age=timedelta(minutes=3))
    queued("shop", age=timedelta(minutes=2), kind="scheduled")
    queued("radius", age=timedelta(minutes=4))

    with django_capture_on_commit_callbacks(execute=True):
        start_next(ended)

    assert [args for _, _, args in messages()] == [(older.pk,)]


def test_a_message_for_a_row_that_is_gone_or_was_taken_does_no_harm() -> None:
    assert backup("00000000-0000-0000-0000-000000000000") == "there is no such row"
    assert backup(an_execution("shop").pk) == "nothing waits"
