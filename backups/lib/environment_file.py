"""The format of a file of environment variables, as systemd and container tools read it."""


def variables_in(text: str) -> dict[str, str]:
    """Return the variables of an environment file. Source of the format: systemd.exec(5), EnvironmentFile=."""
    pairs = (line.strip().removeprefix("export ").partition("=") for line in text.splitlines())
    return {
        name.strip(): _unquoted(value.strip()) for name, sign, value in pairs if sign and name[:1] not in ("#", ";")
    }


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'" else value
