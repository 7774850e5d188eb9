"""Each name of a secret counts in each place: texts that are kept, configuration that is shown, programs that run."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backups.archive.encryption.process import environment
from backups.instances import Instance
from backups.instances.kinds.generic import GenericService
from backups.instances.masking import masked_value
from backups.models import BackupExecution
from backups.runs import hooks
from destinations.lib.redaction import redact
from destinations.lib.secret_names import (
    LAST_WORDS,
    OWN_VARIABLES,
    WHOLE_WORDS,
    WORDS,
    is_own_variable,
    is_private_variable,
    is_secret_name,
)

VALUE = "Hunter-22"
SPELT = sorted({*WORDS, *WHOLE_WORDS, *(word.replace("key", f"{join}key") for word in WORDS for join in "-_")})
# what each place knew when it had a list of its own
FORMER_TEXT = "password passwd passphrase secret token private_key private-key apikey api_key credential access_key"
FORMER_CONFIGURATION = f"{FORMER_TEXT} passcode hash privatekey accesskey sharedkey authorization cookie key psk auth"
FORMER_ENVIRONMENT = (
    "BACKUP_X DATABASE_URL Q_REDIS_URL DBPASS PGPASSFILE MY_SECRET TOKENS MY_IDENTITY CREDENTIAL A_KEY APIKEY"
)


@st.composite
def names(draw: st.DrawFn) -> str:
    """Names of secrets, in any case: a word with others around it, or one of those that count at the end."""
    before = draw(st.sampled_from(("", "db_", "x-", "tacacs_")))
    name = draw(
        st.one_of(
            st.builds(
                "{}{}{}".format, st.just(before), st.sampled_from(SPELT), st.sampled_from(("", "s", "_2", "-old"))
            ),
            st.builds("{}{}".format, st.just(before or "radius_"), st.sampled_from(LAST_WORDS)),
        )
    )
    return draw(st.sampled_from((name, name.upper(), name.title())))


@given(names())
def test_each_name_counts_in_each_place(name: str) -> None:
    assert is_secret_name(name) and is_private_variable(name)
    for text in (f"x {name}={VALUE} y", f"{name}: '{VALUE} two'", f'{{"{name}": "{VALUE}"}}', f"{name} : {VALUE}\n"):
        assert "Hunter" not in redact(text), text
        assert "Hunter" not in masked_value("note", text), text
    assert "Hunter" not in masked_value(name, VALUE)


@given(st.sampled_from((*SPELT, *LAST_WORDS)), st.sampled_from(("-", "--", "--db-", "-x-")))
def test_an_option_of_a_program_counts_by_its_name(word: str, before: str) -> None:
    assert "Hunter" not in redact(f"run {before}{word} {VALUE} y")
    assert "Hunter" not in redact(f"['run', '{before}{word}', '{VALUE} y']")


@pytest.mark.parametrize("name", FORMER_TEXT.split())
def test_a_text_hides_what_it_always_hid(name: str) -> None:
    assert "Hunter" not in redact(f"{name}={VALUE}") + redact(f"run --{name} {VALUE}")


@pytest.mark.parametrize("name", FORMER_CONFIGURATION.split())
def test_a_configuration_masks_what_it_always_masked(name: str) -> None:
    assert "Hunter" not in masked_value(name, VALUE)


def test_a_hook_gets_none_of_what_it_never_got(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (*FORMER_ENVIRONMENT.split(), "radius_psk", "SESSION_COOKIE"):
        monkeypatch.setenv(name, VALUE)
    monkeypatch.setenv("PWD", str(tmp_path))
    service = GenericService("shop", tmp_path, specs=(), backup={})
    given_to_hook = hooks.environment(Instance(name="shop", service=service, root=tmp_path), BackupExecution())
    assert VALUE not in given_to_hook.values()
    assert given_to_hook["PATH"] == os.environ["PATH"] and given_to_hook["PWD"] == str(tmp_path)


def test_an_encryption_program_gets_its_own_secrets_and_not_the_site_s(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*OWN_VARIABLES, "VAULT_TOKEN"):
        monkeypatch.setenv(name, VALUE)
    assert [name for name, value in environment().items() if value == VALUE] == ["VAULT_TOKEN"]


@pytest.mark.parametrize(
    "name",
    ["key_size", "keyboard", "author", "bypass", "token_endpoint", "hash_algorithm", "token_ttl", "user", "path"],
)
def test_a_name_that_only_looks_like_one_is_none(name: str) -> None:
    assert not is_secret_name(name)
    assert not is_own_variable(name)


@pytest.mark.parametrize(
    "text", ["the key: 5 of them", "auth: none", "keys=3", "author=bob", "key_size=256", "foreign-key checks"]
)
def test_prose_and_other_names_stay_readable(text: str) -> None:
    assert redact(text) == text


def test_of_a_header_what_follows_the_scheme_is_hidden() -> None:
    assert redact(f"Authorization: Bearer {VALUE}") == "Authorization: Bearer [hidden]"
    assert redact(f"proxy-authorization=basic {VALUE} x") == "proxy-authorization=basic [hidden] x"
