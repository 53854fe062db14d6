"""Reading of published snapshots and checkpoints of torch, for their conversion.

Only the module ``restricted_unpickler`` reads pickles. It runs in a child process that
``in_child`` starts.
"""
