"""Who may start a waiting run, and how many run at once."""
