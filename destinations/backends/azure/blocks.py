"""An upload in blocks, sent from several threads, and published by the list of them."""

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from destinations.backends.base import BLOCK_SIZE
from destinations.exceptions import DestinationError, NameTaken
from destinations.transfer.blocks import compare
from destinations.transfer.parallel import side_by_side
from destinations.transfer.persistence import persistently
from destinations.transfer.upload import Part, Upload

if TYPE_CHECKING:
    from destinations.backends.azure.session import Container

LEAST_BLOCK_BYTES = 8 * 1024 * 1024
# the store allows 50,000, and 4000 MiB of each
MOST_BLOCKS = 45_000
LARGEST_FILE = MOST_BLOCKS * 4000 * 1024 * 1024
TOKEN_CHARACTERS = 36

Explain = Callable[[Exception], DestinationError | None]


def block_size(size: int) -> int:
    return max(LEAST_BLOCK_BYTES, -(-size // MOST_BLOCKS))


def block_id(number: int, token: str, md5: bytes) -> str:
    """Return the id of a block: 64 characters, the most there may be, because all of a file are to be equally long.

    With the checksum in it, a block that arrived by an earlier try is known to hold the bytes of the source.
    """
    return f"{number:06}{_fixed(token)}{base64.b64encode(md5).decode().rstrip('=')}"


def token_of(block: str) -> str:
    """Return the token in the id of a block of ours, or nothing for another."""
    if len(block) != 64 or not block[:6].isdigit():
        return ""
    return block[6 : 6 + TOKEN_CHARACTERS].rstrip(".")


def _fixed(token: str) -> str:
    # ids of backups fit; a longer token is recognised by its checksum
    if len(token) > TOKEN_CHARACTERS:
        token = f"sha-{hashlib.sha256(token.encode()).hexdigest()[:32]}"
    return token.ljust(TOKEN_CHARACTERS, ".")


def is_of(block: str, token: str) -> bool:
    return token_of(block) == _fixed(token).rstrip(".")


@dataclass
class Blocks:
    """What one upload needs beside its bytes: where, how, and the blocks that it consists of."""

    name: str
    threads: int
    explain: Explain
    delays: tuple[float, ...]
    done: dict[int, tuple[str, int]] = field(default_factory=dict)

    @property
    def ids(self) -> list[str]:
        return [self.done[number][0] for number in sorted(self.done)]


def send(container: "Container", blocks: Blocks, upload: Upload) -> None:
    """Send all blocks that the store does not have from an earlier try."""
    stored = container.blocks(blocks.name)
    side_by_side(_jobs(container, blocks, upload, stored), blocks.threads)


def _jobs(
    container: "Container", blocks: Blocks, upload: Upload, stored: Mapping[str, int]
) -> Iterator[Callable[[], None]]:
    total = upload.wanted.size
    size = block_size(total)
    for number, begin in enumerate(range(0, total, size)):
        end = min(begin + size, total)
        digest = hashlib.md5(usedforsecurity=False)
        # in order, whatever the threads do: for the checksum of the whole, which so is that of the blocks
        for offset in range(begin, end, BLOCK_SIZE):
            digest.update(upload.peek_in_order(offset, min(BLOCK_SIZE, end - offset)))
        yield partial(_send_block, container, blocks, upload, stored, number, begin, end, digest.digest())


def _send_block(
    container: "Container",
    blocks: Blocks,
    upload: Upload,
    stored: Mapping[str, int],
    number: int,
    begin: int,
    end: int,
    md5: bytes,
) -> None:
    block = block_id(number, upload.wanted.token, md5)
    if stored.get(block) == end - begin:
        upload.skip(end - begin)
    else:
        body = Part(upload, begin, end)

        def once() -> None:
            body.rewind()
            container.stage(blocks.name, block, body, end - begin, md5)

        persistently(once, delays=blocks.delays, explain=blocks.explain, checkpoint=upload.meter.checkpoint)
    blocks.done[number] = (block, end - begin)


def check(container: "Container", blocks: Blocks, upload: Upload) -> None:
    """Compare the blocks that the store has with those that were sent. Raises `NameTaken` where a file has the name."""
    stored = container.blocks(blocks.name)
    # the store drops the blocks of a name when a file gets it
    if len(stored) < len(blocks.done) and container.find(blocks.name) is not None:
        raise NameTaken(f"{upload.wanted.path} exists already.", "Nothing is overwritten.")
    what = f"The upload {upload.wanted.path}"
    compare(what, "size", upload.wanted.size, sum(size for _, size in blocks.done.values()))
    for block, size in blocks.done.values():
        compare(f"{what}, block {int(block[:6])},", "size", size, stored.get(block))
