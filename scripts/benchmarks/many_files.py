"""A tree of many small files, the same on every machine.

Run as a program it makes one: ``many_files.py DIRECTORY FILES``. It runs in a process of its own, as dataset.py.
"""

import random
import sys
from pathlib import Path

FILES_A_FOLDER = 100
# 4,000 bytes each on average
SMALLEST, LARGEST = 200, 7_800
SEED = 20261128
WORDS = 400


def make_tree(root: Path, files: int) -> None:
    """Make `files` files of made-up records in folders of FILES_A_FOLDER; the same on every machine."""
    chance = random.Random(SEED)
    words = [bytes(chance.choices(b"abcdefghijklmnopqrstuvwxyz", k=chance.randint(3, 10))) for _ in range(WORDS)]
    for number in range(files):
        folder, place = divmod(number, FILES_A_FOLDER)
        if not place:
            (root / f"{folder:05}").mkdir(parents=True)
        size, lines = chance.randint(SMALLEST, LARGEST), bytearray()
        while len(lines) < size:
            lines += b"%08x %s\n" % (chance.getrandbits(32), b" ".join(chance.choices(words, k=12)))
        (root / f"{folder:05}" / f"record-{number:07}.txt").write_bytes(lines[:size])


if __name__ == "__main__":
    make_tree(Path(sys.argv[1]), int(sys.argv[2]))
