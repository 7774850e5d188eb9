"""The order of `walk`, which proves of the entries of a nested tar that each lies in a folder and is there once."""

from collections import deque
from dataclasses import dataclass, field

from backups.components.files.format.header import FOLDER, ROOT


@dataclass(slots=True)
class _Listed:
    """A folder whose entries are listed: the last of them, and the folders among them that are not listed yet.

    By the last parts of their names: a whole name may be as long as a header.
    """

    last: str = ""
    folders: deque[str] = field(default_factory=deque)


class EntryOrder:
    """Follows the entries of a tree; holds only the names of the folders beside the way to the current one."""

    def __init__(self) -> None:
        # the name of the last folder on the way
        self._name = ""
        self._way = [_Listed()]
        self._begun = False

    def accepts(self, name: str, type_: str) -> bool:
        """Return whether the entry `name` may come next."""
        begun, self._begun = self._begun, True
        if name == ROOT:
            return not begun and type_ == FOLDER
        parent, _, base = name.rpartition("/")
        if parent != self._name and not self._go_to(parent):
            return False
        folder = self._way[-1]
        if base <= folder.last:
            return False
        folder.last = base
        if type_ == FOLDER:
            folder.folders.append(base)
        return True

    def _go_to(self, name: str) -> bool:
        above, _, base = name.rpartition("/")
        if above and above != self._name and not self._name.startswith(f"{above}/"):
            return False
        depth = above.count("/") + 1 if above else 0
        del self._way[depth + 1 :]
        folders = self._way[-1].folders
        while folders:
            # those before it are empty
            if folders.popleft() == base:
                self._way.append(_Listed())
                self._name = name
                return True
        return False
