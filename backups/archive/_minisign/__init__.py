"""The minisign format (https://jedisct1.github.io/minisign/), in parts; see `backups.archive.minisign`."""
