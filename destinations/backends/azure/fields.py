"""The fields of the options of the type `azure`, named as in AzureStorage of django-storages where it has them."""

from django import forms

from destinations.backends.azure.pairs import PairsField
from destinations.backends.base.lock_options import LONGEST_LOCK_DAYS, lock_fields

# archives in Archive could be neither verified nor restored before hours have passed
TIERS = ("Hot", "Cool", "Cold")
STRICT = "Locked"
LOCK_MODES = {
    STRICT: "no account can shorten or remove a lock.",
    "Unlocked": "an account with a special right can.",
}


def option_fields() -> dict[str, forms.Field]:
    def text(label: str, help_text: str, *, required: bool = False, longest: int = 200) -> forms.CharField:
        return forms.CharField(label=label, help_text=help_text, required=required, max_length=longest)

    def choice(label: str, help_text: str, *choices: tuple[str, str], initial: str = "") -> forms.ChoiceField:
        return forms.ChoiceField(label=label, help_text=help_text, required=False, choices=choices, initial=initial)

    return {
        "azure_container": text(
            "Container", "3 to 63 lower case letters, digits and hyphens.", required=True, longest=63
        ),
        "location": text("Folder", "Prefix of all names, such as backups/site-1; blank for the whole container."),
        "create_container": forms.BooleanField(
            label="Make the container",
            required=False,
            initial=True,
            help_text="By the first upload, when it is missing; it is private. Never once archives were stored there.",
        ),
        "connection_string": text(
            "Connection string",
            "All of it, from the page of the account. Otherwise give the account with a key, a signature or a managed "
            "identity.",
            longest=4000,
        ),
        "account_name": text("Account", "Name of the storage account.", longest=63),
        "account_key": text("Account key", "It may do everything in the account: a signature can be given less."),
        "sas_token": text(
            "Shared access signature", "Of the container or the account: 'sv=...&sig=...'.", longest=4000
        ),
        "use_managed_identity": forms.BooleanField(
            label="Managed identity",
            required=False,
            help_text="Log in by the identity that Azure gives this machine; nothing secret is stored.",
        ),
        "managed_identity_client_id": text("Client id", "Of a user-assigned identity; blank: that of the machine."),
        "endpoint_suffix": forms.CharField(
            label="Endpoint suffix",
            required=False,
            max_length=200,
            initial="core.windows.net",
            help_text="Of the cloud: another one for government clouds and Azure Stack.",
        ),
        "endpoint_url": text(
            "Endpoint",
            "Address of the blob service where it is not https://ACCOUNT.blob.SUFFIX, such as a private one.",
        ),
        "verify": text(
            "Authorities", "File of the certificates to trust, in PEM; blank: those of the system.", longest=500
        ),
        "max_concurrency": forms.IntegerField(
            label="Connections",
            min_value=1,
            max_value=16,
            initial=4,
            help_text="Over which the blocks of one upload are sent side by side.",
        ),
        "access_tier": choice(
            "Access tier",
            "Of new archives. Cool and Cold cost less to keep, and a fee when deleted within 30 and 90 days.",
            ("", "as the account says"),
            *((tier, tier) for tier in TIERS),
        ),
        "cool_after_days": forms.IntegerField(
            label="Cool after",
            required=False,
            min_value=0,
            max_value=LONGEST_LOCK_DAYS,
            initial=90,
            help_text="Days after which an archive in the tier Hot is moved to Cool, where it costs less to keep and "
            "more to read; 0: never.",
        ),
        "default_metadata": PairsField(label="Metadata", help_text="Stored with each archive: one NAME=VALUE a line."),
        "default_tags": PairsField(
            label="Index tags", help_text="Stored with each archive: one NAME=VALUE a line, at most 10."
        ),
        **lock_fields("The container needs version-level immutability.", LOCK_MODES),
    }
