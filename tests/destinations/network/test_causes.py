"""What is found beneath the errors of libraries."""

from http.client import RemoteDisconnected

import requests
from azure.core.exceptions import ServiceResponseError
from urllib3.exceptions import ProtocolError

from destinations.network.causes import network_cause


def test_a_connection_that_ended_without_an_answer_is_found_beneath_requests_and_azure() -> None:
    ended = RemoteDisconnected("Remote end closed connection without response")
    lost = requests.ConnectionError(ProtocolError("Connection aborted.", ended))
    assert network_cause(lost) is ended
    # raised after the handler: no context leads there
    assert network_cause(ServiceResponseError(str(lost), error=lost)) is ended
