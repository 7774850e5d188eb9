from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class SiteConfig(AdminConfig):
    """Django's admin with our own site as the default one."""

    default_site = "backupsite.site.BackupAdminSite"

    def ready(self) -> None:
        super().ready()
        _hide_the_queue()


def _hide_the_queue() -> None:
    """Take django-q2's own pages away: whoever may add a Schedule there can call any function of any module."""
    for model in apps.get_app_config("django_q").get_models():
        if admin.site.is_registered(model):
            admin.site.unregister(model)
