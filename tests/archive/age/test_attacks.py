"""Files that an attacker changed: one clear error each, and never a byte that is not authentic."""

import io
import re
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archive import age
from tests.support.archives.age_files import (
    CHUNK,
    IDENTITY,
    OTHER_IDENTITY,
    OTHER_RECIPIENT,
    PASSPHRASE,
    RECIPIENT,
    SEALED,
    TakenApart,
    decrypt,
    opened,
    run_age,
    sample,
    sealed,
    take_apart,
)
from tests.support.soak import examples

PLAIN = sample(3 * CHUNK + 1000)
FILE = sealed(PLAIN, RECIPIENT, OTHER_RECIPIENT)
PARTS = take_apart(FILE)
FOREIGN = take_apart(sealed(PLAIN, RECIPIENT, OTHER_RECIPIENT))
FULL = take_apart(sealed(PLAIN[: 2 * CHUNK], RECIPIENT))

Attack = Callable[[list[bytes]], list[bytes]]
CHUNK_ATTACKS: dict[str, tuple[Attack, str, int]] = {
    "the first two swapped": (lambda c: [c[1], c[0], *c[2:]], "Chunk 1 of the age file was changed or cut.", 0),
    "two in the middle swapped": (lambda c: [c[0], c[2], c[1], c[3]], "Chunk 2 of the age file was changed or cut.", 1),
    "the last two swapped": (lambda c: [*c[:2], c[3], c[2]], "Chunk 3 of the age file was changed or cut.", 2),
    "the first dropped": (lambda c: c[1:], "Chunk 1 of the age file was changed or cut.", 0),
    "one in the middle dropped": (lambda c: [c[0], *c[2:]], "Chunk 2 of the age file was changed or cut.", 1),
    "the last dropped": (lambda c: c[:-1], "The age file was cut after chunk 3.", 3),
    "all but the first dropped": (lambda c: c[:1], "The age file was cut after chunk 1.", 1),
    "all dropped": (lambda c: [], "Chunk 1 of the age file was changed or cut.", 0),
    "the first duplicated": (lambda c: [c[0], *c], "Chunk 2 of the age file was changed or cut.", 1),
    "the last duplicated": (lambda c: [*c, c[-1]], "Chunk 4 of the age file was changed or cut.", 3),
    "one of another file": (lambda c: [c[0], FOREIGN.chunks[1], *c[2:]], "Chunk 2 of the age file was changed", 1),
    "a byte of rubbish at the end": (lambda c: [*c, b"x"], "Chunk 4 of the age file was changed or cut.", 3),
    "rubbish of the size of a chunk": (lambda c: [*c, bytes(SEALED)], "Chunk 4 of the age file was changed", 3),
    "an empty chunk inserted": (lambda c: [c[0], bytes(16), *c[1:]], "Chunk 2 of the age file was changed or cut.", 1),
}


def refuse(data: bytes, expected: type[age.AgeError], plain: bytes = PLAIN) -> tuple[age.AgeError, int]:
    """Return the error, and how many whole chunks came out before it: they are the beginning of `plain`."""
    target = io.BytesIO()
    with pytest.raises(expected) as caught:
        decrypt(io.BytesIO(data), target, identities=[IDENTITY])
    assert type(caught.value) is expected
    released = target.getvalue()
    assert plain.startswith(released)
    assert len(released) % CHUNK == 0
    return caught.value, len(released) // CHUNK


@pytest.mark.parametrize("name", CHUNK_ATTACKS)
def test_chunks_that_are_not_as_written_are_refused(name: str) -> None:
    attack, message, released = CHUNK_ATTACKS[name]
    error, whole_chunks = refuse(PARTS.put_together(chunks=attack(PARTS.chunks)), age.AgePayloadError)
    assert error.message.startswith(message)
    assert error.hint
    assert whole_chunks == released


@pytest.mark.parametrize("rubbish", [b"x", bytes(15), bytes(16), bytes(17), bytes(SEALED), FULL.chunks[1]])
def test_whatever_follows_a_full_final_chunk_is_refused(rubbish: bytes) -> None:
    error, released = refuse(FULL.put_together(chunks=[*FULL.chunks, rubbish]), age.AgePayloadError)
    assert error.message == "Something follows chunk 2 of the age file, which is its last."
    assert released == 2


def borders(parts: TakenApart) -> list[int]:
    ends = [len(parts.header) + len(parts.nonce)]
    for chunk in parts.chunks:
        ends.append(ends[-1] + len(chunk))
    return ends


@pytest.mark.parametrize("near", [-17, -16, -15, -1, 0, 1, 15, 16, 17, 40_000])
def test_a_file_cut_at_or_near_any_border_of_chunks_is_refused(near: int) -> None:
    for number, (start, end) in enumerate(pairwise(borders(PARTS))):
        cut = start + near
        if borders(PARTS)[0] <= cut < len(FILE) and start + near < end:
            _, released = refuse(FILE[:cut], age.AgePayloadError)
            assert released == (number if near >= 0 else number - 1)


def test_a_file_cut_anywhere_before_its_payload_is_refused() -> None:
    small = sealed(b"x", RECIPIENT)
    for cut in range(len(small) - 17):
        refuse(small[:cut], age.AgeHeaderError, b"x")
    for cut in range(len(small) - 17, len(small)):
        refuse(small[:cut], age.AgePayloadError, b"x")


