"""Signals: the first one counts, what is ignored stays ignored, and steps that must not stop half way do not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from destinations.lib.os_signals import (
    TERMINATION_SIGNALS,
    TerminationRequested,
    defer_signals,
    graceful_termination,
    termination_message,
)
from tests.support.paths import PROJECT


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Each test leaves the handlers as they were."""
    before = {number: signal.getsignal(number) for number in (*TERMINATION_SIGNALS, signal.SIGALRM)}
    yield
    assert {number: signal.getsignal(number) for number in before} == before


@pytest.mark.parametrize("number", [one for one in TERMINATION_SIGNALS if one != signal.SIGINT])
def test_each_signal_that_would_end_the_process_raises_and_the_next_is_passed_over(number: signal.Signals) -> None:
    with pytest.raises(TerminationRequested) as told, graceful_termination():
        try:
            signal.raise_signal(number)
        finally:
            for other in TERMINATION_SIGNALS:
                signal.raise_signal(other)
    assert told.value.code == 128 + number
    assert termination_message(told.value).startswith("The process was told to end")


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with graceful_termination(), defer_signals():
            signal.raise_signal(signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_everything_that_came_in_an_undisturbed_step_takes_effect_after_it() -> None:
    came: list[int] = []
    numbers = (signal.SIGUSR1, signal.SIGTERM, signal.SIGUSR2)
    before = {number: signal.signal(number, lambda number, _: came.append(number)) for number in numbers}
    try:
        with defer_signals():
            for number in numbers:
                signal.raise_signal(number)
            assert came == []
        assert came == list(numbers)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_time_that_is_up_raises_what_the_caller_wants() -> None:
    with pytest.raises(LookupError), graceful_termination(0.01, LookupError):
        signal.pause()


LATE = """
import os, signal
from destinations.lib.os_signals import TerminationRequested, graceful_termination
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), number=signal.SIGHUP):
        kill(pid, number)
late = Late()
late.itself = late  # until Python ends, after its handlers
with graceful_termination(once=True):
    os.kill(os.getpid(), signal.SIGHUP)
"""


def test_a_signal_when_python_ends_does_not_change_the_exit_status() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LATE],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        check=False,
        timeout=60,
    )
    assert ended.returncode == 128 + signal.SIGHUP


NOHUP = """
import os, signal, sys
from destinations.lib.os_signals import graceful_termination
with graceful_termination():
    os.kill(os.getpid(), signal.SIGHUP)
    print("goes on")
"""


def test_what_nohup_starts_goes_on() -> None:
    nohup = subprocess.run(
        ["nohup", sys.executable, "-c", NOHUP], cwd=PROJECT, env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert nohup.stdout == "goes on\n"
