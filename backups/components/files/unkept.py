"""What a restore of a tree could not give to its entries, as warnings."""

from dataclasses import dataclass, field
from pathlib import Path

from destinations.lib.formats import counted, printable


@dataclass(slots=True)
class Unkept:
    """What could not be given to entries: for each such thing how many, the first of them, and the reason.

    `limited` are the entries that got no privileges, because the archive is not trusted.
    """

    found: dict[str, tuple[int, str, str]] = field(default_factory=dict)
    limited: int = 0

    def add(self, what: str, name: str, reason: str) -> None:
        count, first, why = self.found.get(what, (0, name, reason))
        self.found[what] = count + 1, first, why

    def include(self, other: "Unkept") -> None:
        """Add what could not be kept of another part of the tree."""
        for what, (count, name, reason) in other.found.items():
            self.add(what, name, reason)
            known, first, why = self.found[what]
            self.found[what] = known + count - 1, first, why
        self.limited = max(self.limited, other.limited)

    def notes(self, root: Path) -> list[str]:
        """Return warnings for the operator, one for each thing that was not kept."""
        notes = []
        for what, (count, first, reason) in self.found.items():
            others = f" and {counted(count - 1, 'other entry', 'other entries')}" if count > 1 else ""
            notes.append(printable(f"{what} of {root / first}{others} could not be restored: {reason}"))
        if self.limited:
            notes.append(
                printable(
                    f"{counted(self.limited, 'entry', 'entries')} of {root} came back without set-user-id, set-group-id"
                    " and security attributes: no known key signed the archive"
                )
            )
        return notes
