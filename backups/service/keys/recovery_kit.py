"""The recovery kit of an instance: a page to print, with what is needed to restore it without backupsite."""

import shlex
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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
from backups.lib.site_paths import NO_SITE_PATHS
from backups.models import BackupCopy, BackupExecution, InstanceState
from backups.service.archives.names import signature_of
from backups.service.archives.passphrases import passphrase_of
from backups.service.archives.records.copies import seen_at
from backups.service.archives.signatures import site_key
from destinations.exceptions import DestinationConfigError
from destinations.lib.formats import printable
from destinations.lib.redaction import redact
from destinations.models import BackupDestination

NEWEST = 5
PASSPHRASE = ["passphrase"]
_UNPACK = {"gzip": "tar xz", "zstd": "tar x --zstd"}


@dataclass(frozen=True, slots=True)
class StoredBackups:
    """A destination with its newest backups of the instance; `location` contains no secret."""

    destination: BackupDestination
    location: str
    backups: Sequence[BackupExecution]


@dataclass(frozen=True, slots=True)
class Procedure:
    """Backups with the same compression and encryption, and the shell lines for the newest: explanation and line."""

    backups: Sequence[BackupExecution]
    lines: Sequence[tuple[str, str]]

    @property
    def is_for_recipients(self) -> bool:
        return self.backups[0].encryption == "age" and self.backups[0].recipients != PASSPHRASE


@dataclass(frozen=True, slots=True)
class Part:
    """A component: its files in the archive, and their live paths."""

    name: str
    files: Sequence[str]
    paths: Sequence[str]


@dataclass(frozen=True, slots=True)
class Secret:
    name: str
    text: str


def recovery_kit(name: str, *, with_secrets: bool = False) -> str:
    """Return the page as HTML, with identities and passphrases only when `with_secrets`.

    Raises InstanceError, and BackupError when there is no backup of the instance.
    """
    instance = get_instance(name)
    places = []
    for destination in BackupDestination.objects.all():
        # the row of a backup names its first copy, and each place may have another file
        sound = BackupCopy.objects.sound().filter(destination=destination, execution__instance=instance.name)
        copies = sound.filter(execution__status="completed").select_related("execution", "destination")
        if newest := [seen_at(copy) for copy in copies.order_by("-execution__created_at", "-execution")[:NEWEST]]:
            places.append(StoredBackups(destination, _location(destination), newest))
    if not places:
        raise BackupError(f"There is no backup of {name} to write a recovery kit for.", hint="Make a backup first.")
    # older backups may be of another compression or encryption than the newest
    alike: dict[tuple[str, str, bool], list[BackupExecution]] = {}
    backups = (backup for place in places for backup in place.backups)
    for backup in sorted(backups, key=lambda one: one.started_at or one.created_at, reverse=True):
        key = (backup.compression, backup.encryption, backup.recipients == PASSPHRASE)
        alike.setdefault(key, []).append(backup)
    procedures = [Procedure(group, _lines(group[0], with_secrets=with_secrets)) for group in alike.values()]
    context = {
        "instance": instance,
        "made_at": timezone.now(),
        "host": socket.gethostname(),
        "places": places,
        "ways": procedures,
        "programs": _programs(procedures),
        "parts": _parts(instance, procedures[0].backups[0]),
        "recipients": [(fingerprint(text), text) for text in settings.BACKUP_ENCRYPTION_RECIPIENTS],
        "has_fingerprints": any(procedure.is_for_recipients for procedure in procedures),
        "restoresite": _restoresite(procedures[0]),
        "public_key": site_key().public_key.text,
        "secrets": _secrets(instance) if with_secrets else [],
        "with_secrets": with_secrets,
    }
    page = render_to_string("backups/recovery_kit.html", context)
    # whoever has this kit reads the backups up to the next change of keys
    made = {"kit_made_at": timezone.now(), "kit_recipients": procedures[0].backups[0].recipients}
    InstanceState.objects.update_or_create(instance=instance.name, defaults=made)
    return page


