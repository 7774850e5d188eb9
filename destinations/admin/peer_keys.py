"""The field that pins the key of a server: shows fingerprints, and the key that the server shows, to be accepted."""

from typing import Any

from django import forms
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from destinations.backends import Destination
from destinations.backends.base import PeerKey
from destinations.exceptions import DestinationConfigError

# the name of the button, which asks the server and saves nothing
FETCH = "_fetch_key"
ACCEPT = "_accept"


class PeerKeyWidget(forms.Textarea):
    """Text, a button that fetches the key, and a tick in which the fetched key is sent back."""

    def __init__(self, backend: type[Destination], attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        self._backend = backend
        self.offered: PeerKey | None = None

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        return data.get(name + ACCEPT) or super().value_from_datadict(data, files, name)

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        try:
            pinned = self._backend.pinned_keys(str(value or ""))
        except DestinationConfigError:  # the error stands at the field
            pinned = ()
        context = {
            "text": super().render(name, value, attrs, renderer),
            "name": name + ACCEPT,
            "fetch": FETCH,
            "noun": self._backend.pinned_noun,
            "pinned": pinned,
            "offered": self.offered,
            "known": self.offered in pinned,
        }
        return SafeString(render_to_string("destinations/peer_key.html", context))
