"""Forms that more than one page needs."""

from typing import TYPE_CHECKING, Any, cast
from zoneinfo import available_timezones

from django import forms
from django.conf import settings

from backups.errors import BackupError
from backups.instances import instance_names
from backups.models import BackupSchedule
from backups.service.schedules.planning import next_runs
from destinations.models import BackupDestination

if TYPE_CHECKING:
    ModelForm = forms.ModelForm[BackupSchedule]
else:
    ModelForm = forms.ModelForm
Type = BackupSchedule.Type
EXPRESSIONS = "Cron: minute hour day month weekday, such as 0 2 * * *. Interval: hours:24, minutes:15, days:1."


class ScheduleForm(ModelForm):
    """Names and rhythms are refused at their field; a rhythm also when it never comes."""

    class Meta:
        model = BackupSchedule
        fields = ("name", "instance", "destination", "type", "expression", "time_zone")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "type" not in self.fields:
            return
        row = self.instance
        self.fields["instance"] = forms.ChoiceField(choices=_choices(instance_names(), row.instance))
        self.fields["time_zone"] = forms.ChoiceField(
            choices=_choices(sorted(available_timezones()), row.time_zone),
            help_text="Of the wall clock that a cron expression follows.",
        )
        if row._state.adding:
            self.initial["time_zone"] = settings.TIME_ZONE
        destinations = BackupDestination.objects.enabled()
        if row.destination_id:
            destinations |= BackupDestination.objects.filter(pk=row.destination_id)
        destination = cast("forms.ModelChoiceField[BackupDestination]", self.fields["destination"])
        destination.queryset = destinations
        if destinations.count() == 1:
            destination.empty_label = None
        custom = ", ".join(settings.BACKUP_CUSTOM_CADENCES)
        self.fields["expression"].help_text = EXPRESSIONS + (f" Custom: {custom}." if custom else "")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        type_, zone = cleaned.get("type"), cleaned.get("time_zone")
        if type_ == Type.MANUAL:
            cleaned["expression"] = ""
        elif type_ and zone and not self.has_error("expression"):
            self._check_rhythm(type_, cleaned.get("expression", ""), zone)
        return cleaned

    def _check_rhythm(self, type_: str, expression: str, zone: str) -> None:
        try:
            next_runs(BackupSchedule(type=type_, expression=expression, time_zone=zone), 1)
        except BackupError as error:
            self.add_error("expression", error.text)


def _choices(names: list[str], current: str) -> list[tuple[str, str]]:
    """Return `names`, and what the row has now, which may be gone from them."""
    return [(name, name) for name in sorted({*names, *filter(None, [current])})]
