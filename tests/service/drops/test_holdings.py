"""What counts as a drop between two manifests, and what does not."""

from typing import Any

import pytest

from backups.archive.manifest.document import Entry, LeftOut
from backups.service.drops.holdings import Drop, Holding, drops_between, holdings_of
from tests.support.rows import a_manifest


def database(component: str, /, size: int = 8192, **tables: int) -> Entry:
    return Entry(f"{component}.db", size, "a" * 64, "database", component, sum(tables.values()), tables)


def tree(component: str, files: int, file_bytes: int) -> Entry:
    size = 1536 + files * 512 + file_bytes
    return Entry(f"{component}.tar", size, "b" * 64, "data", component, files=files, file_bytes=file_bytes)


def file(component: str, size: int) -> Entry:
    return Entry(component, size, "c" * 64, "data", component)


def found(before: list[Entry], after: list[Entry], **options: Any) -> list[Drop]:
    old, new = (holdings_of(a_manifest(contents=tuple(entries), absent=())) for entries in (before, after))
    return drops_between(old, new, **{"percent": 90} | options)


@pytest.mark.parametrize(
    ("before", "after", "drop"),
    [
        (database("b", t=3), database("b", t=0), Drop("b", "", "rows", 3, 0)),
        (database("b", t=3000), database("b", t=300), Drop("b", "", "rows", 3000, 300)),
        (database("b", t=3000, u=900), database("b", t=3000, u=0), Drop("b", "u", "rows", 900, 0)),
        (database("b", t=3000, u=5), database("b", t=3000), Drop("b", "u", "rows", 5, 0)),
        (database("b", t=9000, u=100), database("b", t=9000, u=9), Drop("b", "u", "rows", 100, 9)),
        (tree("up", 1, 2), tree("up", 0, 0), Drop("up", "", "files", 1, 0)),
        (tree("up", 100, 9000), tree("up", 9, 9000), Drop("up", "", "files", 100, 9)),
        (tree("up", 100, 90_000), tree("up", 100, 0), Drop("up", "", "bytes", 90_000, 0)),
        (tree("up", 100, 90_000), tree("up", 99, 8_000), Drop("up", "", "bytes", 90_000, 8_000)),
        (file("f", 10), file("f", 0), Drop("f", "", "bytes", 10, 0)),
        (file("f", 50_000), file("f", 1_000), Drop("f", "", "bytes", 50_000, 1_000)),
    ],
)
def test_what_became_empty_or_lost_most_of_it_is_a_drop(before: Entry, after: Entry, drop: Drop) -> None:
    assert found([before], [after]) == [drop]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (database("b", t=3), database("b", t=1)),
        (database("b", t=3000), database("b", t=301)),
        (database("b", t=0), database("b", t=0)),
        (database("b", t=0), database("b")),
        (database("b", 900_000, t=3000), database("b", 8192, t=3000)),
        (database("b", t=50, sqlite_stat1=900), database("b", t=50)),
        (database("b", t=50, d_data=900, d_idx=90), database("b", t=50, d_data=2, d_idx=1)),
        (tree("up", 3, 30), tree("up", 1, 10)),
        (tree("up", 0, 0), tree("up", 0, 0)),
        (tree("up", 100, 90_000), tree("up", 11, 9_100)),
        (file("f", 4000), file("f", 100)),
    ],
)
def test_what_goes_on_any_day_is_none(before: Entry, after: Entry) -> None:
    assert found([before], [after]) == []


def test_the_share_that_counts_is_a_setting() -> None:
    assert found([database("b", t=1000)], [database("b", t=500)]) == []
    assert found([database("b", t=1000)], [database("b", t=500)], percent=50) == [Drop("b", "", "rows", 1000, 500)]
    assert found([database("b", t=1000)], [database("b", t=1)], percent=100) == []
    assert found([database("b", t=1000)], [database("b", t=0)], percent=100) == [Drop("b", "", "rows", 1000, 0)]


def test_a_component_that_is_not_in_the_backup_any_more_is_a_drop_unless_it_was_empty() -> None:
    before = [database("b", t=7), tree("up", 2, 20), file("f", 9), database("void", t=0)]
    gone = [Drop("b", "", "rows", 7, 0), Drop("up", "", "files", 2, 0), Drop("f", "", "bytes", 9, 0)]
    assert found(before, []) == gone


def test_a_database_that_could_not_be_counted_is_judged_by_its_size() -> None:
    uncounted = Entry("b.db", 900_000, "a" * 64, "database", "b")
    assert found([database("b", 900_000, t=3000)], [uncounted]) == []
    assert found([uncounted], [database("b", 8192, t=0)]) == [Drop("b", "", "bytes", 900_000, 8192)]


def test_a_tree_of_an_older_version_whose_files_were_not_counted_is_seen_to_be_empty() -> None:
    uncounted = Entry("up.tar", 10_240, "b" * 64, "data", "up")
    assert found([uncounted], [tree("up", 0, 0)]) == [Drop("up", "", "bytes", 10_240, 0)]
    assert found([uncounted], [tree("up", 9, 8000)]) == []


def test_a_configuration_that_comes_from_a_url_by_now_is_not_lost() -> None:
    config = Entry("tacacs.conf", 5000, "c" * 64, "config", "config")
    overrides = database("config", config_overrides=2)
    export = Entry("config_export.json", 9000, "d" * 64, "config", "config")
    assert found([config, export, overrides], [export, overrides], config_is_url=True) == []
    assert found([config, export, overrides], [export, overrides]) == [Drop("config", "", "bytes", 5000, 0)]


def test_a_drop_says_what_became_what_and_a_hostile_name_stays_on_one_line() -> None:
    assert str(Drop("b", "", "rows", 3000, 0)) == "b: 3,000 rows became none"
    assert str(Drop("up", "", "bytes", 90_000, 800)) == "up: 90 kB became 800 B"
    assert str(Drop("b", "a\nb" + "c" * 999, "rows", 1, 0)).startswith("table a\\nbccc")
    assert len(str(Drop("b", "c" * 9999, "rows", 1, 0))) < 150


def test_a_place_of_the_site_that_is_left_out_since_explains_a_loss_but_not_an_emptied_tree() -> None:
    archives = LeftOut("up", "arch", "archives")
    before = holdings_of(a_manifest(contents=(tree("up", 100, 90_000),), absent=()))

    def after(entry: Entry, *left_out: LeftOut) -> dict[str, Holding]:
        return holdings_of(a_manifest(contents=(entry,), absent=(), left_out=left_out))

    left = after(tree("up", 9, 900), archives)
    assert drops_between(before, left, percent=90) == []
    assert drops_between(before, after(tree("up", 0, 0), archives), percent=90) != []
    assert drops_between(before, after(tree("up", 9, 900), LeftOut("other", "arch", "archives")), percent=90) != []
    # from then on it is compared again
    assert drops_between(after(tree("up", 100, 90_000), archives), left, percent=90) != []
