"""Confirming that data which a backup lacks is gone on purpose, after a page that says what that means."""

from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.admin.sites import site
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from backups.admin.backups.detail import MOST_DROPS
from backups.admin.shared.confirm import ConfirmForm
from backups.admin.shared.permissions import CONFIRM_DROP
from backups.admin.shared.views import action_view, actor, to_page
from backups.errors import BackupError
from backups.models import BackupExecution
from backups.service.drops.episodes import confirm_drop as confirm
from backups.service.drops.episodes import drops_of, last_before, open_drops, open_episodes


class ConfirmDropForm(ConfirmForm):
    untouched = "Nothing was confirmed."

    def __init__(self, execution: BackupExecution, *args: Any, **kwargs: Any) -> None:
        super().__init__(execution.instance, *args, label=f"Type {execution.instance} to confirm", **kwargs)
        known = list(dict.fromkeys(drop.component for drop in open_drops(execution)))
        self.fields["components"] = forms.MultipleChoiceField(
            label="Gone on purpose in",
            choices=[(name, name) for name in known],
            initial=known,
            widget=forms.CheckboxSelectMultiple,
        )
        # what is lost is read first
        del self.fields["confirm"].widget.attrs["autofocus"]
        self.order_fields(["components", "confirm"])


@action_view(CONFIRM_DROP)
def confirm_drop(request: HttpRequest, execution: BackupExecution) -> HttpResponse:
    if not execution.open_drop:
        raise BackupError(f"{execution} has no drop to confirm.")
    form = ConfirmDropForm(execution, request.POST if request.method == "POST" else None)
    if form.is_valid():
        changed = confirm(execution, by=actor(request), components=form.cleaned_data["components"])
        others = f", and in {len(changed) - 1} other backups alike" if len(changed) > 1 else ""
        messages.success(request, f"Confirmed in the backup {execution}{others}: the data is gone on purpose.")
        return to_page(execution)
    episode = open_episodes([execution.instance]).get(execution.instance)
    context = site.each_context(request) | {
        "title": f"Confirm the drop of {execution.instance}?",
        "opts": BackupExecution._meta,
        "execution": execution,
        "drops": drops_of(execution)[:MOST_DROPS],
        "before": last_before(episode) if episode else None,
        "form": form,
    }
    page = "admin/backups/backupexecution/confirm_drop.html"
    return TemplateResponse(request, page, context, status=400 if form.is_bound else 200)
