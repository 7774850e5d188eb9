"""What a person chooses and confirms before a restore."""

from typing import Any

from django import forms

from backups.admin.confirm import RestoreConfirmForm
from backups.models import BackupExecution
from backups.service.preview import Preview
from backups.service.signatures import Signature, State

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

    def __init__(self, preview: Preview, execution: BackupExecution, *args: Any) -> None:
        super().__init__(*args)
        self.wholes = [component.name for component in preview.components if component.selectable]
        self.parts = _parts(execution) if CONFIG in self.wholes else {}
        choices = [(name, name) for name in [*self.wholes, *self.parts]]
        self.fields["components"].choices = choices  # type: ignore[attr-defined]

    @property
    def ticked(self) -> list[str]:
        """Return what is ticked on the page: everything before a person unticks some of it."""
        return self.data.getlist("components") if self.is_bound else self.wholes  # type: ignore[attr-defined]

    def clean_components(self) -> list[str]:
        names: list[str] = self.cleaned_data["components"]
        if CONFIG in names and any(name in self.parts for name in names):
            raise forms.ValidationError(
                "Tick either config or parts of it: config brings all of it back. Nothing was restored."
            )
        return names


def _parts(execution: BackupExecution) -> dict[str, str]:
    """Return the parts that the archive can bring back one by one, with what each of them is."""
    files = [entry["file"] for entry in (execution.manifest_json or {}).get("contents", [])]
    found = {}
    if "tacacs.conf" in files:
        sections = dict.fromkeys(execution.config_json or {})
        found = {f"config.section:{name}": f"section [{name}] with its overrides" for name in sections}
        found = {"config.file": PARTS["config.file"], **found}
    if "config_overrides.db" in files:
        found["config.overrides"] = PARTS["config.overrides"]
    return found


class RestoreForm(RestoreConfirmForm):
    allow_other_instance = forms.BooleanField(
        error_messages={"required": "Say that it is to be restored into another instance, or choose another archive."}
    )
    accept_unsigned = forms.BooleanField(
        error_messages={"required": "Say that you know where this archive comes from, or choose another one."},
        help_text="Nothing but its checksum in this site's record tells where it comes from. This is recorded.",
    )
    force_invalid_config = forms.BooleanField(
        required=False,
        label="Restore even if the configuration would not be valid (--force-invalid-config)",
        help_text="The service may refuse to start with it. This is recorded.",
    )

    def __init__(self, preview: Preview, signature: Signature | None, *args: Any) -> None:
        super().__init__(
            preview.instance, preview.archive_sha256, *args, label=f"Type {preview.instance} to restore it"
        )
        label = f"Restore the data of {preview.archive_instance} into {preview.instance} (--other-instance)"
        self.fields["allow_other_instance"].label = label
        if preview.archive_instance == preview.instance:
            del self.fields["allow_other_instance"]
        self.fields["accept_unsigned"].label = f"Restore it although it is {signature} (--accept-unsigned)"
        if signature is None or signature.state is State.SIGNED:
            del self.fields["accept_unsigned"]
        if not any(component.name == CONFIG and component.selectable for component in preview.components):
            del self.fields["force_invalid_config"]
