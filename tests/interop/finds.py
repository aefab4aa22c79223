# Part of mftd; see LICENSE.
"""A judge of what routes find in a folder, and fetch from a partner's: who puts
files there says so."""
import os
import pathlib
import pwd

from deposits import DepositRun
from history import found as finds, listing, observe, operations
from rig import USER

FOLDER = "drop/in"      # on the volume


def files(top):
    """A listing of the regular files, which are all that a look may take."""
    found = {}
    with os.scandir(top) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False):
                found[os.fsencode(entry.name).decode(
                    errors="backslashreplace")] = listing.entry(entry.path)
    return found


def in_folder(rig, name, data):
    """Like most who write into folders: it is seen as it grows."""
    path = rig.volume / FOLDER / name
    path.write_bytes(data)
    who = pwd.getpwnam(USER)
    os.chown(path, who.pw_uid, who.pw_gid)
    return path


def at_partner(partner, where, name, data, mtime):
    """Whole at once, with that time."""
    fresh = partner.top / "fresh"
    fresh.write_bytes(data)
    os.utime(fresh, (mtime, mtime))
    path = partner.files / where / name
    os.rename(fresh, path)
    return path


class FindRun(DepositRun):
    """A partner with some routes: from the folder, and `pulls`, {directory:
    (fetched, routes)} of the partner's.  What goes to a partner's directory
    comes to `inbox` there."""

    settled_s = 60

    def __init__(self, rig, name, partner, db=None, routes=(), pulls=(),
                 inbox=None):
        self.at = partner
        self.routes = list(routes)
        self.pulls = dict(pulls)
        self.inbox = inbox
        self.folder = rig.volume / FOLDER
        super().__init__(rig, name, db)

    def told(self, where, name, data, **more):
        """A test puts it there itself, or is about to."""
        where = pathlib.Path(where)
        if where == self.folder and self.routes:
            self.place(FOLDER, _shown(name), data, **more)
        elif where.parent == self.at.files and where.name in self.pulls:
            self.place(f"acme:{where.name}", _shown(name), data, **more)

    def beside(self, where, name):
        """There is one that no route takes."""
        self.event("beside", FOLDER if where == self.folder
                   else f"acme:{where.name}", name=name)

    def storage(self):
        return listing.listing(self.rig.volume, [FOLDER])

    def partner(self):
        log = self.at.files_log.read_text(errors="replace")
        return {"files": files(self.at.files / (self.inbox or "")),
                "arrivals": observe.arrivals(log, self.inbox or ""),
                "log": observe.partner_log(log)}

    def sources(self):
        found = {}
        if self.routes:
            found[FOLDER] = {"routes": self.routes,
                             "there": files(self.folder)}
        for directory, (fetched, routes) in self.pulls.items():
            found[f"acme:{directory}"] = {
                "routes": list(routes), "directory": directory,
                "fetched": fetched, "there": files(self.at.files / directory),
                **({"taken": files(self.at.files / "taken")}
                   if fetched == "move" else {})}
        return found

    def _is_settled(self):
        """What is to be found was: whoever asks for what is brought to an
        account does so once."""
        if not super()._is_settled():
            return False
        rows = self.catalog()
        history = operations.read(self.directory)
        return not any(v.kind in observe.PENDING for v in finds.judge(
            history.events, self.sources(), rows["found"], rows["pulls"],
            rows["deliveries"]))

    def put(self, name, data, **more):
        """Into the folder."""
        self.place(FOLDER, _shown(name), data, **more)
        return in_folder(self.rig, name, data)

    def give(self, name, data, mtime, directory="from"):
        """At the partner."""
        self.place(f"acme:{directory}", _shown(name), data)
        return at_partner(self.at, directory, name, data, mtime)

    def assert_good(self, found=None, in_doubt=0):
        verdict = self.judge()
        assert verdict.good, str(verdict)
        assert verdict.counts["in_doubt"] == in_doubt
        assert found in (None, verdict.counts["found"]), str(verdict)
        return verdict


def _shown(name):
    return os.fsencode(name).decode(errors="backslashreplace")
