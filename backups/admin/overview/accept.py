"""Accepting a reason why an instance is not protected, for a while, and withdrawing that."""

import logging
from datetime import timedelta

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from backups.admin.shared.permissions import may
from backups.admin.shared.views import actor, page
from backups.errors import BackupError
from backups.lib import audit
from backups.models import BackupExecution
from backups.models.accepted_reason import LONGEST_TEXT
from backups.service.monitoring.verdict import verdicts
from backups.service.monitoring.verdict.accept import LONGEST, accept_reason, withdraw_reason
from backups.service.monitoring.verdict.verdicts import today
from destinations.admin.methods import wrong_method

PERMISSION = "accept_reason"
PROPOSED = timedelta(days=30)


class AcceptForm(forms.Form):
    text = forms.CharField(
        label="Why it is acceptable",
        max_length=LONGEST_TEXT,
        widget=forms.TextInput(attrs={"autofocus": True}),
        help_text="The page of the instance shows it, with your name.",
    )
    until = forms.DateField(label="Until", widget=forms.DateInput(attrs={"type": "date"}))

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        first, last = today(), today() + LONGEST
        until = self.fields["until"]
        until.widget.attrs |= {"min": first.isoformat(), "max": last.isoformat()}
        until.initial = first + PROPOSED
        until.help_text = f"The last day, at most {last}. After it the reason is open again by itself."


def accept(request: HttpRequest, name: str) -> HttpResponse:
    """Show the form for the reason in ``?reason=``, or accept it as the form says."""
    if request.method not in ("GET", "POST"):
        return wrong_method(request, ("GET", "POST"), "admin:backups_instance", name)
    _require_permission(request, name, "accept a reason")
    key = request.GET.get("reason", "")
    (verdict,) = verdicts([name])
    reason = next((reason for reason in verdict.reasons if reason.key == key), None)
    if reason is None:
        # it ended meanwhile, or the address was made up
        messages.warning(request, f"{name} has no such reason now.")
        return redirect("admin:backups_instance", name)
    form = AcceptForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        values = form.cleaned_data
        try:
            accept_reason(name, key, text=values["text"], until=values["until"], by=actor(request))
        except BackupError as error:
            form.add_error("until", error.text)
        else:
            messages.success(request, f"Accepted until {values['until']}. The level of {name} stays as it is.")
            return redirect("admin:backups_instance", name)
    return page(
        request,
        "backups/overview/accept",
        status=400 if form.is_bound else 200,
        title=f"Accept a reason of {name}",
        opts=BackupExecution._meta,
        name=name,
        reason=reason,
        form=form,
    )


def withdraw(request: HttpRequest, name: str) -> HttpResponse:
    if request.method != "POST":
        return wrong_method(request, ("POST",), "admin:backups_instance", name)
    _require_permission(request, name, "withdraw an acceptance")
    try:
        withdraw_reason(name, request.POST.get("reason", ""), by=actor(request))
        messages.success(request, "The reason is not accepted any more.")
    except BackupError as error:
        messages.error(request, error.text)
    return redirect("admin:backups_instance", name)


def _require_permission(request: HttpRequest, name: str, action: str) -> None:
    if not may(request.user, PERMISSION):
        by = audit.name_of(actor(request))
        audit.log("reason.forbidden", logging.WARNING, instance=name, action=action, by=by)
        raise PermissionDenied
