"""The errors that more than one part of this package raises."""

from destinations.lib.operator_error import OperatorError


class ArchiveError(OperatorError):
    """An archive, manifest or key that cannot be used."""


class NotPossibleHere(ArchiveError):  # noqa: N818 - named for what happened
    """What an archive needs is missing on this host; the archive itself may be good.

    A key, a program, a package, memory, or a newer version of this program.
    """
