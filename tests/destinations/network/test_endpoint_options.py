import pytest

from destinations.backends import destination_class
from destinations.exceptions import DestinationConfigError
from destinations.network.endpoint_options import endpoint_problem

TYPES = {"s3": "endpoint_url", "gcs": "custom_endpoint"}


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.example.org",
        "http://127.0.0.1:9000",
        "https://[fd00::1]:9000",
        "http://10.0.0.7",
        "https://minio",
    ],
)
def test_the_address_of_a_store_is_taken(url: str) -> None:
    assert endpoint_problem(url) == ""


@pytest.mark.parametrize("type", TYPES)
@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "http://[::1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:abc",
        "http://:9000",
        "http://user:secret-canary@store.example",
        "http://store.example/?token=secret-canary",
        "http://store.example:9000\r\nX-Header: 1",
        # services that give the credentials of the machine to whoever asks from there, in several spellings
        "http://169.254.169.254",
        "http://2852039166",
        "http://0xa9fea9fe:80",
        "http://[::ffff:169.254.169.254]",
        "http://[fe80::1%25eth0]",
        "http://[fd00:ec2::254]",
        "http://metadata.google.internal",
    ],
)
def test_other_addresses_are_refused_with_the_option_and_nothing_of_the_value(type: str, url: str) -> None:
    with pytest.raises(DestinationConfigError) as caught:
        destination_class(type).clean({"bucket_name": "backups", TYPES[type]: url})
    assert caught.value.option == TYPES[type]
    assert caught.value.hint and "secret-canary" not in caught.value.text


def test_a_project_cannot_add_a_header_to_requests() -> None:
    with pytest.raises(DestinationConfigError) as caught:
        destination_class("gcs").clean({"bucket_name": "backups", "project_id": "a\r\nX-Header: 1"})
    assert caught.value.option == "project_id"
