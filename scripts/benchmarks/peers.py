"""The usual programs: a first backup by each, and its restore. Each ends with what it made flushed to the disk."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.bench import Bench, say
from benchmarks.measure import Sample, shell

# both need these, and keep their caches below "$2" then
ENVIRONMENT = """
export RESTIC_PASSWORD=benchmark RESTIC_REPOSITORY="$2/repository" RESTIC_CACHE_DIR="$2/cache"
export BORG_PASSPHRASE=benchmark BORG_REPO="$2/repository" BORG_BASE_DIR="$2/cache"
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """Shell scripts, which get the folder to back up as $1 and an empty one as $2.

    `prepare` is not timed; `restore`, where there is one, unpacks into "$2/restored" what `backup` made.
    """

    name: str
    program: str
    backup: str
    restore: str = ""
    prepare: str = ""
    made: str = "archive"

    @property
    def installed(self) -> bool:
        return shutil.which(self.program) is not None


PEERS = (
    Peer(
        "`tar cz`",
        "tar",
        'tar -cz -C "$1" . > "$2/archive"; sync "$2/archive"',
        'mkdir "$2/restored"; tar -xz -C "$2/restored" -f "$2/archive"; sync -f "$2"',
    ),
    Peer("`tar --zstd`", "zstd", 'tar -c --zstd -C "$1" . > "$2/archive"; sync "$2/archive"'),
    Peer(
        "`tar cz` + `age`",
        "age",
        'tar -cz -C "$1" . | age -r "$(age-keygen -y "$2/key")" > "$2/archive"; sync "$2/archive"',
        prepare='age-keygen -o "$2/key"',
    ),
    Peer(
        "`restic backup`, the first",
        "restic",
        'cd "$1"; restic backup --quiet .; sync -f "$2"',
        'restic restore --quiet latest --target "$2/restored"; sync -f "$2"',
        prepare="restic init --quiet",
        made="repository",
    ),
    Peer(
        "`borg create`, the first",
        "borg",
        'cd "$1"; borg create ::first .; sync -f "$2"',
        'mkdir "$2/restored"; cd "$2/restored"; borg extract ::first; sync -f "$2"',
        prepare="borg init --encryption repokey-blake2",
        made="repository",
    ),
    Peer(
        "`sqlite3 .backup` + `gzip -6`",
        "sqlite3",
        """
        mkdir "$2/archive"
        for database in "$1"/data/*.db; do
            copy="$2/archive/$(basename "$database")"
            sqlite3 "$database" ".backup '$copy'"
            gzip -6 "$copy"
            sync "$copy.gz"
        done
        """,
    ),
)
TAR, RESTIC = PEERS[0].name, PEERS[3].name
BY_NAME: Mapping[str, Peer] = {peer.name: peer for peer in PEERS}


def missing() -> Iterator[str]:
    """Yield a sentence for each program that is not installed."""
    for peer in PEERS:
        if not peer.installed:
            yield f"{peer.name} is left out: the program {peer.program} is not installed."


def back_up(peer: Peer, root: Path, bench: Bench) -> Sample:
    """Back up `root` with an empty place to write to, which is removed."""
    say(peer.name)
    target = bench.scratch("peer")
    prepare(peer, root, target)
    sample = shell(ENVIRONMENT + peer.backup, root, target)
    size = size_of(target / peer.made)
    shutil.rmtree(target)
    return replace(sample, output_bytes=size)


def prepare(peer: Peer, root: Path, target: Path) -> None:
    if peer.prepare:
        shell(ENVIRONMENT + peer.prepare, root, target)


def size_of(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
