"""Check that this site itself is backed up."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.core.checks import CheckMessage, Warning

from backups.instances import inventory
from backups.instances.kinds.backupsite.kind import ADVICE


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
