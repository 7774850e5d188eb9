"""What a channel to the outside says of paths: nothing, and of addresses everything."""

import pytest

from backups.notifications.hiding import without_paths


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The file /srv/a/b.db is gone.", "The file [path] is gone."),
        ("Permission denied:/srv/a/b.", "Permission denied:[path]."),
        ("It cannot open '/srv/my shop/b c.db'.", "It cannot open '[path]'."),
        ('It cannot open "/srv/my shop/b c.db".', 'It cannot open "[path]".'),
        ("It cannot open sqlite:////srv/a/b.db now.", "It cannot open sqlite:[path] now."),
        ("//srv/a/b is gone.", "[path] is gone."),
        ("The disk of /data is full.", "The disk of [path] is full."),
        ("It cannot open '/my data'.", "It cannot open '[path]'."),
        ("It is in ~/shop/a.db and ~bob/b.", "It is in [path] and [path]."),
        (r"It cannot read C:\shop\a.db, or D:/shop.", "It cannot read [path], or [path]."),
        (r"It cannot read '\\nas\my share\a.db'.", "It cannot read '[path]'."),
        (r"It cannot read \\nas\share\a.db.", "It cannot read [path]."),
        (
            "Use host:/volume or s3://bucket/a, or https://[::1]/a.",
            "Use host:[path] or s3://bucket/a, or https://[::1]/a.",
        ),
        ("Line 3: it is 5/7, and a / b.", None),
        ("See 'https://x.example/a/b' or http://x.example:80/a/b.", None),
        ("One and/or 3/4/5 of it.", None),
    ],
)
def test_a_path_is_replaced_and_the_address_of_a_page_is_not(text: str, expected: str | None) -> None:
    assert without_paths(text) == (text if expected is None else expected)
