"""Options of the commands about schedules: which instances, and when."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandParser

from backups.errors import BackupError
from backups.models import BackupSchedule
from backups.service.schedules.coverage import require_scope

Scope = BackupSchedule.Scope


def add_scope_options(parser: CommandParser) -> None:
    parser.add_argument(
        "--instance", action="append", default=[], metavar="NAME", help="back this one up, and others given so"
    )
    parser.add_argument("--label", metavar="LABEL", help="back up every instance with this label, now and later")
    parser.add_argument("--all-instances", action="store_true", help="back up every instance, now and later")


def add_cadence_options(parser: CommandParser, *, required: bool) -> None:
    cadence = parser.add_mutually_exclusive_group(required=required)
    cadence.add_argument("--cron", metavar="EXPRESSION", help="five fields, such as '0 2 * * *'")
    cadence.add_argument("--interval", metavar="INTERVAL", help="such as minutes:15, hours:24 or days:1")
    cadence.add_argument("--custom", metavar="CADENCE", help="a name in BACKUP_CUSTOM_CADENCES")
    cadence.add_argument("--manual", action="store_true", help="only started by an operator")


def add_destination_option(parser: CommandParser, text: str) -> None:
    parser.add_argument("--destination", metavar="NAME", action="append", help=text)


def add_part_option(parser: CommandParser, text: str) -> None:
    parser.add_argument("--instance", metavar="NAME", help=text)


def scope_from(options: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that say what is covered; none when no option does. Raises BackupError."""
    given, label = options["instance"], options["label"]
    # as one text by call_command
    names = [given] if isinstance(given, str) else list(dict.fromkeys(given))
    if sum([bool(names), label is not None, options["all_instances"]]) > 1:
        raise BackupError("--instance, --label and --all-instances contradict each other.", hint="Give one of them.")
    columns: dict[str, Any] = {"instance": "", "instances": None, "label": ""}
    if options["all_instances"]:
        return {**columns, "scope": Scope.ALL}
    if label is not None:
        return {**columns, "scope": Scope.LABEL, "label": label}
    if len(names) > 1:
        return {**columns, "scope": Scope.INSTANCES, "instances": names}
    return {**columns, "scope": Scope.INSTANCE, "instance": names[0]} if names else {}


def cadence_from(options: dict[str, Any]) -> dict[str, Any]:
    """Return the columns of the cadence; none when no option has it."""
    for type_ in ("cron", "interval", "custom"):
        if options[type_] is not None:
            return {"type": type_, "expression": options[type_]}
    return {"type": "manual", "expression": ""} if options["manual"] else {}


def require_free_name(name: str, schedule: BackupSchedule | None = None) -> None:
    """Raise BackupError when another schedule than `schedule` has that name."""
    others = BackupSchedule.objects.whole().filter(name=name)
    if (others if schedule is None else others.exclude(pk=schedule.pk)).exists():
        raise BackupError(f"There is a schedule {name!r} already.", hint="Choose another name.")


def require_valid(schedule: BackupSchedule) -> None:
    """Raise BackupError when a column of `schedule`, or what it would cover, is not valid."""
    try:
        schedule.clean_fields()
    except ValidationError as error:
        raise BackupError(" ".join(error.messages)) from error
    require_scope(schedule)


def part_from(schedule: BackupSchedule, options: dict[str, Any]) -> BackupSchedule:
    """Return the row that --instance means: the part of that instance. Without it, `schedule` itself."""
    name = options["instance"]
    if name is None or (not schedule.covers_several and schedule.instance == name):
        return schedule
    part = schedule.parts.filter(instance=name).select_related("parent", "destination").first()
    if part is None:
        raise BackupError(
            f"Schedule {schedule.name} does not cover {name}.", hint=f"`listschedules {name}` prints those that do."
        )
    return part
