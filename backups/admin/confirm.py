"""What pages ask before something is lost."""

from typing import Any, ClassVar

from django import forms


class ConfirmForm(forms.Form):
    """The name of the instance, or of another `noun`, is typed: a click in the wrong window does nothing."""

    noun: ClassVar[str] = "instance"
    untouched: ClassVar[str]
    confirm = forms.CharField(widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}))

    def __init__(self, instance: str, *args: Any, label: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance = instance
        self.fields["confirm"].label = label

    def clean_confirm(self) -> str:
        typed: str = self.cleaned_data["confirm"]
        if typed != self.instance:
            raise forms.ValidationError(f"This is not the name of the {self.noun}, {self.instance}. {self.untouched}")
        return typed


class RestoreConfirmForm(ConfirmForm):
    """The digest of the archive that the page shows comes back with the form: no other one is restored."""

    untouched = "Nothing was restored."
    archive_sha256 = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, instance: str, archive_sha256: str, *args: Any, label: str) -> None:
        super().__init__(instance, *args, label=label, initial={"archive_sha256": archive_sha256})
        self.shown = archive_sha256
        # a focus at the end of the page would scroll what is lost out of sight
        del self.fields["confirm"].widget.attrs["autofocus"]
        self.order_fields([name for name in self.fields if name != "confirm"])

    def clean(self) -> dict[str, Any] | None:
        if self.cleaned_data.get("archive_sha256") != self.shown:
            raise forms.ValidationError(
                "This is not the archive that was shown to you. Look at what would change again. Nothing was restored."
            )
        return super().clean()
