"""Read the declared sections of a service into the columns of rows, without the database, and find their mistakes."""

from django.core.exceptions import ValidationError

from backups.errors import BackupError
from backups.instances.declaration import Declaration, is_on
from backups.instances.kinds.layers import Section
from backups.models import BackupSchedule
from backups.service.automation.declared_keys import OF_EVERY_DESTINATION, unknown_keys, unknown_options
from backups.service.schedules.cadence import cadence
from destinations.backends import TYPES
from destinations.lib.formats import as_text, is_text
from destinations.lib.operator_error import OperatorError
from destinations.lib.redaction import SHORTEST_SECRET
from destinations.models import BackupDestination
from destinations.policies.retention_rule import SETTINGS_OF

# keys of [backup] that are numbers of a retention rule, and the columns that hold them
RETENTION = {
    "default_retention_days": "retention_days",
    "gfs_keep_daily": "keep_daily",
    "gfs_keep_weekly": "keep_weekly",
    "gfs_keep_monthly": "keep_monthly",
    "gfs_keep_yearly": "keep_yearly",
}
RULE_NUMBER = {"retention_days": "keep_days"}
DAYS = tuple(RULE_NUMBER)


def fill_destination(row: BackupDestination, key: str, declared: Declaration) -> None:
    """Set the type, options, rule and state of `row` as ``[backup.destinations.KEY]`` declares them.

    Raises OperatorError, ValidationError, or ValueError for a text where a number is expected.
    """
    section = declared.destinations[key]
    _require_text(section)
    row.type = section.get("type", "local")
    if unknown := unknown_options(section):
        raise BackupError(" ".join(unknown))
    row.configure({name: value for name, value in section.items() if name not in OF_EVERY_DESTINATION})
    row.enabled = is_on(section, "enabled", default=True)
    row.position = _number(section, "position") or 0
    row.daily_read_mb = _number(section, "daily_read_mb")
    for column, value in _rule(key, declared).items():
        setattr(row, column, value)


def _number(section: Section, key: str) -> int | None:
    """Return the whole number of that key, None where it has none. Raises BackupError, which names the key."""
    text = section.get(key, "").strip()
    if text and not text.isdecimal():
        raise BackupError(f"The value of {key} is no whole number.")
    return int(text) if text else None


def fill_schedule(row: BackupSchedule, key: str, declared: Declaration) -> None:
    """Set the cadence and state of `row` as ``[backup.schedules.KEY]`` declares them. Raises BackupError."""
    section = declared.schedules[key]
    _require_text(section)
    if not section.get("schedule"):
        # a schedule that never runs has to be meant
        raise BackupError(
            "The key schedule is missing. Write five cron fields, an interval such as hours:24, or manual."
        )
    row.type, row.expression = _parse_cadence(section["schedule"])
    row.time_zone = section.get("time_zone", "") or "UTC"
    row.enabled = declared.enabled and is_on(section, "enabled", default=True)


def destination_names(section: Section) -> list[str]:
    """Return the names in the key destination of a schedule: one, or several with commas between them, in order."""
    return list(dict.fromkeys(filter(None, (name.strip() for name in section.get("destination", "").split(",")))))


def problems_of(declared: Declaration) -> list[str]:
    """Return the mistakes of the declaration that show without the database, one sentence or more each."""
    problems, _ = unknown_keys(declared)
    for key, section in declared.destinations.items():
        destination = BackupDestination(name=key)
        try:
            fill_destination(destination, key, declared)
            destination.clean_fields()
        except (OperatorError, ValidationError, ValueError) as error:
            problems.append(f"[backup.destinations.{key}]: {reason_of(error, section, declared)}")
    for key, section in declared.schedules.items():
        schedule = BackupSchedule(name=key)
        try:
            fill_schedule(schedule, key, declared)
            if schedule.type != BackupSchedule.Type.MANUAL:
                cadence(schedule.type, schedule.expression, schedule.time_zone)
        except OperatorError as error:
            problems.append(f"[backup.schedules.{key}]: {reason_of(error, section, declared)}")
    return problems


def _parse_cadence(text: str) -> tuple[str, str]:
    """Return type and expression of a declared schedule: five fields, or an interval such as ``hours:24``."""
    if text == "manual":
        return BackupSchedule.Type.MANUAL, ""
    return (BackupSchedule.Type.INTERVAL if ":" in text else BackupSchedule.Type.CRON), text


def _rule(key: str, declared: Declaration) -> dict[str, object]:
    """Return the columns of the retention rule: the destination's days, or the service's default strategy."""
    section = declared.destinations[key]
    strategy = declared.backup.get("default_retention_strategy", "") or "simple"
    rule: dict[str, object] = {"retention_strategy": strategy} | dict.fromkeys(RETENTION.values())
    for name, column in RETENTION.items():
        text = section.get("retention_days") if column == "retention_days" else None
        text = text or declared.backup.get(name)
        if text and RULE_NUMBER.get(column, column) in SETTINGS_OF.get(strategy, ()):
            days = [int(text)]
            if column in DAYS:
                # a schedule may declare more days than its destination: the most count, so that none gets fewer
                mine = [one for one in declared.schedules.values() if key in destination_names(one)]
                days += [int(more) for one in mine if (more := one.get("retention_days"))]
            rule[column] = max(days)
    if all(rule[column] is None for column in RETENTION.values()) and strategy == "simple":
        rule["retention_strategy"] = ""
    return rule


def reason_of(error: Exception, section: Section, declared: Declaration) -> str:
    """Return the text of `error` with the values of `section` replaced by the names of their keys.

    The text is logged and shown on pages, and a value on the wrong line may be a secret.
    """
    text = error.text if isinstance(error, OperatorError) else ""
    if isinstance(error, ValidationError):
        text = " ".join(error.messages)
    values = {value: key for key, value in [*declared.backup.items(), *section.items()]}
    for value in sorted(values.keys() - {"", *TYPES, *SETTINGS_OF}, key=len, reverse=True):
        text = text.replace(repr(value), f"its {values[value]}")
        if len(value) >= SHORTEST_SECRET:
            text = text.replace(value, f"its {values[value]}")
    return as_text(text) or "A number is expected."


def _require_text(section: Section) -> None:
    for key, value in section.items():
        if not is_text(value):
            raise BackupError(f"{key} is not UTF-8 text.")
