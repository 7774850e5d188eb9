"""The public test vectors of the age format, all of them, refusals included."""

import hashlib
import io
import tarfile
import zlib
from collections import defaultdict
from pathlib import Path

import pytest

from backups.archive import age
from tests.support.archives.age_files import decrypt
from tests.support.paths import DATA

TESTKIT = DATA / "age" / "testkit.tar.xz"
EXPECTED = {
    "success": None,
    "no match": age.AgeNoMatchError,
    "HMAC failure": age.AgeHeaderMacError,
    "header failure": age.AgeHeaderError,
    "payload failure": age.AgePayloadError,
    "armor failure": age.AgeArmorError,
}


class Vector:
    """A file of the testkit: lines of keys and values, an empty line, and an age file."""

    def __init__(self, content: bytes) -> None:
        head, _, body = content.partition(b"\n\n")
        self.values: defaultdict[str, list[str]] = defaultdict(list)
        for line in head.decode().split("\n"):
            key, _, value = line.partition(": ")
            self.values[key].append(value)
        self.file = zlib.decompress(body) if self.values["compressed"] == ["zlib"] else body

    @property
    def error(self) -> type[age.AgeError] | None:
        return EXPECTED[self.values["expect"][0]]

    def is_released(self, plaintext: bytes) -> bool:
        """Tell whether `plaintext` is what may be released, also before a failure: nothing, where no hash is given."""
        if not self.values["payload"]:
            return not plaintext
        return hashlib.sha256(plaintext).hexdigest() == self.values["payload"][0]


def load_vectors() -> dict[str, Vector]:
    with tarfile.open(TESTKIT) as archive:
        files = {Path(member.name).name: archive.extractfile(member) for member in archive}
        return {name: Vector(file.read()) for name, file in files.items() if file is not None}


VECTORS = load_vectors()


class Trickle:
    """A source that can only `read`, and gives at most 1021 bytes at a time."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1, /) -> bytes:
        return self._data.read(min(size, 1021))


def test_all_vectors_are_there() -> None:
    assert len(VECTORS) == 143
    assert {vector.values["expect"][0] for vector in VECTORS.values()} == set(EXPECTED)


@pytest.mark.parametrize("name", VECTORS)
def test_decrypt_does_with_the_vector_what_the_format_says(name: str) -> None:
    vector, target, error = VECTORS[name], io.BytesIO(), None
    try:
        decrypt(
            io.BytesIO(vector.file),
            target,
            identities=vector.values["identity"],
            passphrases=vector.values["passphrase"],
        )
    except age.AgeError as refusal:
        error = refusal
    assert (type(error) if error else None) is vector.error
    assert vector.is_released(target.getvalue())
    assert error is None or (error.message and error.hint)


@pytest.mark.parametrize("name", [name for name in VECTORS if not name.startswith("scrypt")])
def test_the_reader_does_the_same_when_bytes_trickle_in(name: str) -> None:
    vector, released, error = VECTORS[name], b"", None
    keys = vector.values["identity"], vector.values["passphrase"]
    try:
        reader = age.DecryptingReader(Trickle(vector.file), identities=keys[0], passphrases=keys[1])
        while part := reader.read(100_000):
            released += part
    except age.AgeError as refusal:
        error = refusal
    assert (type(error) if error else None) is vector.error
    assert vector.is_released(released)


@pytest.mark.parametrize("name", [name for name, vector in VECTORS.items() if vector.error is None])
def test_the_header_alone_shows_that_the_keys_open_the_vector(name: str) -> None:
    vector = VECTORS[name]
    info = age.open_header(
        io.BytesIO(vector.file), identities=vector.values["identity"], passphrases=vector.values["passphrase"]
    )
    assert {"X25519", "scrypt", "mlkem768x25519"} & set(info.stanza_types)
