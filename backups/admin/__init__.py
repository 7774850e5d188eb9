"""The pages. Each package registers its models; those that offer `urls` have pages beside them, which are added here.

The packages import `shared` and not each other: what belongs to two subjects is a page of one with a URL of the other.
"""

from itertools import chain

from django.contrib.admin.sites import site
from django.urls import URLPattern, URLResolver

from backups.admin.backups import changelist as backups
from backups.admin.copies import changelist as copies
from backups.admin.destinations import change_form as destinations
from backups.admin.destinations.urls import urls as destination_urls
from backups.admin.drills import changelist as drills
from backups.admin.notifications import channels, records
from backups.admin.notifications.test_alarms import urls as notification_urls
from backups.admin.overview.urls import urls as overview_urls
from backups.admin.restores import changelist as restores
from backups.admin.restores.urls import urls as restore_urls
from backups.admin.schedules import changelist as schedules
from backups.admin.schedules.urls import urls as schedule_urls

__all__ = ["backups", "channels", "copies", "destinations", "drills", "records", "restores", "schedules"]
_urls_of_models = site.get_urls


def _get_urls() -> list[URLPattern | URLResolver]:
    # before those of the models, whose last one matches every path
    return [*chain(overview_urls, notification_urls, destination_urls, restore_urls, schedule_urls), *_urls_of_models()]


# AdminSite takes no further URLs, and a subclass of it would have to be the one of the project that embeds this app
site.get_urls = _get_urls  # type: ignore[method-assign]
