"""No list, page, command or tick reads the whole history where a part of it suffices: SQLite's plans of its queries.

The pages are found in the admin: a new one is tested without a line here. The plans are those of a site before its
first ANALYZE, and those of one with a long history after it.
"""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from backups.admin.shared import changelist
from backups.models import (
    BackupSchedule,
    CopyExecution,
    Delivery,
    DrillExecution,
    Notice,
    NotificationChannel,
    RestoreExecution,
)
from backups.notifications.events import EVENTS
from backups.worker.tick import tick
from tests.support.call_commands import command
from tests.support.databases.plans import reading_much
from tests.support.databases.statistics import pretend_a_long_history
from tests.support.pages.walked import addresses_of_lists, addresses_of_views
from tests.support.protected import a_protected_backup
from tests.support.rows import a_copy, a_destination, a_drill, an_execution

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "sqlite", reason="the plans are read as SQLite writes them"),
]
# more than a page of each list
MANY = 55
LEFT_OUT = {
    "login": "reads no run",
    "logout": "ends the session",
    "password_change": "reads no run",
    "password_change_done": "reads no run",
    "autocomplete": "no field has it",
    "jsi18n": "reads no row",
    "view_on_site": "no model has a page outside",
    "app_list": "leads to the lists",
    "backups_backupexecution_download": "sends a file",
    "backups_backupexecution_download_signature": "sends a file",
    "auth_user_delete": "Django's own: lists what goes with the user",
    "auth_user_password_change": "reads no run",
}
# "page, command or tick: step (table): query", each with the reason why it may read that much
ALLOWED = {
    r'COVERING INDEX \w+( \(.*\))? \(\w+\): SELECT COUNT\(\*\) AS "__count" FROM "\w+"( WHERE |$)': "the number of "
    "pages: 1 to 5 ms of 100,000 entries of an index",
    r"\(backup_(notices|deliveries)\): SELECT COUNT": "the number of pages, of at most a year",
    r"/(notice|delivery)/\?.*\(backup_(notices|deliveries)\)": "notices are kept for a year, deliveries for 90 days",
    r"^tick: .*\(backup_(notices|deliveries)\): .*\"(opened_at|created_at)\" <": "what was kept so long is deleted",
    r"(drill|copy|restore)execution/\?o=.* ORDER BY": "of few runs every column is sorted",
    r"/drillexecution/\?(verdict|kind)__exact=.*( drill_newest|SCAN drill_executions .*SELECT COUNT)": "of few runs",
    r": (SCAN|SEARCH) django_admin_log .*\"object_id\" =": "what persons did: few entries, 2 ms for 20,000",
    r"\?q=": "a part of a word is in no index: the newest 10,000 are searched, then the others",
    r"LIMIT 10001\) subquery$": "restore points are counted up to 10,000",
    r"\?encryption=.* execution_(newest|status) .*EXISTS\(": "most archives are alike: the first ones decide",
    r"\?destination__id__exact=.* execution_newest \(created_at>\? AND created_at<\?\)": "the first one of a month "
    "decides",
    r"\?drill=(passed|failed): .*USING INDEX execution_drilled": "the verdict is in the result: of drilled ones only",
    r"\?drill=none: .*USING INDEX execution_archive": "most stored archives were not drilled",
    r"^listbackups --archive damaged: .*USING INDEX execution_archive": "stored archives, once a command",
    r"^(/admin/backups/coming/|comingruns): .*created_at>\?": "the window of days that is shown",
    r"^/admin/: .*copy_deleted \(deleted_at>\?\)": "what was deleted in 30 days",
    r"^/admin/backups/keys/: .*GROUP BY 1, 2, 3$": "every encrypted archive is counted, by the keys that open it",
}
COMMANDS = (
    ("listbackups",), ("listbackups", "shop"), ("listbackups", "--status", "failed"),
    ("listbackups", "--destination", "nas"), ("listbackups", "--archive", "damaged"), ("listrestores",),
    ("listrestores", "shop"), ("listdrills",), ("listdrills", "shop"), ("listschedules",), ("listinstances",),
    ("listdestinations",), ("listchannels",), ("comingruns",), ("status",), ("checkoverdue",),
)  # fmt: skip


