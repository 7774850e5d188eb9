"""Pages that show several runs at once, and refresh each of them by itself."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.pages.browser_steps import END_MS, back_up_from_the_front_page, wait_until_completed
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
# of another host, whose heartbeat is fresh: no worker here takes it, ends it or brings it further
RUN_A_DRILL = """
from django.utils import timezone
from backups.models import BackupExecution, DrillExecution
backup, now = BackupExecution.objects.filter(status="completed").latest("created_at"), timezone.now()
DrillExecution.objects.create(
    execution=backup, instance=backup.instance, kind="drill", status="running", stage="checking", triggered_by="alice",
    worker="elsewhere:1", started_at=now, heartbeat_at=now, progress_percent=70,
    timeline=[[stage, now.isoformat()] for stage in ("fetching", "unpacking", "checking")],
)
"""
LOG_OF_THE_DRILL = """
from django.utils import timezone
from backups.models import DrillExecution, DrillLog
drill = DrillExecution.objects.get(status="running")
DrillLog.objects.create(run=drill, first="2026 INFO x one\\n2026 ERROR x <two>", written_at=timezone.now())
"""
NOTE_CHANGES = """element => {
  window.changes = [];
  new MutationObserver(() => window.changes.push(element.textContent)).observe(element, {childList: true});
}"""
END_THE_DRILLS = """
from django.utils import timezone
from backups.models import DrillExecution
DrillExecution.objects.filter(status__in=["queued", "running"]).update(status="cancelled", completed_at=timezone.now())
"""


@pytest.fixture
def backup(page: Page, site: Site) -> Iterator[str]:
    """The page of a backup of which a drill is running."""
    back_up_from_the_front_page(page)
    wait_until_completed(page)
    site.python(RUN_A_DRILL)
    yield page.url
    site.python(END_THE_DRILLS)


def wait_for_answers(page: Page, count: int) -> None:
    for _ in range(count):
        with page.expect_response("**/status/**", timeout=END_MS):
            pass


def test_a_drill_that_runs_leaves_the_timeline_of_its_backup_alone_and_shows_what_it_logs(
    page: Page, backup: str, site: Site
) -> None:
    page.goto(backup)
    expect(page.locator("[data-live]")).to_have_count(1)
    steps = page.locator("[data-timeline] [data-step]")
    before = [(step.get_attribute("data-state"), step.inner_text()) for step in steps.all()]
    assert {state for state, _ in before} == {"done"}
    wait_for_answers(page, 2)
    expect(page.locator("[data-live] .bs-detail")).to_have_text("Checking, 70%")
    assert [(step.get_attribute("data-state"), step.inner_text()) for step in steps.all()] == before
    page.locator("[data-section=drills] tbody a").first.click()
    log = page.locator("[data-section=log]")
    expect(log).to_be_hidden()
    site.python(LOG_OF_THE_DRILL)
    expect(log.locator("span")).to_have_text(["2026 INFO x one", "2026 ERROR x <two>"], timeout=END_MS)
    expect(log.locator("[data-level=ERROR]")).to_have_count(1)


def test_a_row_that_left_the_page_is_no_missing_answer_for_the_others(page: Page, backup: str, site: Site) -> None:
    site.python(RUN_A_DRILL)
    page.goto(backup)
    live = page.locator("[data-live]")
    expect(live).to_have_count(2)

    def remove_one_and_answer(route: Route) -> None:
        if live.count() == 2:
            live.first.evaluate("element => element.closest('tr').remove()")
        route.continue_()

    live.last.locator(".bs-detail").evaluate(NOTE_CHANGES)
    page.route("**/status/**", remove_one_and_answer)
    wait_for_answers(page, 2)
    expect(live.locator(".bs-detail")).to_have_text("Checking, 70%")
    assert page.evaluate("window.changes") == []
