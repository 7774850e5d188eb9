"""What others in this project have to say about a destination: they know what lies there besides, we do not."""

from collections.abc import Callable, Iterable

from destinations.models import BackupDestination

Source = Callable[[BackupDestination], Iterable[str]]

_sources: list[Source] = []


def add_source(source: Source) -> None:
    """Ask `source` for warnings, whole sentences, whenever a destination is added, changed, shown or tested."""
    _sources.append(source)


def warnings_about(destination: BackupDestination) -> list[str]:
    return [warning for source in _sources for warning in source(destination)]
