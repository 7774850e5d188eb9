"""Append-only is an option of every type, and is held where all deletions pass."""

import pytest

from destinations.backends import TYPES, Destination
from destinations.exceptions import AppendOnly
from tests.destinations.conftest import put


@pytest.mark.parametrize("type", sorted(TYPES))
def test_every_type_has_the_option(type: str) -> None:
    field = TYPES[type].fields()["append_only"]
    assert (field.required, field.initial) == (False, None)


def test_nothing_is_deleted_from_a_local_folder(local: Destination) -> None:
    put(local, "shop/manual/a.tar", b"x")
    local.append_only = True
    for delete, path in ((local.delete, "shop/manual/a.tar"), (local.delete_partial, "shop/manual/a.tar.t.part")):
        with pytest.raises(AppendOnly) as caught:
            delete(path)
        assert caught.value.hint
    steps = {step.name: step.detail for step in local.test()}
    assert "the account may" in steps["delete"]
    assert [file.path for file in local.list()] == ["shop/manual/a.tar"]