def _programs(procedures: Iterable[Procedure]) -> list[str]:
    """Return the names of the programs that the shell lines need."""
    newest = [procedure.backups[0] for procedure in procedures]
    found = ["tar", "minisign"]
    found += ["age"] * any(backup.encryption == "age" for backup in newest)
    found += ["zstd"] * any(backup.compression == "zstd" for backup in newest)
    if settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT and any(backup.encryption == "program" for backup in newest):
        found.append(Path(settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT[0]).name)
    return found


def _location(destination: BackupDestination) -> str:
    try:
        return destination.place().location()
    except DestinationConfigError as error:
        # a destination with configuration errors is on the page all the same
        return error.message


def _lines(backup: BackupExecution, *, with_secrets: bool) -> list[tuple[str, str]]:
    """Return what each shell line does, and the line."""
    name = shlex.quote(backup.backup_filename)
    checksum = shlex.quote(f"{backup.archive_sha256}  {backup.backup_filename}")
    public_key = site_key().public_key.text
    return [
        ("Is it whole?", f"echo {checksum} | sha256sum --check"),
        (
            f"Is it ours? Needs {signature_of(backup.backup_filename)} beside it.",
            f"minisign -Vm {name} -P {public_key}",
        ),
        ("Unpack it into this folder.", open_line(backup, with_secrets=with_secrets)),
    ]


def _restoresite(procedure: Procedure) -> str:
    """Return the shell line that restores this site itself from the newest archive."""
    name, key = shlex.quote(procedure.backups[0].backup_filename), site_key().public_key.text
    is_for_one = procedure.is_for_recipients
    return (
        f"BACKUP_TRUSTED_KEYS={key} python manage.py restoresite {name}"
        f"{' --identity identity.txt' if is_for_one else ''} --confirm"
    )


def open_line(backup: BackupExecution, *, with_secrets: bool) -> str:
    """Return the shell line that unpacks the archive of `backup` with standard tools."""
    name, unpack = shlex.quote(backup.backup_filename), _UNPACK.get(backup.compression, _UNPACK["gzip"])
    if backup.encryption == "age":
        identity = "" if backup.recipients == PASSPHRASE else "-i identity.txt "
        return f"age --decrypt {identity}{name} | {unpack}"
    if backup.encryption == "program":
        decrypt = shlex.join(settings.BACKUP_ENCRYPTION_PROGRAM_DECRYPT) or "DECRYPT"
        # the command line of a program may contain a passphrase
        return f"{decrypt if with_secrets else redact(decrypt)} < {name} | {unpack}"
    if backup.encryption:
        return f"# {name} is in the TACACS+ server's own container: open it with that server"
    return f"{unpack} < {name}"


def _parts(instance: Instance, backup: BackupExecution) -> list[Part]:
    try:
        manifest = Manifest.from_dict(backup.manifest_json)
    except ArchiveError:
        return []
    try:
        components = components_of(instance.service, own=NO_SITE_PATHS)
        paths = {component.name: [printable(str(path)) for path in component.sources()] for component in components}
    except BackupError:
        # without its live paths the page is still worth printing
        paths = {}
    parts = []
    for name in manifest.components:
        files = [entry.file for entry in manifest.entries_of(name)]
        # each path in the position of the file of that name
        position = {file: number for number, file in enumerate(files)}
        live = sorted(paths.get(name, []), key=lambda path: position.get(Path(path).name, len(position)))
        parts.append(Part(name, files, live))
    return parts


def _secrets(instance: Instance) -> list[Secret]:
    site = (settings.BACKUP_ENCRYPTION_PASSPHRASE, *settings.BACKUP_ENCRYPTION_OLD_PASSPHRASES)
    passphrases = [text for text in dict.fromkeys((*site, passphrase_of(instance))) if text]
    found = [Secret("Passphrase", text) for text in passphrases]
    for path in map(Path, settings.BACKUP_ENCRYPTION_IDENTITY_FILE):
        found += [Secret(f"Identity, for identity.txt (from {path})", text) for text in read_identities(path)]
    return found
