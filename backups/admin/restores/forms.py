"""The forms of a restore: the choice of components, and the confirmation."""

from typing import Any

from django import forms

from backups.admin.shared.confirm import RestoreConfirmForm
from backups.service.archives.signatures import Signature, State
from backups.service.restore.preview.summary import Preview

CONFIG = "config"
PARTS = {"config.file": "the configuration file", "config.overrides": "the overrides with their history"}


class SelectionForm(forms.Form):
    """The components to restore, and the parts of a configuration."""

    components = forms.MultipleChoiceField(
        error_messages={
            "required": "Tick at least one component. Nothing was restored.",
            "invalid_choice": "%(value)s cannot be restored from this archive. Nothing was restored.",
        }
    )

    def __init__(self, preview: Preview, *args: Any) -> None:
        super().__init__(*args)
        selectable = [component for component in preview.components if component.selectable]
        self.wholes = [component.name for component in selectable]
        self.parts = [(part.name, part_label(part.name), part) for component in selectable for part in component.parts]
        self._part_names = [name for name, _, _ in self.parts]
        choices = [(name, name) for name in [*self.wholes, *self._part_names]]
        self.fields["components"].choices = choices  # type: ignore[attr-defined]

    @property
    def ticked(self) -> list[str]:
        """Return what is ticked on the page: everything on the first visit."""
        return self.data.getlist("components") if self.is_bound else self.wholes  # type: ignore[attr-defined]

    def clean_components(self) -> list[str]:
        names: list[str] = self.cleaned_data["components"]
        if CONFIG in names and any(name in self._part_names for name in names):
            raise forms.ValidationError(
                "Tick either config or parts of it: config restores all of it. Nothing was restored."
            )
        return names


def part_label(name: str) -> str:
    """Return what a part of a configuration is, in words."""
    return PARTS.get(name) or f"section [{name.partition(':')[2]}] with its overrides"


class RestoreForm(RestoreConfirmForm):
    allow_other_instance = forms.BooleanField(
        error_messages={"required": "Tick that it is to be restored into another instance, or choose another archive."}
    )
    accept_unsigned = forms.BooleanField(
        error_messages={"required": "Tick that you know where this archive comes from, or choose another one."},
        help_text="Only its checksum in the database of this site says where it comes from. This is recorded.",
    )
    force_invalid_config = forms.BooleanField(
        required=False,
        label="Restore even if the configuration would not be valid",
        help_text="The service may refuse to start with it. This is recorded.",
    )

    def __init__(self, preview: Preview, signature: Signature | None, *args: Any) -> None:
        super().__init__(preview, *args, label=f"Type {preview.instance} to restore it")
        label = f"Restore the data of {preview.archive_instance} into {preview.instance}"
        self.fields["allow_other_instance"].label = label
        if not preview.other_instance:
            del self.fields["allow_other_instance"]
        self.fields["accept_unsigned"].label = f"Restore it although it is {signature}"
        if signature is None or signature.state is State.SIGNED:
            del self.fields["accept_unsigned"]
        if not any(component.name == CONFIG and component.selectable for component in preview.components):
            del self.fields["force_invalid_config"]
