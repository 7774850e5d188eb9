"""The commands about schedules of several instances, and the list of instances with their labels."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backups.checks.cadences import check_scopes_of_schedules
from backups.models import BackupExecution, BackupSchedule
from tests.support.call_commands import command, refused
from tests.support.rows import a_destination

pytestmark = pytest.mark.django_db
TABLE = """
[{name}]
kind = "generic"
root = "/srv/{name}"
labels = {labels}
[{name}.components.orders]
kind = "sqlite"
path = "o.db"
"""
CRON = ("--cron", "0 2 * * *")
Labelled = Callable[..., None]


@pytest.fixture(autouse=True)
def labelled(declare: Callable[[str], None]) -> Labelled:
    """Return a function that writes the instances file, and write it with three."""

    def write(**labels: list[str]) -> None:
        declare("".join(TABLE.format(name=name, labels=str(given).replace("'", '"')) for name, given in labels.items()))

    write(blog=[], shop=["net", "web"], wiki=["net"])
    a_destination()
    return write


def parts() -> dict[str, BackupSchedule]:
    return {row.instance: row for row in BackupSchedule.objects.exclude(parent=None)}


def covers(data: dict[str, Any]) -> list[str]:
    return [row["instance"] for row in data["covers"]]


@pytest.mark.parametrize(
    ("options", "scope", "expected"),
    [
        (["--label", "net"], "label", ["shop", "wiki"]),
        (["--all-instances"], "all", ["blog", "shop", "wiki"]),
        (["--instance", "wiki", "--instance", "blog"], "instances", ["blog", "wiki"]),
        (["--instance", "wiki"], "instance", ["wiki"]),
    ],
)
def test_a_schedule_is_added_for_what_is_named(options: list[str], scope: str, expected: list[str]) -> None:
    data = command("addschedule", "nightly", *options, *CRON, "--json").data
    assert (data["scope"], covers(data)) == (scope, expected)
    assert data["next_run"] is not None
    listed = command("listschedules", "--json").data
    assert [row["name"] for row in listed] == ["nightly"]
    assert [row["name"] for row in command("listschedules", "wiki", "--json").data] == ["nightly"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--label", "cloud"], "No instance has the label 'cloud'. Labels in the instances file: net, web."),
        (["--instance", "wiki", "--label", "net"], "--instance, --label and --all-instances contradict each other."),
        (["--instance", "wiki", "--instance", "bar"], "There is no instance 'bar'"),
        ([], "No instance is named. Give --instance, --label or --all-instances."),
    ],
)
def test_what_covers_nothing_is_refused(options: list[str], message: str) -> None:
    assert message in refused("addschedule", "nightly", *options, *CRON)
    assert not BackupSchedule.objects.exists()


def test_a_broken_instances_file_is_named_where_it_is_not_known_what_would_be_covered(
    declare: Callable[[str], None],
) -> None:
    declare("[shop")
    assert "not valid TOML" in refused("addschedule", "nightly", "--all-instances", *CRON)
    assert "not valid TOML" in refused("listinstances")


def test_a_schedule_is_changed_and_what_is_not_given_stays(labelled: Labelled) -> None:
    command("addschedule", "nightly", "--instance", "shop", *CRON)
    command("changeschedule", "nightly", "--label", "net", "--rename", "early", "--cron", "0 1 * * *")
    row = BackupSchedule.objects.whole().get()
    assert (row.name, row.scope, row.label, row.instance, row.expression) == ("early", "label", "net", "", "0 1 * * *")
    assert {name: (one.name, one.expression) for name, one in parts().items()} == {
        "shop": ("early", "0 1 * * *"),
        "wiki": ("early", "0 1 * * *"),
    }
    data = command("changeschedule", "early", "--instance", "wiki", "--json").data
    assert (data["instance"], list(data["covered_before"])) == ("wiki", ["shop"])
    assert command("changeschedule", "early", "--forget", "shop", "--json").data["covered_before"] == {}
    assert "Nothing to change" in refused("changeschedule", "early")
    assert "names a day that never comes" in refused("changeschedule", "early", "--cron", "0 3 31 2 *")
    assert BackupSchedule.objects.get().expression == "0 1 * * *"


def test_a_declared_schedule_is_not_changed_here() -> None:
    command("addschedule", "nightly", "--instance", "shop", *CRON)
    BackupSchedule.objects.update(managed_by="configuration of shop")
    assert "is declared in the configuration of shop" in refused("changeschedule", "nightly", "--label", "net")


def test_one_instance_is_paused_and_resumed_without_the_others() -> None:
    command("addschedule", "nightly", "--label", "net", *CRON)
    command("pauseschedule", "nightly", "--instance", "wiki")
    assert {name: row.enabled for name, row in parts().items()} == {"shop": True, "wiki": False}
    assert "paused for wiki" in command("listschedules").out
    assert "does not cover blog" in refused("pauseschedule", "nightly", "--instance", "blog")
    command("resumeschedule", "nightly", "--instance", "wiki")
    assert all(row.enabled and row.next_run for row in parts().values())


def test_a_run_now_is_for_all_that_are_covered_or_for_one() -> None:
    command("addschedule", "nightly", "--label", "net", *CRON)
    assert command("runschedule", "nightly", "--instance", "wiki", "--json").data["instance"] == "wiki"
    data = command("runschedule", "nightly", "--json").data
    assert [(run["instance"], run["already_waiting"]) for run in data] == [("shop", False), ("wiki", True)]
    assert set(BackupExecution.objects.values_list("instance", "schedule")) == {
        (name, row.pk) for name, row in parts().items()
    }


def test_a_run_now_of_several_goes_on_after_one_that_is_refused(labelled: Labelled) -> None:
    command("addschedule", "nightly", "--instance", "shop", "--instance", "wiki", *CRON)
    labelled(wiki=[])
    ended = command("runschedule", "nightly")
    assert (ended.code, "1 of 2 were refused. There is no instance 'shop'" in ended.err) == (1, True)
    assert BackupExecution.objects.get().instance == "wiki"


def test_instances_are_listed_with_their_labels(declare: Callable[[str], None], home: Path) -> None:
    assert {row["name"]: row["labels"] for row in command("listinstances", "--json").data} == {
        "blog": [],
        "shop": ["net", "web"],
        "wiki": ["net"],
    }
    assert [row["name"] for row in command("listinstances", "--label", "web", "--json").data] == ["shop"]
    declare((home / "instances.toml").read_text() + '[bad]\nkind = "generic"\nroot = "/srv/bad"\nlabels = "net"\n')
    assert "bad: has configuration errors: [bad] labels: " in command("listinstances").out


@pytest.mark.parametrize("labels", ['"net"', '["a b"]', '[""]', "[1]", '["net", "net"]'])
def test_labels_are_a_list_of_different_names(labels: str, declare: Callable[[str], None]) -> None:
    declare(TABLE.format(name="shop", labels=labels))
    (row,) = command("listinstances", "--json").data
    assert row["problem"].startswith("[shop] labels: ")


def test_a_schedule_that_covers_none_is_named_by_the_check(labelled: Labelled) -> None:
    command("addschedule", "nightly", "--label", "net", *CRON)
    assert check_scopes_of_schedules(None, ["default"]) == []
    labelled(shop=[])
    (found,) = check_scopes_of_schedules(None, ["default"])
    assert (found.id, "'net'" in found.msg) == ("backups.W073", True)
