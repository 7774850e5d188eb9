"""Large files that compress well, the same on every machine.

Run as a program it makes them: ``large_files.py DIRECTORY FILES``. It runs in a process of its own, as dataset.py.
"""

import random
import sys
from pathlib import Path

BLOCK_BYTES = 1 << 20
# of a gigabyte each, 10^9 bytes
FILE_BYTES = 10**9
SEED = 20261128
WORDS = 400
WORDS_A_LINE = 40


def make_files(root: Path, files: int) -> None:
    """Make `files` files of FILE_BYTES; each block of BLOCK_BYTES repeats a line of its own."""
    chance = random.Random(SEED)
    words = [b"%010x" % chance.getrandbits(40) for _ in range(WORDS)]
    root.mkdir(parents=True)
    for number in range(files):
        with (root / f"part-{number:03}.dat").open("wb") as file:
            for offset in range(0, FILE_BYTES, BLOCK_BYTES):
                line = b"%08x %s\n" % (offset, b" ".join(chance.choices(words, k=WORDS_A_LINE)))
                file.write((line * (BLOCK_BYTES // len(line) + 1))[: min(BLOCK_BYTES, FILE_BYTES - offset)])


if __name__ == "__main__":
    make_files(Path(sys.argv[1]), int(sys.argv[2]))
