"""One typed form per type, made from the fields that its backend declares."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import pretty_name

from destinations.admin.peer_keys import FETCH, PeerKeyWidget
from destinations.backends import Destination
from destinations.backends.base.typed_options import TypedOptions
from destinations.exceptions import DestinationConfigError, DestinationError
from destinations.lib.operator_error import sentences
from destinations.models import BackupDestination, DestinationTest
from destinations.policies.retention_fields import RETENTION_COLUMNS
from destinations.secrets import unseal_config

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[BackupDestination]
else:
    _ModelForm = forms.ModelForm

OPTION = "option_"
KEPT = "Stored and never shown again. Left blank, it stays as it is."


class SecretTextarea(forms.Textarea):
    """A multi-line secret, such as a private key, that is not sent back when the form has errors."""

    def format_value(self, value: object) -> str:
        return ""


class DestinationForm(_ModelForm):
    """Without a backend (a row of an unknown type) it has the common fields only."""

    backend: ClassVar[type[Destination] | None] = None
    # who tests with it
    user: ClassVar[str] = ""
    # kept with the destination once that is saved
    passed_test: DestinationTest | None = None

    class Meta:
        model = BackupDestination
        fields = ("name", "enabled", "encryption", "position", "daily_read_mb", *RETENTION_COLUMNS)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.backend is None:
            return
        self.instance.type = self.backend.type
        stored = self.instance.config_json
        for option in self.backend.fields():
            field = self.fields[OPTION + option]
            if option not in self.backend.secret_options:
                self.initial.setdefault(OPTION + option, stored.get(option, field.initial))
            elif stored.get(option):
                field.required, field.help_text = False, KEPT

    def clean_position(self) -> int:
        return self.cleaned_data["position"] or 0

    def add_error(self, field: str | None, error: Any) -> None:
        # a field's own message may repeat the value of a secret
        secrets = {OPTION + option for option in self.backend.secret_options} if self.backend else set()
        if field in secrets and isinstance(error, ValidationError) and error.error_list[0].code != "required":
            error = ValidationError("This is not valid.", code="invalid")
        super().add_error(field, error)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if self.backend is not None and not self.errors and not self.backend.lacks_pin(self._given(cleaned)):
            self.instance.name = cleaned["name"]
            try:
                self.instance.configure(self._options(self.backend, cleaned))
            except DestinationConfigError as error:
                field = OPTION + error.option
                self.add_error(field if field in self.fields else None, error.text)
        return cleaned

    def full_clean(self) -> None:
        """Validate, and test a destination that is added, enabled or changed; a disabled one is saved as it is."""
        # after the validation of the model, which decides whether an empty place is a new one
        super().full_clean()
        if self.backend is None or not self.is_bound:
            return
        if self.backend.pinned_option:
            self._show_peer_key(self.backend)
        if self.errors or not self.instance.enabled:
            return
        tested_fields = {"enabled", *(OPTION + option for option in self.backend.fields())}
        if not self.instance._state.adding and not tested_fields & {*self.changed_data}:
            return
        result = self.instance.tested(user=self.user)
        if (error := result.failure) is None:
            self.passed_test = result
            return
        self.add_error(
            None, sentences("The test of the destination failed.", error.text, "Save it disabled to test it later.")
        )

    @property
    def fetches_key(self) -> bool:
        """Whether it has the button that fetches the key of a server."""
        return self.backend is not None and bool(self.backend.pinned_option)

    def _show_peer_key(self, backend: type[Destination]) -> None:
        """Fetch the key of the server when the button asks for it, or when nothing else keeps the form from a test."""
        asked = FETCH in self.data
        if asked:
            # what the form lacks otherwise does not matter to the server
            for name in set(self.errors) - {OPTION + option for option in backend.peer_options}:
                del self.errors[name]
        given = self._given(self.cleaned_data)
        if self.errors or not (asked or backend.lacks_pin(given)):
            return
        pinned = OPTION + backend.pinned_option
        try:
            key = backend.fetch_peer_key(given)
        except DestinationError as error:
            self.add_error(pinned, error.text)
            return
        widget = self.fields[pinned].widget
        if isinstance(widget, PeerKeyWidget):
            widget.offered = key
        self.add_error(pinned, ValidationError("Nothing is saved yet: see what the server shows.", code="compare"))

    def _given(self, cleaned: dict[str, Any]) -> dict[str, object]:
        return {option: cleaned.get(OPTION + option) for option in (self.backend.fields() if self.backend else ())}

    def _options(self, backend: type[Destination], cleaned: dict[str, Any]) -> dict[str, object]:
        given = self._given(cleaned)
        blank = {option for option in backend.secret_options if not given[option]}
        kept = {option: value for option, value in self.instance.config_json.items() if option in blank}
        return given | unseal_config(backend.type, kept, name=self.instance.name)


def option_fields(backend: type[TypedOptions]) -> dict[str, forms.Field]:
    """Return the fields of a type as a page shows them: what is secret is never sent back."""
    fields = backend.fields()
    for option, field in fields.items():
        field.label = field.label or pretty_name(option)
        field.widget.attrs.setdefault("autocomplete", "off")
        if type(field.widget) is forms.TextInput:
            field.widget.attrs.setdefault("class", "vTextField")
        if option in backend.secret_options:
            many_lines = isinstance(field.widget, forms.Textarea)
            field.widget = SecretTextarea() if many_lines else forms.PasswordInput({"autocomplete": "new-password"})
    return fields


def form_class(backend: type[Destination] | None, user: str = "") -> type[DestinationForm]:
    """Return the form of a type for `user`; each option is the field `option_<name>`."""
    if backend is None:
        return DestinationForm
    fields = option_fields(backend)
    for option, field in fields.items():
        if option == backend.pinned_option:
            field.widget = PeerKeyWidget(backend, field.widget.attrs)
        if option in backend.default_options(""):
            field.required = False
    options = {OPTION + option: field for option, field in fields.items()}
    return type(f"{backend.__name__}Form", (DestinationForm,), {"backend": backend, "user": user, **options})
