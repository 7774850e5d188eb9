"""The grammar of archive names: all of them are built and parsed here.

``INSTANCE/KIND/backup-INSTANCE-YYYYMMDD-HHMMSS-KIND[-N].tar.gz[.age]``, the time in UTC: the ending names the
compression, then the encryption. NAME.minisig beside it is the signature. While a file is uploaded it is called
NAME.TOKEN.part, which `destinations.transfer.paths` builds and reads for every destination.
"""

import re
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from pathlib import PurePosixPath

from django.conf import settings

from backups.archive.compression.write import COMPRESSIONS
from backups.archive.encryption import KINDS
from destinations.transfer.paths import PART_SUFFIX

ATTEMPTS = 20
TIME = "%Y%m%d-%H%M%S"
SIGNATURE_SUFFIX = ".minisig"
# the TACACS+ server's own encrypted container
LEGACY, LEGACY_EXTENSION = "tcbk", ".enc"
# an encryption program must not use these: its archives would be recognised as something else
TAKEN_EXTENSIONS = (".age", LEGACY_EXTENSION, ".gz", ".zst", ".tar", ".tgz", SIGNATURE_SUFFIX, PART_SUFFIX)
COMPRESSED_TAR = re.compile(r".+\.(?:tar\.gz|tgz|tar\.zst)")
# archives may be renamed by hand: each pattern requires only the part that it reads
_INSTANCE = re.compile(r"backup-(?P<instance>[A-Za-z0-9_-]+)-\d{8}-\d{6}-")
_TIME = re.compile(r"-(\d{8}-\d{6})-[a-z_]+(?:-\d+)?\.tar\.[a-z.]+")


def archive_folder(instance: str, kind: str) -> str:
    return str(PurePosixPath(instance, kind))


def archive_paths(instance: str, kind: str, taken_at: datetime, extension: str) -> Iterator[str]:
    """Yield the path of an archive at a destination, then numbered ones for when that name is taken."""
    name = f"backup-{instance}-{taken_at.astimezone(UTC):{TIME}}-{kind}"
    for attempt in range(1, ATTEMPTS + 1):
        number = "" if attempt == 1 else f"-{attempt}"
        yield f"{archive_folder(instance, kind)}/{name}{number}{extension}"


def archive_extension(compression: str, encryption: str) -> str:
    """Return what the name of an archive ends in, by the names of its compression and encryption ("" for none)."""
    return COMPRESSIONS[compression].extension + _encryption_extension(encryption)


def _encryption_extension(encryption: str) -> str:
    if encryption == LEGACY:
        return LEGACY_EXTENSION
    return KINDS[encryption].configured(settings).extension if encryption else ""


def is_archive(path: str) -> bool:
    """Return whether `path` names an archive, by any compression and encryption that this site can read."""
    return any(COMPRESSED_TAR.fullmatch(path.removesuffix(_encryption_extension(one))) for one in ("", LEGACY, *KINDS))


def signature_of(path: str) -> str:
    """Return the path of the signature of the archive at `path`."""
    return path + SIGNATURE_SUFFIX


def is_signature(path: str, *archives: Container[str]) -> bool:
    """Return whether `path` names the signature of an archive in one of `archives`."""
    return path.endswith(SIGNATURE_SUFFIX) and any(path.removesuffix(SIGNATURE_SUFFIX) in known for known in archives)


def instance_in(filename: str) -> str | None:
    """Return the instance in the name of an archive."""
    found = _INSTANCE.match(filename)
    return found["instance"] if found else None


def time_in(filename: str) -> datetime | None:
    """Return the moment in the name of an archive, such as ``backup-hq-20260331-020000-manual.tar.gz``, in UTC."""
    found = _TIME.search(filename)
    if found is None:
        return None
    try:
        return datetime.strptime(found[1], TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
