"""Which runs have lost their process, and how those end."""
