"""Compare the live configuration with the one after a restore, key by key, with masked secrets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from backups.errors import ComponentError, MissingComponent
from backups.instances import Instance
from backups.instances.kinds.layers import (
    Configuration,
    Layers,
    merged,
    not_from_url,
    require_section,
    sections_of,
)
from backups.instances.masking import is_masked, masked, masked_value
from backups.service.restore.preview.archived import ArchivedSide
from backups.service.restore.preview.refusal import Refusal
from destinations.lib.operator_error import sentences

LOCK_TIMEOUT = 1.0
LAYERS_UNKNOWN = "Which layer holds which key is unknown until the archive is unpacked."


@dataclass(frozen=True, slots=True)
class ConfigurationChange:
    """One key; None where it is not set. Secrets are masked."""

    section: str
    key: str
    now: str | None
    backup: str | None


@dataclass(frozen=True, slots=True)
class ConfigurationPreview:
    """What a restore changes, or why that is `unknown`, and what it would stop at.

    `impossible` is for a part that cannot be restored into this instance.
    `after` is the resulting configuration of the service, with secrets, not to be shown; None where unknown.
    """

    changes: tuple[ConfigurationChange, ...] = ()
    unknown: str = ""
    refusals: tuple[Refusal, ...] = ()
    impossible: bool = False
    after: Configuration | None = None


class ConfigurationComparison:
    """The live configuration of `instance` and the one in a backup; each is read once for any number of parts."""

    def __init__(self, instance: Instance, archived: ArchivedSide) -> None:
        self._service = instance.service
        self._archived = archived
        self._lowest = next(iter(instance.service.layers))
        self._layers: Layers | None = None
        self._below: Configuration = {}
        self._is_missing = False
        self.live = instance.service.live(lock_timeout=LOCK_TIMEOUT)
        self.problem = archived.reason
        try:
            self._layers, self._below = self.live.layers, self.live.below
        except ComponentError as error:
            self.problem = self.problem or error.message
            self._is_missing = isinstance(error, MissingComponent)

    @property
    def sections(self) -> list[str]:
        """Return the sections that the backup has."""
        return list(self._archived.sections)

    @property
    def nearest(self) -> Configuration | None:
        """Return the live configuration, the one in the backup where that is broken."""
        return self.live.merged if self._layers is not None else self._archived.merged

    def of(self, parts: Sequence[str]) -> ConfigurationPreview:
        """Return what a restore of `parts` would change: "" for all, the name of a layer, "section:NAME".

        Raises BackupError for a section that the archive does not have.
        """
        for section in sections_of(parts):
            if self._archived.merged is not None:
                require_section(section, self.sections)
        if self._lowest in parts and self._service.config_is_url:
            refusal = not_from_url(self._service.name, self._lowest)
            return ConfigurationPreview(refusals=(Refusal(refusal.message),), impossible=True)
        if self._archived.merged is None:
            return ConfigurationPreview(unknown=self.problem)
        after = self._foreseen(parts)
        refusals: tuple[Refusal, ...] = ()
        if after is not None:
            refusals = tuple(
                Refusal(sentences(f"The configuration is not valid: {text}"), option="--force-invalid-config")
                for text in self._service.findings(after)
            )
        if self._layers is None:
            # of a file that does not exist nothing is lost
            unknown = "" if self._is_missing and {"", self._lowest} & set(parts) else self.problem
            return ConfigurationPreview(unknown=unknown, refusals=refusals, after=after)
        result = self._after(parts, *self._shown_live, archived=self._shown)
        if result is None:
            return ConfigurationPreview(unknown=LAYERS_UNKNOWN)
        return ConfigurationPreview(self._changes_to(result), refusals=refusals, after=after)

    def difference(self) -> tuple[ConfigurationChange, ...]:
        """Return every key that differs, whether a restore could change it or not; none where that is unknown."""
        archived = self._shown.merged
        return () if self._layers is None or archived is None else self._changes_to(archived)

    def _foreseen(self, parts: Sequence[str]) -> Configuration | None:
        """Return the configuration after a restore of `parts`, with its secrets."""
        archived = self._archived
        if self._layers is not None:
            return self._after(parts, self._layers, self._below, archived=archived)
        # a restore of all of it needs nothing of the live one, which is missing or broken
        whole = "" in parts and (not archived.layers or archived.layers.keys() == self._service.layers.keys())
        return archived.merged if whole else None

    def _after(
        self, parts: Sequence[str], live: Layers, below: Configuration, *, archived: ArchivedSide
    ) -> Configuration | None:
        """Return what a restore of `parts` makes of `live`, as `LiveConfiguration.after` does; None if unknown."""
        if not archived.layers:
            return archived.merged if "" in parts else None
        # what is served at a URL stays what it is
        kept = {self._lowest} if self._service.config_is_url or self._lowest not in archived.layers else set()
        result = dict(live)
        for name, layer in archived.layers.items():
            if name not in kept and {"", name} & set(parts):
                result[name] = layer
        for section in sections_of(parts):
            for name in result.keys() - kept:
                source = archived.layers.get(name, {})
                others = {other: values for other, values in result[name].items() if other != section}
                result[name] = others | ({section: source[section]} if section in source else {})
        return merged(result, below=below)

    # masked once: a page shows each of 20 sections as a part of its own
    @cached_property
    def _shown_live(self) -> tuple[Layers, Configuration]:
        """Return the live layers, and what is below them, with masked secrets."""
        secret = self._service.is_secret
        return {name: masked(layer, secret) for name, layer in (self._layers or {}).items()}, masked(
            self._below, secret
        )

    @cached_property
    def _shown(self) -> ArchivedSide:
        """Return the archived side with masked secrets."""
        side = self._archived
        if side.masked or side.merged is None:
            return side
        secret = self._service.is_secret
        layers = {name: masked(layer, secret) for name, layer in side.layers.items()}
        return replace(side, merged=masked(side.merged, secret), layers=layers, masked=True)

    def _changes_to(self, after: Configuration) -> tuple[ConfigurationChange, ...]:
        """Compare the live configuration with one whose secrets are masked."""
        live = self.live.merged
        sections = dict.fromkeys([*live, *after])
        keys = [(name, key) for name in sections for key in dict.fromkeys([*live.get(name, {}), *after.get(name, {})])]
        found = []
        for section, key in keys:
            now, then = live.get(section, {}).get(key), after.get(section, {}).get(key)
            if now == then:
                continue
            secret = self._service.is_secret(section, key)
            # a row of an earlier version holds in plain text what its list of names did not have
            shown = None if then is None else masked_value(key, then, secret=secret)
            if now is None:
                if shown is not None:
                    found.append(ConfigurationChange(section, key, None, shown))
            # of a secret only the mask is known: the same value has the same mask
            elif then is None or not is_masked(then, key, now, secret=secret):
                found.append(ConfigurationChange(section, key, masked_value(key, now, secret=secret), shown))
        return tuple(found)
