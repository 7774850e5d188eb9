"""Where append-only is switched off, the rule begins to delete: until a person has confirmed it, everything stays."""

from pathlib import Path

import pytest
from django.utils import timezone

from backups.models import BackupExecution
from backups.service.automation.sync import sync
from backups.service.retention.last_copies import not_kept
from backups.service.retention.prune import prune
from backups.service.retention.rule_change import settle_rule
from destinations.models import BackupDestination
from tests.support.archives.stored import DAY, daily, there
from tests.support.call_commands import command
from tests.support.pages.parsed import page_at
from tests.support.pruned import ruled
from tests.support.rows import VIEW, a_client, a_destination
from tests.support.site_fixtures import Declare

pytestmark = pytest.mark.django_db
DECLARED = """
[app]
kind = "generic"
root = "{root}"
components.note = {{kind = "files", path = "note"}}
[app.backup.destinations.vault]
type = "local"
path = "vault"
retention_days = 3
append_only = {append_only}
"""


@pytest.fixture
def vault(home: Path) -> BackupDestination:
    """An append-only destination whose rule was made stricter while nothing could be deleted."""
    vault = a_destination("vault", config_json={"path": "vault", "append_only": True})
    settle_rule(ruled(vault, retention_days=3650, min_keep=1))
    settle_rule(ruled(vault, retention_days=3))
    return vault


def some(destination: BackupDestination) -> list[BackupExecution]:
    return daily(destination, 10, newest=timezone.now() - DAY / 24)


def everything_stays_until_confirmed(destination: BackupDestination, rows: list[BackupExecution]) -> None:
    destination.refresh_from_db()
    assert (destination.append_only, prune(destination, by="tests").deleted) == (False, [])
    assert (there(rows), destination.rule_pending_since is not None) == (list(range(10)), True)
    command("confirmrule", destination.name)
    destination.refresh_from_db()
    assert len(prune(destination, by="tests").deleted) == 7


@pytest.mark.parametrize("settled", [True, False])
def test_switched_off_by_command_the_rule_waits_and_the_command_says_so(
    vault: BackupDestination, settled: bool
) -> None:
    if not settled:
        BackupDestination.objects.update(confirmed_rule=None)
    rows = some(vault)
    changed = command("changedestination", "vault", "--option", "append_only=", "--json").data
    assert any("confirmrule vault" in warning for warning in changed["warnings"])
    everything_stays_until_confirmed(vault, rows)


def test_switched_off_behind_the_back_of_the_site_the_rule_waits(vault: BackupDestination) -> None:
    rows = some(vault)
    BackupDestination.objects.update(config_json={"path": "vault"})
    everything_stays_until_confirmed(vault, rows)


def test_switched_off_in_the_form_what_goes_is_shown_before_it_is_saved(vault: BackupDestination) -> None:
    rows = some(vault)
    client, url = (
        a_client(VIEW, "change_backupdestination"),
        f"/admin/destinations/backupdestination/{vault.pk}/change/",
    )
    fields = {"name": "vault", "enabled": "on", "retention_days": "3", "min_keep": "1", "option_path": "vault"}
    page = page_at(client, url, fields)
    assert set(page.section("would-go").rows()) == {row.pk for row in rows[3:]}
    vault.refresh_from_db()
    assert vault.append_only
    (digest,) = page.section("rule").all("input", name="shown")
    page_at(client, url, fields | {"confirm": "vault", "shown": digest["value"]})
    vault.refresh_from_db()
    assert (vault.append_only, vault.rule_pending_since) == (False, None)
    assert len(prune(vault, by="tests").deleted) == 7


def test_switched_off_in_the_configuration_of_a_service_the_rule_waits(home: Path, declare: Declare) -> None:
    (home / "note").write_text("hello")
    declare(DECLARED.format(root=home, append_only="true"))
    sync("app")
    vault = BackupDestination.objects.get(name="app-vault")
    rows = some(vault)
    declare(DECLARED.format(root=home, append_only="false"))
    assert len(sync("app").pending) == 1
    everything_stays_until_confirmed(vault, rows)


def test_what_the_store_lets_go_by_the_rule_is_not_copied_there_again(
    vault: BackupDestination, destination: BackupDestination
) -> None:
    some(vault)
    old = daily(destination, 10, "shop", newest=timezone.now() - DAY / 24)[9]
    daily(vault, 3, "shop", newest=timezone.now() - DAY / 24)
    assert "3 days" in not_kept(vault, old, timezone.now())
