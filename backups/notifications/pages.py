"""Links to the pages of this site, for texts that are read elsewhere. A worker has the pages themselves not loaded."""

from urllib.parse import quote

from django.conf import settings


def instance_page(name: str) -> str:
    return f"admin/backups/instances/{quote(name, safe='')}/"


def run_page(noun: str, run_id: str) -> str:
    return f"admin/backups/{noun}execution/{quote(run_id, safe='')}/change/"


def destinations_page() -> str:
    return "admin/destinations/backupdestination/"


def channels_page() -> str:
    return "admin/backups/notificationchannel/"


def link_to(page: str) -> str:
    """Return the full address of `page`; "" where BACKUP_SITE_URL does not say where the site is."""
    base = str(settings.BACKUP_SITE_URL).rstrip("/")
    return f"{base}/{page}" if base else ""
