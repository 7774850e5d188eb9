"""The options of a destination: what its type adds to them, and the keys of servers that a person confirms."""

from collections.abc import Mapping
from typing import ClassVar

from django import forms

from destinations.backends.base.records import PeerKey
from destinations.backends.base.typed_options import TypedOptions
from destinations.transfer.extras import Extra


class Options(TypedOptions):
    """What is known of a type before it is opened."""

    noun = "destination"
    off_box: ClassVar[bool]
    # packages that only this type needs
    extra: ClassVar[Extra | None] = None
    # whether the store can refuse to delete a file before a moment, whoever asks (see `lock`)
    can_lock: ClassVar[bool] = False
    # options of other programs that `clean` takes where they say what holds anyway, and else refuses by name
    foreign_options: ClassVar[frozenset[str]] = frozenset()
    # the option that holds the key by which the server is recognised, where a person has to confirm one
    pinned_option: ClassVar[str] = ""
    # what forms call it
    pinned_noun: ClassVar[str] = "key"
    # the options that `fetch_peer_key` needs
    peer_options: ClassVar[tuple[str, ...]] = ()

    @staticmethod
    def append_only_field() -> forms.BooleanField:
        """Return the field of the option that every type has."""
        return forms.BooleanField(
            label="Append-only",
            required=False,
            help_text="The account may add files and not delete them: this site deletes nothing there, and the store "
            "decides when archives go. Give it the retention rule by which the store does that.",
        )

    @classmethod
    def default_options(cls, name: str) -> dict[str, object]:
        """Return options to use where the operator left them blank; `name` is that of the destination."""
        return {}

    @classmethod
    def clean(cls, config: Mapping[str, object]) -> dict[str, object]:
        cleaned = super().clean(config)
        # rows and declared configurations from before it was an option are the same as one that is not append-only
        if not cleaned.get("append_only"):
            cleaned.pop("append_only", None)
        return cleaned

    @classmethod
    def lacks_pin(cls, config: Mapping[str, object]) -> bool:
        """Whether a key has to be fetched and confirmed before `config` can be used."""
        return bool(cls.pinned_option) and not str(config.get(cls.pinned_option) or "").strip()

    @classmethod
    def pinned_keys(cls, value: str) -> "tuple[PeerKey, ...]":
        """Return the keys in a value of `pinned_option`. Raises `DestinationConfigError`."""
        return ()

    @classmethod
    def fetch_peer_key(cls, config: Mapping[str, object]) -> PeerKey:
        """Ask the server of `config` for its key. Nothing vouches for it: a person compares it before it is pinned.

        Raises `DestinationError`.
        """
        raise NotImplementedError
