"""The type of a destination and the options of its type, which say where it is."""

from collections.abc import Mapping

from django.core.validators import RegexValidator
from django.db import models

from destinations.backends import Destination, destination_class, type_choices
from destinations.exceptions import DestinationConfigError
from destinations.lib.operator_error import sentences
from destinations.secrets import seal_config, unseal_config


class DestinationOptions(models.Model):
    """Name, type and options; for an option that is secret only its sealed form is stored."""

    name = models.CharField(
        max_length=64,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_-]+\Z", "Use letters, digits, '_' and '-'.")],
        help_text="Letters, digits, '_' and '-'.",
    )
    type = models.CharField(max_length=32, choices=type_choices)
    config_json = models.JSONField(default=dict, blank=True, editable=False)

    class Meta:
        abstract = True

    def configure(self, options: Mapping[str, object]) -> None:
        """Take validated plain `options` into `config_json`, secrets sealed; nothing is saved.

        Options left blank get the defaults of the type. Raises `DestinationConfigError`.
        """
        backend = destination_class(self.type)
        given = {option: value for option, value in options.items() if value not in (None, "")}
        self.config_json = seal_config(self.type, backend.clean(backend.default_options(self.name) | given))

    def options(self) -> dict[str, object]:
        """Return the options in plain text, secrets too. Raises `DestinationConfigError`."""
        return unseal_config(self.type, self.config_json, name=self.name)

    def place(self) -> Destination:
        """Return the destination for its location only, which is known where a package of its type is missing too.

        Raises `DestinationConfigError`.
        """
        return destination_class(self.type)(self.options())

    @property
    def leaves_this_machine(self) -> bool:
        """True where archives are not lost with this machine; that of the type where the options cannot be read."""
        backend = destination_class(self.type)
        if not backend.off_box:
            return False
        try:
            return self.place().leaves_this_machine
        except DestinationConfigError:
            return True

    @property
    def append_only(self) -> bool:
        """Whether this site deletes nothing there: the rule is what the store is expected to keep."""
        return bool(self.config_json.get("append_only"))

    @property
    def location_text(self) -> str:
        """Where it is, and which package is missing to use it; or why that cannot be said."""
        try:
            place = self.place()
        except DestinationConfigError as error:
            return error.text
        if place.extra is not None and place.extra.missing:
            return sentences(place.location(), place.extra.note, place.extra.hint)
        return place.location()
