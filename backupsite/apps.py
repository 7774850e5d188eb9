from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.contrib import admin
from django.contrib.admin.apps import SimpleAdminConfig
from django.contrib.admin.checks import check_admin_app, check_dependencies
from django.core.checks import CheckMessage, Tags, register


class SiteConfig(SimpleAdminConfig):
    """Django's admin with BackupAdminSite as the default site.

    Its pages are not registered here, because a command needs none: `register_pages`.
    """

    default_site = "backupsite.site.BackupAdminSite"

    def ready(self) -> None:
        register(check_dependencies, Tags.admin)
        register(check_pages, Tags.admin)


def register_pages() -> None:
    """Register the pages of all apps, without those of django-q2. Calling it again changes nothing."""
    admin.autodiscover()
    # who may add a Schedule on django-q2's own pages can call any function of any module
    for model in apps.get_app_config("django_q").get_models():
        if admin.site.is_registered(model):
            admin.site.unregister(model)


def check_pages(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    register_pages()
    return check_admin_app(app_configs, **kwargs)
