"""The configuration as a restore would leave it beside the one that is in force, key by key, secrets masked."""

from collections.abc import Sequence
from dataclasses import dataclass

from backups.errors import ComponentError, MissingComponent
from backups.instances import Instance
from backups.instances.kinds.tacacs import configuration as tacacs
from backups.instances.kinds.tacacs import rules as tacacs_rules
from backups.instances.kinds.tacacs.archived import not_from_url, require_section, sections_of
from backups.instances.masking import is_masked, masked, masked_value
from backups.service.archived_configuration import ArchivedSide

LOCK_TIMEOUT = 1.0
UNTOLD = "what of it is file and what are overrides cannot be told without unpacking the archive"


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One key; None where it is not set. Secrets are masked."""

    section: str
    key: str
    now: str | None
    backup: str | None


@dataclass(frozen=True, slots=True)
class ConfigurationPreview:
    """What a restore changes, `unknown` why that cannot be told, and what it would stop at.

    `impossible` is for a part that cannot be restored into this instance.
    `after` is the configuration that the service would see, with secrets and not to be shown; None where unknown.
    """

    changes: tuple[ConfigurationChange, ...] = ()
    unknown: str = ""
    refusals: tuple[str, ...] = ()
    impossible: bool = False
    after: tacacs.Configuration | None = None


class ConfigurationComparison:
    """The live configuration of `instance` and the one in a backup; each is read once for any number of parts."""

    def __init__(self, instance: Instance, archived: ArchivedSide) -> None:
        self._instance = instance
        self._archived = archived
        self._live: tacacs.Layers | None = None
        self._is_missing = False
        self.problem = archived.reason
        try:
            self._live = tacacs.live_layers(instance, lock_timeout=LOCK_TIMEOUT)
        except ComponentError as error:
            self.problem = self.problem or error.message
            self._is_missing = isinstance(error, MissingComponent)

    @property
    def sections(self) -> list[str]:
        """Return the sections that the backup has."""
        return list(self._archived.merged or {})

    @property
    def nearest(self) -> tacacs.Configuration | None:
        """Return the live configuration, the one in the backup where that is broken."""
        return self._live.merged if self._live is not None else self._archived.merged

    def of(self, parts: Sequence[str]) -> ConfigurationPreview:
        """Foresee a restore of `parts`: "" for all, "file", "overrides", "section:NAME".

        Raises BackupError for a section that the archive does not have.
        """
        for section in sections_of(parts):
            if self._archived.merged is not None:
                require_section(section, self._archived.merged)
        if "file" in parts and self._instance.config_is_url:
            return ConfigurationPreview(refusals=(not_from_url(self._instance).message,), impossible=True)
        if self._archived.merged is None:
            return ConfigurationPreview(unknown=self.problem)
        after = self._foreseen(parts)
        refusals = _refusals(after) if after is not None else ()
        if self._live is None:
            # of a file that does not exist nothing is lost
            unknown = "" if self._is_missing and {"", "file"} & set(parts) else self.problem
            return ConfigurationPreview(unknown=unknown, refusals=refusals, after=after)
        shown = tacacs.Layers(masked(self._live.file), masked(self._live.overrides))
        result = self._after(parts, shown, _shown(self._archived))
        if result is None:
            return ConfigurationPreview(unknown=UNTOLD)
        return ConfigurationPreview(_between(self._live.merged, result), refusals=refusals, after=after)

    def difference(self) -> tuple[ConfigurationChange, ...]:
        """Return every key that differs, whether a restore could bring it back or not; none where that is unknown."""
        merged = _shown(self._archived).merged
        return () if self._live is None or merged is None else _between(self._live.merged, merged)

    def _foreseen(self, parts: Sequence[str]) -> tacacs.Configuration | None:
        """Return the configuration afterwards; where all of it comes back that does not take the live one."""
        archived = self._archived
        if self._live is not None:
            return self._after(parts, self._live, archived)
        whole = "" in parts and (not archived.has_layers or None not in (archived.file, archived.overrides))
        return archived.merged if whole else None

    def _after(self, parts: Sequence[str], live: tacacs.Layers, archived: ArchivedSide) -> tacacs.Configuration | None:
        """Return what a restore of `parts` makes of `live`, as `config_archived.resulting` does; None if unknown."""
        if not archived.has_layers:
            return archived.merged if "" in parts else None
        file, overrides = live.file, live.overrides
        archived_file = None if self._instance.config_is_url else archived.file
        if archived_file is not None and {"", "file"} & set(parts):
            file = archived_file
        if archived.overrides is not None and {"", "overrides"} & set(parts):
            overrides = archived.overrides
        for section in sections_of(parts):
            if archived_file is not None:
                file = _with_section(file, section, archived_file)
            overrides = _with_section(overrides, section, archived.overrides or {})
        return tacacs.merged(file, overrides)


def _refusals(after: tacacs.Configuration) -> tuple[str, ...]:
    findings = tacacs_rules.findings(after)
    return tuple(f"the configuration is not valid: {text}: it needs --force-invalid-config" for text in findings)


def _with_section(
    configuration: tacacs.Configuration, section: str, source: tacacs.Configuration
) -> tacacs.Configuration:
    others = {name: values for name, values in configuration.items() if name != section}
    return others | ({section: source[section]} if section in source else {})


def _shown(side: ArchivedSide) -> ArchivedSide:
    """Return `side` as it may be shown."""
    if side.masked:
        return side
    merged, file, overrides = (
        None if part is None else masked(part) for part in (side.merged, side.file, side.overrides)
    )
    return ArchivedSide(merged, file, overrides, masked=True)


def _between(live: tacacs.Configuration, after: tacacs.Configuration) -> tuple[ConfigurationChange, ...]:
    """Compare the live configuration with one whose secrets are masked."""
    sections = dict.fromkeys([*live, *after])
    keys = [(name, key) for name in sections for key in dict.fromkeys([*live.get(name, {}), *after.get(name, {})])]
    found = (_change(name, key, live.get(name, {}).get(key), after.get(name, {}).get(key)) for name, key in keys)
    return tuple(change for change in found if change is not None)


def _change(section: str, key: str, now: str | None, after: str | None) -> ConfigurationChange | None:
    if now is None:
        return None if after is None else ConfigurationChange(section, key, None, after)
    if after is not None and is_masked(after, key, now):
        return None
    return ConfigurationChange(section, key, masked_value(key, now), after)
