"""The base of the errors of this package."""

from destinations.lib.operator_error import OperatorError


class ArchiveError(OperatorError):
    """An archive, manifest or key that cannot be used."""
