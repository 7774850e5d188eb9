"""What every type of destination promises, run against each of them and each real server; see `places`."""
