"""Certificates of TLS servers: a valid one and the kinds of wrong ones."""

import datetime
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
# servers of tests listen at the second address where a proxy listens at the first
NAMES = ("localhost", "127.0.0.1", "127.0.0.2")


@dataclass(frozen=True)
class Certificate:
    """The files of one server certificate, and its SHA-256 as lower case hex digits."""

    certificate: Path
    key: Path
    fingerprint: str


class Authority:
    """A certificate authority; `file` is its own certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Test authority {name}")])
        self._folder = folder
        own = self._builder(self._name, self._key.public_key(), lasts=3650 * DAY)
        usage = x509.KeyUsage(
            digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        own = own.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        own = own.add_extension(usage, critical=True)
        self.file = folder / f"{name}.ca.pem"
        self.file.write_bytes(own.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def issue(self, file: str, *names: str, lasts: datetime.timedelta = 365 * DAY) -> Certificate:
        """Issue a certificate for host names and addresses; with a negative `lasts` it has expired so long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        builder = self._builder(subject, key.public_key(), lasts=lasts)
        alternatives = [x509.IPAddress(ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        issued = Certificate(
            self._folder / f"{file}.pem", self._folder / f"{file}.key", signed.fingerprint(hashes.SHA256()).hex()
        )
        issued.certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        issued.key.touch(mode=0o600)
        issued.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return issued

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, lasts: datetime.timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(
            issuer_name=self._name,
            subject_name=subject,
            public_key=key,
            serial_number=x509.random_serial_number(),
            not_valid_before=now - 30 * DAY,
            not_valid_after=now + lasts,
        )
        # Python 3.13 verifies strictly: RFC 5280 requires both key identifiers
        builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return builder.add_extension(issuer, critical=False)


class Certificates:
    """One certificate of each kind: only `valid` passes a verification against `ca_file`."""

    def __init__(self, folder: Path) -> None:
        known, unknown = Authority(folder, "known"), Authority(folder, "unknown")
        self.ca_file = known.file
        self.unknown_ca_file = unknown.file
        self.valid = known.issue("valid", *NAMES)
        # valid as well: a certificate that was replaced, for a fingerprint that no longer fits
        self.renewed = known.issue("renewed", *NAMES)
        self.expired = known.issue("expired", *NAMES, lasts=-DAY)
        self.wrong_name = known.issue("wrong-name", "backups.example.org")
        self.unknown_ca = unknown.issue("unknown", *NAMES)
