"""The table of events and levels in the form of a channel: what is ticked is sent."""

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from backups.notifications.events import ALARM, EVENTS, INFORMATION, WARNING, cells

LEVELS = (ALARM, WARNING, INFORMATION)


class EventTable(forms.CheckboxSelectMultiple):
    """A row for each event, and a box in the column of each level that it may have."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        chosen = set(value or ())
        rows = [
            (
                event,
                [
                    (level, f"{event.code}:{level}", f"{event.code}:{level}" in chosen, level in event.levels)
                    for level in LEVELS
                ],
            )
            for event in EVENTS.values()
        ]
        context = {"name": name, "rows": rows, "levels": LEVELS}
        return SafeString(render_to_string("admin/backups/notificationchannel/events.html", context))

    def id_for_label(self, id_: str, index: Any = None) -> str:
        # the boxes have labels of their own
        return ""

    use_fieldset = True


def events_field() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="Events",
        required=False,
        choices=[(cell, cell) for cell in cells()],
        initial=cells(),
        widget=EventTable,
        help_text="Which events are sent, by their level. The end of each is sent too.",
    )
