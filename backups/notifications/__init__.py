"""Notifications: who is told of what, once for each cause, and how the messages get there.

- `events`: what there is to be notified of, with its levels.
- `recording`: rows for what happens, written in the transaction that records it.
- `notices`: one notice for each cause, from its begin to its end.
- `messages`: notices become messages, by the choices, quiet hours and digests of each channel.
- `deliveries`: the messages are sent, and tried again for a day.
- `channels`: a file for each kind of channel.
"""
