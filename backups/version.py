"""Name and version of this program, as manifests state them."""

VERSION = "0.1.0"
APPLICATION = f"backupsite {VERSION}"
