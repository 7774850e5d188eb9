"""The destinations and schedules that the configuration of a service declares.

They are in the sections ``[backup]``, ``[backup.destinations.NAME]`` and ``[backup.schedules.NAME]``.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from backups.instances.kinds.base import LiveConfiguration
from backups.instances.kinds.layers import Section
from backups.instances.parse import Instance

DESTINATION, SCHEDULE = "destinations.", "schedules."
TRUE = ("true", "1", "yes", "on")


@dataclass(frozen=True, slots=True)
class Declaration:
    """The sections of one instance: ``[backup]``, and those of its destinations and schedules by name."""

    backup: Section
    destinations: Mapping[str, Section]
    schedules: Mapping[str, Section]

    @property
    def enabled(self) -> bool:
        return self.flag("enabled", default=True)

    @property
    def at_startup(self) -> bool:
        return self.enabled and self.flag("create_on_startup")

    def flag(self, key: str, *, default: bool = False) -> bool:
        return is_on(self.backup, key, default=default)


def is_on(section: Section, key: str, *, default: bool) -> bool:
    value = section.get(key, "").strip()
    return value.lower() in TRUE if value else default


def declaration_of(instance: Instance, live: LiveConfiguration | None = None) -> Declaration:
    """Return what `instance` declares; `live` is its configuration if it has been read already.

    Raises ComponentError when its configuration cannot be read.
    """
    sections = instance.service.declared((live or instance.service.live()).merged)
    inner = {name.removeprefix("backup."): values for name, values in sections.items() if name.startswith("backup.")}
    return Declaration(
        sections.get("backup", {}),
        {name.removeprefix(DESTINATION): values for name, values in inner.items() if name.startswith(DESTINATION)},
        {name.removeprefix(SCHEDULE): values for name, values in inner.items() if name.startswith(SCHEDULE)},
    )
