"""The actions on a schedule: run now, pause, resume."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect

from backups.admin.shared import formats
from backups.admin.shared.permissions import may_run_schedules
from backups.admin.shared.under_way import waiting_text
from backups.admin.shared.views import actor
from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.runs.queue.deduplication import AlreadyWaiting
from backups.service.automation import by_hand as service
from backups.service.schedules.parts import forget, running_now
from backups.worker.tasks import enqueue
from destinations.admin.methods import wrong_method
from destinations.lib.formats import counted

# the message stays short
MOST_REFUSED = 3


@dataclass(frozen=True, slots=True)
class ScheduleAction:
    """`work` does it and returns the message for the user."""

    name: str
    label: str
    applies: Callable[[BackupSchedule], bool]
    work: Callable[[HttpRequest, BackupSchedule], str]

    @property
    def url_name(self) -> str:
        return f"admin:backups_backupschedule_{self.name}"


def buttons(schedule: BackupSchedule, user: User | AnonymousUser) -> list[ScheduleAction]:
    return [action for action in ACTIONS if action.applies(schedule)] if may_run_schedules(user) else []


def view_of(action: ScheduleAction) -> Callable[[HttpRequest, str], HttpResponse]:
    """Return the view behind the button: POST only, permission checked, errors shown."""

    def view(request: HttpRequest, schedule_id: str) -> HttpResponse:
        if request.method != "POST":
            return wrong_method(request, ("POST",), "admin:backups_backupschedule_change", schedule_id)
        schedule = get_object_or_404(BackupSchedule.objects.select_related("destination", "parent"), pk=schedule_id)
        if not may_run_schedules(request.user):
            raise PermissionDenied
        perform(action, request, [schedule])
        return redirect("admin:backups_backupschedule_change", schedule.parent_id or schedule.pk)

    return view


def toggle_all(request: HttpRequest, name: str) -> HttpResponse:
    """Pause or resume every schedule of the instance that can be: the one that ``action`` names.

    One of several instances is paused for this instance only.
    """
    if request.method != "POST":
        return wrong_method(request, ("POST",), "admin:backups_instance", name)
    if not may_run_schedules(request.user):
        raise PermissionDenied
    action = next((one for one in (PAUSE, RESUME) if one.name == request.POST.get("action")), None)
    if action is not None:
        rows = BackupSchedule.objects.filter(instance=name).select_related("destination", "parent").order_by("name")
        perform(action, request, [row for row in rows if action.applies(row)])
    return redirect("admin:backups_instance", name)


def perform(action: ScheduleAction, request: HttpRequest, schedules: Iterable[BackupSchedule]) -> None:
    """Do it with each of `schedules` and add a message for each; one that fails does not stop the others."""
    for schedule in schedules:
        try:
            messages.success(request, action.work(request, schedule))
        except BackupError as error:
            messages.error(request, f"{action.label} failed for {schedule.name}: {error.text}")


def _run(request: HttpRequest, schedule: BackupSchedule) -> str:
    if schedule.covers_several:
        return _run_all(request, schedule)
    try:
        backup = service.run_now(schedule, by=actor(request))
    except AlreadyWaiting as waiting:
        return waiting_text(waiting)
    enqueue(backup)
    where = ", ".join(one.name for one in schedule.destinations)
    return f"The backup of {schedule.instance} to {where} is queued."


def _run_all(request: HttpRequest, schedule: BackupSchedule) -> str:
    """Queue a run for each part; one that is refused is a message of its own and does not stop the others."""
    queued, waiting, refused = 0, 0, list[str]()
    for part in running_now(schedule):
        try:
            backup = service.run_now(part, by=actor(request))
        except AlreadyWaiting:
            waiting += 1
        except BackupError as error:
            refused.append(f"{part.instance}: {error.text}")
        else:
            enqueue(backup)
            queued += 1
    if refused:
        more = f" And {len(refused) - MOST_REFUSED} more." if len(refused) > MOST_REFUSED else ""
        messages.error(request, f"Refused for {' '.join(refused[:MOST_REFUSED])}{more}")
    wait = f" {counted(waiting, 'instance')} had one that waits already." if waiting else ""
    return f"Backups of {counted(queued, 'instance')} are queued.{wait}"


def _pause(request: HttpRequest, schedule: BackupSchedule) -> str:
    service.pause(schedule, by=actor(request))
    return f"Schedule {schedule.name} is paused{_for(schedule)} until it is resumed."


def _resume(request: HttpRequest, schedule: BackupSchedule) -> str:
    service.resume(schedule, by=actor(request))
    when = f": it runs next at {formats.minute(schedule.next_run)}" if schedule.next_run else ""
    return f"Schedule {schedule.name} is resumed{_for(schedule)}{when}."


def _forget(request: HttpRequest, schedule: BackupSchedule) -> str:
    if schedule.parent is None:
        raise BackupError(f"Schedule {schedule.name} is of one instance.")
    forget(schedule.parent, schedule.instance, by=actor(request))
    return f"Schedule {schedule.name} forgot {schedule.instance}."


def _for(schedule: BackupSchedule) -> str:
    return f" for {schedule.instance} only" if schedule.is_part else ""


def _is_free(schedule: BackupSchedule) -> bool:
    """True when neither a file declares `schedule` nor its instance is covered no more."""
    return not schedule.managed_by and schedule.left_at is None


RUN = ScheduleAction("run", "Run now", lambda schedule: schedule.left_at is None, _run)
PAUSE = ScheduleAction("pause", "Pause", lambda schedule: schedule.enabled and _is_free(schedule), _pause)
RESUME = ScheduleAction("resume", "Resume", lambda schedule: not schedule.enabled and _is_free(schedule), _resume)
FORGET = ScheduleAction("forget", "Forget", lambda schedule: schedule.left_at is not None, _forget)
ACTIONS = (RUN, PAUSE, RESUME, FORGET)
