"""Forms and pages that ask for a confirmation before something is lost."""

from typing import Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse

from backups.admin.shared.permissions import Action, AnyRun
from backups.admin.shared.views import page, page_url
from backups.service.restore.preview.summary import Preview


def confirm_page(
    request: HttpRequest, action: Action[AnyRun], run: AnyRun, template: str, form: forms.Form, **context: Any
) -> HttpResponse:
    """Return the page that asks before `action`; with status 400 when `form` was sent and is not valid."""
    status = 400 if form.is_bound else 200
    common = {"opts": run._meta, "run": run, "action": action, "back_url": page_url(run), "form": form}
    return page(request, template, status=status, **common, **context)


class ConfirmForm(forms.Form):
    """The name of the instance, or of another `noun`, has to be typed: a click in the wrong window does nothing.

    `refused` says in an error that nothing was done.
    """

    noun: ClassVar[str] = "instance"
    refused: ClassVar[str]
    confirm = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}))

    def __init__(self, instance: str, *args: Any, label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance = instance
        self.fields["confirm"].label = label

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"]
        if typed != self.instance:
            raise forms.ValidationError(f"This is not the name of the {self.noun}, {self.instance}. {self.refused}")
        return typed


class RestoreConfirmForm(ConfirmForm):
    """Sends back the digest of the archive that the page shows, and what restores had changed by then.

    No other archive is restored, and none into an instance that another restore has changed since.
    """

    refused = "Nothing was restored."
    archive_sha256 = forms.CharField(required=False, widget=forms.HiddenInput)
    changes_seen = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, preview: Preview, *args: Any, label: str) -> None:
        shown = {"archive_sha256": preview.archive_sha256, "changes_seen": preview.changes_seen}
        super().__init__(preview.instance, *args, label=label, initial=shown)
        self.preview = preview
        # a focus at the end of the page would scroll what is lost out of sight
        del self.fields["confirm"].widget.attrs["autofocus"]
        self.order_fields([name for name in self.fields if name != "confirm"])

    def clean(self) -> dict[str, Any] | None:
        if self.cleaned_data.get("archive_sha256") != self.preview.archive_sha256:
            raise forms.ValidationError(
                "This is not the archive that was shown to you. Check again what would change. Nothing was restored."
            )
        if self.cleaned_data.get("changes_seen") != self.preview.changes_seen:
            raise forms.ValidationError(
                f"Another restore of {self.instance} was carried out since this page was shown to you. Open the page "
                "again and check what would change now. Nothing was restored."
            )
        return super().clean()
