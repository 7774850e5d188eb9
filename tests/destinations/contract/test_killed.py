"""A process that is killed at any step of an upload: nothing half-done is listed, and a sweep removes what is left."""

import hashlib
import io
import os
from typing import Any

import pytest

from destinations.backends.remote import RemoteDestination
from tests.destinations.contract.places import PLACES, Place

PATH = "tacacs-hq/manual/backup.tar.gz"
OTHER = "tacacs-hq/manual/other.tar.gz"
DATA = os.urandom(3 * 1024 * 1024 + 17)
TOKEN = "killed-1"


class Killed(BaseException):
    pass


class Dying(io.BytesIO):
    """Dies after a MiB."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() >= 1024 * 1024:
            raise Killed
        return super().read(1024 * 1024 if size is None or size < 0 else min(size, 1024 * 1024))


def store(destination: Any, path: str, source: io.BytesIO, token: str) -> None:
    digest = hashlib.sha256(DATA).hexdigest()
    destination.put(source, path, size=len(DATA), token=token, sha256=digest)


# of the local type real processes are killed, in its own tests
@pytest.mark.parametrize("place", sorted(PLACES.keys() - {"local"}), indirect=True)
@pytest.mark.parametrize("dies_after", ["the first MiB", "remote_send", "remote_publish"])
def test_what_a_killed_process_leaves_is_not_listed_and_is_swept(
    place: Place, monkeypatch: pytest.MonkeyPatch, dies_after: str
) -> None:
    destination: Any = place.open()
    # of another upload, which is not swept
    store(destination, OTHER, io.BytesIO(DATA), "alive")
    with monkeypatch.context() as dying:
        # nothing is tidied up by a process that is killed
        dying.setattr(RemoteDestination, "_discard", lambda *args, **options: None)
        if dies_after.startswith("remote"):
            step = getattr(type(destination), dies_after)

            def then_die(self: Any, *args: Any) -> None:
                step(self, *args)
                raise Killed

            dying.setattr(type(destination), dies_after, then_die)
        with pytest.raises(Killed):
            store(destination, PATH, Dying(DATA) if dies_after == "the first MiB" else io.BytesIO(DATA), TOKEN)
    destination.close()
    published = [PATH] if dies_after == "remote_publish" else []
    with place.open() as later:
        assert [file.path for file in later.list()] == [*published, OTHER]
        later.sweep(TOKEN, planned=[PATH])
        assert list(later.list_partials()) == []
        if place.type == "storage" and dies_after == "remote_send":
            # all that was missing is that its marker goes; it was read back before
            published = [PATH]
        assert place.files() == [*published, OTHER]
        if published:
            assert place.read(PATH) == DATA
        else:
            # its name is free
            store(later, PATH, io.BytesIO(DATA), "later")
