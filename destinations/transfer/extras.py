"""What only one type of destination needs: installed where it is used, and missed with one clear sentence."""

import importlib
import shutil
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

from destinations.exceptions import DestinationConfigError


@dataclass(frozen=True)
class Extra:
    """The packages of `requirements-NAME.txt`, by the modules that they bring; or programs, which `install` brings."""

    name: str
    modules: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    install: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        modules = tuple(module for module in self.modules if not _is_installed(module))
        return modules + tuple(program for program in self.programs if shutil.which(program) is None)

    @property
    def hint(self) -> str:
        return f"Install it: {self.install or f'pip install -r requirements-{self.name}.txt'}"

    @property
    def note(self) -> str:
        """What is missing, as a sentence; empty when all is there."""
        if not self.missing:
            return ""
        kind = "program" if self.programs else "package"
        return f"The type {self.name!r} needs the {kind} {', '.join(self.missing)}, which is not installed here."

    def require(self) -> None:
        """Raise `DestinationConfigError` when a package is missing."""
        if self.missing:
            raise DestinationConfigError(self.note, self.hint)

    def load(self, module: str) -> ModuleType:
        """Import `module`, which imports those of the extra. Raises `DestinationConfigError` when one is missing."""
        self.require()
        return importlib.import_module(module)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that would hold it
        return False
