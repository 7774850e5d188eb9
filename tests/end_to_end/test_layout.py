"""Long names, comments and errors: on a desk and on a phone every page keeps its width."""

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.support.pages.browser_steps import assert_every_page_fits, back_up_from_the_front_page, wait_until_completed
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
LONG_ROWS = """
from uuid import uuid4
from backups.models import BackupExecution, BackupSchedule, RestoreExecution
done = BackupExecution.objects.filter(status="completed").latest("created_at")
BackupExecution.objects.filter(pk=done.pk).update(comment="x" * 500, triggered_by="u" * 150)
BackupExecution.objects.create(
    instance=done.instance, destination=done.destination, status="failed", triggered_by="u" * 150,
    started_at=done.started_at, completed_at=done.completed_at, error_message="Full: /srv" + "/very-long-path" * 20,
)
schedule = BackupSchedule.objects.create(
    name=uuid4().hex + "s" * 32, instance=done.instance, destination=done.destination, type="interval",
    expression="hours:24",
)
restore = RestoreExecution.objects.create(
    instance=done.instance, execution=done, status="failed", triggered_by="u" * 150, started_at=done.started_at,
    completed_at=done.completed_at, error_message="Full: /srv" + "/very-long-path" * 20,
)
print(f"/admin/backups/backupschedule/{schedule.pk}/change/ /admin/backups/restoreexecution/{restore.pk}/change/")
"""


def test_long_names_comments_and_errors_widen_no_page(page: Page, site: Site, tmp_path: Path) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    backup = page.url
    long = site.python(LONG_ROWS).split()
    addresses = ["/admin/", "/admin/backups/backupexecution/", *long]
    assert_every_page_fits(page, [backup, *(f"{site.url}{address}" for address in addresses)], tmp_path)


def test_links_in_texts_and_empty_filters_are_recognised_without_colours(page: Page, site: Site) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    crumb = page.locator(".breadcrumbs a").first
    assert crumb.evaluate("element => getComputedStyle(element).textDecorationLine") == "underline"
    site.python(LONG_ROWS)
    page.goto(f"{site.url}/admin/backups/backupschedule/")
    names = page.locator("#changelist-filter a").all_inner_texts()
    assert names and all(name.strip() for name in names)
    page.goto(f"{site.url}/admin/")
    button = page.get_by_role("button", name="Back up now tacacs-demo")
    assert button.inner_text().startswith("Back up now")
    assert button.get_attribute("aria-label") is None
