"""Names with values, as an option of several lines."""

import json
from collections.abc import Mapping

from django import forms
from django.core.exceptions import ValidationError


class PairsField(forms.CharField):
    """One NAME=VALUE a line; a JSON object and a mapping, as configurations of services have them, are taken too."""

    def __init__(self, *, label: str, help_text: str) -> None:
        widget = forms.Textarea({"rows": 3, "spellcheck": "false"})
        super().__init__(label=label, help_text=help_text, required=False, max_length=8000, widget=widget)

    def clean(self, value: object) -> str:
        if isinstance(value, str) and value.lstrip().startswith("{"):
            try:
                value = json.loads(value)
            except ValueError:
                raise ValidationError("It begins as a JSON object and is none.") from None
        if isinstance(value, Mapping):
            value = "\n".join(f"{key}={text}" for key, text in value.items())
        text = str(super().clean(value) or "")
        return "\n".join(f"{key}={value}" for key, value in self.pairs(text).items())

    @staticmethod
    def pairs(text: object) -> dict[str, str]:
        """Return the pairs of a cleaned value. Raises `ValidationError` for another one."""
        found: dict[str, str] = {}
        for line in filter(None, map(str.strip, str(text or "").splitlines())):
            key, equals, value = (part.strip() for part in line.partition("="))
            if not equals or not key:
                raise ValidationError(f"{line!r} is not NAME=VALUE.")
            if key in found:
                raise ValidationError(f"{key!r} stands there twice.")
            found[key] = value
        return found
