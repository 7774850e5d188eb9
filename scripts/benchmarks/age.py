"""The age format beside the program `age`: whole processes, one file of random bytes, both directions."""

import filecmp
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import MEGABYTE, Bench, say
from benchmarks.measure import BenchmarkError, Sample, alternate
from benchmarks.report import Target, comparison

TITLE = "The age format"
OURS, AGE = "backupsite", "`age`"
WALL_LIMIT = 1.0
ROUNDS = 5
REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAM = """
import shutil, sys
sys.path.insert(0, sys.argv[1])
from backups.archive import age
with open(sys.argv[4], "rb") as source, open(sys.argv[5], "wb") as target:
    if sys.argv[2] == "encrypt":
        with age.EncryptingWriter(target, recipients=[sys.argv[3]]) as writer:
            shutil.copyfileobj(source, writer, 1 << 20)
    else:
        with open(sys.argv[3]) as file:
            identities = age.parse_identity_file(file.read())
        shutil.copyfileobj(age.DecryptingReader(source, identities=identities), target, 1 << 20)
"""


def run(bench: Bench) -> Iterator[str]:
    if shutil.which("age") is None:
        yield "Left out: the program age is not installed."
        return
    folder = bench.scratch("age")
    plain, sealed, opened, key = (folder / name for name in ("plain", "sealed.age", "opened", "identity.txt"))
    _write_random(plain, bench.size_mb)
    measure.run(["age-keygen", "-o", key])
    recipient = measure.run(["age-keygen", "-y", key]).output
    yield f"{bench.size_mb} MB of random bytes, median of {max(bench.rounds, ROUNDS)}:"
    yield from _compare(
        "encrypting",
        bench,
        sealed,
        [sys.executable, "-c", PROGRAM, REPOSITORY, "encrypt", recipient, plain, sealed],
        ["age", "-r", recipient, "-o", sealed, plain],
    )
    yield from _compare(
        "decrypting",
        bench,
        opened,
        [sys.executable, "-c", PROGRAM, REPOSITORY, "decrypt", key, sealed, opened],
        ["age", "-d", "-i", key, "-o", opened, sealed],
    )
    if not filecmp.cmp(plain, opened, shallow=False):
        raise BenchmarkError("what was decrypted is not what was encrypted")
    shutil.rmtree(folder)


def _compare(what: str, bench: Bench, output: Path, ours: list[str | Path], age: list[str | Path]) -> Iterator[str]:
    say(what)

    def timed(argv: list[str | Path]) -> Sample:
        output.unlink(missing_ok=True)
        return measure.run(argv)

    samples = alternate({OURS: lambda: timed(ours), AGE: lambda: timed(age)}, max(bench.rounds, ROUNDS))
    yield f"{what.capitalize()}:"
    yield comparison(samples, AGE)
    ratio = samples[OURS].wall / samples[AGE].wall
    yield f"- {Target(f'wall time of {what} beside age', ratio, WALL_LIMIT, 'x')}"


def _write_random(path: Path, megabytes: int) -> None:
    with path.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(MEGABYTE))
