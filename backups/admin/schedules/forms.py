"""The form of a schedule."""

from typing import TYPE_CHECKING, Any, cast
from zoneinfo import available_timezones

from django import forms
from django.conf import settings

from backups.errors import BackupError
from backups.instances import instance_names, inventory
from backups.models import BackupSchedule
from backups.service.schedules.coverage import require_scope
from backups.service.schedules.planning import next_runs
from destinations.models import BackupDestination

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[BackupSchedule]
else:
    ModelForm = forms.ModelForm
Type, Scope = BackupSchedule.Type, BackupSchedule.Scope
SCOPE = ("scope", "instance", "instances", "label")
# the field that each scope needs
FIELD_OF: dict[str, str] = {Scope.INSTANCE: "instance", Scope.INSTANCES: "instances", Scope.LABEL: "label"}
EXPRESSIONS = "Cron: minute hour day month weekday, such as 0 2 * * *. Interval: hours:24, minutes:15, days:1."


class ScheduleForm(ModelForm):
    """Checks the cadence: one without a next run is refused too."""

    also_to = forms.ModelMultipleChoiceField(
        BackupDestination.objects.all(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Each backup is made once and stored at each of them too.",
    )

    # of a form that has no such field yet: as it was
    scope = forms.ChoiceField(choices=Scope.choices, required=False, label="Backs up")
    instances = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, help_text="For several instances."
    )
    label = forms.ChoiceField(required=False, help_text="Every instance that has it, now and later.")

    class Meta:
        model = BackupSchedule
        fields = ("name", *SCOPE, "destination", "type", "expression", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # a declared schedule is shown read-only, without fields
        if "type" not in self.fields:
            return
        row = self.instance
        names = instance_names()
        self.fields["instance"] = forms.ChoiceField(choices=_choices(names, row.instance), required=False)
        self._offer("instances", _choices(names, *(row.instances or [])))
        self._offer("label", [("", "none"), *_choices(inventory().labels, row.label)])
        self.initial["instances"] = row.instances or []
        self.fields["time_zone"] = forms.ChoiceField(
            choices=_choices(sorted(available_timezones()), row.time_zone),
            help_text="The time zone of a cron expression.",
        )
        if row._state.adding:
            self.initial["time_zone"] = settings.TIME_ZONE
        destinations = BackupDestination.objects.enabled()
        # the form of a schedule whose destination was disabled still shows it
        if row.destination_id:
            destinations |= BackupDestination.objects.filter(pk=row.destination_id)
        destination = cast("forms.ModelChoiceField[BackupDestination]", self.fields["destination"])
        destination.queryset = destinations
        also_to = cast("forms.ModelMultipleChoiceField[BackupDestination]", self.fields["also_to"])
        further = [] if row._state.adding else list(row.further.values_list("destination", flat=True))
        also_to.queryset = destinations | BackupDestination.objects.filter(pk__in=further)
        self.initial["also_to"] = further
        if destinations.count() == 1:
            destination.empty_label = None
        custom = ", ".join(settings.BACKUP_CUSTOM_CADENCES)
        self.fields["expression"].help_text = EXPRESSIONS + (f" Custom: {custom}." if custom else "")

    def _offer(self, name: str, choices: list[tuple[str, str]]) -> None:
        field = cast("forms.ChoiceField", self.fields[name])
        field.choices = choices

    def clean_scope(self) -> str:
        return self.cleaned_data["scope"] or self.instance.scope

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        # parts repeat the names of their schedules
        if BackupSchedule.objects.whole().filter(name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("There is a schedule of this name already.")
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        type_, zone = cleaned.get("type"), cleaned.get("time_zone")
        if type_ == Type.MANUAL:
            cleaned["expression"] = ""
        elif type_ and zone and not self.has_error("expression"):
            schedule = BackupSchedule(type=type_, expression=cleaned.get("expression", ""), time_zone=zone)
            try:
                next_runs(schedule, 1)
            except BackupError as error:
                self.add_error("expression", error.text)
        self._clean_scope(cleaned)
        return cleaned

    def save(self, commit: bool = True) -> BackupSchedule:
        # Django leaves an empty value out that the request does not have
        for name in SCOPE:
            setattr(self.instance, name, self.cleaned_data[name])
        saved: BackupSchedule = super().save(commit)
        return saved

    def _clean_scope(self, cleaned: dict[str, Any]) -> None:
        """Empty what the scope does not need, and refuse one that covers nothing, at its field."""
        scope = cleaned.get("scope")
        for name, empty in (("instance", ""), ("instances", None), ("label", "")):
            if name != FIELD_OF.get(scope or ""):
                cleaned[name] = empty
        wanted = {name: cleaned.get(name) for name in SCOPE}
        field = FIELD_OF.get(scope or "", "scope")
        if scope is None or field in self.errors:
            return
        if scope == Scope.INSTANCE:
            # one that is gone from the file stays, until another one is chosen
            if not wanted["instance"]:
                self.add_error("instance", "Choose an instance.")
            return
        # as long as it is not changed, what is gone from the file keeps nothing else from being changed
        if all(wanted[name] == getattr(self.instance, name) for name in SCOPE) and not self.instance._state.adding:
            return
        try:
            require_scope(BackupSchedule(**wanted))
        except BackupError as error:
            self.add_error(field, error.text)


def _choices(names: list[str], *current: str) -> list[tuple[str, str]]:
    """Return `names`, and the values of the row, which may not be among them any more."""
    return [(name, name) for name in sorted({*names, *filter(None, current)})]
