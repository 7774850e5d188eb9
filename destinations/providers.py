"""What other apps add about a destination: its archives, its uses, warnings, and what they do when a test fails."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from destinations.exceptions import DestinationError
    from destinations.models import BackupDestination

# registered by the app that records archives: this one imports nothing of it
ArchiveCounter = Callable[["BackupDestination"], int]
WarningProvider = Callable[["BackupDestination"], Iterable[str]]

# says what of other apps still needs it, such as "2 schedules"
UseProvider = Callable[["BackupDestination"], Iterable[str]]

# takes the error with which a recorded test of a destination ended
FailureReceiver = Callable[["BackupDestination", "DestinationError"], None]

_use_providers: list[UseProvider] = []
_failure_receivers: list[FailureReceiver] = []
_archive_counters: list[ArchiveCounter] = []
_warning_providers: list[WarningProvider] = []


def add_archive_counter(counter: ArchiveCounter) -> None:
    # `ready` of an app may run more than once in a test, and an archive must not be counted twice
    if counter not in _archive_counters:
        _archive_counters.append(counter)


def archives_at(destination: "BackupDestination") -> int:
    """Return how many archives are recorded there and not marked as missing."""
    return sum(counter(destination) for counter in _archive_counters)


def add_use_provider(provider: UseProvider) -> None:
    if provider not in _use_providers:
        _use_providers.append(provider)


def uses_of(destination: "BackupDestination") -> list[str]:
    """Return what still needs `destination`, beside the history of backups: it is not deleted meanwhile."""
    return [use for provider in _use_providers for use in provider(destination)]


def add_warning_provider(provider: WarningProvider) -> None:
    """Call `provider` whenever a destination is added, changed, shown or tested; it returns whole sentences."""
    _warning_providers.append(provider)


def warnings_about(destination: "BackupDestination") -> list[str]:
    """Return the warnings of the type and those of the providers."""
    # two of them may meet the same trouble
    found = [warning for provider in _warning_providers for warning in provider(destination)]
    return list(dict.fromkeys([*destination.type_warnings(), *found]))


def add_failure_receiver(receiver: FailureReceiver) -> None:
    if receiver not in _failure_receivers:
        _failure_receivers.append(receiver)


def report_failed_test(destination: "BackupDestination", error: "DestinationError") -> None:
    """Pass on `error`, with which a test of `destination` ended that was recorded."""
    for receiver in _failure_receivers:
        receiver(destination, error)
