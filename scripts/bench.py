#!/usr/bin/env python
"""Measure the real commands beside the usual programs and print Markdown tables. No test: nothing fails by being slow.

Each benchmark is a module of scripts/benchmarks.
"""

import argparse
import compileall
import multiprocessing
import shutil
import signal
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from benchmarks import BENCHMARKS
from benchmarks.bench import Bench
from benchmarks.machine import describe
from benchmarks.measure import BenchmarkError

# 528 MB are 1,600,000 rows
FULL = Bench(Path(), size_mb=528, memory_mb=(50, 528, 2000), executions=500_000, rounds=5, large_gb=20)
QUICK = Bench(Path(), size_mb=50, memory_mb=(10, 50, 100), executions=20_000, rounds=1, tree_files=5_000)

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("backups", "backupsite", "destinations")

FORKING = multiprocessing.get_context("fork")

# not of a quick run: they start servers, or fill a database
LONG = ("destinations", "front", "scale")


def main() -> int:
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    directory = Path(tempfile.mkdtemp(prefix="backupsite-bench-", dir=options.directory))
    try:
        measure(bench_of(options, directory), options.only or chosen(options))
    except BenchmarkError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(f"... kept {directory}", file=sys.stderr)
        else:
            shutil.rmtree(directory)
    return 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="small, one round, without destinations, front and scale")
    parser.add_argument("--size-mb", type=int, metavar="N", help="size of the main instance (default: 528)")
    parser.add_argument("--rounds", type=int, metavar="N", help="how often each is measured (default: 5)")
    parser.add_argument("--only", type=names, metavar="NAME,...", help=", ".join(BENCHMARKS))
    parser.add_argument("--directory", type=Path, metavar="DIR", help="where to work (default: the temporary folder)")
    parser.add_argument("--keep", action="store_true", help="leave what was made, and say where")
    return parser.parse_args()


def compile_project() -> None:
    """Compile the packages, as an installation does: where Python may not write, each command would do it again."""
    for package in PACKAGES:
        compileall.compile_dir(ROOT / package, quiet=1)


def names(text: str) -> list[str]:
    wanted = text.split(",")
    if unknown := set(wanted) - set(BENCHMARKS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not one of {', '.join(BENCHMARKS)}")
    return wanted


def chosen(options: argparse.Namespace) -> list[str]:
    return [name for name in BENCHMARKS if not (options.quick and name in LONG)]


def bench_of(options: argparse.Namespace, directory: Path) -> Bench:
    chosen = QUICK if options.quick else FULL
    size_mb, rounds = options.size_mb or chosen.size_mb, options.rounds or chosen.rounds
    return replace(chosen, directory=directory, size_mb=size_mb, rounds=rounds)


def measure(bench: Bench, only: list[str]) -> None:
    bench.require_space()
    compile_project()
    print("\n".join(["# Benchmarks", "", *describe(bench.directory)]), flush=True)
    for name in only:
        # the peak memory of a program is never less than that of the process which started it: each begins small
        process = FORKING.Process(target=report, args=(name, bench))
        process.start()
        try:
            process.join()
        finally:
            process.terminate()
            process.join()
        if process.exitcode:
            raise BenchmarkError(f"{name} did not end")


def report(name: str, bench: Bench) -> None:
    title, run = BENCHMARKS[name]
    print(f"\n## {title}", flush=True)
    try:
        for paragraph in run(bench):
            print(f"\n{paragraph}", flush=True)
    except BenchmarkError as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    sys.exit(main())
