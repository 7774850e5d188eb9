"""Where secrets stand in a text, by the names in front of them and by how they look. Plain Python.

Attackers control much of what is searched (a path, a Host header), so all of this is linear in the length: no part of
the text is searched from two beginnings.
"""

import re
from collections.abc import Iterable, Iterator

from destinations.lib.secret_names import is_common_word, is_secret_name

Span = tuple[int, int]

# known by how they look; the group is what is secret of them
LOOKS = (
    re.compile(r"(?P<secret>AGE-SECRET-KEY-(?:PQ-)?1[0-9A-Z]++)", re.IGNORECASE),
    re.compile(
        r"(?P<secret>-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----.*?"
        r"(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----|\Z))",
        re.DOTALL,
    ),
    # a name before the host may be a token; a password may hold what should be percent-encoded
    re.compile(r"\bhttps?://(?P<secret>[^/\s]+)@", re.IGNORECASE),
    re.compile(r"(?<=://)(?<!http://)(?<!https://)[^/\s:@]*+:(?P<secret>(?:(?!://)\S)+)@"),
    re.compile(r"(?P<secret>\$(?:1|5|6|2[abxy]|y|argon2\w*+|scrypt|pbkdf2[\w-]*+)\$[^\s\"',;]++)", re.IGNORECASE),
    # tokens of GitHub, GitLab, Slack and Stripe; JSON Web Tokens
    re.compile(
        r"(?<![\w-])(?P<secret>(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|[rs]k_live_)[\w-]{10,}+"
        r"|eyJ[\w-]{8,}+\.eyJ[\w-]++\.[\w-]*+)"
    ),
    re.compile(r"\bhttps://(?:hooks\.slack\.com/services|discord(?:app)?\.com/api/webhooks)/(?P<secret>[\w/-]++)"),
)

# one of these is in whatever is found here: most values are a word or a number
_SIGNS = re.compile(r"[-:=<$_]|eyJ")

# A name and the sign behind it; a text inside JSON has a backslash before each quotation mark. Of a header it is what
# stands behind the scheme that is secret.
_ASSIGNED = re.compile(
    r"(?<![\w.-])(?P<name>[\w.-]++)(?P<sign>\\*+[\"']?\s*+(?:=>|:=|==|=|:(?!:))\s*+)"
    r"(?:(?:bearer|basic|token|negotiate|ntlm|digest|apikey)\s++)?+",
    re.IGNORECASE,
)
# an option of a program and what follows it, in a line of a shell or as Python writes a list
_OPTION = re.compile(r"(?<![\w-])--?(?P<name>[\w-]++)\\*+[\"']?,?[ \t]++")
_ELEMENT = re.compile(r"<(?P<name>[\w.:-]++)>\s*+")
_OPENING = re.compile(r"\\*+([\"'])")
_RUN, _PAIR, _QUERY, _CONTENT = "", ";", "&", "<"
_CLOSING = {
    "'": re.compile(r"(?<!\\)'"),
    '"': re.compile(r'(?<!\\)"'),
    _RUN: re.compile(r"\s"),
    _PAIR: re.compile(r"[;\n]"),
    _QUERY: re.compile(r"[&\s\"'<>]"),
    _CONTENT: re.compile("<"),
}
# what begins a value in a connection string (Uid=sa;Pwd=two words) and in the query of a URL
_BEFORE = {";": _PAIR, "&": _QUERY, "?": _QUERY}
_HIDDEN_ALREADY = re.compile(r"\[hidden\](?![^\s,;)\]}\"'&<])|•••••• \([0-9a-f]{6}\)")


def secret_spans(text: str) -> Iterator[Span]:
    """Yield where secrets begin and end in `text`, in no order; some may overlap."""
    if _SIGNS.search(text) is None:
        return
    yield from _behind(text, _assigned_names(text))
    yield from _behind(text, ((found, _RUN) for found in _OPTION.finditer(text) if is_secret_name(found["name"])))
    yield from _behind(text, ((found, _CONTENT) for found in _ELEMENT.finditer(text) if is_secret_name(found["name"])))
    for pattern in LOOKS:
        yield from (found.span("secret") for found in pattern.finditer(text))


def merged(spans: Iterable[Span]) -> list[Span]:
    """Return `spans` in order; those that overlap count as one."""
    result: list[Span] = []
    for begin, end in sorted(spans):
        if result and begin < result[-1][1]:
            result[-1] = (result[-1][0], max(end, result[-1][1]))
        else:
            result.append((begin, end))
    return result


def _assigned_names(text: str) -> Iterator[tuple["re.Match[str]", str]]:
    """Yield the names of secrets that have a value, each with what ends that."""
    for found in _ASSIGNED.finditer(text):
        name, sign, begin = found["name"], found["sign"], found.start()
        before = text[begin - 1 : begin]
        is_secret = is_secret_name(name)
        if not is_secret and before == "\\" and name[0] in "nrt":
            # a line break in JSON: \npin=1234
            is_secret = is_secret_name(name := name[1:])
        is_prose = sign.lstrip().startswith(":") and "=" not in sign and is_common_word(name)
        if is_secret and not is_prose:
            yield found, _BEFORE.get(before, _RUN)


def _behind(text: str, names: Iterable[tuple["re.Match[str]", str]]) -> Iterator[Span]:
    """Yield the values behind `names`, those inside of others too: the mark that ends one may be part of another."""
    closed_at = dict.fromkeys(_CLOSING, -1)
    for name, closing in names:
        begin = name.end()
        if begin == len(text) or _HIDDEN_ALREADY.match(text, begin):
            continue
        opening = _OPENING.match(text, begin)
        mark, inner = (opening[1], opening.end()) if opening else (closing, begin)
        # where the last search ended this one ends too: no part of the text is searched twice
        if closed_at[mark] < inner:
            found = _CLOSING[mark].search(text, inner)
            closed_at[mark] = found.start() if found else len(text)
        end = min(closed_at[mark] + 1, len(text)) if opening else closed_at[mark]
        if end > begin:
            yield begin, end
