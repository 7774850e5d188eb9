"""Nothing is sent to the metadata service of the machine, whatever name leads to it."""

import pytest

from backups.errors import NotDelivered
from backups.notifications.channels import apprise, http
from backups.notifications.channels.apprise import host_of, service_of
from backups.notifications.deliveries import send_test
from destinations.network.endpoint_options import is_of_metadata
from tests.notifications.conftest import Add
from tests.support.servers.receivers import WebReceiver


def test_a_name_that_leads_there_is_refused_before_a_byte_is_sent(
    web: WebReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the receiver stands for the service: what counts is the address of the connection
    monkeypatch.setattr(http, "is_of_metadata", lambda address: address == "127.0.0.1")
    with pytest.raises(NotDelivered, match="metadata service"):
        http.post(web.url.replace("127.0.0.1", "localhost"), b"{}", {})
    assert (web.taken, web.refused) == ([], [])
    monkeypatch.setattr(http, "is_of_metadata", is_of_metadata)
    assert http.post(web.url, b"{}", {})[0] == "HTTP 200"


@pytest.mark.django_db
def test_so_is_one_in_a_url_of_apprise(web: WebReceiver, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = add("apprise", {"urls": web.url.replace("http://", "json://").replace("127.0.0.1", "localhost")})
    monkeypatch.setattr(apprise, "is_of_metadata", lambda address: address == "127.0.0.1")
    delivery = send_test(channel, by="tests")
    assert (delivery.state, "metadata service" in delivery.error, web.taken) == ("given up", True, [])
    monkeypatch.setattr(apprise, "is_of_metadata", is_of_metadata)
    assert send_test(channel, by="tests").state == "sent"


def test_a_token_is_no_host_that_a_server_of_names_is_asked_for() -> None:
    assert host_of(service_of("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#c")) == ""
    assert host_of(service_of("json://localhost:8080/x")) == "localhost"
