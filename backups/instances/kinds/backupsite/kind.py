"""The kind of service that is this site itself: its database, instances.toml, settings and keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from django.conf import settings
from django.db import connections

from backups.archive.manifest.document import Manifest
from backups.components import Component
from backups.components.files.component import FilesComponent
from backups.errors import ComponentError
from backups.instances.kinds.backupsite.database import (
    ALIAS,
    DATABASE,
    OwnDatabase,
    OwnSQLite,
    sqlite_path,
    unsupported,
)
from backups.instances.kinds.backupsite.facts import MEMBER, SETTINGS, OwnSettings, SiteFacts
from backups.instances.kinds.backupsite.keys import KEYS, OwnKeys, key_files
from backups.instances.kinds.backupsite.postgres import DUMP, OwnPostgreSQL, require_site
from backups.instances.kinds.base import ServiceKind
from backups.instances.kinds.layers import Configuration
from backups.lib.paths import Root
from backups.lib.site_paths import SitePaths
from backups.version import VERSION

INSTANCES = "instances"
ADVICE = (
    'Describe an instance of kind = "backupsite" in the instances file, with a schedule: docs/instances.md, This site'
    " itself."
)


class BackupSite(ServiceKind):
    kind = "backupsite"
    label = "this site itself"
    is_this_site = True
    # the restore would replace its own row, and whatever the other processes of the site are doing
    not_restorable = (
        "A running site cannot restore itself: stop its web server and its workers, then run `manage.py restoresite`"
        " with the archive file."
    )

    @classmethod
    def parse(cls, name: str, root: Root, table: Mapping[str, Any]) -> Self:
        return cls(name, root)

    @classmethod
    def default_root(cls) -> str:
        return str(home())

    @property
    def component_names(self) -> tuple[str, ...]:
        return (DATABASE, SETTINGS, *self._optional_names())

    def _optional_names(self) -> list[str]:
        names = [INSTANCES] if getattr(settings, "BACKUP_INSTANCES", None) is None else []
        return [*names, *([KEYS] if key_files() else [])]

    def components(self, configuration: Configuration, own: SitePaths) -> list[Component]:
        found: list[Component] = [own_database(), OwnSettings()]
        names = self._optional_names()
        found += [instances_file()] if INSTANCES in names else []
        found += [OwnKeys()] if KEYS in names else []
        return found

    def component_at(self, name: str, path: Path, own: SitePaths) -> Component | None:
        return next((component for component in self.components({}, own) if component.name == name), None)

    def server_version(self, members: Mapping[str, Path]) -> str:
        return VERSION

    @classmethod
    def check_unpacked(cls, directory: Path, manifest: Manifest) -> list[str]:
        for name in (DATABASE, SETTINGS):
            if not manifest.entries_of(name):
                raise ComponentError(f"The archive has no {name} of a site.", hint="Use another backup.")
        SiteFacts.read(directory / MEMBER)
        if manifest.entry(DUMP) is not None:
            require_site(directory / DUMP)
        return []


def home() -> Path:
    """Return BACKUPSITE_HOME; of a site inside another project, which has none, the folder of the workspaces."""
    return Path(getattr(settings, "BACKUPSITE_HOME", Path(settings.BACKUP_WORKSPACE_ROOT).parent))


def replaced_root() -> Path:
    """Return the folder in which `restoresite` keeps what it replaces."""
    return home() / "replaced"


def unfinished_mark() -> Path:
    """Return the file that names the state before a restore of this site, for as long as that is under way."""
    return replaced_root() / "unfinished"


def own_database() -> OwnDatabase:
    """Return the database of this site. Raises ComponentError for one that cannot be backed up."""
    if (path := sqlite_path()) is not None:
        return OwnSQLite(path)
    known = connections[ALIAS]
    if known.vendor == "postgresql":
        return OwnPostgreSQL(known.settings_dict)
    raise unsupported(known.settings_dict)


def instances_file() -> Component:
    return FilesComponent(INSTANCES, Path(settings.BACKUP_INSTANCES_FILE), member="instances.toml")
