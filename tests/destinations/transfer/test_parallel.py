"""Jobs side by side, and what is beneath the errors of libraries."""

import ssl
import threading
from collections.abc import Callable, Iterator

import pytest

from destinations.exceptions import ConnectionLost, PeerNotTrusted
from destinations.network.causes import network_cause
from destinations.network.errors import from_network_error
from destinations.transfer.parallel import side_by_side


def test_jobs_are_taken_in_order_and_run_side_by_side() -> None:
    together, taken = threading.Barrier(3, timeout=5), []

    def jobs() -> Iterator[Callable[[], None]]:
        for number in range(9):
            taken.append(number)
            yield lambda: together.wait() and None

    side_by_side(jobs(), 3)
    assert taken == list(range(9))


def test_the_first_error_ends_the_taking_of_jobs() -> None:
    run: list[int] = []

    def fail() -> None:
        run.append(1)
        raise ValueError("first")

    with pytest.raises(ValueError, match="first"):
        side_by_side((fail for _ in range(9)), 1)
    assert run == [1]


def test_an_error_of_what_yields_the_jobs_is_raised() -> None:
    def jobs() -> Iterator[Callable[[], None]]:
        yield lambda: None
        raise OSError("the source is gone")

    with pytest.raises(OSError, match="the source is gone"):
        side_by_side(jobs(), 4)


class WrappedError(Exception):
    def __init__(self, **kwargs: object) -> None:
        super().__init__("wrapped")
        self.kwargs = kwargs


class CertificateError(ValueError):
    pass


def test_the_error_of_the_network_is_found_beneath_those_of_libraries() -> None:
    reset = ConnectionResetError(104, "reset")
    assert network_cause(WrappedError(error=OSError("pool", reset))) is reset
    assert network_cause(WrappedError(error=ValueError("no network"))) is None
    found = network_cause(WrappedError(error=CertificateError("other name")))
    assert isinstance(found, ssl.SSLCertVerificationError)
    assert isinstance(from_network_error(found, "list", "there"), PeerNotTrusted)
    assert isinstance(from_network_error(reset, "list", "there"), ConnectionLost)
