from django.apps import apps
from django.contrib import admin
from django.contrib.admin.apps import AdminConfig


class SiteConfig(AdminConfig):
    """Django's admin with BackupAdminSite as the default site, without the pages of django-q2."""

    default_site = "backupsite.site.BackupAdminSite"

    def ready(self) -> None:
        super().ready()
        # who may add a Schedule on django-q2's own pages can call any function of any module
        for model in apps.get_app_config("django_q").get_models():
            if admin.site.is_registered(model):
                admin.site.unregister(model)
