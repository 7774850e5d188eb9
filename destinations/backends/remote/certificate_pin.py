"""The pin of servers with a certificate: its fingerprint, in place of an authority."""

from collections.abc import Mapping

from destinations.backends.base import PeerKey
from destinations.backends.base.options import Options
from destinations.network import certificates
from destinations.network.certificates import fingerprint_of, parse_fingerprint


class CertificatePin(Options):
    """For types with the options of `network.certificates`."""

    pinned_option = certificates.FINGERPRINT
    pinned_noun = "certificate"

    @classmethod
    def lacks_pin(cls, config: Mapping[str, object]) -> bool:
        # authorities vouch for most certificates
        return False

    @classmethod
    def pinned_keys(cls, value: str) -> tuple[PeerKey, ...]:
        fingerprint = parse_fingerprint(value)
        return (_key(fingerprint),) if fingerprint else ()

    @staticmethod
    def key_of(certificate: bytes) -> PeerKey:
        """Return what pins the certificate (DER)."""
        return _key(fingerprint_of(certificate))


def _key(fingerprint: str) -> PeerKey:
    return PeerKey("certificate", fingerprint, fingerprint, certificates.COMMAND)
