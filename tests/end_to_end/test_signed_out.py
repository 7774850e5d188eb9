"""Signing in, and a page with live progress after its session has ended."""

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.pages.browser_steps import END_MS, back_up_from_the_front_page, wait_until_completed
from tests.support.sites.browser_site import PASSWORD, USER, Site

pytestmark = pytest.mark.browser
RUN_ANOTHER = """
from django.utils import timezone
from backups.models import BackupExecution
done, now = BackupExecution.objects.filter(status="completed").latest("created_at"), timezone.now()
BackupExecution.objects.create(
    instance=done.instance, destination=done.destination, status="running", stage="packing", triggered_by="alice",
    worker="elsewhere:1", started_at=now, heartbeat_at=now, progress_percent=70,
)
"""


def test_who_signs_in_by_the_form_comes_to_the_front_page(context: BrowserContext, site: Site) -> None:
    page = context.new_page()
    page.goto(site.url)
    page.get_by_role("textbox", name="Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()


def test_a_page_that_polls_says_that_the_session_has_ended(page: Page, site: Site) -> None:
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    site.python(RUN_ANOTHER)
    page.goto(f"{site.url}/admin/")
    expect(page.locator("[data-live]")).to_have_count(1)
    page.context.clear_cookies()
    expect(page.locator("[data-live] .bs-detail")).to_contain_text("signed out", timeout=END_MS)
