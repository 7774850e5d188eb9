"""A destination type with secrets, for tests: a local folder that asks for a password and a key."""

from typing import ClassVar

from django import forms

from destinations.backends.local import LocalDestination

PASSWORD = "canary-password-41c7"
KEY = "-----BEGIN CANARY-----\ncanary-key-9b2e\n-----END CANARY-----"
CANARIES = ("canary-password-41c7", "canary-key-9b2e")


class VaultDestination(LocalDestination):
    type = "vault"
    label = "Vault"
    off_box = True
    secret_options: ClassVar[frozenset[str]] = frozenset({"password", "key"})

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            **super().fields(),
            "port": forms.IntegerField(min_value=1, max_value=65535, initial=22, required=False),
            "password": forms.CharField(strip=False, help_text="As given by the provider."),
            "key": forms.CharField(
                widget=forms.Textarea,
                required=False,
                validators=[forms.fields.validators.RegexValidator("BEGIN", "%(value)s is not a key.")],
            ),
        }
