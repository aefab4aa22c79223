# Part of mftd; see LICENSE.
"""A wire between a client and the daemon that breaks when it is told to."""
import copy
import ctypes
import socket
import struct
import threading


class Wire:
    """Listens on a loopback port and passes bytes on to the daemon's.

    After `after` bytes of a connection's client the wire breaks ("reset":
    both ends see it), or goes silent ("hang": neither end does, as when a
    machine vanishes). After that nobody gets through, unless it `heals`.
    `sent` counts what all clients sent.
    """

    def __init__(self, rig, after=None, how="reset", heals=False):
        self.target = ("127.0.0.1", rig.port)
        self.after, self.how, self.heals = after, how, heals
        self.sent = 0
        self.broken = threading.Event()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.open = []
        self.threads = []
        with open(rig.top / "etc/known_hosts", "a", encoding="utf-8") as f:
            f.write(f"[127.0.0.1]:{self.port} {rig.host_key}\n")
        # for clients.py: the same rig at another port
        self.rig = copy.copy(rig)
        self.rig.port = self.port

    def __enter__(self):
        self._run(self._accept)
        return self

    def __exit__(self, *_):
        # wakes whoever waits in accept or recv
        self.socket.shutdown(socket.SHUT_RDWR)
        for s in list(self.open):
            self._end(s)
        for thread in self.threads:
            thread.join()
        self.socket.close()
        for s in self.open:
            s.close()

    def _run(self, fn, *args):
        thread = threading.Thread(target=fn, args=args)
        self.threads.append(thread)
        thread.start()

    @staticmethod
    def _end(s):
        try:
            s.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    @staticmethod
    def _reset(s):
        """By RST, which shutdown(2) does not send, and psftp may wait behind a
        FIN for ever: connect(2) to AF_UNSPEC does, and wakes who waits."""
        ctypes.CDLL(None).connect(
            s.fileno(), struct.pack("H14x", socket.AF_UNSPEC), 16)

    def _accept(self):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            if self.broken.is_set() and not self.heals:
                client.close()
                continue
            server = socket.create_connection(self.target)
            for s in (client, server):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.open += [client, server]
            self._run(self._pass_on, client, server, True)
            self._run(self._pass_on, server, client, False)

    def _break(self, client, server):
        # first: the client may end, and ask, before this thread goes on
        self.broken.set()
        if self.how == "reset":
            for s in (client, server):
                self._reset(s)

    def _pass_on(self, source, target, counts):
        seen = 0
        try:
            while data := source.recv(65536):
                if counts:
                    seen += len(data)
                    if self.after is not None and seen > self.after and \
                            not self.broken.is_set():
                        self._break(source, target)
                        return
                    self.sent += len(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
