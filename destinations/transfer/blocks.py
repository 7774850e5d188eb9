"""What every upload and download counts and compares."""

from collections.abc import Callable, Iterator
from typing import BinaryIO

from destinations.exceptions import DestinationFull, VerificationFailed
from destinations.lib.formats import human_size

BLOCK_SIZE = 1024 * 1024

Progress = Callable[[int], None]


def blocks_of(source: BinaryIO, size: int, progress: Progress | None) -> Iterator[bytes]:
    """Yield `source` in blocks of at most `BLOCK_SIZE`; `progress` is called after each one was used.

    Raises `VerificationFailed` when `source` does not hold exactly `size` bytes.
    """
    sent = 0
    while sent <= size and (block := source.read(BLOCK_SIZE)):
        sent += len(block)
        yield block
        if progress:
            progress(len(block))
    compare("The source of the upload", "size", size, sent)


def compare(what: str, kind: str, expected: object, found: object) -> None:
    """Raise `VerificationFailed` when the two differ."""
    if expected != found:
        raise VerificationFailed(
            f"{what} has the {kind} {found} where {expected} is expected.",
            "Something changed or damaged the data on its way: test the destination, then start again.",
        )


def check_free_space(where: str, size: int, free: int | None) -> None:
    """Raise `DestinationFull` before the first byte is sent, rather than at the last."""
    if free is not None and size > free:
        raise DestinationFull(
            f"{where} has {human_size(free)} free, and the file needs {human_size(size)}.",
            "Free some space there, keep backups for fewer days, or use another destination.",
        )


def check_largest_file(where: str, path: str, size: int, largest: int | None) -> None:
    """Raise `DestinationFull` for a file that the store would refuse at its end."""
    if largest is not None and size > largest:
        raise DestinationFull(
            f"{path} has {human_size(size)}, and {where} takes files of at most {human_size(largest)}.",
            "Split the instance into several, or use another destination.",
        )
