"""The destinations and schedules that the configuration of a service declares.

They are in the sections ``[backup]``, ``[backup.destinations.NAME]`` and ``[backup.schedules.NAME]``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from backups.instances.kinds.configuration import LiveConfiguration
from backups.instances.kinds.layers import Configuration, Section
from backups.instances.parse import Instance

DESTINATION, SCHEDULE = "backup.destinations.", "backup.schedules."
LOOKS_DECLARED = re.compile(r"\s*backups?\b", re.IGNORECASE)
TRUE, FALSE = ("true", "1", "yes", "on"), ("false", "0", "no", "off")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The sections of one instance: ``[backup]``, and those of its destinations and schedules by name.

    `defaults` are those of ``[backup]`` by the service. `unknown` are sections whose names resemble those.
    """

    backup: Section
    destinations: Mapping[str, Section]
    schedules: Mapping[str, Section]
    defaults: Section = field(default_factory=dict)
    unknown: tuple[str, ...] = ()
    # whether the service's own scheduler takes weekday 0 for Monday
    counts_from_monday: bool = False

    @property
    def enabled(self) -> bool:
        return self.flag("enabled", default=True)

    @property
    def at_startup(self) -> bool:
        return self.enabled and self.flag("create_on_startup")

    def differs(self, key: str, value: str) -> bool:
        """Return whether `value` is not the service's default of that key of ``[backup]``."""
        return value != self.defaults.get(key, "")

    @property
    def compression_level(self) -> int | None:
        """Return the declared level; None where the setting of the site counts."""
        text = self.backup.get("compression_level", "")
        is_level = text.isdecimal() and 1 <= int(text) <= 9 and self.differs("compression_level", text)
        return int(text) if is_level else None

    def flag(self, key: str, *, default: bool = False) -> bool:
        return is_on(self.backup, key, default=default)


def is_on(section: Section, key: str, *, default: bool) -> bool:
    value = section.get(key, "").strip().lower()
    # what is neither is named among the problems
    return value in TRUE if value in (*TRUE, *FALSE) else default


def declaration_of(instance: Instance, live: LiveConfiguration | None = None) -> Declaration:
    """Return what `instance` declares; `live` is its configuration if it has been read already.

    Raises ComponentError when its configuration cannot be read.
    """
    sections = instance.service.declared((live or instance.service.live()).merged)
    destinations = _named(sections, DESTINATION)
    schedules = _named(sections, SCHEDULE)
    known = {"backup", *(DESTINATION + name for name in destinations), *(SCHEDULE + name for name in schedules)}
    return Declaration(
        sections.get("backup", {}),
        destinations,
        schedules,
        defaults=instance.service.defaults.get("backup", {}),
        unknown=tuple(name for name in sections if sections[name] and LOOKS_DECLARED.match(name) and name not in known),
        counts_from_monday=instance.service.counts_weekdays_from_monday,
    )


def _named(sections: Configuration, prefix: str) -> dict[str, Section]:
    return {name.removeprefix(prefix): values for name, values in sections.items() if name.startswith(prefix)}
