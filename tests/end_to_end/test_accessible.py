"""Front page, page of an instance and coming runs: axe finds nothing serious, in light and dark, on a phone too."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.support.sites.browser_site import Site

pytestmark = pytest.mark.browser
HISTORY = """
from backups.management.quickstart.demo_history import make_history
from destinations.models import BackupDestination
make_history(["tacacs-demo"], BackupDestination.objects.get())
"""
SQUARES = "[data-field=days] path"
# and what each shows several of
PAGES = {
    "/admin/": SQUARES,
    "/admin/backups/instances/tacacs-demo/": SQUARES,
    "/admin/backups/coming/": "[data-section=past] td",
}


def test_front_page_instance_page_and_coming_runs_have_no_serious_fault(page: Page, site: Site) -> None:
    site.manage("backup", "tacacs-demo")
    site.manage("shell", "--verbosity=0", "--command", HISTORY)
    found = []
    for address, several in PAGES.items():
        page.goto(f"{site.url}{address}")
        assert page.locator(several).count() > 2
        for scheme, width in (("light", 1280), ("dark", 1280), ("dark", 400)):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            # links fade from one colour to the other
            page.evaluate("Promise.all(document.getAnimations().map((one) => one.finished))")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
            for fault in Axe().run(page).response["violations"]:
                where = [node["html"][:150] for node in fault["nodes"]]
                found += [(address, scheme, fault["id"], where)] if fault["impact"] in ("serious", "critical") else []
    assert found == []
