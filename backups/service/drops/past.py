"""What the components of an instance held in its earlier backups, which a new one is compared with."""

from collections import Counter
from collections.abc import Iterator
from itertools import islice

from backups.archive.errors import ArchiveError
from backups.archive.manifest.document import Manifest
from backups.models import BackupExecution
from backups.models.columns import DropEntry
from backups.models.querysets import BackupQuerySet
from backups.service.drops.entries import RECURRING, drop_in, is_confirmed
from backups.service.drops.episodes import comparable, open_drops
from backups.service.drops.holdings import Holding, holdings_of
from backups.service.drops.trend import LONGEST_WINDOW, Past

# manifests of a catalogue that is rebuilt are needed by the next backups too
MOST_KEPT = 2 * LONGEST_WINDOW
Holdings = dict[str, Holding]


class PastBackups:
    """The earlier backups of instances; each manifest is read once, and few are kept in memory."""

    def __init__(self) -> None:
        self._read: dict[str, Holdings | None] = {}

    def states_before(self, backup: BackupExecution) -> dict[str, list[Past]]:
        """Return the last states of each component in which it had no open drop, the newest first."""
        others = comparable().of_instance(backup.instance).exclude(pk=backup.pk)
        earlier = others.filter(started_at__lte=backup.started_at)
        # after the clock was set back all other backups may be later ones: they are compared with then
        rows = (earlier if backup.adopted or earlier.exists() else others).order_by("-started_at", "-pk")
        usable: list[tuple[Holdings, set[str], list[DropEntry]]] = []
        passed, with_drop = 0, Counter[str]()
        for row in _with_drops(rows):
            dropped = {drop.component for drop in open_drops(row)}
            # a component with an open drop has its states further back; the others are complete by then
            short = {name for name, times in with_drop.items() if passed - times < LONGEST_WINDOW}
            if passed >= LONGEST_WINDOW and not short:
                break
            is_read = passed < LONGEST_WINDOW or not short <= dropped
            held = self._holdings(row.pk) if is_read else {}
            if held is None:
                continue
            passed += 1
            with_drop.update(dropped)
            if is_read:
                usable.append((held, dropped, row.drops or []))
        names = dict.fromkeys(name for held, _, _ in usable for name in held)
        return {
            name: [_state(name, held, entries) for held, dropped, entries in usable if name not in dropped]
            for name in names
        }

    def _holdings(self, pk: str) -> Holdings | None:
        if pk not in self._read:
            manifest = manifest_of(pk)
            self._read[pk] = None if manifest is None else holdings_of(manifest)
            if len(self._read) > MOST_KEPT:
                del self._read[next(iter(self._read))]
        return self._read[pk]


def _with_drops(rows: BackupQuerySet) -> Iterator[BackupExecution]:
    """Yield `rows` with their drops only, a few at a time: these lie behind the manifest, which a row is read past."""
    keys = rows.values_list("pk", flat=True).iterator()
    while some := list(islice(keys, LONGEST_WINDOW)):
        found = BackupExecution.objects.only("pk", "drops", "drop_confirmed_at").in_bulk(some)
        yield from (found[key] for key in some if key in found)


def _state(name: str, held: Holdings, entries: list[DropEntry]) -> Past:
    own = [entry for entry in entries if entry["component"] == name and is_confirmed(entry)]
    by_a_person = any(entry["confirmed_by"] != RECURRING for entry in own)
    return Past(held.get(name), tuple(map(drop_in, own)), by_a_person)


def manifest_of(pk: str) -> Manifest | None:
    """Return the manifest of a row; None for an adopted one that cannot be read."""
    data = BackupExecution.objects.values_list("manifest_json", flat=True).get(pk=pk)
    try:
        return Manifest.from_dict(data)
    except ArchiveError:
        return None
