"""The garbage collector of a process that answers requests."""

import gc

# objects that are made before the young ones are looked at; Python's 700 are made fifteen times by one page
AT_ONCE = 10_000


def spare_collections() -> None:
    """Leave what the imports made out of all later collections, and collect less often.

    The modules of a site are half a million objects that stay until the process ends: going over them takes 50 ms, in
    one request out of ten. A process that is forked afterwards shares their memory for longer, too.
    """
    gc.collect()
    gc.freeze()
    _, *older = gc.get_threshold()
    gc.set_threshold(AT_ONCE, *older)
