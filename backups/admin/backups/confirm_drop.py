"""Confirming that what a backup lacks, or has far more of, is intended, after a page that says what that means."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse

from backups.admin.backups.detail import MOST_DROPS
from backups.admin.shared.confirm import ConfirmForm, confirm_page
from backups.admin.shared.permissions import CONFIRM_DROP
from backups.admin.shared.views import action_view, actor, redirect_to
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.drops.entries import RECURRING
from backups.service.drops.episodes import confirm_drop as confirm
from backups.service.drops.episodes import drops_of, headline_of, last_before, open_drops, open_episodes


class ConfirmDropForm(ConfirmForm):
    refused = "Nothing was confirmed."

    def __init__(self, backup: BackupExecution, *args: Any, **kwargs: Any) -> None:
        super().__init__(backup.instance, *args, label=f"Type {backup.instance} to confirm", **kwargs)
        known = list(dict.fromkeys(drop.component for drop in open_drops(backup)))
        self.fields["components"] = forms.MultipleChoiceField(
            label="Intended in",
            choices=[(name, name) for name in known],
            initial=known,
            widget=forms.CheckboxSelectMultiple,
        )
        # a focus at the end of the page would scroll what is lost out of sight
        del self.fields["confirm"].widget.attrs["autofocus"]
        self.order_fields(["components", "confirm"])


@action_view(CONFIRM_DROP)
def confirm_drop(request: HttpRequest, backup: BackupExecution) -> HttpResponse:
    if not backup.open_drop:
        raise BackupError(f"{backup} has no drop to confirm.")
    form = ConfirmDropForm(backup, request.POST if request.method == "POST" else None)
    if form.is_valid():
        changed = confirm(backup, by=actor(request), components=form.cleaned_data["components"])
        others = f", and in {len(changed) - 1} other backups alike" if len(changed) > 1 else ""
        messages.success(request, f"Confirmed in the backup {backup}{others}: it is intended.")
        return redirect_to(backup)
    episode = open_episodes([backup.instance]).get(backup.instance)
    return confirm_page(
        request,
        CONFIRM_DROP,
        backup,
        "backups/backupexecution/drops/confirm",
        form,
        title=f"Confirm the drop of {backup.instance}?",
        drops=drops_of(backup)[:MOST_DROPS],
        headline=headline_of(open_drops(backup)),
        only_grown=all(drop.is_growth for drop in open_drops(backup)),
        recurring=RECURRING,
        before=last_before(episode) if episode else None,
    )
