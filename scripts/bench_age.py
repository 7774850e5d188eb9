#!/usr/bin/env python
"""Measure our age format against the `age` program: whole processes, one file, the same run.

Every round runs each of the four commands once, in turn, and the best round of each counts: what else the machine
does only ever adds time. Files lie in a temporary directory (TMPDIR), which is removed; it takes 3 times the size.
Exit status 1 when we are slower than age, or when the programs disagree about the plaintext.
"""

import argparse
import filecmp
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
DEADLINE_SECONDS = 120
BLOCK = 1024 * 1024
OURS = """
import sys
sys.path.insert(0, sys.argv[1])
from backups.archive import age
with open(sys.argv[4], "rb") as source, open(sys.argv[5], "wb") as target:
    if sys.argv[2] == "encrypt":
        age.encrypt(source, target, recipients=[sys.argv[3]])
    else:
        with open(sys.argv[3]) as file:
            identities = age.parse_identity_file(file.read())
        age.decrypt(source, target, identities=identities)
"""


@dataclass
class Contender:
    """A command, and what its runs took: seconds of wall clock and of CPU, KiB of memory at the peak."""

    direction: str
    name: str
    command: list[str]
    output: Path
    runs: list[tuple[float, float, int]] = field(default_factory=list)

    @property
    def best(self) -> tuple[float, float, int]:
        return min(self.runs)

    def run(self) -> None:
        self.output.unlink(missing_ok=True)
        started = time.perf_counter()
        process = subprocess.Popen(self.command)
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            if time.perf_counter() - started > DEADLINE_SECONDS:
                process.kill()
            time.sleep(0.001)
        seconds, usage = time.perf_counter() - started, ended[2]
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        if process.returncode != 0:
            sys.exit(f"{self.name} failed to {self.direction}: status {process.returncode}")
        self.runs.append((seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss))


def write_random(path: Path, size: int) -> None:
    with path.open("wb") as file:
        for start in range(0, size, BLOCK):
            file.write(os.urandom(min(BLOCK, size - start)))


def contenders(folder: Path) -> list[Contender]:
    plain, sealed, key = folder / "plain", folder / "sealed.age", folder / "identity.txt"
    subprocess.run(["age-keygen", "-o", key], check=True, capture_output=True)
    recipient = subprocess.run(["age-keygen", "-y", key], check=True, capture_output=True, text=True).stdout.strip()
    ours = [sys.executable, "-c", OURS, str(REPOSITORY)]
    output = folder / "opened"
    return [
        Contender("encrypt", "age", ["age", "-r", recipient, "-o", str(sealed), str(plain)], sealed),
        Contender("encrypt", "backupsite", [*ours, "encrypt", recipient, str(plain), str(sealed)], sealed),
        Contender("decrypt", "age", ["age", "-d", "-i", str(key), "-o", str(output), str(sealed)], output),
        Contender("decrypt", "backupsite", [*ours, "decrypt", str(key), str(sealed), str(output)], output),
    ]


def measure(folder: Path, size: int, rounds: int) -> list[Contender]:
    write_random(folder / "plain", size)
    measured = contenders(folder)
    for number in range(rounds):
        # Who goes first changes: the disk still writes what the one before left behind.
        pairs = [measured[0:2], measured[2:4]]
        for pair in pairs:
            for contender in pair if number % 2 == 0 else reversed(pair):
                contender.run()
                if contender.direction == "decrypt" and not filecmp.cmp(
                    folder / "plain", contender.output, shallow=False
                ):
                    sys.exit(f"{contender.name} gave another plaintext back")
    return measured


def ratio(measured: list[Contender], direction: str) -> float:
    best = {contender.name: contender.best[0] for contender in measured if contender.direction == direction}
    return best["age"] / best["backupsite"]


def print_table(measured: list[Contender], size: int) -> None:
    print("| direction | program | best s | median s | MB/s | CPU s | peak MB | speed of age |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for contender in measured:
        seconds, cpu, peak = contender.best
        median = sorted(run[0] for run in contender.runs)[len(contender.runs) // 2]
        speed = ratio(measured, contender.direction) if contender.name == "backupsite" else 1.0
        print(
            f"| {contender.direction} | {contender.name} | {seconds:.2f} | {median:.2f} | {size / seconds / 1e6:.0f} "
            f"| {cpu:.2f} | {peak / 1024:.0f} | {speed:.2f}x |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if shutil.which("age") is None:
        sys.exit("the program age is not installed")
    size = options.megabytes * 1_000_000
    with tempfile.TemporaryDirectory(prefix="bench-age-") as folder:
        measured = measure(Path(folder), size, options.rounds)
    print_table(measured, size)
    if min(ratio(measured, direction) for direction in ("encrypt", "decrypt")) < 1:
        sys.exit("backupsite is slower than age")


if __name__ == "__main__":
    main()
