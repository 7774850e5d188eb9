"""Deduplication: a request for a backup, drill or verification that waits already creates no second run."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from backups.models import BackupExecution, BackupSchedule, DrillExecution, Run
from backups.runs.queue import deduplication as once
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.automation import drills as drill_regularly
from backups.service.automation.by_hand import run_now
from backups.service.backup.run import backup_now, run_backup
from backups.service.backup.start import start_backup
from backups.service.drill.run import drill, start_drill
from destinations.models import BackupDestination
from tests.support.call_commands import command
from tests.support.rows import a_destination, a_user, an_execution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("small_shop")]
Kind, Status = BackupExecution.Kind, Run.Status


def press(destination: BackupDestination, comment: str = "") -> BackupExecution:
    return start_backup("shop", destination, by="alice", comment=comment)


def waiting() -> list[str]:
    return list(BackupExecution.objects.filter(status="queued").values_list("pk", flat=True))


def test_the_second_press_is_led_to_the_first(destination: BackupDestination) -> None:
    first = press(destination)
    for _ in range(2):
        with pytest.raises(AlreadyWaiting) as led:
            press(destination)
        assert led.value.run == first
        assert led.value.message == f"A backup of shop to nas is waiting already: {first.pk}, requested by alice."
    assert waiting() == [first.pk]


def test_one_that_runs_has_an_older_state_and_is_no_reason_not_to_wait_for_it(destination: BackupDestination) -> None:
    first = press(destination)
    first.transition(Status.QUEUED, status="running", worker="elsewhere:1", heartbeat_at=timezone.now())
    second = press(destination)
    with pytest.raises(AlreadyWaiting):
        press(destination)
    assert waiting() == [second.pk]


def test_once_it_has_ended_the_next_one_is_a_new_one(destination: BackupDestination) -> None:
    assert run_backup(press(destination).pk).status == "completed"
    assert run_backup(press(destination).pk).status == "completed"


def test_other_instances_destinations_and_kinds_wait_beside_it(destination: BackupDestination) -> None:
    press(destination)
    start_backup("shop", a_destination("offsite"), by="alice")
    for kind in (Kind.SCHEDULED, Kind.CONFIG_CHANGE, Kind.STARTUP):
        for _ in range(2):
            start_backup("shop", destination, by="tests", kind=kind)
    assert len(waiting()) == 8


def test_a_backup_in_a_terminal_is_a_run_of_its_own(destination: BackupDestination) -> None:
    press(destination)
    assert backup_now("shop", destination, by="root").status == "completed"
    assert len(waiting()) == 1


def test_a_comment_of_the_second_is_kept_beside_that_of_the_first(destination: BackupDestination) -> None:
    first = press(destination, "before the upgrade")
    said = {}
    for comment in ("", "before the upgrade", "before the move", "x" * 490):
        with pytest.raises(AlreadyWaiting) as led:
            press(destination, comment)
        said[comment] = led.value.hint
    first.refresh_from_db()
    assert first.comment == "before the upgrade; before the move"
    assert said == {
        "": "",
        "before the upgrade": "",
        "before the move": "The comment was added to the existing one: before the move.",
        "x" * 490: f"The comment was not stored, because the existing comment leaves no room: {'x' * 490}.",
    }


def test_a_first_one_without_a_comment_takes_that_of_the_second(destination: BackupDestination) -> None:
    first = press(destination)
    with pytest.raises(AlreadyWaiting):
        press(destination, "why")
    first.refresh_from_db()
    assert first.comment == "why"


def test_when_a_worker_takes_the_first_in_that_moment_the_second_waits_behind_it(
    destination: BackupDestination, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = press(destination, "one")
    add_comment = once._add_comment

    def taken(run: Run, comment: str) -> str | None:
        first.transition(Status.QUEUED, status="running", worker="elsewhere:1", heartbeat_at=timezone.now())
        return add_comment(run, comment)

    monkeypatch.setattr(once, "_add_comment", taken)
    second = press(destination, "two")
    first.refresh_from_db()
    assert (first.comment, second.comment, second.status) == ("one", "two", "queued")


def test_the_database_itself_refuses_a_second_one(destination: BackupDestination) -> None:
    backup = an_execution("shop", destination=destination)
    for _ in range(2):
        BackupExecution.objects.create(
            instance="shop", destination=destination, triggered_by="x", owner=Run.Owner.PROCESS
        )
        DrillExecution.objects.create(instance="shop", execution=backup, triggered_by="x", owner=Run.Owner.PROCESS)
    press(destination)
    start_drill(backup, by="x")
    with pytest.raises(IntegrityError, match="UNIQUE"), transaction.atomic():
        BackupExecution.objects.create(instance="shop", destination=destination, triggered_by="x")
    with pytest.raises(IntegrityError, match="UNIQUE"), transaction.atomic():
        DrillExecution.objects.create(instance="shop", execution=backup, triggered_by="x")


def at_once(times: int, start: Callable[[], Run]) -> tuple[set[str], int]:
    """Call `start` in so many threads at the same moment; return the ids that they got, and how many were led there."""
    line = threading.Barrier(times)

    def run() -> tuple[str, bool]:
        line.wait(30)
        try:
            return start().pk, False
        except AlreadyWaiting as led:
            return led.run.pk, True
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        found = [future.result() for future in [pool.submit(run) for _ in range(times)]]
    return {pk for pk, _ in found}, sum(led for _, led in found)


def test_of_many_who_press_at_once_one_is_first(destination: BackupDestination) -> None:
    backup = an_execution("shop", destination=destination)
    for _ in range(3):
        assert [len(at_once(4, lambda: press(destination))[0]), len(waiting())] == [1, 1]
        BackupExecution.objects.filter(status="queued").update(status="cancelled")
        ids, led = at_once(4, lambda: start_drill(backup, by="x"))
        assert (len(ids), led) == (1, 3)
        DrillExecution.objects.update(status="cancelled")


def test_drills_and_verifications_of_a_backup_wait_once_each(destination: BackupDestination) -> None:
    backup, other = (an_execution("shop", destination=destination) for _ in range(2))
    kinds = (DrillExecution.Kind.DRILL, DrillExecution.Kind.VERIFICATION)
    first = {kind: start_drill(backup, by="alice", kind=kind) for kind in kinds}
    for kind in kinds:
        with pytest.raises(AlreadyWaiting) as led:
            start_drill(backup, by="bob", kind=kind)
        assert led.value.run == first[kind]
        assert led.value.message == f"A {kind} of {backup} is waiting already: {first[kind].pk}, requested by alice."
        start_drill(other, by="bob", kind=kind)


def test_a_drill_in_a_terminal_is_a_run_of_its_own(destination: BackupDestination) -> None:
    backup = backup_now("shop", destination, by="root")
    start_drill(backup, by="alice")
    assert drill(backup, by="root").verdict == "passed"
    assert DrillExecution.objects.filter(status="queued").count() == 1


def test_a_regular_drill_gives_way_to_the_one_that_a_person_asked_for_in_that_moment(
    destination: BackupDestination,
) -> None:
    backup = an_execution("shop", destination=destination)
    start_drill(backup, by="alice")
    DrillExecution.objects.update(created_at=timezone.now() - drill_regularly.RETRY_AFTER * 2)
    assert drill_regularly._start("shop", timezone.now()) is None
    assert DrillExecution.objects.count() == 1


def test_the_command_says_which_one_waits_and_ends_with_0(destination: BackupDestination) -> None:
    first = command("backup", "shop", "--queue", "--json").data
    assert first["already_waiting"] is False
    again = command("backup", "shop", "--queue", "--comment", "before the move", "--json")
    assert (again.code, again.data["id"], again.data["already_waiting"]) == (0, first["id"], True)
    assert again.data["comment"] == "before the move"
    assert again.data["note"] == "The comment was added to the existing one: before the move."
    said = command("backup", "shop", "--queue").out
    assert said.startswith(f"waiting already as {first['id']}, asked for by ")
    assert waiting() == [first["id"]]


def test_a_schedule_that_is_run_now_is_led_to_it_too(destination: BackupDestination) -> None:
    schedule = BackupSchedule.objects.create(name="hourly", instance="shop", destination=destination, type="manual")
    first = run_now(schedule, by="alice")
    again = command("runschedule", "hourly", "--json")
    assert (again.code, again.data["id"], again.data["already_waiting"]) == (0, first.pk, True)
    assert waiting() == [first.pk]


def test_who_asked_again_stands_in_the_history_of_the_one_that_waits(destination: BackupDestination) -> None:
    first = press(destination)
    with pytest.raises(AlreadyWaiting):
        start_backup("shop", destination, by=a_user(), comment="why")
    entry = LogEntry.objects.get(object_id=first.pk)
    assert entry.user.get_username() == "bob"
    assert entry.get_change_message() == "Requested again. The comment was added to the existing one: why."
