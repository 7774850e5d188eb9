"""Where a destination is, in one spelling: two destinations at one place, or one in the other, are seen by it."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

from destinations.network.hosts import THIS_MACHINE


@dataclass(frozen=True, slots=True)
class Place:
    """A folder, by its names, in a store such as an account on a server or a bucket. `host` is where that is, "" where
    that is not known.
    """

    store: tuple[str, ...]
    folder: tuple[str, ...] = ()
    host: str = ""

    @classmethod
    def at(cls, *store: str, folder: str = "", host: str = "") -> Self:
        """Return the place of a path: a relative one, such as below the folder of a login, is none from the root."""
        names = tuple(name for name in PurePosixPath(folder).parts if name not in (".", "//"))
        return cls((*store, host), names, host)

    @property
    def is_on_this_machine(self) -> bool:
        return self.host == THIS_MACHINE

    def overlaps(self, other: "Place") -> bool:
        """True where one is the other, or lies in it: archives of one would be found in the other."""
        length = min(len(self.folder), len(other.folder))
        return self.store == other.store and self.folder[:length] == other.folder[:length]
