# Part of mftd; see LICENSE.
"""A command in namespaces and a directory of its own, so that no process, mount
or file of it stays, however it ends."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile

# The first process in there is a shell, which also reaps what others leave.
ALONE = ["setpriv", "--pdeathsig", "KILL", "--", "unshare", "--mount", "--ipc",
         "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c",
         '"$@"; exit $?', "sh"]
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
INSIDE = "MFTD_ALONE"


def run(main):
    """Exit status of this program, of which main is run in there."""
    if INSIDE in os.environ:
        return main()
    for each in SIGNALS:
        signal.signal(each, lambda number, _: sys.exit(128 + number))
    top = tempfile.mkdtemp(prefix="mftd-bench-",
                           dir=os.environ.get("TMPDIR", "/var/tmp"))
    os.chmod(top, 0o755)
    process = None
    try:
        process = subprocess.Popen(
            [*ALONE, *sys.orig_argv], stdin=subprocess.DEVNULL,
            env={**os.environ, "TMPDIR": top, INSIDE: "1"})
        return process.wait()
    finally:
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if process is not None:
            process.kill()
            process.wait()
        shutil.rmtree(top)
