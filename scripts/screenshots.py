#!/usr/bin/env python
"""Take pictures of the front page and the page of an instance: light, dark and on a phone, with 1, 5 and 200 instances.

Each site is one of its own with `quickstart --demo-history`, served by gunicorn, in a temporary folder.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

PROJECT = Path(__file__).resolve().parents[1]
CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-lcd-text",
]
COUNTS = (1, 5, 200)
README_PICTURE = PROJECT / "docs" / "images" / "front-page.png"
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 400, "height": 800}, "color_scheme": "light"},
}
PAGES = {"front": "/admin/", "instance": "/admin/backups/instances/tacacs-demo/"}
SIGN_IN = """
from django.contrib.auth.models import User
from django.test import Client
client = Client()
client.force_login(User.objects.get())
print(client.cookies["sessionid"].value)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--into", type=Path, default=PROJECT / "var" / "screenshots", help="where the pictures go")
    parser.add_argument("--readme", action="store_true", help="take only the picture in the README anew")
    parser.add_argument("--instances", type=int, action="append", help="how many; may be given several times")
    options = parser.parse_args()
    if not CHROMIUM.exists():
        sys.exit(f"{CHROMIUM} does not exist: install Chromium.")
    if options.readme:
        take_readme_picture()
        return
    options.into.mkdir(parents=True, exist_ok=True)
    for count in options.instances or COUNTS:
        with demo_site(count) as (url, session), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            for look, settings in LOOKS.items():
                context = browser.new_context(**settings)
                context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
                page = context.new_page()
                for name, address in PAGES.items():
                    page.goto(url + address)
                    # of 200 instances the beginning says it all
                    page.screenshot(path=options.into / f"{name}-{count}-{look}.png", full_page=count < COUNTS[-1])
                context.close()
            browser.close()
        print(f"{count}: {', '.join(PAGES)} in {options.into}")


def take_readme_picture() -> None:
    """Take the front page with five instances, to the end of the list."""
    with demo_site(5) as (url, session), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
        context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
        page = context.new_page()
        page.goto(f"{url}/admin/")
        end = page.evaluate("document.querySelector('.bs-instances').getBoundingClientRect().bottom")
        clip = {"x": 0, "y": 0, "width": 1200, "height": end}
        page.screenshot(path=README_PICTURE, clip=clip, full_page=True)
        browser.close()


@contextmanager
def demo_site(count: int) -> Iterator[tuple[str, str]]:
    """Yield the address of a running site with `count` instances, and the cookie of its user."""
    home = Path(tempfile.mkdtemp(prefix="backupsite-screenshots-"))
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG", "TMPDIR")}
    environment = kept | {"BACKUPSITE_HOME": str(home), "DJANGO_SETTINGS_MODULE": "backupsite.settings"}

    def manage(*words: str) -> str:
        argv = [sys.executable, "manage.py", *words]
        return subprocess.run(argv, cwd=PROJECT, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout

    try:
        manage("quickstart", "--no-serve", "--demo-history", str(count))
        session = manage("shell", "--verbosity=0", "--command", SIGN_IN).strip()
        with socket.create_server(("127.0.0.1", 0)) as listener:
            url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            argv = [sys.executable, "-m", "gunicorn", "backupsite.wsgi", "--bind", f"fd://{listener.fileno()}"]
            server = subprocess.Popen(argv, cwd=PROJECT, env=environment, pass_fds=[listener.fileno()])
            worker = subprocess.Popen([sys.executable, "manage.py", "worker"], cwd=PROJECT, env=environment)
            try:
                with urllib.request.urlopen(f"{url}/admin/login/", timeout=60):  # noqa: S310 - our own server
                    # the heartbeat of the worker is on the page
                    time.sleep(5)
                yield url, session
            finally:
                for process in (worker, server):
                    process.terminate()
                    process.wait(30)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
