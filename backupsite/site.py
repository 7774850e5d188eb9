from django.contrib import admin

from backupsite.sign_in import SignInForm


class BackupAdminSite(admin.AdminSite):
    site_header = "backupsite"
    site_title = "backupsite"
    index_title = "Overview"
    index_template = "admin/backups/index.html"
    site_url = None
    enable_nav_sidebar = False
    login_form = SignInForm
