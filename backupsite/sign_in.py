"""Failed sign-ins in the log, one line each: fail2ban and people look for them there."""

import logging
from typing import Any

from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.dispatch import receiver
from django.http import HttpRequest

from backups.lib import audit

# of what a stranger sends, in characters
LONGEST = 150


class SignInForm(AdminAuthenticationForm):
    """Logs users whose password is right and who may not sign in here."""

    def confirm_login_allowed(self, user: User) -> None:
        try:
            super().confirm_login_allowed(user)
        except ValidationError:
            _log(user.get_username(), self.request, reason="not allowed here")
            raise


@receiver(user_login_failed, dispatch_uid="backupsite.sign_in")
def log_failure(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    _log(str(credentials.get("username", "")), request, reason="wrong name or password")


def _log(name: str, request: HttpRequest | None, *, reason: str) -> None:
    seen = request.META if request else {}
    audit.log(
        "sign-in.failed",
        logging.WARNING,
        name=name[:LONGEST],
        address=seen.get("REMOTE_ADDR", ""),
        # behind a proxy the address is the proxy's; what it forwards may be made up by the client, all but its end
        forwarded_for=seen.get("HTTP_X_FORWARDED_FOR", "")[-LONGEST:],
        reason=reason,
    )
