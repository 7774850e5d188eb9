"""Reading an archive of untrusted origin: its manifest, its verification, its unpacking.

`stream` is always the compressed tar, already decrypted. Every function raises ArchiveError for whatever is wrong with
it, and lets OSError of the stream and of the directory through.
"""

import hashlib
from collections.abc import Callable, Collection
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from backups.archive.compression.read import DAMAGED_HINT, open_reader
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import MAX_MANIFEST_BYTES, Manifest
from backups.archive.manifest.entry import Entry
from backups.archive.manifest.names import MANIFEST_NAME
from backups.archive.tar.directory import NewDirectory
from backups.archive.tar.readahead import read_ahead
from backups.archive.tar.stream import Member, TarStream
from backups.archive.tar.verification import Budget, Verification, no_manifest
from destinations.lib.streams import Source

Progress = Callable[[int], None]


def read_manifest(stream: Source, *, max_bytes: int | None = None) -> Manifest:
    """Return the manifest without verifying anything else; where it comes first, only it is read.

    `max_bytes` bounds the members that are skipped on the way to a manifest that does not come first.
    """
    tar = TarStream(open_reader(stream))
    budget = Budget(max_bytes)
    for member in tar.members():
        if member.name == MANIFEST_NAME:
            return _read_manifest(tar, member)
        budget.spend(member.size)
    raise no_manifest()


def read_members(stream: Source, entries: Collection[Entry], *, max_bytes: int) -> dict[str, bytes]:
    """Return the content of these members, each of at most `max_bytes`, and read nothing behind the last of them: the
    end may be missing.

    Their sizes and SHA-256 are those of `entries`.
    """
    wanted = {entry.file: entry for entry in entries}
    found: dict[str, bytes] = {}
    tar = TarStream(open_reader(stream))
    for member in tar.members():
        if member.name in wanted:
            found[member.name] = _read_member(tar, member, wanted.pop(member.name), max_bytes)
        if not wanted:
            return found
    raise ArchiveError(f"{', '.join(wanted)} is not in the archive.", hint=DAMAGED_HINT)


def _read_member(tar: TarStream, member: Member, entry: Entry, max_bytes: int) -> bytes:
    if member.size != entry.size_bytes or member.size > max_bytes:
        raise ArchiveError(f"{entry.file} has {member.size} bytes in the archive.", hint=DAMAGED_HINT)
    content = b"".join(tar.content())
    if hashlib.sha256(content).hexdigest() != entry.checksum_sha256:
        raise ArchiveError(f"{entry.file} does not have the manifest's SHA-256.", hint=DAMAGED_HINT)
    return content


def verify_members(stream: Source, progress: Progress | None = None, *, max_bytes: int | None = None) -> Manifest:
    """Read the whole archive and compare every member's size and SHA-256 with the manifest; write nothing.

    `progress` gets the bytes of content since its last call, at most a MiB; what it raises stops the reading.
    """
    return _walk(stream, Verification(None, Budget(max_bytes)), None, progress)


def unpack(
    stream: Source,
    directory: Path,
    *,
    names: Collection[str] | None = None,
    max_bytes: int | None = None,
    progress: Progress | None = None,
) -> Manifest:
    """Unpack the members in `names` (default: all) into `directory`, which is made, or is empty; verify every member.

    Files are 0600 in a 0700 directory. `max_bytes` bounds what is written (default: the free space). On any error
    nothing that was written remains.
    """
    with NewDirectory(directory) as target:
        budget = Budget(target.free_bytes() if max_bytes is None else max_bytes)
        return _walk(stream, Verification(names, budget), target.create, progress)


def _walk(
    stream: Source,
    verification: Verification,
    create: Callable[[str], BinaryIO] | None,
    progress: Progress | None,
) -> Manifest:
    with read_ahead(open_reader(stream)) as chunks:
        tar = TarStream(chunks)
        for member in tar.members():
            if member.name == MANIFEST_NAME:
                verification.learn(_read_manifest(tar, member))
                continue
            verification.expect(member)
            with create(member.name) if create and verification.selects(member.name) else nullcontext() as output:
                digest = _copy(tar, output, progress)
            verification.record(member, digest)
    return verification.finish()


def _copy(tar: TarStream, output: BinaryIO | None, progress: Progress | None) -> str:
    digest = hashlib.sha256()
    for piece in tar.content():
        digest.update(piece)
        if output is not None:
            output.write(piece)
        if progress is not None:
            progress(len(piece))
    return digest.hexdigest()


def _read_manifest(tar: TarStream, member: Member) -> Manifest:
    if member.size > MAX_MANIFEST_BYTES:
        raise ArchiveError(
            f"The archive's {MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES} bytes.", hint=DAMAGED_HINT
        )
    return Manifest.from_json(b"".join(tar.content()))
