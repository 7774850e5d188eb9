"""Certificates of the store: nothing is sent to one that does not fit."""

import ssl
from typing import Any

import pytest

from destinations.backends import create_destination
from destinations.backends.gcs import GcsDestination
from destinations.exceptions import PeerNotTrusted
from tests.destinations.backends.gcs.buckets import gcs_options
from tests.support.servers.certificates import Certificates
from tests.support.servers.hostile import Answer, Hostile
from tests.support.servers.objects.gcs import Gcs


@pytest.mark.parametrize(
    ("certificate", "match"),
    [("unknown_ca", "authority"), ("expired", "expired"), ("wrong_name", "another host name|another address")],
)
def test_a_certificate_that_does_not_fit_is_refused(
    gcs: Gcs, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, certificate: str, match: str
) -> None:
    monkeypatch.setattr(GcsDestination, "retry_delays", ())
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates.ca_file))
    shown: Any = getattr(certificates, certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(shown.certificate, shown.key)
    with Hostile(lambda asked: Answer(500), context=context) as server:
        options = gcs_options(gcs) | {"custom_endpoint": f"https://127.0.0.1:{server.port}"}
        with create_destination("gcs", options) as destination, pytest.raises(PeerNotTrusted, match=match):
            list(destination.list())
        assert server.asked == []
