"""The form of a destination: a retention rule that deletes more is shown and confirmed before it is saved."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from backups.admin.destinations.retention import ConfirmRuleForm, fingerprint
from backups.admin.shared.permissions import VIEW
from backups.models import BackupSchedule
from backups.service.monitoring.destination_facts import facts_of
from backups.service.retention.archived import Planned
from backups.service.retention.plan import more_deletions, size_of
from backups.service.schedules.describe import disabled_in_words
from backups.service.schedules.freshness import at_destination
from destinations.admin import BackupDestinationAdmin
from destinations.admin.forms import OPTION
from destinations.models import BackupDestination
from destinations.policies.retention_fields import RETENTION_COLUMNS, as_json
from destinations.policies.retention_rule import RetentionError

if TYPE_CHECKING:

    class _ModelForm(forms.ModelForm[BackupDestination]):
        def _post_clean(self) -> None: ...

else:
    _ModelForm = forms.ModelForm
MOST_LISTED = 50
# in the warning about a disabled destination
MOST_NAMED = 10


class RuleMixin(_ModelForm):
    """Asks for the name of the destination when its rule would delete more than before the change.

    `waiting` is what would be deleted besides; `shown` comes back with the form, so that only what it named is deleted.
    """

    waiting: list[Planned]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waiting = []

    @property
    def listed(self) -> list[Planned]:
        return self.waiting[:MOST_LISTED]

    @property
    def waiting_bytes(self) -> int:
        return size_of(self.waiting)

    @property
    def shown(self) -> str:
        return fingerprint(self.waiting)

    @property
    def confirmation(self) -> ConfirmRuleForm:
        """Return the fields of the confirmation, with what was typed before."""
        typed = self.data if "confirm" in self.data else None
        return ConfirmRuleForm(self._stored().name, typed)

    def _post_clean(self) -> None:
        super()._post_clean()
        if self.errors:
            return
        stored = self._stored()
        # then the rule begins to delete, whether it is changed or not
        ends_append_only = stored.append_only and not self.instance.append_only
        if not ends_append_only and not any(column in self.changed_data for column in RETENTION_COLUMNS):
            return
        try:
            before = None if stored.append_only else stored.last_confirmed_rule()
            after = self.instance.rule()
        except RetentionError:
            # the rule of the site has errors, and nothing is deleted by one that has
            return
        self.waiting = more_deletions(self.instance, before, after, timezone.now())
        confirmed = self.data.get("shown") == self.shown and self.confirmation.is_valid()
        if self.waiting and not confirmed:
            backend = getattr(self, "backend", None)
            secrets = backend.secret_options if backend else ()
            # a page never sends secrets back to the browser
            typed = any(self.cleaned_data.get(OPTION + option) for option in secrets)
            again = " Secrets have to be entered again." if typed else ""
            text = f"This rule would delete more backups. Nothing is saved yet: confirm it below.{again}"
            self.add_error(None, text)
        else:
            in_force = None if self.instance.append_only else after
            self.instance.confirmed_rule, self.instance.rule_pending_since = as_json(in_force), None

    def _stored(self) -> BackupDestination:
        return BackupDestination.objects.get(pk=self.instance.pk)


class DestinationAdmin(BackupDestinationAdmin):
    class Media:
        css: ClassVar = {"all": ["backups/backups.css"]}

    def get_form(
        self, request: HttpRequest, obj: BackupDestination | None = None, change: bool = False, **kwargs: Any
    ) -> "type[ModelForm[BackupDestination]]":
        form = super().get_form(request, obj, change, **kwargs)
        # a new destination holds no backups that a rule could delete
        return form if obj is None else type(form.__name__, (RuleMixin, form), {})

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        context = {**(extra_context or {})}
        destination = self.get_object(request, unquote(object_id))
        if destination is not None and request.user.has_perm(VIEW):
            context["facts"] = facts_of(destination)
        return super().change_view(request, object_id, form_url, context)

    def save_model(self, request: HttpRequest, obj: BackupDestination, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if obj.enabled:
            return
        schedules = BackupSchedule.objects.enabled().whole().filter(at_destination(obj)).order_by("name")
        found = list(schedules.select_related("destination").prefetch_related("further__destination"))
        for schedule in found[:MOST_NAMED]:
            self.message_user(request, f"Schedule {schedule.name}: {disabled_in_words(schedule)}", messages.WARNING)
        if len(found) > MOST_NAMED:
            text = f"{len(found) - MOST_NAMED} more schedules back up to {obj.name}: see the list of schedules."
            self.message_user(request, text, messages.WARNING)


# the app `destinations` registers its own, which does not know backups
admin.site.unregister(BackupDestination)
admin.site.register(BackupDestination, DestinationAdmin)
