"""Reading, verifying and unpacking an archive of untrusted origin.

`stream` is always the compressed tar, already decrypted. Every function raises ArchiveError when the archive is wrong,
and lets OSError of the stream and of the directory through.
"""

import hashlib
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import BinaryIO

from backups.archive.compression.read import DAMAGED_HINT, open_reader
from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import MAX_MANIFEST_BYTES, Manifest
from backups.archive.manifest.entry import Entry
from backups.archive.manifest.names import MANIFEST_NAME
from backups.archive.tar.directory import NewDirectory
from backups.archive.tar.member_file import MemberFile
from backups.archive.tar.readahead import read_ahead
from backups.archive.tar.stream import Member, TarStream
from backups.archive.tar.verification import Budget, Verification, no_manifest
from destinations.lib.operator_error import OperatorError
from destinations.lib.streams import SkippingSource, Source

Progress = Callable[[int], None]
Reader = Callable[[SkippingSource], None]


def read_manifest(stream: Source, *, max_bytes: int | None = None) -> Manifest:
    """Return the manifest without verifying the members; when it comes first, nothing else is read.

    `max_bytes` limits the size of the members before it.
    """
    tar = TarStream(open_reader(stream))
    budget = Budget(max_bytes)
    for member in tar.members():
        if member.name == MANIFEST_NAME:
            return _read_manifest(tar, member)
        budget.spend(member.size)
    raise no_manifest()


def read_members(stream: Source, entries: Collection[Entry], *, max_bytes: int) -> dict[str, bytes]:
    """Return the content of the members `entries`, each at most `max_bytes`, with size and SHA-256 verified.

    Nothing after the last of them is read, so `stream` may be only the beginning of the archive.
    """
    wanted = {entry.file: entry for entry in entries}
    found: dict[str, bytes] = {}
    tar = TarStream(open_reader(stream))
    for member in tar.members():
        if (entry := wanted.pop(member.name, None)) is not None:
            if member.size != entry.size_bytes or member.size > max_bytes:
                raise ArchiveError(f"{entry.file} has {member.size} bytes in the archive.", hint=DAMAGED_HINT)
            content = b"".join(tar.content())
            if hashlib.sha256(content).hexdigest() != entry.checksum_sha256:
                raise ArchiveError(f"{entry.file} does not have the manifest's SHA-256.", hint=DAMAGED_HINT)
            found[member.name] = content
        if not wanted:
            return found
    raise ArchiveError(f"{', '.join(wanted)} is not in the archive.", hint=DAMAGED_HINT)


def verify_members(stream: Source, progress: Progress | None = None, *, max_bytes: int | None = None) -> Manifest:
    """Compare the size and SHA-256 of every member with the manifest; writes nothing.

    `progress` gets the bytes of content since its last call, at most a MiB, and may raise to stop the verification.
    """
    return _walk(stream, Verification(None, Budget(max_bytes)), None, progress, {})


def unpack(
    stream: Source,
    directory: Path,
    *,
    names: Collection[str] | None = None,
    max_bytes: int | None = None,
    progress: Progress | None = None,
    readers: Mapping[str, Reader] | None = None,
) -> Manifest:
    """Unpack the members in `names` (default: all) into `directory`, which is new or empty; every member is verified.

    The members in `readers` are read by these, which may refuse them: an OperatorError of one is raised where the
    checksum is right. Files are 0600 in a 0700 directory. `max_bytes` limits what is written (default: the free space).
    After an error what was written is removed.
    """
    with NewDirectory(directory) as target:
        budget = Budget(target.free_bytes() if max_bytes is None else max_bytes)
        return _walk(stream, Verification(names, budget), target.create, progress, readers or {})


def _walk(
    stream: Source,
    verification: Verification,
    create: Callable[[str], BinaryIO] | None,
    progress: Progress | None,
    readers: Mapping[str, Reader],
) -> Manifest:
    with read_ahead(open_reader(stream)) as chunks:
        tar = TarStream(chunks)
        for member in tar.members():
            if member.name == MANIFEST_NAME:
                verification.use(_read_manifest(tar, member))
                continue
            verification.expect(member)
            if (reader := readers.get(member.name)) is not None:
                file, refusal = MemberFile(tar, progress), None
                try:
                    reader(file)
                except OperatorError as error:
                    refusal = error
                verification.record(member, file.digest())
                # after the checksum: where that is wrong, it is the reason
                if refusal is not None:
                    raise refusal
                continue
            digest = hashlib.sha256()
            with create(member.name) if create and verification.selects(member.name) else nullcontext() as output:
                for piece in tar.content():
                    digest.update(piece)
                    if output is not None:
                        output.write(piece)
                    if progress is not None:
                        progress(len(piece))
            verification.record(member, digest.hexdigest())
    return verification.finish()


def _read_manifest(tar: TarStream, member: Member) -> Manifest:
    if member.size > MAX_MANIFEST_BYTES:
        raise ArchiveError(
            f"The archive's {MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES} bytes.", hint=DAMAGED_HINT
        )
    return Manifest.from_json(b"".join(tar.content()))
