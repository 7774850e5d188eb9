"""Files of environment variables, as systemd and container tools read them."""


def variables_in(text: str) -> dict[str, str]:
    """Parse the text of an environment file. Source of the format: systemd.exec(5), EnvironmentFile=."""
    variables = {}
    for line in text.splitlines():
        name, sign, value = line.strip().removeprefix("export ").partition("=")
        if not sign or name[:1] in ("#", ";"):
            continue
        value = value.strip()
        quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
        variables[name.strip()] = value[1:-1] if quoted else value
    return variables
