# Part of mftd; see LICENSE.
"""Inside a host: start a service and wait until it says it is ready."""
import os
import select
import socket
import subprocess
import time


def spawn(log, *argv, env=None, **kwargs):
    """Start in a session of its own, output to /var/log/LOG."""
    with open(f"/var/log/{log}", "ab") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out,
                                stderr=out, start_new_session=True,
                                env={**os.environ, **(env or {})}, **kwargs)


def spawn_notify(log, *argv, timeout_s=60, **kwargs):
    """Start a service that reports READY=1 as to systemd, and await that."""
    path = f"/run/notify-{os.path.basename(argv[0])}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        os.chmod(path, 0o666)
        child = spawn(log, *argv, env={"NOTIFY_SOCKET": path},
                      **kwargs)
        died = os.pidfd_open(child.pid)
        try:
            _await_ready(sock, died, argv[0], timeout_s)
        finally:
            os.close(died)
            os.unlink(path)
    return child


def _await_ready(sock, died, what, timeout_s):
    deadline = time.monotonic() + timeout_s
    while True:
        left = max(0, deadline - time.monotonic())
        ready = select.select([sock, died], [], [], left)[0]
        if sock in ready:
            if b"READY=1" in sock.recv(4096):
                return
        elif died in ready:
            raise RuntimeError(f"{what} ended before it was ready")
        else:
            raise RuntimeError(f"{what} was not ready in {timeout_s} s")


def await_port(port, timeout_s=30):
    """Poll until something on this host accepts on the port."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
