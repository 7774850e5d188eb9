"""settings.json: what the site was, and which settings its environment held, without the values of secrets."""

import json
import os
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder

from backups.archive.manifest.document import Entry
from backups.components.base import ApplyContext, Component, Contents, Export, ExportContext, ExportedPart
from backups.errors import ComponentError, DamagedComponent
from backups.lib.filesystem.atomic import create_private
from backups.version import VERSION
from destinations.lib.redaction import redact
from destinations.lib.secret_names import is_secret_name

SETTINGS = "settings"
MEMBER = "settings.json"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the environment that was set; `file` is that of its value. The `value` of a secret is empty."""

    name: str
    value: str = ""
    file: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """The site when it was backed up. `migrations` are those that its database had, as APP.NAME."""

    version: str
    host: str
    home: str
    database: str
    migrations: tuple[str, ...]
    variables: tuple[Variable, ...]

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), indent=2).encode() + b"\n"

    @classmethod
    def read(cls, path: Path) -> "SiteFacts":
        """Raises DamagedComponent."""
        try:
            data: dict[str, Any] = json.loads(path.read_bytes())
            variables = tuple(Variable(**variable) for variable in data["variables"])
            texts = {key: str(data[key]) for key in ("version", "host", "home", "database")}
            return cls(migrations=tuple(map(str, data["migrations"])), variables=variables, **texts)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise DamagedComponent(f"{MEMBER} in the archive is not valid.", hint="Use another backup.") from error


def facts_now() -> SiteFacts:
    """Return what this site is now. It reads the database."""
    connection = connections["default"]
    applied = MigrationRecorder(connection).applied_migrations()
    return SiteFacts(
        version=VERSION,
        host=socket.gethostname(),
        home=str(getattr(settings, "BACKUPSITE_HOME", "")),
        database=connection.vendor,
        migrations=tuple(f"{app}.{name}" for app, name in sorted(applied)),
        variables=tuple(variables_now()),
    )


def variables_now() -> Iterator[Variable]:
    """Yield the variables of the environment that this site has read its settings from."""
    for name in getattr(settings, "BACKUP_SITE_VARIABLES", ()):
        file, value = os.environ.get(f"{name}_FILE", ""), os.environ.get(name, "")
        if file or value:
            # a URL or a command line may hold a secret, whatever its name
            secret = is_secret_name(name) or redact(value) != value
            yield Variable(name, "" if secret or file else value, file, secret)


class OwnSettings(Component):
    """What `SiteFacts` has. It comes from the environment, so that no restore puts it back: it is for a person."""

    kind = "settings"

    def __init__(self) -> None:
        super().__init__(SETTINGS)

    def sources(self) -> list[Path]:
        return []

    def location(self) -> Path:
        return Path(MEMBER)

    def source_bytes(self) -> int:
        return 0

    def export(self, context: ExportContext) -> Export:
        target = context.directory / MEMBER
        with create_private(target) as file:
            file.write(facts_now().to_json())
        return Export([ExportedPart(self.name, target, MEMBER, "data")])

    def salvage(self, context: ExportContext, error: ComponentError) -> Export:
        raise error

    def accepts(self, entries: Sequence[Entry]) -> bool:
        return [entry.file for entry in entries] == [MEMBER]

    def obstacles(
        self, entries: Sequence[Entry] | None = None, contents: Contents | None = None, *, deep: bool = True
    ) -> Iterator[ComponentError]:
        return iter(())

    def apply(self, entries: Sequence[Entry], context: ApplyContext) -> None:
        raise ComponentError("The environment of this site cannot be set from here.", hint="Set it by hand.")

    def verify(self, entries: Sequence[Entry], context: ApplyContext) -> list[str]:
        return []

    def matches(self, entries: Sequence[Entry], context: ApplyContext) -> bool:
        return False

    def exists(self, part: str = "") -> bool:
        return True

    def remove(self, parts: Collection[str] = ("",)) -> None:
        raise ComponentError("The environment of this site cannot be removed from here.")

    def remove_drafts(self) -> None:
        """Nothing is written."""
