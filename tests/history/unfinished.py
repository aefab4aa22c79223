# Part of mftd; see LICENSE.
"""What operations may have met that was never published.

An unfinished upload is seen, by its account, under its name.  REMOVE takes it
away, and RENAME by its own client takes it along, to be published under its new
name, without anything having been published before: so they need no file, and
no record tells of them.  (A directory's RENAME takes along what is put into it,
too: who does that is told by this judge that it cannot be.)
"""
import collections
import dataclasses

from .operations import MOVES, UPLOADS
from .recorder import OK


def mark(operations, published=frozenset()):
    """The operations, in the order of asking, with `unfinished` where they may
    have met one; and with its last name an upload that was renamed, if there is
    a receipt of that: (account, name, size) in published."""
    uploads = collections.defaultdict(list)     # by what they may be called
    found = {op: op for op in operations}
    for op in operations:
        if op.kind in UPLOADS:
            uploads[op.name].append(op)
    for op in operations:
        met = [u for u in uploads[op.name] if _may_meet(op, u)]
        if not met:
            continue
        found[op] = dataclasses.replace(op, unfinished=True)
        if op.to:
            uploads[op.to] += met
            found |= {u: dataclasses.replace(u, name=op.to) for u in met
                      if (u.account, op.to, u.size) in published
                      and (u.account, u.name, u.size) not in published}
    return list(found.values())


def _may_meet(op, upload):
    if op.never or upload.client == op.client and upload.number in op.waited:
        return False
    if op.kind == "remove":
        return upload.asked < op.ends and (
            upload.told != OK or upload.answered > op.asked)
    return op.kind in MOVES and upload.client == op.client and \
        upload.asked < op.asked < upload.answered
