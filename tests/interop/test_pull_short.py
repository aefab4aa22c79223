# Part of mftd; see LICENSE.
"""A pull from a server that gives less than it was asked for, as each may: what
is left of a READ comes behind others' answers."""
import asyncio
import contextlib
import os
import threading

import asyncssh
from deposits import wait_rows
from partner import Partner
from rig import Rig
from test_pull import content, objects, put, route

BYTES = 6 << 20     # many READs more than are under way at a time
STEP = 32768


class Short(asyncssh.SFTPServer):
    """Some answers are short by some bytes."""
    shortened = 0

    def read(self, file_obj, offset, size):
        if offset // STEP % 3 == 0 and size > 1000:
            Short.shortened += 1
            size -= 1000
        return super().read(file_obj, offset, size)


@contextlib.contextmanager
def short(partner):
    """Such a server beside the partner's, with its keys; its port."""
    async def listen():
        return await asyncssh.listen(
            "127.0.0.1", 0, server_host_keys=[str(partner.top / "host_key")],
            authorized_client_keys=str(partner.top / "key.pub"),
            sftp_factory=Short)

    async def close(server):
        server.close()
        await server.wait_closed()

    def run(coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(20)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = run(listen())
        yield server.sockets[0].getsockname()[1]
        run(close(server))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_short_answers():
    data = os.urandom(BYTES)
    with Partner() as partner, short(partner) as port, Rig() as rig:
        (partner.files / "from").mkdir()
        put(partner, "big", data)
        rig.up(objects(rig, partner,
                       route(directory=partner.files / "from"), port=port))
        wait_rows(rig, 1)
        assert content(rig.volume / "alice/box") == {"big": data}
    assert Short.shortened > 0
