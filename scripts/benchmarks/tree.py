"""A tree of many small files: backup, and restore with its safety backup, beside tar, restic and borg."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import measure
from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, alternate, shell
from benchmarks.report import Target, comparison
from benchmarks.site import Site

TITLE = "A tree of many small files"
OURS, TAR, BOTH = "backupsite", "`tar cz`", "`tar xz` + `tar cz`"
BACKUP_LIMIT, RESTORE_LIMIT = 0.55, 1.0
DATASET = Path(__file__).with_name("many_files.py")
COMPONENT = "tree"
INSTANCES_FILE = """\
[{name}]
kind = "generic"
root = {root}
[{name}.components.tree]
kind = "files"
path = "tree"
"""
# each ends with what it made on the disk
PACK = 'tar -cz -C "$1" -f "$2/all.tar.gz" tree; sync "$2/all.tar.gz"'
PACK_AND_UNPACK = """
tar -cz -C "$1" -f "$2/before.tar.gz" tree; sync "$2/before.tar.gz"
mkdir "$2/unpacked"; tar -xz -C "$2/unpacked" -f "$3"; sync -f "$2"
"""
RESTIC_HOME = "RESTIC_PASSWORD=bench RESTIC_CACHE_DIR=$2/cache"
RESTIC = RESTIC_HOME + ' restic -q -r "$2/repository" backup "$1/tree"; sync -f "$2"'
RESTIC_BACK = RESTIC_HOME + ' restic -q -r "$2/repository" restore latest --target "$2/unpacked"; sync -f "$2"'
BORG_HOME = "BORG_BASE_DIR=$2/home BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK=yes"
BORG = BORG_HOME + ' borg create "$2/repository::first" "$1/tree"; sync -f "$2"'
BORG_BACK = f'mkdir "$2/unpacked"; cd "$2/unpacked"; {BORG_HOME} borg extract "$2/repository::first"; sync -f "$2"'
# for each program: making a repository, the first backup into it, and the restore of that
PEERS = {
    "restic": (RESTIC_HOME + ' restic -q -r "$2/repository" init', RESTIC, RESTIC_BACK),
    "borg": (BORG_HOME + ' borg init -e none "$2/repository"', BORG, BORG_BACK),
}


def run(bench: Bench) -> Iterator[str]:
    root = bench.directory / "many-files"
    say(f"making {bench.tree_files:,} files")
    measure.run([sys.executable, DATASET, root / COMPONENT, str(bench.tree_files)])
    site = Site.create(bench.directory / "site-tree", root, instances=INSTANCES_FILE)
    backup = site.backup()
    archive_id = str(json.loads(backup.output)["id"])
    packed = bench.scratch("packed")
    shell(PACK, root, packed)
    missing = [name for name in PEERS if shutil.which(name) is None]
    peers = {name: scripts for name, scripts in PEERS.items() if name not in missing}
    if missing:
        yield f"Not measured, because not installed: {', '.join(missing)}."
    size = sum(path.stat().st_size for path in _files(root))
    scale = f"{bench.tree_files:,} files of {size / 1e6:.0f} MB, median of {bench.rounds}"

    contestants: dict[str, Callable[[], Sample]] = {
        OURS: lambda: _backup(site),
        TAR: lambda: _by_hand(PACK, bench, root),
    }
    contestants |= {f"`{name}`, first backup": _peer(bench, root, scripts, 1) for name, scripts in peers.items()}
    for prepare, state in ((_read, "which are in memory"), (_evict, "which are on the disk alone, as at night")):
        samples = alternate({name: _after(prepare, root, one) for name, one in contestants.items()}, bench.rounds)
        yield f"Backup of {scale}, {state}:"
        yield comparison(samples, TAR)
        yield _target(f"backup beside {TAR}", samples[OURS].wall / samples[TAR].wall, BACKUP_LIMIT)

    contestants = {
        f"{OURS}, nothing changed since the backup": lambda: _restore(site, archive_id),
        f"{OURS}, every file changed since the backup": lambda: _restore(site, archive_id, change=root / COMPONENT),
        BOTH: lambda: _by_hand(PACK_AND_UNPACK, bench, root, packed / "all.tar.gz"),
    }
    contestants |= {f"`{name}`, restore alone": _peer(bench, root, scripts, 2) for name, scripts in peers.items()}
    samples = alternate(contestants, bench.rounds)
    yield f"Restore of {scale}; ours with its safety backup and its verification:"
    yield comparison(samples, BOTH)
    for name, sample in samples.items():
        if name.startswith(OURS):
            yield _target(f"{name}, beside {BOTH}", sample.wall / samples[BOTH].wall, RESTORE_LIMIT)
    shutil.rmtree(site.home)
    shutil.rmtree(root)
    shutil.rmtree(packed)


def _after(prepare: Callable[[Path], None], root: Path, contestant: Callable[[], Sample]) -> Callable[[], Sample]:
    """Return `contestant` with what leaves the files to each alike: some keep them in memory, borg drops them."""

    def prepared() -> Sample:
        prepare(root)
        return contestant()

    return prepared


def _read(root: Path) -> None:
    for path in _files(root):
        path.read_bytes()


def _evict(root: Path) -> None:
    """Drop the content of the files from memory; their names and attributes stay there."""
    for path in _files(root):
        with path.open("rb", buffering=0) as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _files(root: Path) -> Iterator[Path]:
    # Path.rglob keeps all that it found
    return (Path(folder, name) for folder, _, names in os.walk(root) for name in names)


def _target(text: str, ratio: float, limit: float) -> str:
    return f"- {Target(f'{text} (set for 100,000 files)', ratio, limit, 'x')}"


def _backup(site: Site) -> Sample:
    say(OURS)
    sample = site.backup()
    site.archive_of(sample).unlink()
    return sample


def _restore(site: Site, archive_id: str, change: Path | None = None) -> Sample:
    say(OURS)
    if change is not None:
        for path in _files(change):
            path.write_bytes(path.read_bytes()[1:] + b"!")
        os.sync()
    sample = site.restore(archive_id)
    shutil.rmtree(site.safety_backups)
    return sample


def _by_hand(script: str, bench: Bench, *arguments: Path) -> Sample:
    say(script.strip().splitlines()[0])
    root, *others = arguments
    target = bench.scratch("by-hand")
    return _with_size(target, lambda: shell(script, root, target, *others))


def _peer(bench: Bench, root: Path, scripts: tuple[str, str, str], step: int) -> Callable[[], Sample]:
    """Return what runs the last of the first `step` + 1 scripts in a fresh repository, and measures that."""

    def first_steps_apart() -> Sample:
        say(scripts[step].partition(";")[0])
        target = bench.scratch("peer")
        for script in scripts[:step]:
            shell(script, root, target)
        os.sync()
        return _with_size(target, lambda: shell(scripts[step], root, target))

    return first_steps_apart


def _with_size(target: Path, work: Callable[[], Sample]) -> Sample:
    sample = work()
    files = (path for path in target.rglob("*") if path.is_file() and {"unpacked", "cache"}.isdisjoint(path.parts))
    made = sum(path.lstat().st_size for path in files)
    shutil.rmtree(target)
    return replace(sample, output_bytes=made)
