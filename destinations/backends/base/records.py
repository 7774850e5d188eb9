"""What is said of files, tests, keys of servers and uploads that were cut."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

# a step of a test: its name, and what does it and returns what was found
Step = tuple[str, Callable[[], str]]


@dataclass(frozen=True)
class StoredFile:
    """A file in a destination. `modified_at` is the other side's clock: for display, never for decisions.

    `locked_until` is known from `stat` and `put`, listings leave it out.
    """

    path: str
    size_bytes: int
    modified_at: datetime | None
    locked_until: datetime | None = None


@dataclass(frozen=True)
class TestStep:
    """One step of a test: what was done, what was found, and how many seconds it took."""

    name: str
    detail: str
    seconds: float = 0.0

    __test__ = False  # not a test class, whatever pytest reads into the name


@dataclass(frozen=True)
class PeerKey:
    """What a server identifies itself by: `fingerprint` is what a person compares, `value` what is pinned then.

    `command` prints the fingerprint on the server.
    """

    kind: str
    fingerprint: str
    value: str
    command: str = field(default="", compare=False)


@dataclass
class UploadState:
    """What a type remembers of an upload, so that one that was cut goes on where it ended, in another process too.

    `data` is JSON without secrets, empty at first; `save` keeps it, and is called whenever it has changed.
    """

    data: dict[str, object]
    save: Callable[[dict[str, object]], None]
