"""Environment files, as systemd, `docker run` and Compose read them."""

import shutil
import subprocess
from pathlib import Path

import pytest

from backups.instances.environment_file import compose, docker, systemd

SYSTEMD = [
    ("A=b\n", {"A": "b"}),
    ("A=b", {"A": "b"}),
    ("  A = b c \t\r\n", {"A": "b c"}),
    ("A='b c '  \nB=\" d\"\n", {"A": "b c ", "B": " d"}),
    ("A='b\nc'\nB=\"d\ne\"\n", {"A": "b\nc", "B": "d\ne"}),
    ('A=b"c"\n', {"A": 'b"c"'}),
    ("A='b' 'c'\n", {"A": "bc"}),
    ("A=b # c\n", {"A": "b # c"}),
    ("#A=b\n;A=c\n # A=d\n", {}),
    ("# a \\\nA=b\n", {"A": "b"}),
    ("A=b\\\n  c\n", {"A": "b  c"}),
    ("A=b\\\\c\\d\n", {"A": "b\\cd"}),
    ("A='b\\c'\n", {"A": "b\\c"}),
    ('A="b\\"c\\\\d\\n\\$e\\\nf"\n', {"A": 'b"c\\d\\n$ef'}),
    ("A=\nB\n=c\n", {"A": ""}),
    ("export A=b\n1A=c\nA-B=d\n", {}),
    ("A=1\nA=2\n", {"A": "2"}),
    ("A=$B ${C}\n", {"A": "$B ${C}"}),
]
DOCKER = [
    ("A=b\r\n", {"A": "b"}),
    ("A= b \n", {"A": " b "}),
    ("A=\"b\"\nB='c'\n", {"A": '"b"', "B": "'c'"}),
    ("A=b # c\n", {"A": "b # c"}),
    ("# A=b\n  # A=c\n\n", {}),
    (";A=b\n", {";A": "b"}),
    ("  A=b\\n$C\n", {"A": "b\\n$C"}),
    ("A\nB=\n", {"A": None, "B": ""}),
]
COMPOSE = [
    ("A=VAL # comment\nB=VAL# none\n", {"A": "VAL", "B": "VAL# none"}),
    ('A="VAL # none"\nB="VAL" # comment\n', {"A": "VAL # none", "B": "VAL"}),
    ("A='Let\\'s go!'\n", {"A": "Let's go!"}),
    ('A="{\\"hello\\": \\"json\\"}"\n', {"A": '{"hello": "json"}'}),
    ('A="some\\tvalue"\nB=some\\tvalue\n', {"A": "some\tvalue", "B": "some\\tvalue"}),
    ("A='some\\tvalue'\n", {"A": "some\\tvalue"}),
    ("export A=b\nB: c\n  C = d  \n", {"A": "b", "B": "c", "C": "d"}),
    ("A='b\nc'\nD=e\n", {"A": "b\nc", "D": "e"}),
    ("# x\n\nA\nB=#\n", {"A": None, "B": ""}),
    ('A=$B\nC="${D}"\nE=\'$F\'\nG="\\$H"\n', {"A": None, "C": None, "E": "$F", "G": "$H"}),
    ("A=b\r\nB='c'\r\n", {"A": "b", "B": "c"}),
]


@pytest.mark.parametrize(("text", "variables"), SYSTEMD)
def test_a_file_of_systemd(text: str, variables: dict[str, str | None]) -> None:
    assert systemd(text) == variables


@pytest.mark.parametrize(("text", "variables"), DOCKER)
def test_a_file_of_docker(text: str, variables: dict[str, str | None]) -> None:
    assert docker(text) == variables


@pytest.mark.parametrize(("text", "variables"), COMPOSE)
def test_a_file_of_compose(text: str, variables: dict[str, str | None]) -> None:
    assert compose(text) == variables


@pytest.mark.parametrize(
    ("parse", "text"), [(docker, "A B=c\n"), (docker, "x\n=b\n"), (compose, "A=1\nsecret words\n")]
)
def test_what_the_program_refuses_is_named_by_line_without_its_text(parse: object, text: str) -> None:
    with pytest.raises(ValueError, match="line") as refused:
        parse(text)  # type: ignore[operator]
    assert "secret" not in str(refused.value)


def test_systemd_itself_agrees(tmp_path: Path) -> None:
    if not Path("/run/systemd/system").is_dir() or shutil.which("systemd-run") is None:
        pytest.skip("systemd does not run here")
    for text, variables in SYSTEMD:
        (tmp_path / "env").write_bytes(text.encode())
        done = subprocess.run(
            ["systemd-run", "--wait", "--pipe", "--quiet", f"--property=EnvironmentFile={tmp_path}/env", "env", "-0"],
            capture_output=True,
            timeout=30,
            check=True,
        )
        found = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if "=" in line)
        assert {name: found.get(name) for name in ("A", "B")} == {name: variables.get(name) for name in ("A", "B")}
