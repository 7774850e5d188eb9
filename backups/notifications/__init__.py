"""Notifications: who is told of what, once for each cause, and how the messages get there.

- `events`: what there is to be notified of, with its levels.
- `recording`: rows for what happens to runs, written in the transaction that records it.
- `rounds`: what the tick does, step by step: the next ones.
- `conditions`: what is wrong now, by the verdicts; `notices` has one notice for each cause, from its begin to its end.
- `messages`, `digests`: notices become messages, by the `routing`, the quiet `hours` and the digest of each channel.
- `deliveries`: the messages, put in words by `items`, are sent, and tried again for a day.
- `pings`: the signals of runs, and that the site is alive.
- `channels`: a file for each kind of channel.
"""
