"""Append-only: an account of a folder that may add files and not delete them."""

import pytest

from destinations.exceptions import AppendOnly, NameTaken
from tests.destinations.conftest import files_below, put
from tests.destinations.servers.folders.place import FolderPlace
from tests.destinations.servers.folders.test_rights import WITH_USERS
from tests.support.servers.running.accounts import APPEND_ONLY, FULL

PATH = "shop/manual/backup.tar.gz"


@WITH_USERS
def test_archives_are_added_and_neither_overwritten_nor_deleted(place: FolderPlace) -> None:
    destination = place.open(APPEND_ONLY, append_only=True)
    # an earlier try was cut, and what it sent cannot be deleted
    place.write(f"{PATH}.t.part", b"left", APPEND_ONLY)
    put(destination, PATH, b"archive", token="t")
    for stays in (destination.delete, destination.delete_partial):
        with pytest.raises(AppendOnly):
            stays(f"{PATH}.t.part" if stays == destination.delete_partial else PATH)
    with pytest.raises(NameTaken):
        put(destination, PATH, b"another", token="u")
    assert destination.sweep("u") == ()
    assert (place.root(APPEND_ONLY) / PATH).read_bytes() == b"archive"


@WITH_USERS
def test_a_test_tries_to_delete_its_small_file_and_leaves_it(place: FolderPlace) -> None:
    steps = {step.name: step.detail for step in place.open(APPEND_ONLY, append_only=True).test()}
    assert "the store refuses" in steps["delete"]
    (left,) = files_below(place.root(APPEND_ONLY))
    assert left.startswith("connection-test-")
    assert (place.root(APPEND_ONLY) / left).stat().st_size == 1024
    # of an account that may delete after all this is said, and nothing is left
    destination = place.open(FULL, append_only=True)
    assert "the account may" in {step.name: step.detail for step in destination.test()}["delete"]
    assert files_below(place.root(FULL)) == []
    assert destination.append_only
