"""Keys and sections of a declaration that are unknown, have no effect here, or mean something else to the service."""

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches

from backups.instances.declaration import FALSE, TRUE, Declaration
from backups.instances.kinds.layers import Section
from destinations.backends import TYPES

BACKUP = (
    "enabled", "create_on_startup", "default_retention_strategy", "default_retention_days", "gfs_keep_daily",
    "gfs_keep_weekly", "gfs_keep_monthly", "gfs_keep_yearly", "compression_level",
)  # fmt: skip
SCHEDULE = ("destination", "schedule", "time_zone", "enabled", "retention_days")
OF_EVERY_DESTINATION = ("type", "retention_days", "enabled", "position", "daily_read_mb")
FLAGS = ("enabled", "create_on_startup")
# keys of [backup] that the TACACS+ server knows and that have no effect here, and what has
WITHOUT_EFFECT = {
    "temp_directory": "Set BACKUP_WORKSPACE_ROOT of this site.",
    "encryption_enabled": "Set BACKUP_ENCRYPTION of this site, or the policy of a destination.",
    "encryption_passphrase": "Set BACKUP_ENCRYPTION_PASSPHRASE of this site.",
    "use_managed_identity": "Write it in the section of its destination.",
    "endpoint_suffix": "Write it in the section of its destination.",
    "container_name": "Write it in the section of its destination.",
    "base_path": "Write it in the section of its destination.",
}
# keys that are written where another one is meant, by section
MEANT = {
    "[backup]": {
        "schedule": "Write it in a section [backup.schedules.NAME], with the name of its destination.",
        "retention_days": "Write default_retention_days, or retention_days in the section of a destination.",
    },
    "local": {
        "base_path": "Write path: a folder below BACKUP_ROOT.",
        "allowed_root": "Leave it out: every folder lies below BACKUP_ROOT.",
    },
}


def unknown_keys(declared: Declaration) -> tuple[list[str], list[str]]:
    """Return the problems (unknown sections and keys, flags that are neither true nor false) and notes on the rest."""
    problems = [f"[{name}]: The section is unknown. {_meant_section(name)}" for name in declared.unknown]
    unknown = _unknown(declared.backup, (*BACKUP, *WITHOUT_EFFECT), "[backup]")
    problems += [f"[backup]: {text}" for text in unknown]
    problems += _flags("[backup]", declared.backup)
    notes = [
        f"[backup]: The key {key} has no effect here. {WITHOUT_EFFECT[key]}"
        for key, value in declared.backup.items()
        if key in WITHOUT_EFFECT and declared.differs(key, value)
    ]
    for key, section in declared.destinations.items():
        problems += _flags(f"[backup.destinations.{key}]", section)
    for key, section in declared.schedules.items():
        where = f"[backup.schedules.{key}]"
        problems += [f"{where}: {text}" for text in _unknown(section, SCHEDULE, "")]
        problems += _flags(where, section)
        if declared.counts_from_monday and _numbers_its_weekday(section.get("schedule", "")):
            notes.append(
                f"{where}: The number of its weekday counts from 0 for Sunday here, and from 0 for Monday in "
                "the scheduler of the service. Write names, such as mon-fri, which mean the same to both."
            )
    return problems, notes


def _numbers_its_weekday(schedule: str) -> bool:
    fields = schedule.split()
    # "*/2" names no weekday
    return len(fields) == 5 and any(char.isdigit() for char in re.sub(r"/\d+", "", fields[4]))


def unknown_options(section: Section) -> list[str]:
    """Return a text for each key that a declared destination of that type does not have."""
    backend = TYPES.get(section.get("type", "local"))
    # an unknown type has no known options
    if backend is None:
        return []
    # those of other programs are judged with their values, by the type itself
    own = {key: value for key, value in section.items() if key not in backend.foreign_options}
    return list(_unknown(own, (*OF_EVERY_DESTINATION, *backend.fields()), backend.type))


def _unknown(section: Section, known: Collection[str], meant: str) -> Iterator[str]:
    for key in section:
        if key not in known:
            close = get_close_matches(key, known, n=1)
            hint = f"Write {close[0]}." if close else f"The keys are {', '.join(known)}."
            yield f"The key {key} is unknown. {MEANT.get(meant, {}).get(key, hint)}"


def _flags(where: str, section: Section) -> Iterator[str]:
    for key in FLAGS:
        if (value := section.get(key, "")) and value.lower() not in (*TRUE, *FALSE):
            yield f"{where}: The value of {key} is neither true nor false."


def _meant_section(name: str) -> str:
    last = name.rpartition(".")[2]
    if name == f"backup.{last}" and last in (*TYPES, "local", "sftp", "ftp", "azure"):
        return f"Write [backup.destinations.{last}] with type = {last}."
    return "Use [backup], [backup.destinations.NAME] and [backup.schedules.NAME]."
