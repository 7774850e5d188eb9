"""Checksums that are computed beside what they are of."""

import hashlib
import threading

import pytest

from destinations.transfer.digest import LEAST_BYTES, Digest

BLOCKS = [bytes([number]) * size for number, size in enumerate((LEAST_BYTES, 1, 0, 5 * LEAST_BYTES, LEAST_BYTES - 1))]


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "md5"])
def test_blocks_of_every_size_are_taken_in_their_order(algorithm: str) -> None:
    digest = Digest(algorithm)
    for block in BLOCKS:
        digest.update(block)
    assert digest.hexdigest() == hashlib.new(algorithm, b"".join(BLOCKS)).hexdigest()


def test_a_cyclic_checksum_is_written_as_programs_write_it() -> None:
    # the second one begins with a zero
    for text, checksum in ((b"123456789", "cbf43926"), (b"backup21", "0e1168e3")):
        digest = Digest("crc32")
        digest.update(text)
        assert digest.copy().hexdigest() == checksum


def test_a_copy_goes_on_by_itself_from_what_was_handed_over() -> None:
    digest = Digest()
    digest.update(BLOCKS[0])
    other = digest.copy()
    other.update(BLOCKS[3])
    digest.update(b"else")
    assert other.hexdigest() == hashlib.sha256(BLOCKS[0] + BLOCKS[3]).hexdigest()
    assert digest.hexdigest() == hashlib.sha256(BLOCKS[0] + b"else").hexdigest()


def test_a_block_is_handed_over_only_when_the_one_before_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, may_go_on, seen = threading.Event(), threading.Event(), []

    class Slow:
        def update(self, block: bytes) -> None:
            seen.append(block)
            taken.set()
            assert may_go_on.wait(5)

    digest = Digest()
    monkeypatch.setattr(digest, "_hash", Slow())
    # returns while it is hashed
    digest.update(BLOCKS[0])
    assert taken.wait(5)
    second = threading.Thread(target=digest.update, args=(BLOCKS[3],))
    second.start()
    assert seen == [BLOCKS[0]]
    may_go_on.set()
    second.join(5)
    digest._settle()
    assert seen == [BLOCKS[0], BLOCKS[3]]


def test_its_thread_ends_with_it_and_holds_up_no_end_of_the_process() -> None:
    before = set(threading.enumerate())
    digest = Digest()
    digest.update(BLOCKS[0])
    (beside,) = set(threading.enumerate()) - before
    assert beside.daemon
    del digest
    beside.join(5)
    assert not beside.is_alive()


def test_what_goes_wrong_beside_is_raised() -> None:
    digest = Digest()
    digest.update(memoryview(bytes(2 * LEAST_BYTES))[::2])
    with pytest.raises(BufferError):
        digest.hexdigest()
