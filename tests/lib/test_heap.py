"""Memory that is free inside of the heap."""

from pathlib import Path

from destinations.lib.heap import release_free_memory

PIECE, PIECES = 100_000, 600


def test_free_memory_between_objects_is_given_back() -> None:
    pieces = [bytes(PIECE) for _ in range(PIECES)]
    kept = pieces[::20]
    del pieces
    before = resident()
    release_free_memory()
    assert before - resident() > PIECE * PIECES // 2
    assert kept == [bytes(PIECE)] * (PIECES // 20)


def resident() -> int:
    """Return the resident memory of this process that is no file's, in bytes."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) * 1024
