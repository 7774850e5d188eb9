"""Extended attributes as PAX records, which star and GNU tar read with --xattrs and --acls."""

from collections.abc import Mapping

from backups.components.files.format.acl import ACLS, acl_text, acl_value

XATTR = "SCHILY.xattr."
KEYWORDS = {keyword: name for name, keyword in ACLS.items()}
# capabilities of programs and labels; what the kernel itself trusts, such as the redirects of overlayfs
PRIVILEGED = ("security.", "trusted.")


def attribute_records(attributes: Mapping[str, bytes]) -> dict[str, bytes]:
    """Return the records that keep these attributes. Raises MalformedHeaderError for a list of an unknown version."""
    return {
        ACLS.get(name, f"{XATTR}{name}"): acl_text(value) if name in ACLS else value
        for name, value in attributes.items()
    }


def take_attributes(records: dict[str, bytes]) -> dict[str, bytes]:
    """Take the attributes out of `records` and return them. Raises MalformedHeaderError."""
    found = {}
    for key in list(records):
        if key in KEYWORDS:
            found[KEYWORDS[key]] = acl_value(records.pop(key))
        elif key.startswith(XATTR):
            found[key.removeprefix(XATTR)] = records.pop(key)
    return found