@pytest.fixture
def site(home: None, declare: Callable[[str], None], client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    """Return a client that sees all, with more than a page of all that has a list."""
    # as in a long list
    monkeypatch.setattr(changelist, "DATE_HIERARCHY_ROWS", -1)
    text = '[shop]\nkind = "generic"\nroot = "/srv/shop"\ncomponents.orders = {kind = "sqlite", path = "orders.db"}\n'
    declare(text)
    user = User.objects.create_superuser("alice")
    client.force_login(user)
    Group.objects.get_or_create(name="viewers")
    now, nas, far = timezone.now(), a_destination(), a_destination("offsite")
    schedule = BackupSchedule.objects.create(
        name="nightly", instance="shop", destination=nas, type="interval", expression="hours:1",
        active_since=now - timedelta(days=2), next_run=now + timedelta(hours=1),
    )  # fmt: skip
    newest = a_protected_backup("shop", schedule=schedule)
    channel = NotificationChannel.objects.create(name="ops", kind="ping", enabled=False)
    for number in range(MANY):
        age = timedelta(hours=number + 1)
        backup = an_execution("shop", age=age)
        copy = a_copy(backup, far)
        a_drill(backup, age=age, verdict="passed")
        done = {"instance": "shop", "status": "completed", "stage": "done", "created_at": now - age}
        CopyExecution.objects.create(copy=copy, **done)
        RestoreExecution.objects.create(execution=newest, archive_sha256="a" * 64, **done)
        event = list(EVENTS.values())[number % len(EVENTS)]
        said = {"instance": "shop", "event": event.code, "level": event.usual, "text": "so it is"}
        moments = dict.fromkeys(("since", "opened_at", "seen_at", "ended_at", "announced_at"), now - age)
        Notice.objects.create(code=f"code-{number}", end_announced_at=now, **said, **moments)
        Delivery.objects.create(channel=channel, state="sent", created_at=now - age, next_try_at=now)
        LogEntry.objects.create(user=user, object_id=backup.pk, object_repr="x", action_flag=CHANGE)
    an_execution("shop", status="failed")
    an_execution("shop", status="running", heartbeat_at=now)
    return client


def read_by(work: Callable[[], object]) -> set[str]:
    with CaptureQueriesContext(connection) as queries:
        work()
    return {query["sql"] for query in queries if query["sql"].lstrip().startswith(("SELECT", "UPDATE", "DELETE"))}


def everything(client: Client) -> Iterator[tuple[str, set[str]]]:
    """Yield each page, command and the tick, with its queries."""
    newest = DrillExecution.objects.latest("created_at").execution
    arguments = {"run_id": newest.pk, "name": "shop", "destination_id": a_destination().pk}
    arguments |= {"token": "of-no-alarm"}
    arguments |= {"schedule_id": BackupSchedule.objects.get().pk, "notice_id": Notice.objects.all()[0].pk}
    pages = [*addresses_of_lists(client), *addresses_of_views(arguments, LEFT_OUT)]
    assert len(pages) > 200
    for page in dict.fromkeys(pages):
        yield page, read_by(lambda page=page: client.get(page))
    for words in COMMANDS:
        yield " ".join(words), read_by(lambda words=words: command(*words))
    yield "tick", read_by(tick)


def test_no_page_command_or_tick_reads_the_whole_history(site: Client) -> None:
    asked = dict(everything(site))
    for when in ("before the first ANALYZE", "after it"):
        found = {f"{name}: {much}" for name, queries in asked.items() for much in reading_much(queries)}
        assert sorted(text for text in found if not any(re.search(one, text) for one in ALLOWED)) == [], when
        pretend_a_long_history()


def test_a_view_with_an_argument_that_no_test_knows_is_reported(site: Client) -> None:
    with pytest.raises(AssertionError, match="an argument name: say which value"):
        list(addresses_of_views({}, LEFT_OUT))
