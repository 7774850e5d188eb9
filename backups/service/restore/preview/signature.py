"""The signature of an archive, as a preview shows it."""

from dataclasses import dataclass
from pathlib import Path

from backups.archive.errors import ArchiveError
from backups.models import BackupExecution
from backups.service.archives.signatures import State, signature_state
from backups.service.restore.preview.refusal import Refusal
from destinations.exceptions import DestinationError
from destinations.lib.operator_error import sentences


@dataclass(frozen=True, slots=True)
class PreviewedSignature:
    """`bad` is why a restore refuses the archive, whatever a person accepts; `unknown` why it cannot be checked."""

    text: str
    trusted: bool = False
    bad: str = ""
    unknown: str = ""

    def refusal(self, *, undo: bool) -> Refusal:
        """Return what a restore would stop at; empty when it would not."""
        if self.bad or self.unknown or self.trusted or undo:
            return Refusal(self.bad or self.unknown)
        return Refusal(f"The archive is {self.text}.", option="--accept-unsigned")


def preview_signature(source: BackupExecution | Path) -> PreviewedSignature:
    """Check the signature of `source`. Nothing is raised: the result has what is wrong."""
    try:
        signature = signature_state(source)
    except ArchiveError as error:
        return PreviewedSignature("not to be trusted", bad=error.message)
    except DestinationError as error:
        unknown = sentences(f"Its signature cannot be read: {error.message}")
        return PreviewedSignature(unknown, unknown=unknown)
    return PreviewedSignature(str(signature), trusted=signature.state is State.SIGNED)
