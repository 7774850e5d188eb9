"""Giving up one copy of a backup, after a page that shows all of them."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.confirm import ConfirmForm, confirm_page
from backups.admin.shared.permissions import GIVE_UP
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.errors import BackupError
from backups.models import BackupCopy, BackupExecution
from backups.service.archives.records.copies import copies_of
from backups.service.archives.records.given_up import give_up_copy as give_up


class GiveUpForm(ConfirmForm):
    refused = "Nothing was changed."
    at = forms.ChoiceField(label="Copy at", error_messages={"invalid_choice": "That copy is not missing any more."})
    reason = forms.CharField(
        max_length=200,
        help_text="Kept in the history of this backup.",
        widget=forms.TextInput(attrs={"autofocus": True}),
    )

    def __init__(self, instance: str, copies: list[BackupCopy], *args: Any, **kwargs: Any) -> None:
        super().__init__(instance, *args, label=f"Type {instance} to give the copy up", **kwargs)
        field = cast("forms.ChoiceField", self.fields["at"])
        field.choices = [(copy.pk, f"{copy.destination} ({copy.condition})") for copy in copies]
        # the reason comes first
        del self.fields["confirm"].widget.attrs["autofocus"]
        self.order_fields(["at", "reason", "confirm"])


@action_view(GIVE_UP)
def give_up_copy(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    copies = copies_of(backup)
    lacking = [copy for copy in copies if not copy.is_sound and copy.state != BackupCopy.State.DELETED]
    if not lacking:
        raise BackupError("No copy is missing any more.")
    form = GiveUpForm(backup.instance, lacking, request.POST if request.method == "POST" else None)
    if form.is_valid():
        copy = BackupCopy.objects.select_related("execution", "destination").get(pk=form.cleaned_data["at"])
        give_up(copy, by=actor(request), reason=form.cleaned_data["reason"])
        messages.success(request, f"The copy of {backup} at {copy.destination} is given up.")
        return redirect_to(backup)
    title = f"Give up a copy of a backup of {backup.instance}?"
    return confirm_page(
        request, GIVE_UP, backup, "backups/backupexecution/give_up_copy", form, title=title, copies=copies
    )
