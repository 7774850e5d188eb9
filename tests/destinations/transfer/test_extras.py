"""Packages that only one type needs."""

import pytest

from destinations.exceptions import DestinationConfigError
from destinations.transfer.extras import Extra


def test_a_missing_package_is_named_with_the_line_that_installs_it() -> None:
    extra = Extra("sftp", ("no_such_package",))
    with pytest.raises(DestinationConfigError, match="no_such_package") as caught:
        extra.load("no_such_package.module")
    assert "pip install -r requirements-sftp.txt" in caught.value.hint
    assert extra.note == caught.value.message


def test_packages_within_a_missing_one_are_missing() -> None:
    assert Extra("azure", ("no_such.storage.blob", "json")).missing == ("no_such.storage.blob",)


def test_what_is_there_is_loaded() -> None:
    extra = Extra("json", ("json",))
    assert extra.note == ""
    assert extra.load("json.decoder").__name__ == "json.decoder"
