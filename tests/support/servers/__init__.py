"""Real servers that remote destinations are tested against, all on the loopback interface.

`fixtures` has one fixture for each, made once in a process of pytest and only where a test asks for it; tests keep
apart by folder, bucket, container or prefix (the fixture `apart` is a name that no other test has). A test that stops
a server or replaces its host key or certificate leaves it as it was, or makes one of its own (``with Sshd() as mine``).

- `sshd`, `ftp`: accounts with the password `PASSWORD`; the name of an account says what it may do (`accounts`)
- `objects`: S3, Azure Blob Storage, Google Cloud Storage
- `webdav`, `dropbox`, `rclone`
- `proxy`: in front of any of them; cuts, mutes, alters, slows, refuses
- `certificates`: a valid server certificate, and each kind of wrong one
- `running`: how a program is started, waited for and ended with all of its sessions, also when pytest is killed
"""
