"""Checks of this site itself: that it is backed up, and that no restore of it was cut off."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from backups.instances import inventory
from backups.instances.kinds.backupsite.kind import ADVICE, unfinished_mark


def check_this_site(
    app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any
) -> list[CheckMessage]:
    """W006: instances are backed up, but not the database of this site, which knows where the archives are."""
    known = inventory().instances.values()
    # with the other checks of the protection: each command would repeat it
    if not databases:
        return []
    if not known or any(instance.service.is_this_site for instance in known):
        return []
    text = "No instance backs up the database of this site itself."
    return [Warning(text, hint=ADVICE, id="backups.W006")]


def check_unfinished(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """W007: a restore of this site was cut off, or goes on: its keys and its database may not belong together."""
    try:
        before = unfinished_mark().read_text()
    except FileNotFoundError:
        return []
    except OSError as error:
        before = f"the folder that {unfinished_mark()} names ({error.strerror})"
    undo = f" `manage.py restoresite --undo {before} --confirm` brings back the state before." if before else ""
    return [
        Warning(
            "A restore of this site has not come to its end.",
            hint=f"Start neither the web server nor a worker: run `manage.py restoresite` again.{undo}",
            id="backups.W007",
        )
    ]
