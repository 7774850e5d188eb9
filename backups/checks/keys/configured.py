"""Check the keys for encryption and signatures: their mistakes would be found on the day of the restore otherwise."""

import os
import re
import shutil
import stat
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Info, Warning

from backups.archive.age import AgeKeyError, fingerprint
from backups.archive.encryption import KINDS, Age, EncryptionError
from backups.archive.encryption.age_files import read_identities, require_typeable
from backups.archive.minisign import PublicKey, SigningKeyError
from backups.instances import instance_names
from backups.service.archives.names import TAKEN_EXTENSIONS
from backups.service.archives.signatures import site_key
from backups.service.monitoring.drills import drills_every

DOCS = "See docs/encryption.md."
# what shells, systemd and container platforms read differently in one and the same file of variables
READ_DIFFERENTLY = frozenset("$`\"'\\#")
LEAST_PASSPHRASE = 12
EXTENSION = re.compile(r"\.[a-z]{1,7}")


def check_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """E040 to E045, W040 to W042, W046, W047, W052, I040: keys for archives and for signatures."""
    return [*_programs(), *_recipients(), *_identities(), *_passphrases(), *_signing_keys()]


def _programs() -> Iterator[CheckMessage]:
    if settings.BACKUP_ENCRYPTION not in KINDS:
        yield Error(f"BACKUP_ENCRYPTION is not one of {', '.join(KINDS)}.", hint=DOCS, id="backups.E040")
    commands = {
        name: getattr(settings, name)
        for name in ("BACKUP_ENCRYPTION_PROGRAM_ENCRYPT", "BACKUP_ENCRYPTION_PROGRAM_DECRYPT")
    }
    # also without that kind: what it encrypted earlier is still decrypted by the program
    if not any(commands.values()) and settings.BACKUP_ENCRYPTION != "program":
        return
    for name, argv in commands.items():
        # only a host with the key has a program that decrypts, and only one that uses the kind has one that encrypts
        if not argv and (name.endswith("_DECRYPT") or settings.BACKUP_ENCRYPTION != "program"):
            continue
        if not argv or shutil.which(argv[0]) is None:
            problem = f"names {argv[0]}, which is not installed." if argv else "is empty."
            yield Error(f"{name} {problem}", hint=DOCS, id="backups.E041")
    extension = settings.BACKUP_ENCRYPTION_PROGRAM_EXTENSION
    if not EXTENSION.fullmatch(extension) or extension in TAKEN_EXTENSIONS:
        yield Error(
            "BACKUP_ENCRYPTION_PROGRAM_EXTENSION is not a free file extension.",
            hint="A dot and one to seven lower-case letters, such as .gpg; those of archives themselves are taken.",
            id="backups.E041",
        )


def _recipients() -> Iterator[CheckMessage]:
    for number, recipient in enumerate(settings.BACKUP_ENCRYPTION_RECIPIENTS, start=1):
        try:
            fingerprint(recipient)
        except AgeKeyError as error:
            yield Error(
                f"Recipient {number} of BACKUP_ENCRYPTION_RECIPIENTS is malformed: {error.message}",
                hint=error.hint,
                id="backups.E042",
            )
    if settings.BACKUP_ENCRYPTION_RECIPIENTS and settings.BACKUP_ENCRYPTION_PASSPHRASE:
        yield Warning(
            "Recipients and a passphrase are configured: archives are encrypted for the recipients only.",
            hint="The age format takes either. Move the passphrase to BACKUP_ENCRYPTION_OLD_PASSPHRASES.",
            id="backups.W040",
        )


def _identities() -> Iterator[CheckMessage]:
    for path in map(Path, settings.BACKUP_ENCRYPTION_IDENTITY_FILE):
        try:
            read_identities(path)
            mode = stat.S_IMODE(path.stat().st_mode)
        except EncryptionError as error:
            yield Error(error.message, hint=error.hint, id="backups.E043")
        except OSError:
            yield Error(f"The identity file {path} cannot be read.", hint=DOCS, id="backups.E043")
        else:
            # whoever reads the identity opens every archive
            if mode & 0o077:
                yield Warning(
                    f"The identity file {path} is open to others (mode {mode:04o}).",
                    hint=f"Run: chmod 600 {path}",
                    id="backups.W041",
                )
    kind = KINDS.get(settings.BACKUP_ENCRYPTION)
    if kind is None or not (encryption := kind.configured(settings)).can_encrypt() or encryption.can_read_back():
        return
    key = "BACKUP_ENCRYPTION_IDENTITY_FILE" if kind is Age else "BACKUP_ENCRYPTION_PROGRAM_DECRYPT"
    # no warning: a host that can write archives and not read them is a sensible choice
    yield Info(
        "Archives are encrypted for keys that are not here: this host cannot open them.",
        hint=f"That is a choice. For a restore, set {key}.",
        id="backups.I040",
    )
    if any(map(drills_every, instance_names())):
        yield Warning(
            "Regular drills are on, but no archive can be opened on this host: they come to no verdict.",
            hint=f"Set {key} for a host that may read the archives. Otherwise turn the drills off and run `drill` "
            "where the key is.",
            id="backups.W052",
        )


def _passphrases() -> Iterator[CheckMessage]:
    passphrase = settings.BACKUP_ENCRYPTION_PASSPHRASE
    try:
        require_typeable(passphrase)
    except EncryptionError as error:
        yield Error(f"BACKUP_ENCRYPTION_PASSPHRASE: {error.message}", hint=error.hint, id="backups.E045")
    if passphrase and len(passphrase.strip()) < LEAST_PASSPHRASE:
        yield Warning(
            f"BACKUP_ENCRYPTION_PASSPHRASE has fewer than {LEAST_PASSPHRASE} characters.",
            hint="Whoever gets an archive can try passphrases for as long as they like. Take six random words.",
            id="backups.W042",
        )
    composed, decomposed = (unicodedata.normalize(form, passphrase) for form in ("NFC", "NFD"))
    if composed != decomposed:
        yield Warning(
            "BACKUP_ENCRYPTION_PASSPHRASE has characters, such as ü, for which systems write different bytes.",
            hint="Typed on another system it may open nothing. Use the letters of English, digits and signs.",
            id="backups.W046",
        )
    if passphrase != passphrase.strip():
        yield Warning(
            "BACKUP_ENCRYPTION_PASSPHRASE begins or ends with a space, which is a part of it and cannot be seen.",
            hint="If it is not meant, take another passphrase, and move this one to BACKUP_ENCRYPTION_OLD_PASSPHRASES.",
            id="backups.W046",
        )
    if READ_DIFFERENTLY & set(passphrase) and not os.environ.get("BACKUP_ENCRYPTION_PASSPHRASE_FILE"):
        yield Warning(
            "BACKUP_ENCRYPTION_PASSPHRASE has characters that a shell and systemd read differently in one file.",
            hint="Write it into a file of its own, mode 0600, and set BACKUP_ENCRYPTION_PASSPHRASE_FILE to its path.",
            id="backups.W047",
        )


def _signing_keys() -> Iterator[CheckMessage]:
    try:
        site_key()
    except SigningKeyError as error:
        yield Error(error.message, hint=error.hint, id="backups.E044")
    for number, text in enumerate(settings.BACKUP_TRUSTED_KEYS, start=1):
        try:
            PublicKey.parse(text)
        except SigningKeyError as error:
            yield Error(f"Key {number} of BACKUP_TRUSTED_KEYS: {error.message}", hint=error.hint, id="backups.E044")
