import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib import admin, messages
from django.db.models import Model
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

from backupsite.sign_in import SignInForm
from destinations.lib.lists import BoundedLists

if TYPE_CHECKING:
    AnyAdmin = type[admin.ModelAdmin[Any]]
else:
    AnyAdmin = type

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


class BackupAdminSite(admin.AdminSite):
    site_header = "backupsite"
    site_title = "backupsite"
    index_title = "Overview"
    index_template = "admin/backups/index.html"
    site_url = None
    enable_nav_sidebar = False
    login_form = SignInForm

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

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        wrapped = super().admin_view(view, cacheable)

        @functools.wraps(wrapped)
        def inner(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            # Django shows the form for the sign-in, which says nothing about what was sent
            if request.method == "POST" and request.user.is_anonymous and request.path != reverse("admin:logout"):
                messages.warning(request, "You were signed out, so nothing was done. Sign in, and do it again.")
            return wrapped(request, *args, **kwargs)

        return cast(View, inner)
