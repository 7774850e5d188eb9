from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import Model

from destinations.lib.lists import BoundedLists

if TYPE_CHECKING:
    AnyAdmin = type[admin.ModelAdmin[Any]]
else:
    AnyAdmin = type


class BackupAdminSite(admin.AdminSite):
    site_header = "backupsite"
    site_title = "backupsite"
    index_title = "Overview"
    index_template = "admin/backups/index.html"
    site_url = None
    enable_nav_sidebar = False

    def register(
        self,
        model_or_iterable: type[Model] | Iterable[type[Model]],
        admin_class: AnyAdmin | None = None,
        **options: Any,
    ) -> None:
        base = admin_class or admin.ModelAdmin
        # the lists of users and groups are Django's own
        if not issubclass(base, BoundedLists):
            base = type(base.__name__, (BoundedLists, base), {})
        super().register(model_or_iterable, base, **options)
