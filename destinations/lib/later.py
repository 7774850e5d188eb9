"""Names that are imported at their first use: a command, and the process of a run, import only what they need."""

from collections.abc import Iterator, MutableMapping
from typing import Any, Generic, TypeVar

from django.utils.module_loading import import_string

Value = TypeVar("Value")


class Later:
    """The function at a dotted path, imported when it is called first."""

    def __init__(self, path: str) -> None:
        self.path = path
        # what Django and the log call a function by
        self.__name__ = self.__qualname__ = path.rpartition(".")[2]
        self._function: Any = None

    def load(self) -> Any:
        if self._function is None:
            self._function = import_string(self.path)
        return self._function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.load()(*args, **kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Later) and other.path == self.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __repr__(self) -> str:
        return f"Later({self.path!r})"


class LaterMapping(MutableMapping[str, Value], Generic[Value]):
    """A registry by name, whose values are given as they are or as dotted paths, imported when asked for."""

    def __init__(self, **values: Value | str) -> None:
        self._values = values

    def __getitem__(self, name: str) -> Value:
        value = self._values[name]
        if isinstance(value, str):
            value = self._values[name] = import_string(value)
        return value

    def __setitem__(self, name: str, value: Value | str) -> None:
        self._values[name] = value

    def __delitem__(self, name: str) -> None:
        del self._values[name]

    def __contains__(self, name: object) -> bool:
        # that of the base class would import the value
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)
