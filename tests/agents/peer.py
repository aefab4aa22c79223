#!/usr/bin/python3
# Part of mftd; see LICENSE.
"""The other end of the agents' protocol, with faults on order.

Runs in the place of mftd (-f CONFIG, -t). CONFIG is JSON and read again for
each request, so a test changes the daemon's behaviour by writing the file:

  run_dir    where control.sock and the locks are
  fifo       a FIFO; when its writer is gone, everything here ends
  delay_ms   before the socket is made
  check      what -t says: "" or an error
  queues     those that -t -q finds: all, if it is not given
  die        end at start
  health     ok, degraded, refused: in each answer
  faults     {action: fault}, see FAULTS
  life       the incarnation in each answer
  refusals   so many answers say refused first
  stubborn   workers outlive the daemon and a stop
"""
import fcntl
import json
import os
import select
import socket
import struct
import sys
import time


def load(path):
    with open(path, encoding="utf-8") as f:
        return json.load(f)


def flock_struct(kind):
    return struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0)


def wait_life(fd, also=()):
    """Until something of `also` is readable; the end if the test is gone."""
    poller = select.poll()
    poller.register(fd, 0)  # POLLHUP comes unasked
    for other in also:
        poller.register(other, select.POLLIN)
    ready = [f for f, _ in poller.poll()]
    if fd in ready:
        os._exit(0)
    return ready


class Service:
    """One service: its lock, and a worker that inherits it."""

    def __init__(self, daemon, name):
        self.daemon = daemon
        self.path = os.path.join(daemon.conf["run_dir"], name + ".lock")
        self.fd = -1
        self.pipe = -1
        self.state = "stopped"

    def set_state(self, state):
        self.state = state
        if state != "stopped":
            os.pwrite(self.fd, state.encode() + b"\n", 0)
            os.ftruncate(self.fd, len(state) + 1)

    def start(self):
        if self.fd != -1:
            return
        self.fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.fcntl(self.fd, fcntl.F_OFD_SETLK, flock_struct(fcntl.F_WRLCK))
        self.set_state("started")
        reader, self.pipe = os.pipe()
        if os.fork() == 0:
            self.work(reader)
        os.close(reader)

    def work(self, reader):
        """A worker: holds nothing but its service's lock."""
        keep = {0, 1, 2, self.fd, reader, self.daemon.life}
        for fd in {int(fd) for fd in os.listdir("/proc/self/fd")} - keep:
            try:
                os.close(fd)
            except OSError:
                pass  # the one that listed them
        if self.daemon.conf.get("stubborn"):
            wait_life(self.daemon.life)
        wait_life(self.daemon.life, [reader])
        os._exit(0)

    def stop(self):
        if self.fd != -1:
            os.close(self.pipe)
            os.close(self.fd)
            self.fd = -1
        self.state = "stopped"


# Each sends something that is no answer, or none in time.
def fault_malformed(conn):
    conn.send(b".{\"ok\":true,")


def fault_flag(conn):
    conn.send(b"x{\"ok\":true}")


def fault_type(conn):
    conn.send(b".{\"ok\":\"yes\",\"state\":\"started\",\"health\":\"ok\"}")


def fault_state(conn):
    conn.send(b".{\"ok\":true,\"state\":\"fine\",\"health\":\"ok\"}")


def fault_close(conn):
    conn.send(b"+{\"ok\":")


def fault_packet(conn):
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    conn.send(b"." + b" " * 65536)


def fault_endless(conn):
    while True:
        conn.send(b"+" + b" " * 8191)


FAULTS = {
    "malformed": fault_malformed,
    "flag": fault_flag,
    "type": fault_type,
    "state": fault_state,
    "close": fault_close,
    "packet": fault_packet,
    "endless": fault_endless,
}


class Daemon:
    def __init__(self, path):
        self.path = path
        self.conf = load(path)
        self.life = os.open(self.conf["fifo"], os.O_RDONLY | os.O_NONBLOCK)
        self.services = {}
        self.held = []
        self.answers = 0

    def service(self, request):
        name = request["service"]
        if "queue" in request:
            name += "-" + request["queue"]
        if name not in self.services:
            self.services[name] = Service(self, name)
        return self.services[name]

    def act(self, request):
        service, action = self.service(request), request["action"]
        if action == "start":
            service.start()
        elif action == "stop":
            service.stop()
        elif action == "promote":
            service.set_state("promoted")
        elif action == "demote":
            service.set_state("started")
        elif action == "notify":
            return {"ok": True}
        self.answers += 1
        refused = self.answers <= self.conf.get("refusals", 0)
        health = "refused" if refused else self.conf.get("health", "ok")
        return {"ok": True, "state": service.state, "health": health,
                "incarnation": self.conf.get("life", "n1.1"),
                "reason": "as ordered"}

    def answer(self, conn, request):
        fault = self.conf.get("faults", {}).get(request["action"])
        if isinstance(fault, dict):
            conn.send(b"." + json.dumps(fault).encode())
        elif fault in FAULTS:
            FAULTS[fault](conn)
        elif fault == "hang":
            self.held.append(conn)
            return
        elif fault == "die":
            os._exit(1)
        elif fault == "refuse":
            conn.send(b".{\"ok\":false,\"reason\":\"not today\"}")
        else:
            text = json.dumps(self.act(request)).encode()
            conn.send(b"+" + text[:5])
            conn.send(b"." + text[5:])
        conn.close()

    def serve(self, sock):
        while True:
            wait_life(self.life, [sock.fileno()])
            conn = sock.accept()[0]
            text = conn.recv(65536)
            if not text:
                conn.close()
                continue
            with open(os.path.join(self.conf["run_dir"], "requests"), "ab") \
                    as log:
                log.write(text + b"\n")
            self.conf = load(self.path)
            try:
                self.answer(conn, json.loads(text))
            except BrokenPipeError:
                conn.close()

    def run(self):
        run_dir = self.conf["run_dir"]
        path = os.path.join(run_dir, "control.sock")
        print("peer up", os.getpid(), flush=True)
        if self.conf.get("die"):
            sys.exit("dying as ordered")
        os.makedirs(run_dir, exist_ok=True)
        with open(os.path.join(run_dir, "starts"), "a") as f:
            f.write("%d\n" % os.getpid())
        with open(os.path.join(run_dir, "context"), "w") as f:
            json.dump({"sid": os.getsid(0), "pid": os.getpid(),
                       "fds": sorted(os.listdir("/proc/self/fd")),
                       "stdin": os.readlink("/proc/self/fd/0"),
                       "env": dict(os.environ)}, f)
        time.sleep(self.conf.get("delay_ms", 0) / 1000)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.path.exists(path):
            os.unlink(path)
        sock.bind(path)
        sock.listen(8)
        self.serve(sock)


def main():
    path = sys.argv[sys.argv.index("-f") + 1]
    if "-t" in sys.argv:
        conf = load(path)
        if conf.get("check"):
            sys.exit(conf["check"])
        if "-q" in sys.argv:
            queue = sys.argv[sys.argv.index("-q") + 1]
            if queue not in conf.get("queues", [queue]):
                print("mftd: a warning", "there is no queue " + queue,
                      sep="\n", file=sys.stderr)
                sys.exit(3)
        sys.exit(0)
    Daemon(path).run()


if __name__ == "__main__":
    main()
