"""A site in a temporary folder: its settings, a copy of the demo instance, a local destination."""

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_django import Settings

from backups.instances import process_scan
from backups.models import BackupExecution
from backups.service.backup.run import run_backup
from backups.service.backup.start import start_backup
from destinations.models import BackupDestination
from tests.support.archives.kept import KeptBackup
from tests.support.databases.sqlite_files import make_database
from tests.support.paths import DATA
from tests.support.processes.process_table import descendants_of
from tests.support.sites.command_site import Site, furnished

DEMO = DATA / "instance"
TACACS = """\
[tacacs-hq]
kind = "tacacs"
root = "{root}"
config = "config/tacacs.conf"
"""


@pytest.fixture
def own_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a backup look for its service among the processes that this test has started.

    Those of the whole machine belong to other tests, and looking at each of them takes a sixth of a backup.
    """
    monkeypatch.setattr(process_scan, "running_pids", lambda: descendants_of(os.getpid()))


@pytest.fixture
def home(tmp_path: Path, settings: Settings, own_processes: None) -> Path:
    """Return the folder of a site whose settings point into it; there are no instances yet."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    settings.BACKUP_INSTANCES_FILE = home / "instances.toml"
    settings.BACKUP_ROOT = home / "backups"
    settings.BACKUP_ROOT.mkdir(mode=0o700)
    settings.BACKUP_WORKSPACE_ROOT = home / "workspaces"
    settings.BACKUP_LOCK_TIMEOUT = 1.0
    settings.BACKUP_INSTANCES_FILE.write_text("")
    return home


@pytest.fixture
def declare(home: Path) -> Callable[[str], None]:
    """Return a function that writes the instances file."""

    def write(text: str) -> None:
        draft = home / "instances.new"
        draft.write_text(text)
        settle(draft)
        draft.replace(home / "instances.toml")

    return write


def settle(file: Path) -> None:
    """Let an instances file look as if it was written a minute ago, which is still a moment of its own."""
    written_at = file.stat().st_mtime_ns - 60 * 10**9
    os.utime(file, ns=(written_at, written_at))


@pytest.fixture
def tacacs_root(tmp_path: Path, declare: Callable[[str], None]) -> Path:
    """Return the root of a copy of the demo instance, known as tacacs-hq."""
    root = shutil.copytree(DEMO, tmp_path / "tacacs")
    declare(TACACS.format(root=root))
    return root


@pytest.fixture
def destination(home: Path, request: pytest.FixtureRequest) -> BackupDestination:
    request.getfixturevalue("transactional_db" if needs_transactions(request) else "db")
    destination = BackupDestination(name="nas", type="local", created_by="tests")
    destination.configure({})
    destination.save()
    return destination


def needs_transactions(request: pytest.FixtureRequest) -> bool:
    marker = request.node.get_closest_marker("django_db")
    return marker is not None and bool(marker.kwargs.get("transaction"))


Declare = Callable[[str], None]
BackUp = Callable[..., BackupExecution]


@pytest.fixture
def back_up(destination: BackupDestination) -> BackUp:
    """Return a function that backs an instance up, whole; its error is raised."""

    def run(instance: str = "tacacs-hq", **options: object) -> BackupExecution:
        queued = start_backup(instance, destination, by="tests", **options)  # type: ignore[arg-type]
        return run_backup(queued.pk)

    return run


@pytest.fixture(scope="session")
def kept_backup(tmp_path_factory: pytest.TempPathFactory) -> KeptBackup:
    return KeptBackup(tmp_path_factory.mktemp("kept"))


@pytest.fixture
def demo_backup(
    tacacs_root: Path, destination: BackupDestination, back_up: BackUp, kept_backup: KeptBackup
) -> BackupExecution:
    """Return a backup of tacacs-hq as it is."""
    return kept_backup.again(destination, back_up)


@pytest.fixture
def archives(home: Path) -> Callable[[], list[str]]:
    """Return a function that lists every file below BACKUP_ROOT, under way or finished.

    The signature of an archive that is there goes without saying; one without its archive is listed.
    """

    def names() -> list[str]:
        root = home / "backups"
        files = {str(path.relative_to(root)) for path in root.rglob("*") if not path.is_dir()}
        return sorted(files - {f"{name}.minisig" for name in files})

    return names


@pytest.fixture
def workspaces(home: Path) -> Callable[[], list[str]]:
    """Return a function that lists what lies in the folder of workspaces."""
    return lambda: sorted(path.name for path in (home / "workspaces").glob("*"))


OnStage = Callable[[str, Callable[[], None]], None]


@pytest.fixture
def on_stage() -> Iterator[OnStage]:
    """Return a function that lets something happen in the moment a backup enters a stage, in its own thread."""
    handlers: list[logging.Handler] = []
    logger = logging.getLogger("backups")

    def register(stage: str, action: Callable[[], None]) -> None:
        handlers.append(StageHandler(stage, action))
        logger.addHandler(handlers[-1])

    yield register
    for handler in handlers:
        logger.removeHandler(handler)


class StageHandler(logging.Handler):
    def __init__(self, stage: str, action: Callable[[], None]) -> None:
        super().__init__()
        self.stage, self.action = stage, action

    def handle(self, record: logging.LogRecord) -> bool:
        self.emit(record)  # without the lock: what happens may take long, and other threads log meanwhile
        return True

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("backup.stage ") and f" stage={self.stage}" in record.getMessage():
            self.action()


@pytest.fixture(scope="session")
def site_template(tmp_path_factory: pytest.TempPathFactory, migrated_database: Path) -> Site:
    """Return a site with tables, a destination and one backup; tests work in copies of it."""
    return furnished(tmp_path_factory.mktemp("template"), migrated_database)


Listing = Callable[[], list[str]]
Refused = Callable[..., BackupExecution]
SHOP = """
[shop]
kind = "generic"
root = "{root}"
[shop.components.orders]
kind = "sqlite"
path = "orders.db"
[shop.components.uploads]
kind = "files"
path = "uploads"
"""
OPTIONAL = "optional = true\n"


@pytest.fixture
def small_shop(tmp_path: Path, declare: Declare) -> Path:
    root = tmp_path / "shop"
    (root / "uploads").mkdir(parents=True)
    (root / "uploads" / "photo").write_bytes(b"photo")
    make_database(root / "orders.db", rows=400, blob_bytes=900)
    declare(SHOP.format(root=root))
    return root


@pytest.fixture
def refused(
    back_up: BackUp, archives: Listing, workspaces: Listing, destination: BackupDestination
) -> Callable[..., BackupExecution]:
    """Return a function that backs the shop up, sees it fail, and sees that nothing is left."""

    def fail(error: type[Exception], status: str = "failed") -> BackupExecution:
        with pytest.raises(error) as raised:
            back_up("shop")
        execution = BackupExecution.objects.latest()
        assert execution.status == status
        assert execution.error_message == getattr(raised.value, "message", "")
        assert execution.error_hint
        assert execution.completed_at is not None
        assert (execution.backup_path, execution.backup_filename) == ("", "")
        assert execution.timeline[-1][0] == status
        assert workspaces() == []
        destination.refresh_from_db()
        assert destination.last_backup_status == status
        return execution

    return fail
