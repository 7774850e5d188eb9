"""A backup of a TACACS+ instance, and the instance spoilt since."""

from pathlib import Path

from backups.models import BackupExecution, RestoreExecution
from tests.support.restores.instance_restores import drafts, queue, tacacs_state
from tests.support.site_fixtures import Listing

State = dict[str, object]


class Scene:
    """A backup of the instance, what it held then, and what it holds since."""

    def __init__(self, root: Path, backup: BackupExecution, new: State, old: State, log: Path) -> None:
        self.root, self.backup, self.new, self.old, self.hook_log = root, backup, new, old, log

    def queue(self) -> RestoreExecution:
        # the process that runs it has another home, and does not know the key that signs here
        return queue(self.backup, accept_unsigned=True)

    def whole(self) -> bool:
        """True when each component is the old or the new one, whole; the configuration is a file and a database."""
        state = tacacs_state(self.root)
        return all(state[name] in (self.old[name], self.new[name]) for name in state)

    def is_old(self) -> bool:
        return tacacs_state(self.root) == self.old

    def is_new(self) -> bool:
        return tacacs_state(self.root) == self.new


def assert_nothing_lies_around(scene: Scene, workspaces: Listing) -> None:
    assert drafts(scene.root) == []
    assert workspaces() == []
    assert not RestoreExecution.objects.filter(status__in=RestoreExecution.ACTIVE).exists()
    assert not BackupExecution.objects.filter(status__in=BackupExecution.ACTIVE).exists()
