"""A nested tar is read before its archive is trusted, so nothing in it may fill the memory."""

import io
import tracemalloc
from collections.abc import Callable, Iterator

import pytest

from backups.components.files.format.header import FILE, FOLDER, HARD_LINKED, PAX, Member, encode
from backups.components.files.read import NestedTar
from backups.errors import ComponentError

MB = 1 << 20


def entry(name: str, type_: str, records: dict[str, bytes] | None = None) -> bytes:
    return encode(Member(name, type_, 0o700, 0, 0, 0), records)


def attributes_of_linked_files() -> Iterator[bytes]:
    for number in range(20):
        yield entry(f"{number:02}", FILE, {"comment": HARD_LINKED, "SCHILY.xattr.user.a": bytes(MB)})


def names_of_deep_folders() -> Iterator[bytes]:
    for depth in range(1, 200):
        yield entry("/".join(["x" * 1000] * depth), FOLDER)


def names_of_deep_linked_files() -> Iterator[bytes]:
    yield from names_of_deep_folders()
    for number in range(100):
        yield entry("/".join([*["x" * 1000] * 199, f"{number:02}"]), FILE, {"comment": HARD_LINKED})


@pytest.mark.parametrize(
    "made",
    [attributes_of_linked_files, names_of_deep_folders, names_of_deep_linked_files],
    ids=lambda made: made.__name__,
)
def test_the_memory_for_a_nested_tar_does_not_grow_with(made: Callable[[], Iterator[bytes]]) -> None:
    tar = io.BytesIO(b"".join(made()) + bytes(1024))
    tracemalloc.start()
    try:
        for _ in NestedTar(tar, "files.tar").members():
            pass
        assert tracemalloc.get_traced_memory()[1] < 8 * MB
    finally:
        tracemalloc.stop()


def test_extended_headers_are_refused_when_all_those_of_an_entry_are_too_long() -> None:
    # each is of an allowed size, and has an attribute of its own
    headers = b"".join(entry("f", FILE, {f"SCHILY.xattr.user.{number}": bytes(MB)})[:-512] for number in range(5))
    assert headers[156:157] == PAX
    tar = io.BytesIO(headers + entry("f", FILE) + bytes(1024))
    with pytest.raises(ComponentError, match=r"^files\.tar holds a name of 4194\d{3} bytes\.$"):
        list(NestedTar(tar, "files.tar").members())
