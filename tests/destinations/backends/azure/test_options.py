"""Options: names, logins, what is refused by name, and what a site without the package says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import jwt
import pytest

from backups.service.automation.declared_keys import unknown_options
from destinations.backends import create_destination, destination_class
from destinations.backends.azure import AzureDestination
from destinations.backends.azure.pairs import PairsField
from destinations.exceptions import DestinationConfigError, DestinationUnavailable
from destinations.transfer import extras
from tests.destinations.backends.azure.test_uploads import PATH
from tests.destinations.conftest import put
from tests.support.servers.certificates import Certificates
from tests.support.servers.objects.azurite import Azurite

KEY = "b3RoZXIta2V5LW9mLXRoZS10ZXN0cw=="
SAS = "sv=2024-01-01&sp=rl&sig=abc%3D"
BY_KEY = {"azure_container": "backups", "account_name": "Shop", "account_key": KEY}
BY_STRING = {"azure_container": "backups", "connection_string": f"AccountName=shop;AccountKey={KEY}"}


def clean(**options: Any) -> dict[str, object]:
    return destination_class("azure").clean(options)


def refused(**options: Any) -> DestinationConfigError:
    with pytest.raises(DestinationConfigError) as caught:
        clean(**options)
    assert caught.value.hint
    assert KEY not in caught.value.text
    return caught.value


@pytest.mark.parametrize(
    ("options", "location"),
    [
        (BY_KEY, "https://shop.blob.core.windows.net/backups"),
        (BY_KEY | {"location": "/a/b/"}, "https://shop.blob.core.windows.net/backups/a/b"),
        (BY_KEY | {"endpoint_suffix": "core.chinacloudapi.cn"}, "https://shop.blob.core.chinacloudapi.cn/backups"),
        (BY_KEY | {"endpoint_url": "https://blob.example.org/"}, "https://blob.example.org/backups"),
        (BY_STRING, "https://shop.blob.core.windows.net/backups"),
        (
            BY_STRING | {"connection_string": f"BlobEndpoint=https://h.example.org/shop;SharedAccessSignature={SAS}"},
            "https://h.example.org/shop/backups",
        ),
    ],
)
def test_the_place_is_the_same_whatever_the_login(options: dict[str, Any], location: str) -> None:
    assert create_destination("azure", options).location() == location


def test_two_spellings_of_one_place_are_one() -> None:
    assert create_destination("azure", BY_KEY).is_same_place(create_destination("azure", BY_STRING))


@pytest.mark.parametrize(
    "login",
    [
        {},
        {"account_key": KEY, "account_name": "shop", "connection_string": BY_STRING["connection_string"]},
        {"account_key": KEY, "account_name": "shop", "sas_token": SAS},
        {"account_name": "shop", "sas_token": SAS, "use_managed_identity": True},
        {"account_name": "shop"},
    ],
)
def test_exactly_one_login_is_given(login: dict[str, Any]) -> None:
    assert "exactly one" in refused(azure_container="backups", **login).message


@pytest.mark.parametrize(
    ("option", "replacement"),
    [("container_name", "azure_container"), ("base_path", "location"), ("upload_max_conn", "max_concurrency")],
)
def test_another_name_of_an_option_is_refused_with_the_one_to_use(option: str, replacement: str) -> None:
    error = refused(**BY_KEY, **{option: "x"})
    assert error.option == option
    assert replacement in error.hint
    # in the configuration of a service too
    assert unknown_options({"type": "azure", option: "x"}) == []


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"azure_container": "Backups"}, "azure_container"),
        ({"azure_container": "a--b"}, "azure_container"),
        ({"location": "a/../b"}, "location"),
        ({"account_key": "not base64"}, "account_key"),
        ({"account_name": ""}, "account_name"),
        ({"endpoint_url": "ftp://x"}, "endpoint_url"),
        ({"endpoint_url": "http://169.254.169.254/metadata"}, "endpoint_url"),
        ({"endpoint_url": "http://2852039166"}, "endpoint_url"),
        ({"endpoint_suffix": "a/b"}, "endpoint_suffix"),
        ({"verify": "false"}, "verify"),
        ({"max_concurrency": 0}, "max_concurrency"),
        ({"access_tier": "Archive"}, "access_tier"),
        ({"default_metadata": "no-hyphen=x"}, "default_metadata"),
        ({"default_metadata": "owner=grün"}, "default_metadata"),
        ({"default_metadata": "owner"}, "default_metadata"),
        ({"default_tags": {f"tag{number}": "x" for number in range(11)}}, "default_tags"),
        ({"default_tags": "tag=a&b"}, "default_tags"),
        ({"managed_identity_client_id": "x"}, "managed_identity_client_id"),
        ({"lock_days": 30}, "lock_max_days"),
        ({"lock_days": 30, "lock_max_days": 7}, "lock_days"),
        ({"account_key": "", "sas_token": "sp=rl"}, "sas_token"),
        ({"cool_after_days": -1}, "cool_after_days"),
    ],
)
def test_an_option_that_is_wrong_is_named(options: dict[str, Any], option: str) -> None:
    assert refused(**(BY_KEY | options)).option == option


@pytest.mark.parametrize("text", ["AccountName", "AccountKey=" + KEY, f"AccountName=shop;AccountKey=<>{KEY}"])
def test_a_connection_string_that_is_cut_is_named(text: str) -> None:
    assert refused(azure_container="backups", connection_string=text).option == "connection_string"


def test_names_with_values_come_as_lines_as_json_and_as_a_mapping() -> None:
    field = PairsField(label="", help_text="")
    wanted = "site=berlin\nkind=a=b"
    for given in (" site = berlin \n\nkind=a=b\n", json.dumps({"site": "berlin", "kind": "a=b"}),
                  {"site": "berlin", "kind": "a=b"}):  # fmt: skip
        assert field.clean(given) == wanted
    # what was cleaned is cleaned to the same
    assert field.clean(wanted) == wanted


def test_secrets_are_no_part_of_what_is_shown() -> None:
    for options in (BY_KEY, BY_STRING):
        destination = create_destination("azure", options)
        shown = f"{destination.location()} {destination.where} {destination!r} {destination._account!r}"
        assert KEY not in shown
    assert {"connection_string", "account_key", "sas_token"} == AzureDestination.secret_options


def test_a_site_without_the_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    assert "azure" in AzureDestination.extra.note
    with pytest.raises(DestinationConfigError) as caught:
        create_destination("azure", BY_KEY)
    assert "pip install -r requirements-azure.txt" in caught.value.hint


@contextmanager
def identity_service(token: str) -> Iterator[tuple[str, list[str]]]:
    """Give the address of what hands out tokens on a machine of Azure App Service, and what it was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            body = json.dumps({"access_token": token, "expires_on": "4102444800", "token_type": "Bearer"}).encode()
            self.send_response(200 if token else 400)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/msi/token", asked
        server.shutdown()
        thread.join()


def test_a_managed_identity_logs_in_without_a_secret(
    azurite_tls: Azurite, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, apart: str
) -> None:
    claims = {"iss": "https://sts.windows.net/x/", "aud": "https://storage.azure.com", "nbf": 0, "exp": 4102444800}
    token = jwt.encode(claims | {"iat": 0}, "a key that nobody checks, of more than 32 bytes")
    options = {
        "azure_container": apart, "account_name": azurite_tls.account, "use_managed_identity": True, "timeout": 5,
        "managed_identity_client_id": "client-1", "endpoint_url": azurite_tls.url, "verify": str(certificates.ca_file),
    }  # fmt: skip
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    with identity_service(token) as (address, asked), create_destination("azure", options) as destination:
        monkeypatch.setenv("IDENTITY_ENDPOINT", address)
        put(destination, PATH, b"x")
        assert destination.stat(PATH).size_bytes == 1
        assert "client-1" in asked[0]
    with identity_service("") as (address, _), create_destination("azure", options) as destination:
        monkeypatch.setenv("IDENTITY_ENDPOINT", address)
        with pytest.raises(DestinationUnavailable, match="managed identity") as caught:
            destination.stat(PATH)
        assert "managed_identity_client_id" in caught.value.hint
