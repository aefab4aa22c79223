# Part of mftd; see LICENSE.
"""Other clients than OpenSSH's, through the floating addresses."""
import hashlib
import os

import clients
import pytest
import system
from history import recorder

KEY = "/root/.ssh/id_ed25519"


def lftp(lab, address, local, remote, back):
    return lab.exec("partner", ["lftp", "--norc", "-c", "; ".join([
        "set sftp:connect-program 'ssh -a -x'", "set net:max-retries 1",
        "set cmd:fail-exit yes", f"open -u alice,x sftp://{address}/",
        f"put {local} -o {remote}", f"get {remote} -o {back}"])])


def curl(lab, address, local, remote, back):
    lab.check("partner", "sh", "-c", f"ssh-keygen -y -f {KEY} >/root/pub")

    def one(*args):
        return lab.exec("partner", [
            "curl", "-sS", "-k", "-u", "alice:", "--key", KEY, "--pubkey",
            "/root/pub", *args, f"sftp://{address}/{remote}"])
    put = one("-T", local)
    return put if put.returncode else one("-o", back)


def rclone(lab, address, local, remote, back):
    def one(*ends):
        return lab.exec("partner", [
            "rclone", "--config", "/dev/null", "--retries", "1",
            "--sftp-host", address, "--sftp-user", "alice",
            "--sftp-key-file", KEY, "copyto", *ends])
    put = one(local, f":sftp:{remote}")
    return put if put.returncode else one(f":sftp:{remote}", back)


@pytest.mark.parametrize("client", [lftp, curl, rclone],
                         ids=lambda f: f.__name__)
def test_there_and_back_at_every_address(run, client):
    lab, told = run.lab, run.client(client.__name__)
    sent = clients.make_file(lab, "sent", os.urandom(3 << 20))
    for i, address in enumerate(system.addresses(lab.nodes())):
        back = lab.path("partner", "/root/back")
        if os.path.exists(back):
            os.remove(back)
        name = f"{client.__name__}-{i}"
        number = clients.ask(told, address, sent, name)
        done = client(lab, address, f"{clients.OUT}/sent", name, "/root/back")
        told.told(number, recorder.UNKNOWN if done.returncode else recorder.OK)
        assert done.returncode == 0, done.stdout + done.stderr
        with open(back, "rb") as f:
            assert hashlib.sha256(f.read()).hexdigest() == sent.sha256