def test_every_changed_byte_of_the_header_is_refused_before_any_plaintext() -> None:
    for place in range(len(PARTS.header) + 16):
        for change in (0x01, 0x20, 0x80):
            changed = bytearray(FILE)
            changed[place] ^= change
            target = io.BytesIO()
            with pytest.raises(age.AgeError):
                decrypt(io.BytesIO(changed), target, identities=[IDENTITY])
            assert target.getvalue() == b""


@pytest.mark.soak
@examples(75)
@given(place=st.integers(len(PARTS.header) + 16, len(FILE) - 1), change=st.integers(1, 255))
def test_any_changed_byte_of_the_payload_is_refused_in_its_chunk(place: int, change: int) -> None:
    changed = bytearray(FILE)
    changed[place] ^= change
    number = (place - len(PARTS.header) - 16) // SEALED
    error, released = refuse(bytes(changed), age.AgePayloadError)
    assert error.message == f"Chunk {number + 1} of the age file was changed or cut."
    assert released == number


@pytest.mark.soak
@examples(150)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"age-encryption.org/v1\n", b"-----BEGIN AGE ENCRYPTED FILE-----\n"])
)
def test_rubbish_is_refused_with_an_error_of_ours(rubbish: bytes, beginning: bytes) -> None:
    with pytest.raises(age.AgeError):
        opened(beginning + rubbish, IDENTITY)


def test_a_header_with_a_recipient_removed_added_or_swapped_in_is_refused() -> None:
    first, second = re.findall(rb"-> X25519 [^\n]*\n[^\n]*\n", PARTS.header)
    for replaced in (
        PARTS.header.replace(second, b""),
        PARTS.header.replace(first + second, second + first),
        PARTS.header.replace(first, first + b"-> joint\n\n"),
    ):
        refuse(PARTS.put_together(header=replaced), age.AgeHeaderMacError)
    refuse(PARTS.put_together(header=FOREIGN.header), age.AgePayloadError)


def test_a_work_factor_above_the_bound_is_refused_at_once() -> None:
    header = b"age-encryption.org/v1\n-> scrypt bBjlhJVYZeE4aqUdmtRHfw %d\n" + b"A" * 43 + b"\n--- " + b"A" * 43 + b"\n"
    started = time.process_time()
    for factor in (21, 22, 30, 64, 10**40):
        with pytest.raises(age.AgeHeaderError, match="scrypt work factor above 20"):
            opened(header % factor, passphrases=(PASSPHRASE,))
    assert time.process_time() - started < 1


class CountingSource:
    """A header that never ends."""

    def __init__(self, line: bytes) -> None:
        self._line = line
        self.taken = 0

    def read(self, size: int = -1, /) -> bytes:
        start = b"age-encryption.org/v1\n" if self.taken == 0 else b""
        data = (start + self._line * (size // len(self._line) + 1))[:size]
        self.taken += len(data)
        return data


@pytest.mark.parametrize("line", [b"-> a\n\n", b"-", b"A" * 64 + b"\n", b"-> X25519 "])
def test_a_header_without_an_end_takes_no_more_than_its_bound_of_memory(line: bytes) -> None:
    source = CountingSource(line)
    with pytest.raises(age.AgeHeaderError):
        age.open_header(source, identities=[IDENTITY])
    assert source.taken <= 512 * 1024


def test_an_armour_without_a_line_end_takes_no_memory() -> None:
    armoured = b"-----BEGIN AGE ENCRYPTED FILE-----\n" + b"A" * 10_000_000
    with pytest.raises(age.AgeArmorError):
        opened(armoured, IDENTITY)
    with pytest.raises(age.AgeError):
        opened(b" " * 10_000_000, IDENTITY)


@pytest.mark.parametrize(("before", "after"), [(1024, 0), (0, 1024)])
def test_white_space_around_an_armour_is_bounded(before: int, after: int) -> None:
    armoured = run_age("-a", "-r", RECIPIENT, data=b"x")
    assert opened(b"\n" * before + armoured + b"\n" * after, IDENTITY) == b"x"
    with pytest.raises(age.AgeArmorError):
        opened(b"\n" * (before and before + 1) + armoured + b"\n" * (after and after + 1), IDENTITY)


def test_a_wrong_key_gives_one_error_that_tells_nothing_of_the_file() -> None:
    file = sealed(PLAIN, RECIPIENT)
    with pytest.raises(age.AgeNoMatchError) as caught:
        opened(file, OTHER_IDENTITY)
    assert caught.value.message == "No configured identity opens the age file."
    with pytest.raises(age.AgeNoMatchError) as caught:
        opened(file, passphrases=(PASSPHRASE,))
    assert caught.value.message == "No configured identity opens the age file."
    with pytest.raises(age.AgeNoMatchError) as caught:
        opened(file)
    assert caught.value.message == "There is no key to open the age file with."


def test_a_wrong_passphrase_gives_one_error_that_does_not_repeat_it() -> None:
    file = sealed(b"x", passphrase=PASSPHRASE)
    with pytest.raises(age.AgeNoMatchError) as caught:
        opened(file, IDENTITY, passphrases=("hunter2",))
    assert caught.value.message == "No configured passphrase opens the age file."
    assert "hunter2" not in f"{caught.value!r} {caught.value.hint}"


def test_nothing_that_is_not_authentic_ever_reaches_a_file_on_disk(tmp_path: Path) -> None:
    path, changed = tmp_path / "plain", bytearray(FILE)
    changed[len(PARTS.header) + 16 + 2 * SEALED + 5] ^= 1
    with path.open("wb") as target, pytest.raises(age.AgePayloadError):
        decrypt(io.BytesIO(changed), target, identities=[IDENTITY])
    assert path.read_bytes() == PLAIN[: 2 * CHUNK]
