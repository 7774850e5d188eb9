"""The marker beside a file that is being stored: storages can neither rename nor publish in one step.

It has the name of a partial upload, and says what the file is to be. While it is there, the file is not listed; to
delete it publishes the file.
"""

import json
import secrets
from dataclasses import dataclass
from typing import Self

from destinations.transfer.paths import part_name, part_token
from destinations.transfer.upload import Wanted

LONGEST = 1000


@dataclass(frozen=True)
class Marker:
    """`size` in bytes and `sha256` (hex, or nothing where it is not known) of the file that it stands for.

    `attempt` tells the try that made it from every other one.
    """

    size: int
    sha256: str
    attempt: str = ""

    @classmethod
    def of(cls, wanted: Wanted) -> Self:
        return cls(wanted.size, wanted.sha256 or "", secrets.token_hex(8))

    @classmethod
    def parse(cls, data: bytes) -> Self | None:
        """Return what `data` says; None for the file of another program."""
        try:
            found = json.loads(data)
            return cls(int(found["size"]), str(found["sha256"]), str(found.get("attempt", "")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    @property
    def data(self) -> bytes:
        return json.dumps({"size": self.size, "sha256": self.sha256, "attempt": self.attempt}).encode()

    def fits(self, size: int, sha256: str) -> bool:
        # without a checksum nothing says that it is whole
        return (size, sha256) == (self.size, self.sha256)


def marked(name: str) -> str:
    """Return the name of the file that the marker `name` stands for; nothing for another name."""
    token = part_token(name)
    return "" if token is None else name.removesuffix(part_name("", token))
