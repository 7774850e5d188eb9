"""The age v1 file format (C2SP age.md), in parts; the public names are in `backups.archive.age`."""
