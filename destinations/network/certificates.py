"""Which certificates of servers are trusted: those of the system's authorities, of one's own, or a pinned one."""

import hashlib
import re
import ssl
from dataclasses import dataclass

from django import forms

from destinations.exceptions import DestinationConfigError, PeerNotTrusted
from destinations.network.endpoint import require_no_device

CA_FILE, FINGERPRINT = "ca_file", "certificate_fingerprint"
# prints the fingerprint on the server
COMMAND = "openssl x509 -noout -fingerprint -sha256 -in CERTIFICATE"
_HEX = re.compile(r"[0-9A-F]{64}")


def fields() -> dict[str, forms.Field]:
    """Return the form fields of both options."""
    return {
        CA_FILE: forms.CharField(
            label="File of the authority",
            required=False,
            max_length=1024,
            help_text="For a certificate of an authority of one's own, or one that is signed by itself: the absolute "
            "path of its file (PEM) on this machine. Left blank, the authorities of the system are trusted.",
        ),
        FINGERPRINT: forms.CharField(
            label="Fingerprint of the certificate",
            required=False,
            max_length=200,
            widget=forms.Textarea({"rows": 2, "spellcheck": "false"}),
            help_text=f"In place of an authority: trusts this one certificate. On the server, '{COMMAND}' prints it.",
        ),
    }


def fingerprint_of(certificate: bytes) -> str:
    """Return the SHA-256 of a certificate (DER) as OpenSSL writes it."""
    return hashlib.sha256(certificate).digest().hex(":").upper()


def parse_fingerprint(text: str) -> str:
    """Return a fingerprint in one spelling, "" for a blank one. Raises `DestinationConfigError`."""
    digits = re.sub(r"^.*=|^sha-?256:|[:\s]", "", text.strip(), flags=re.IGNORECASE).upper()
    if not digits:
        return ""
    if _HEX.fullmatch(digits) is None:
        raise DestinationConfigError(
            f"The option {FINGERPRINT!r} is wrong: it is no SHA-256 fingerprint.",
            "It has 64 digits 0-9 and A-F, with or without ':' between them.",
            FINGERPRINT,
        )
    return bytes.fromhex(digits).hex(":").upper()


def check_options(options: dict[str, object]) -> dict[str, object]:
    """Return `options` with both of them normalised. Raises `DestinationConfigError`; no file is read."""
    ca_file, fingerprint = str(options[CA_FILE] or ""), parse_fingerprint(str(options[FINGERPRINT] or ""))
    if ca_file and fingerprint:
        raise DestinationConfigError(f"Both {CA_FILE!r} and {FINGERPRINT!r} are given.", "Give one of them.", CA_FILE)
    if ca_file and not ca_file.startswith("/"):
        raise DestinationConfigError(
            f"The option {CA_FILE!r} is wrong: it is not absolute.", "Give the full path of the file.", CA_FILE
        )
    return options | {CA_FILE: ca_file, FINGERPRINT: fingerprint}


@dataclass(frozen=True)
class Trust:
    """Made from both options. `anybody` is for looking at a certificate, never for sending something."""

    ca_file: str = ""
    fingerprint: str = ""
    anybody: bool = False

    def context(self) -> ssl.SSLContext:
        """Return the context of all connections to one server. Raises `DestinationConfigError`."""
        try:
            require_no_device(self.ca_file)
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as error:
            reason = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificate"
            raise DestinationConfigError(
                f"The file {self.ca_file} of the option {CA_FILE!r} cannot be read: {reason}.",
                "Give the file of the authority's certificate in PEM ('-----BEGIN CERTIFICATE-----').",
                CA_FILE,
            ) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file:
            # a file that was given on purpose may hold the certificate of the server itself, and authorities of one's
            # own rarely have every extension that strict verification asks for
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.fingerprint or self.anybody:
            # `check` compares it, before anything is sent
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def check(self, encrypted: ssl.SSLSocket, where: str) -> None:
        """Raise `PeerNotTrusted` unless the certificate is the pinned one, if one is."""
        shown = fingerprint_of(encrypted.getpeercert(binary_form=True) or b"")
        if self.fingerprint and shown != self.fingerprint:
            raise PeerNotTrusted(
                f"The certificate of {where} is not the pinned one. It shows {shown}, and the option {FINGERPRINT!r} "
                f"has {self.fingerprint}. Another machine may answer in its place; nothing was sent.",
                "Ask who runs the server whether its certificate was renewed. Only then give the new fingerprint: "
                f"compare it with what '{COMMAND}' prints on the server.",
            )

    def describe(self, encrypted: ssl.SSLSocket) -> str:
        """Return version and certificate of a connection, for a test."""
        if self.fingerprint:
            return f"{encrypted.version()}, the pinned certificate {self.fingerprint}"
        until = (encrypted.getpeercert() or {}).get("notAfter", "unknown")
        by = f"the file {self.ca_file}" if self.ca_file else "an authority of the system"
        return f"{encrypted.version()}, a certificate that {by} vouches for, valid until {until}"
