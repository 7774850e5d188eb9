"""No secret survives, whatever stands around it and wherever the text is cut."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from destinations.lib.redaction import CUT, HIDDEN, MARGIN, redact, redact_cut, remember
from tests.support.soak import examples

SECRET = "Hunter-22/canary+77"
KNOWN = 'known "canary-77" words, & more of them'
KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\n" + "canary-77AAAA\n" * 40 + "-----END OPENSSH PRIVATE KEY-----"
FORMS = (
    f"password={SECRET}", f"password = {SECRET}", f'"db_password": "{SECRET} and words"', f"'api-key': '{SECRET} a'",
    f'{{\\"secret\\": \\"{SECRET} a\\"}}', f"--passphrase {SECRET}", f"['--token', '{SECRET} a']",
    f"x.token:\n{SECRET}",
    f"password=\"a \\\"{SECRET}\\\" b\"", "https://bob:canary-77@example.org/x", "AGE-SECRET-KEY-1CANARY77", KEY, KNOWN,
)  # fmt: skip
# words that begin and end what is hidden, so that what is around a secret may seem to be part of another
WORDS = st.sampled_from(
    ["token=", "password='", 'secret="', '"', "'", "\\", "://", "@", "-", "--", "=", ": ", "a", " ", "\n",
     "private_key", "-----BEGIN PRIVATE KEY-----", "x:y", HIDDEN, "é", "\0"]
)  # fmt: skip
AROUND = st.lists(WORDS, max_size=12).map("".join)


@pytest.fixture(autouse=True)
def _known_secret() -> None:
    remember(KNOWN)


def shows(text: str) -> bool:
    return "canary" in text.lower() or "hunter" in text.lower() or "and words" in text


@pytest.mark.soak
@examples(200)
@given(AROUND, st.sampled_from(FORMS), AROUND)
def test_whatever_stands_around_it_a_secret_is_hidden(before: str, secret: str, after: str) -> None:
    # a word that goes on is another word
    text = redact(f"{before} {secret} {after}")
    assert not shows(text), text
    assert HIDDEN in text


def beginning(text: str, length: int) -> str:
    return redact_cut(text, first=length)


def end(text: str, length: int) -> str:
    return redact_cut(text, last=length)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("filler", ["words of it ", "a-"])
@pytest.mark.parametrize("cut", [beginning, end])
def test_a_cut_through_a_secret_shows_no_part_of_it(form: str, filler: str, cut: Callable[[str, int], str]) -> None:
    around = filler * ((MARGIN + 500) // len(filler))
    text = f"{around} {form} {around}"
    inside = len(around) + 1
    for position in range(inside - 3, inside + len(form) + 3, 1 + len(form) // 25):
        kept = cut(text, position if cut is beginning else len(text) - position)
        assert not shows(kept), (position, kept[-300:] if cut is beginning else kept[:300])


def test_a_secret_longer_than_what_is_looked_at_shows_no_part_of_it() -> None:
    word = "canary" * MARGIN
    for text in (f"token={word}", f"https://bob:{word}@example.org", f'token="{word} {word}"'):
        assert not shows(redact_cut(f"x {text} y", first=1000))
    for text in (f"token={word}", f"https://bob:{word}@example.org"):
        assert not shows(redact_cut(f"x {text} y", last=1000))


def test_of_a_long_text_both_ends_stay() -> None:
    text = "begin " + "word " * 100_000 + "end"
    assert redact_cut(text, first=11, last=8) == f"begin word  {CUT} word end"
    assert redact_cut(text, first=5) == f"begin {CUT}"
    assert redact_cut(text, last=3) == "end"
    assert redact_cut("short", first=3, last=2) == "short"


@pytest.mark.parametrize("form", FORMS)
def test_what_was_redacted_stays_as_it_is(form: str) -> None:
    once = redact(f"it says ({form}), and then this")
    assert redact(once) == once
