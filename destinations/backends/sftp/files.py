"""Requests of SFTP: folders, listings, uploads and downloads with many blocks under way."""

import asyncio
import stat
from collections import deque
from concurrent.futures import Future
from contextlib import suppress

import asyncssh
from asyncssh.constants import FILEXFER_TYPE_DIRECTORY, FILEXFER_TYPE_REGULAR, FILEXFER_TYPE_SYMLINK

from destinations.backends.remote import Entry
from destinations.backends.sftp.session import Session
from destinations.lib.moments import from_seconds
from destinations.transfer.blocks import BLOCK_SIZE

PRIVATE_FILE, PRIVATE_FOLDER = 0o600, 0o700
# blocks of a MiB that may be under way: enough for 80 MB/s over a way of 100 ms
UNDER_WAY = 8
# one request: what OpenSSH takes at most, and what every server has to take where it does not say
LARGEST_REQUEST, SAFE_REQUEST = 261_120, 32_768
# a server may flush gigabytes to a slow disk before it answers
FLUSH_SECONDS = 1800.0


def as_entry(name: str, attributes: asyncssh.SFTPAttrs) -> Entry:
    mode, kind = attributes.permissions, attributes.type
    return Entry(
        name,
        attributes.size or 0,
        None if attributes.mtime is None else from_seconds(attributes.mtime),
        kind == FILEXFER_TYPE_REGULAR or (mode is not None and stat.S_ISREG(mode)),
        kind == FILEXFER_TYPE_DIRECTORY or (mode is not None and stat.S_ISDIR(mode)),
        kind == FILEXFER_TYPE_SYMLINK or (mode is not None and stat.S_ISLNK(mode)),
    )


async def look(client: asyncssh.SFTPClient, path: str, *, follow: bool = False) -> Entry | None:
    """Return what is there, links not followed; None when there is nothing."""
    try:
        attributes = await (client.stat(path) if follow else client.lstat(path))
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        return None
    return as_entry(path.rpartition("/")[2], attributes)


async def real_paths(client: asyncssh.SFTPClient, *paths: str) -> list[str]:
    """Return the paths with links resolved, where the server resolves them."""
    return [str(await client.realpath(path)) for path in paths]


async def entries(client: asyncssh.SFTPClient, path: str, timeout: float, *, first: int | None = None) -> list[Entry]:
    """Return the names in the folder, at least `first` of them; each answer comes within `timeout`."""
    found: list[Entry] = []
    loop = asyncio.get_running_loop()
    answered_at = loop.time()

    async def read() -> None:
        nonlocal answered_at
        async for each in client.scandir(path):
            answered_at = loop.time()
            name = str(each.filename)
            if name in (".", ".."):
                continue
            entry = as_entry(name, each.attrs)
            if not (entry.is_file or entry.is_folder or entry.is_link):
                # a server need not tell the type in a listing
                entry = await look(client, f"{path}/{name}") or entry
            found.append(entry)
            if first is not None and len(found) >= first:
                break

    reading = loop.create_task(read())
    while not (await asyncio.wait({reading}, timeout=answered_at + timeout - loop.time()))[0]:
        if loop.time() >= answered_at + timeout:
            # not waited for: the library closes the folder first, and waits for the answer to that
            reading.cancel()
            raise TimeoutError
    await reading
    return found


async def make_folder(client: asyncssh.SFTPClient, path: str) -> None:
    """Make the folder, private; no error when it is there."""
    try:
        await client.mkdir(path, asyncssh.SFTPAttrs(permissions=PRIVATE_FOLDER))
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
        raise
    except asyncssh.SFTPError:
        # servers of version 3 say "failure" for a name that exists
        entry = await look(client, path, follow=True)
        if entry is None or not entry.is_folder:
            raise


async def open_part(client: asyncssh.SFTPClient, path: str, offset: int) -> asyncssh.SFTPClientFile:
    """Open the temporary file for writing from `offset`; what lies behind it is cut off."""
    flags = asyncssh.FXF_WRITE | asyncssh.FXF_CREAT | (0 if offset else asyncssh.FXF_TRUNC)
    attributes = asyncssh.SFTPAttrs(permissions=PRIVATE_FILE)
    file = await client.open(path, flags, attributes, encoding=None, block_size=request_size(client), max_requests=-1)
    try:
        if offset:
            await file.truncate(offset)
        # the file may have been there with another mode, and some servers look at no mode of a new one
        mode = (await file.stat()).permissions
        if mode is not None and mode & 0o077:
            with suppress(asyncssh.SFTPError):
                await file.chmod(PRIVATE_FILE)
    except BaseException:
        with suppress(asyncssh.SFTPError):
            await file.close()
        raise
    return file


def block_size(request: int) -> int:
    """Return about a MiB in whole requests: what is left over would be one more, and a small write of the server."""
    return BLOCK_SIZE // request * request


def request_size(client: asyncssh.SFTPClient) -> int:
    limits = client.limits
    told = min(limits.max_read_len, limits.max_write_len)
    return max(min(told, LARGEST_REQUEST), SAFE_REQUEST)


async def finish_part(file: asyncssh.SFTPClientFile) -> None:
    """Flush the file to the disk of the server where it can do that on request, and close it."""
    # `fsync@openssh.com` is an extension; without it the server flushes when it sees fit
    with suppress(asyncssh.SFTPOpUnsupported):
        await file.fsync()
    await file.close()


async def free_space(client: asyncssh.SFTPClient, path: str) -> int | None:
    try:
        found = await client.statvfs(path)
    except asyncssh.SFTPOpUnsupported:
        return None
    return int(found.bavail) * int(found.frsize or found.bsize)


async def read_block(file: asyncssh.SFTPClientFile, offset: int, length: int, request: int) -> bytes:
    """Return so many bytes, fewer at the end of the file, by several requests side by side.

    The file was opened without a block size, which makes each read one request: the library's own blocks are copied
    twice more.
    """
    starts = range(offset, offset + length, request)
    parts = await asyncio.gather(*(_read(file, start, min(request, offset + length - start)) for start in starts))
    return b"".join(parts)


async def _read(file: asyncssh.SFTPClientFile, offset: int, length: int) -> bytes:
    data: bytes = await file.read(length, offset)
    # a server may give less than it was asked for
    while data and len(data) < length:
        more: bytes = await file.read(length - len(data), offset + len(data))
        if not more:
            break
        data += more
    return data


class Download:
    """Reads a file in order with blocks under way ahead of the one that is returned."""

    def __init__(self, session: Session, file: asyncssh.SFTPClientFile, offset: int, size: int, request: int) -> None:
        """Read from `offset` to `size` by requests of `request` bytes."""
        self._session, self._file = session, file
        self._next, self._size, self._request = offset, size, request
        self._block = block_size(request)
        self._pending: deque[tuple[int, Future[bytes]]] = deque()

    def block(self) -> bytes:
        """Return the next bytes; none at the end of what was announced, or of a file that was cut."""
        # one at first: where only the beginning is wanted, little more is fetched
        ahead = min(UNDER_WAY, 2 * len(self._pending) + 1)
        while len(self._pending) < ahead and self._next < self._size:
            length = min(self._block, self._size - self._next)
            reading = read_block(self._file, self._next, length, self._request)
            self._pending.append((length, self._session.submit(reading)))
            self._next += length
        if not self._pending:
            return b""
        length, future = self._pending.popleft()
        data = self._session.wait(future)
        if len(data) < length:
            # what follows would stand in the wrong place
            self._pending.clear()
            self._next = self._size
        return data
