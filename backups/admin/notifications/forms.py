"""One typed form a kind of channel, made from the fields that the kind declares."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from backups.admin.notifications.table import events_field
from backups.instances import instance_names
from backups.models import BackupSchedule, NotificationChannel
from backups.notifications.channels import Channel, configure
from backups.notifications.events import cells
from backups.notifications.hours import next_digest
from destinations.admin.forms import KEPT, OPTION, option_fields
from destinations.exceptions import DestinationConfigError
from destinations.secrets import unseal_options

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[NotificationChannel]
else:
    _ModelForm = forms.ModelForm

Scope = NotificationChannel.Scope
COMMON = ("name", "enabled")
SCOPE = ("scope", "instances", "schedules")
TIMES = ("urgent_at_once", "quiet_from", "quiet_until", "digest", "digest_at", "digest_weekday", "time_zone")


class ChannelForm(_ModelForm):
    """`kind` is what a subclass is for."""

    kind: ClassVar[type[Channel]]
    instances = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="For the scope of some instances."
    )
    events = events_field()

    class Meta:
        model = NotificationChannel
        fields = (*COMMON, *SCOPE, *TIMES, "hide_paths")
        widgets: ClassVar = {"schedules": forms.CheckboxSelectMultiple}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        channel = self.instance
        channel.kind = self.kind.type
        # one that is described no more stays chosen until somebody takes it out
        names = sorted({*instance_names(), *channel.instances})
        if "instances" in self.fields:
            field: Any = self.fields["instances"]
            field.choices = [(name, name) for name in names]
        if "schedules" in self.fields:
            field = self.fields["schedules"]
            field.queryset = BackupSchedule.objects.whole()
        for option in self.kind.fields():
            shown = self.fields.get(OPTION + option)
            if shown is None:
                continue
            stored = channel.config_json.get(option)
            if option not in self.kind.secret_options:
                self.initial.setdefault(OPTION + option, shown.initial if stored is None else stored)
            elif stored:
                shown.required, shown.help_text = False, KEPT
        if "events" in self.fields:
            self.initial["events"] = [cell for cell in cells() if cell not in channel.muted]

    def add_error(self, field: str | None, error: Any) -> None:
        # a field's own message may repeat the value of a secret
        secret = {OPTION + option for option in self.kind.secret_options}
        if field in secret and isinstance(error, ValidationError) and error.error_list[0].code != "required":
            error = ValidationError("This is not valid.", code="invalid")
        super().add_error(field, error)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        for scope, field, what in (
            (Scope.INSTANCES, "instances", "an instance"),
            (Scope.SCHEDULES, "schedules", "a schedule"),
        ):
            if cleaned.get("scope") == scope and field in cleaned and not cleaned[field]:
                self.add_error(field, f"Choose {what} at least: without one nothing would be sent.")
        if bool(cleaned.get("quiet_from")) != bool(cleaned.get("quiet_until")):
            self.add_error("quiet_until", "Give both ends of the quiet hours, or neither.")
        if "events" in cleaned:
            self.instance.muted = [cell for cell in cells() if cell not in cleaned["events"]]
        if not self.errors:
            self.instance.name = cleaned["name"]
            try:
                configure(self.instance, self._options(cleaned))
            except DestinationConfigError as error:
                field = OPTION + error.option
                # of a secret too: these errors never repeat a value
                super().add_error(field if field in self.fields else None, error.text)
        return cleaned

    def _options(self, cleaned: dict[str, Any]) -> dict[str, object]:
        given = {option: cleaned.get(OPTION + option) for option in self.kind.fields()}
        blank = {option for option in self.kind.secret_options if not given[option]}
        kept = {option: value for option, value in self.instance.config_json.items() if option in blank}
        secret = self.kind.secret_options
        return given | unseal_options(kept, secret, of=f"channel {self.instance.name!r}")

    def save(self, commit: bool = True) -> NotificationChannel:
        channel = self.instance
        # what kept it from its receiver may be corrected now
        channel.retry_at = None
        if {"digest", "digest_at", "digest_weekday", "time_zone"} & {*self.changed_data}:
            channel.next_digest_at = next_digest(channel, timezone.now())
        return super().save(commit)


def form_class(kind: type[Channel]) -> type[ChannelForm]:
    """Return the form of a kind; each option is the field `option_<name>`."""
    options: dict[str, Any] = {OPTION + option: field for option, field in option_fields(kind).items()}
    if not kind.takes_messages:
        options |= {"events": None}
    return type(f"{kind.__name__}Form", (ChannelForm,), {"kind": kind, **options})


def sets_of(kind: type[Channel]) -> list[Any]:
    """Return the sets of fields of the form of a kind."""
    options = tuple(OPTION + option for option in kind.fields())
    sets: list[Any] = [
        (None, {"fields": COMMON}),
        (kind.label, {"fields": options}),
        ("What it is for", {"fields": SCOPE}),
    ]
    if kind.takes_messages:
        sets += [("Events", {"fields": ("events",)}), ("When", {"fields": TIMES})]
    return [*sets, ("Contents", {"fields": ("hide_paths",)})]
