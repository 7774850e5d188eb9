from django.contrib import admin
from django.urls import path
from django.views.generic import RedirectView

from backupsite.apps import register_pages

register_pages()
urlpatterns = [
    path("admin/", admin.site.urls),
    path("", RedirectView.as_view(pattern_name="admin:index")),
]

handler400 = "backups.admin.shared.error_pages.bad_request"
handler403 = "backups.admin.shared.error_pages.forbidden"
handler404 = "backups.admin.shared.error_pages.not_found"
handler500 = "backups.admin.shared.error_pages.server_error"
