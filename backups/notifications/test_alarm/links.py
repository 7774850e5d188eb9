"""The links by which persons confirm that a test alarm reached them: signed, and of limited life."""

from datetime import timedelta

from django.core import signing

from backups.errors import BackupError
from backups.models import Delivery
from backups.notifications.pages import link_to

SALT = "backups.test-alarm"
LIFE = timedelta(days=31)
PAGE = "admin/backups/testalarm/"


def link_of(delivery: Delivery) -> str:
    """Return the link in the message of `delivery`; "" where BACKUP_SITE_URL does not say where the site is."""
    return link_to(f"{PAGE}{signing.TimestampSigner(salt=SALT).sign(delivery.pk)}/")


def delivery_of(token: str) -> Delivery:
    """Return the test alarm that the link with `token` came in. Raises BackupError."""
    again = "Send another test alarm, and open the link in that one."
    try:
        pk = signing.TimestampSigner(salt=SALT).unsign(token, max_age=LIFE)
    except signing.SignatureExpired:
        raise BackupError(f"This link is older than {LIFE.days} days.", hint=again) from None
    except signing.BadSignature:
        raise BackupError("This link is not one of this site, or it was cut.", hint=again) from None
    found = Delivery.objects.select_related("channel").filter(pk=pk, kind=Delivery.Kind.TEST_ALARM).first()
    if found is None:
        raise BackupError("That test alarm was deleted, with its channel or since.", hint=again)
    return found
