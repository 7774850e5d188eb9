"""Packages that only one type of destination needs: installed where it is used, and missed with one clear sentence."""

import importlib
from dataclasses import dataclass
from importlib.util import find_spec
from types import ModuleType

from destinations.exceptions import DestinationConfigError


@dataclass(frozen=True)
class Extra:
    """The packages of `requirements-NAME.txt`, by the modules that they bring."""

    name: str
    modules: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        return tuple(module for module in self.modules if not _is_installed(module))

    @property
    def hint(self) -> str:
        return f"Install it: pip install -r requirements-{self.name}.txt"

    @property
    def note(self) -> str:
        """What is missing, as a sentence; empty when all is there."""
        if not self.missing:
            return ""
        return f"The type {self.name!r} needs the package {', '.join(self.missing)}, which is not installed here."

    def load(self, module: str) -> ModuleType:
        """Import `module`, which imports those of the extra. Raises `DestinationConfigError` when one is missing."""
        if self.missing:
            raise DestinationConfigError(self.note, self.hint)
        return importlib.import_module(module)


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package that would hold it
        return False
