"""The recovery kit of an instance: one page to print, with what it takes to restore when backupsite is gone."""

import shlex
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone

from backups.archive.age import fingerprint
from backups.archive.encryption.age_files import read_identities
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.errors import BackupError
from backups.instances import Instance, get_instance
from backups.instances.kinds import components_of
from backups.lib.site_paths import NO_PLACES
from backups.models import BackupExecution
from backups.service.archives.names import signature_of
from backups.service.archives.passphrases import passphrase_of
from backups.service.archives.signatures import site_key
from destinations.exceptions import DestinationConfigError
from destinations.lib.redaction import redact
from destinations.models import BackupDestination

NEWEST = 5
PASSPHRASE = ["passphrase"]
_UNPACK = {"gzip": "tar xz", "zstd": "tar x --zstd"}


@dataclass(frozen=True, slots=True)
class Place:
    """A destination with its newest backups of the instance; `location` has no secret in it."""

    destination: BackupDestination
    location: str
    backups: Sequence[BackupExecution]


@dataclass(frozen=True, slots=True)
class Way:
    """Backups that are packed and encrypted alike, and the lines for the first of them: what each does, and it."""

    backups: Sequence[BackupExecution]
    lines: Sequence[tuple[str, str]]

    @property
    def is_for_recipients(self) -> bool:
        return self.backups[0].encryption == "age" and self.backups[0].recipients != PASSPHRASE


@dataclass(frozen=True, slots=True)
class Part:
    """A component: its files in the archive, and where they belong."""

    name: str
    files: Sequence[str]
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Secret:
    name: str
    text: str


def recovery_kit(name: str, *, with_secrets: bool = False) -> str:
    """Return the page as HTML; only `with_secrets` it holds identities and passphrases.

    Raises InstanceError, and BackupError when there is no backup to write of.
    """
    instance = get_instance(name)
    places = _places(instance)
    if not places:
        raise BackupError(f"there is no backup of {name} to write a recovery kit for", hint="make a backup first")
    ways = _ways((backup for place in places for backup in place.backups), with_secrets=with_secrets)
    context = {
        "instance": instance,
        "made_at": timezone.now(),
        "host": socket.gethostname(),
        "places": places,
        "ways": ways,
        "programs": _programs(ways),
        "parts": _parts(instance, ways[0].backups[0]),
        "recipients": [(fingerprint(text), text) for text in settings.BACKUP_ENCRYPTION_RECIPIENTS],
        "has_fingerprints": any(way.is_for_recipients for way in ways),
        "public_key": site_key().public_key.text,
        "secrets": _secrets(instance) if with_secrets else [],
        "with_secrets": with_secrets,
    }
    return render_to_string("backups/recovery_kit.html", context)


def _programs(ways: Iterable[Way]) -> list[str]:
    """Return the names of the programs that the lines take."""
    newest = [way.backups[0] for way in ways]
    found = ["tar", "minisign"]
    found += ["age"] * any(backup.encryption == "age" for backup in newest)
    found += ["zstd"] * any(backup.compression == "zstd" for backup in newest)
    if settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT and any(backup.encryption == "program" for backup in newest):
        found.append(Path(settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT[0]).name)
    return found


def _taken_at(execution: BackupExecution) -> datetime:
    return execution.started_at or execution.created_at


def _places(instance: Instance) -> list[Place]:
    places = []
    for destination in BackupDestination.objects.all():
        backups = BackupExecution.objects.stored().filter(destination=destination, instance=instance.name)
        if newest := list(backups.newest_first()[:NEWEST]):
            places.append(Place(destination, _location(destination), newest))
    return places


def _location(destination: BackupDestination) -> str:
    try:
        return destination.open().location()
    except DestinationConfigError as error:
        return error.message


def _ways(backups: Iterable[BackupExecution], *, with_secrets: bool) -> list[Way]:
    """Return how to open the newest of each group of backups that are packed and encrypted alike, newest first."""
    ways: dict[tuple[str, str, bool], list[BackupExecution]] = {}
    for backup in sorted(backups, key=_taken_at, reverse=True):
        alike = (backup.compression, backup.encryption, backup.recipients == PASSPHRASE)
        ways.setdefault(alike, []).append(backup)
    return [Way(names, _lines(names[0], with_secrets=with_secrets)) for names in ways.values()]


def _lines(execution: BackupExecution, *, with_secrets: bool) -> list[tuple[str, str]]:
    """Return what each line does, and the line."""
    name = shlex.quote(execution.backup_filename)
    checksum = shlex.quote(f"{execution.archive_sha256}  {execution.backup_filename}")
    public_key = site_key().public_key.text
    return [
        ("Is it whole?", f"echo {checksum} | sha256sum --check"),
        (
            f"Is it ours? Needs {signature_of(execution.backup_filename)} beside it.",
            f"minisign -Vm {name} -P {public_key}",
        ),
        ("Unpack it into this folder.", open_line(execution, with_secrets=with_secrets)),
    ]


def open_line(execution: BackupExecution, *, with_secrets: bool) -> str:
    """Return the line of a shell that unpacks the archive of `execution` with stock tools."""
    name, unpack = shlex.quote(execution.backup_filename), _UNPACK.get(execution.compression, _UNPACK["gzip"])
    if execution.encryption == "age":
        identity = "" if execution.recipients == PASSPHRASE else "-i identity.txt "
        return f"age --decrypt {identity}{name} | {unpack}"
    if execution.encryption == "program":
        decrypt = shlex.join(settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT) or "DECRYPT"
        return f"{decrypt if with_secrets else redact(decrypt)} < {name} | {unpack}"
    if execution.encryption:
        return f"# {name} is in the TACACS+ server's own container: open it with that server"
    return f"{unpack} < {name}"


def _parts(instance: Instance, execution: BackupExecution) -> list[Part]:
    try:
        manifest = Manifest.from_dict(execution.manifest_json)
    except ArchiveError:
        return []
    paths = _live_paths(instance)
    files = {name: [entry.file for entry in manifest.entries_of(name)] for name in manifest.components}
    return [Part(name, files[name], _in_order_of(files[name], paths.get(name, []))) for name in files]


def _in_order_of(files: list[str], paths: list[str]) -> list[str]:
    """Return `paths` so that one stands beside the file of its name."""
    places = {file: place for place, file in enumerate(files)}
    return sorted(paths, key=lambda path: places.get(Path(path).name, len(files)))


def _live_paths(instance: Instance) -> dict[str, list[str]]:
    try:
        return {
            part.name: [str(path) for path in part.sources()] for part in components_of(instance.service, own=NO_PLACES)
        }
    except BackupError:
        return {}


def _secrets(instance: Instance) -> list[Secret]:
    site = (settings.BACKUP_ENCRYPTION_PASSPHRASE, *settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES)
    passphrases = [text for text in dict.fromkeys((*site, passphrase_of(instance))) if text]
    found = [Secret("Passphrase", text) for text in passphrases]
    for path in map(Path, settings.BACKUP_ENCRYPTION_IDENTITY_FILE):
        found += [Secret(f"Identity, for identity.txt (from {path})", text) for text in read_identities(path)]
    return found
