"""A person adds an SFTP server and a bucket by their forms, backs up to both, and loses one for a while."""

import pytest
from playwright.sync_api import Page, expect

from tests.destinations.backends.s3.buckets import s3_options
from tests.support.pages.browser_steps import END_MS, expect_message, expect_status, notice
from tests.support.servers.objects.moto import Moto
from tests.support.servers.running.accounts import FULL
from tests.support.servers.sshd import Sshd
from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
DESTINATIONS = "/admin/destinations/backupdestination/"


def open_form(page: Page, site: Site, type_: str, name: str, options: dict[str, object]) -> None:
    page.goto(f"{site.url}{DESTINATIONS}add/")
    page.locator(f'input[name="type"][value="{type_}"]').check()
    page.locator("#id_name").fill(name)
    # the archives of this test are not encrypted
    page.locator("#id_encryption").select_option("allowed")
    for option, value in options.items():
        field = page.locator(f"#id_option_{option}")
        if field.evaluate("element => element.tagName") == "SELECT":
            field.select_option(str(value))
        else:
            field.fill(str(value))


def copy(page: Page, name: str, condition: str) -> None:
    row = page.locator(f'[data-section="copies"] [data-row="{name}"]')
    expect(row).to_have_attribute("data-status", condition, timeout=END_MS)


def back_up_to_both(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/admin/backups/backupexecution/start/")
    page.get_by_label("Destination").select_option(label="offsite")
    page.get_by_label("bucket").check()
    page.locator('[data-action="start"]').click()
    expect_status(page, "completed")


def test_two_destinations_are_added_by_their_forms_and_a_copy_is_made_up_for_later(
    page: Page, site: Site, sshd: Sshd, moto: Moto
) -> None:
    account = {
        "host": sshd.host,
        "port": sshd.port,
        "username": FULL,
        "password": sshd.password,
        "base_path": "browser",
    }
    open_form(page, site, "sftp", "offsite", account)
    page.locator("input[name=_save]").click()
    offered = notice(page, "key-offered")
    expect(offered).to_have_count(1)
    assert str(offered.get_attribute("data-fingerprint")).startswith("SHA256:")
    offered.get_by_role("checkbox").check()
    # a page never sends a secret back
    page.locator("#id_option_password").fill(sshd.password)
    page.locator("input[name=_continue]").click()
    expect_message(page, "success")
    steps = page.locator('[data-section="tests"] [data-step]')
    assert {"resolve", "host key", "log in", "write", "read back"} <= set(
        steps.evaluate_all("found => found.map((step) => step.dataset.step)")
    )

    open_form(page, site, "s3", "bucket", s3_options(moto, location="browser"))
    page.locator("input[name=_continue]").click()
    expect_message(page, "success")
    page.locator('[data-action="test"]').click()
    expect(page.locator('[data-section="tests"] tr[data-status="passed"]')).to_have_count(2)

    back_up_to_both(page, site)
    copy(page, "offsite", "stored")
    copy(page, "bucket", "stored")
    expect(notice(page, "lacks-a-copy")).to_have_count(0)

    sshd.stop()
    try:
        back_up_to_both(page, site)
    finally:
        sshd.start()
    copy(page, "bucket", "stored")
    copy(page, "offsite", "failed")
    expect(notice(page, "lacks-a-copy")).to_have_count(1)
    expect(page.locator('[data-row="offsite"] [data-field="copy_error"]')).to_contain_text(sshd.host)
    backup = page.url
    page.locator('[data-action="copy"]').click()
    page.locator("form [type=submit], form button.bs-primary").first.click()
    page.goto(backup)
    expect(notice(page, "lacks-a-copy")).to_have_count(0, timeout=END_MS)
