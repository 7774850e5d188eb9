"""Mail, by the server that the settings of this site name."""

import smtplib
import socket
from contextlib import suppress
from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from backups.errors import NotDelivered
from backups.notifications.channels.base import SECONDS, Channel
from backups.notifications.message import Message, Progress
from destinations.exceptions import ConnectionLost, DestinationConfigError
from destinations.lib.formats import counted, printable
from destinations.lib.operator_error import sentences
from destinations.network.errors import from_library_error
from destinations.transfer.watch import Meter, watched

MOST_RECIPIENTS = 50
_SETTINGS = "Check the settings EMAIL_… of this site: docs/notifications.md."


class MailChannel(Channel):
    type = "mail"
    label = "Mail"

    @classmethod
    def fields(cls) -> dict[str, forms.Field]:
        return {
            "recipients": forms.CharField(
                label="Recipients",
                max_length=4000,
                widget=forms.Textarea({"rows": 3, "spellcheck": "false"}),
                help_text="Addresses, separated by commas, spaces or line breaks. Each gets a mail of its own.",
            ),
            "subject_prefix": forms.CharField(
                label="Prefix of the subject",
                required=False,
                max_length=40,
                initial="[backupsite]",
                help_text="Stands before the subject of each mail.",
            ),
        }

    @classmethod
    def check_options(cls, options: dict[str, object]) -> dict[str, object]:
        recipients = addresses(str(options["recipients"]))
        for one in recipients:
            try:
                validate_email(one)
            except ValidationError:
                raise DestinationConfigError(
                    f"The option 'recipients' of a mail channel is wrong: {one!r} is no address.",
                    "Give addresses such as ops@example.net.",
                    "recipients",
                ) from None
        if not 0 < len(recipients) <= MOST_RECIPIENTS:
            raise DestinationConfigError(
                f"The option 'recipients' of a mail channel names {counted(len(recipients), 'address', 'addresses')}.",
                f"Give one at least and {MOST_RECIPIENTS} at most: a list of the mail server takes more.",
                "recipients",
            )
        return options | {"recipients": ", ".join(recipients)}

    def recipient(self) -> str:
        return str(self.options["recipients"])

    def send(self, message: Message, progress: Progress) -> None:
        if not settings.EMAIL_HOST:
            raise NotDelivered("No mail server is set.", "Set EMAIL_HOST: docs/notifications.md.")
        waiting = [one for one in addresses(self.recipient()) if one not in progress.done]
        refused = [reason for one in waiting if (reason := self._send_to(one, message, progress))]
        if refused:
            raise NotDelivered(sentences(*refused), "Correct the address, or ask whoever runs the mail server.")

    def _send_to(self, recipient: str, message: Message, progress: Progress) -> str:
        """Send to one recipient. Return why the server refused it, or "". Raises `NotDelivered` for anything else."""
        where = f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        connection: Any = get_connection(timeout=SECONDS)
        prefix = str(self.options["subject_prefix"] or "")
        domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
        mail = EmailMessage(
            subject=printable(f"{prefix} {message.subject}".strip()),
            body=message.text,
            to=[recipient],
            connection=connection,
            headers={
                # the same in each try
                "Message-ID": f"<{message.id}.{progress_key(recipient)}@{domain}>",
                "Auto-Submitted": "auto-generated",
                "X-Backupsite-Level": message.level,
            },
        )

        def stalled() -> Exception:
            return ConnectionLost(f"{where} does not take the mail in time.", _SETTINGS)

        def abort() -> None:
            with suppress(AttributeError, OSError):
                connection.connection.sock.shutdown(socket.SHUT_RDWR)

        try:
            # the end of the session needs time too
            watched(mail.send, meter=Meter(), abort=abort, stalled_after=2 * SECONDS, stalled=stalled)
        except smtplib.SMTPRecipientsRefused as error:
            code, refusal = next(iter(error.recipients.values()), (0, b""))
            return f"The mail server refuses {recipient}: {code} {said(refusal)}"
        except smtplib.SMTPAuthenticationError as error:
            raise NotDelivered(f"The mail server {where} refuses the login: {error.smtp_code}.", _SETTINGS) from None
        except smtplib.SMTPResponseException as error:
            answer = said(error.smtp_error)
            text = sentences(f"The mail server {where} refuses the mail: {error.smtp_code} {answer}")
            raise NotDelivered(text, _SETTINGS) from None
        except smtplib.SMTPException as error:
            known = from_library_error(error, "send mail", where, lambda *_: None)
            reason = known.message if known else f"The mail server {where} cannot be used: {type(error).__name__}."
            raise NotDelivered(reason, _SETTINGS) from None
        except ConnectionLost as error:
            raise NotDelivered(error.message, error.hint) from None
        except (OSError, ValueError) as error:
            known = from_library_error(error, "send mail", where, lambda *_: None)
            raise NotDelivered(
                known.message if known else f"Mail cannot be sent: {type(error).__name__}.", _SETTINGS
            ) from None
        progress.done.append(recipient)
        progress.answer = f"{where} took it"
        return ""


def addresses(text: str) -> list[str]:
    """Return the addresses in `text`, each once."""
    return list(dict.fromkeys(text.replace(",", " ").replace(";", " ").split()))


def progress_key(recipient: str) -> str:
    return "".join(char if char.isalnum() else "-" for char in recipient)


def said(text: bytes | str) -> str:
    return printable(text.decode(errors="replace") if isinstance(text, bytes) else text)[:200]
