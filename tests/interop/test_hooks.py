# Part of mftd; see LICENSE.
"""Hooks: a program, a POST, a mail for what happens; with OpenSSH's server as
the partner, and real servers to be told."""
import contextlib
import datetime
import hashlib
import json
import pathlib
import re
import signal
import sqlite3
import time

import pytest
from hooks import HookRig, SECRET, wait_for
from receivers import Http, make_ca, Smtp, standard_webhooks
from rig import open_files, USER
from sshd import Sshd

ENDS = "on: [delivered, failed, in_doubt]"
SHA256 = hashlib.sha256(b"content").hexdigest()


@pytest.fixture(scope="module", name="partner")
def _partner():
    with Sshd(USER) as partner:
        yield partner


@pytest.fixture(name="rig")
def _rig():
    with HookRig() as rig:
        yield rig


def has_catalog(rig):
    """Whether the process of the hooks has the catalog open."""
    return any("catalog.db" in path for pid in rig.pids("hooks")
               for path in open_files(pid))


def in_order(prog):
    """Its calls; one for what was received comes first, for which hooks do not
    care."""
    return sorted(prog.calls(), key=lambda call: call[1]["event"],
                  reverse=True)


# ---- a program

def test_program_is_told_once(rig, partner):
    prog = rig.listener()
    rig.up(rig.objects(partner, {
        "audit": ["on: [received, delivered]", prog.hook()]}))
    rig.upload("one name.txt")
    rig.wait_runs("audit", DONE=2)
    (env, event, user), (_, after, _) = in_order(prog)
    receipt = event["receipt"]
    assert event == {
        "id": f"received.{receipt}", "event": "received",
        "time": event["time"], "account": "alice", "receipt": receipt,
        "volume": "main", "path": "one name.txt", "size": 7,
        "sha256": SHA256, "received": event["received"]}
    when = datetime.datetime.fromisoformat(event["time"])
    assert abs(datetime.datetime.now(datetime.timezone.utc) - when) < \
        datetime.timedelta(minutes=5)
    delivery = rig.delivery("one name.txt")["id"]
    assert after == {
        **event, "id": f"delivered.{delivery}.0", "event": "delivered",
        "time": after["time"], "route": "out", "partner": "acme",
        "delivery": delivery, "directory": "in", "name": "one name.txt",
        "host": after["host"], "tries": 1}
    assert set(env) - {"PWD", "SHLVL", "_", "OLDPWD"} == {
        "PATH", "LANG", "HOME", "MFT_HOOK", "MFT_TRY", "MFT_EVENT_ID",
        "MFT_EVENT", "MFT_TIME", "MFT_ACCOUNT", "MFT_RECEIPT", "MFT_VOLUME",
        "MFT_SHA256", "MFT_RECEIVED", "MFT_PATH", "MFT_SIZE"}
    assert (env["MFT_HOOK"], env["MFT_TRY"], env["MFT_EVENT_ID"],
            env["MFT_PATH"], env["MFT_SIZE"], env["PWD"]) == (
                "audit", "1", event["id"], "one name.txt", "7", "/")
    assert user == USER


def test_program_inherits_nothing(rig, partner):
    """No descriptor, no signal that is blocked or ignored, no session of the
    daemon's, no way to more rights."""
    out = rig.listener().top
    script = out / "script"
    script.write_text(f"""#!/bin/sh
i=0
while [ $i -lt 1024 ]; do
	[ ! -L /proc/$$/fd/$i ] || fds="$fds $i"
	i=$((i + 1))
done
echo $fds > {out}/fds
# not by cat: for a moment sh blocks signals to start that
while read -r line; do echo "$line"; done < /proc/$$/status > {out}/status
cat /proc/$$/stat > {out}/stat
""")
    script.chmod(0o755)
    # as one that a shell starts in the background
    before = signal.signal(signal.SIGQUIT, signal.SIG_IGN)
    try:
        rig.up(rig.objects(partner, {
            "h": ["on: [received]", f"exec: [/bin/sh, -e, {script}]"]}))
    finally:
        signal.signal(signal.SIGQUIT, before)
    rig.upload("x")
    rig.wait_runs("h", DONE=1)
    # sh has its script open as 10
    assert (out / "fds").read_text() == "0 1 2 10\n"
    status = dict(re.split(r":\s", line, maxsplit=1) for line in
                  (out / "status").read_text().splitlines())
    assert int(status["SigBlk"], 16) == int(status["SigIgn"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    pid, _, _, _, group, session = (out / "stat").read_text().split()[:6]
    assert pid == group == session


def test_filters(rig, partner):
    by_route, by_none = rig.listener("a"), rig.listener("b")
    rig.up(rig.objects(partner, {
        "some": ["on: [received, delivered]", "routes: [logs]",
                 "partners: [acme]", "accounts: [alice]", by_route.hook()],
        "all": ["on: [received]", by_none.hook()]},
        {"logs": ("in", ["files: ['*.log']"]),
         "rest": ("in", ["except: ['*.log']"])}))
    rig.upload("x.log")
    rig.upload("y.txt")
    rig.wait_runs("all", DONE=2)
    wait_for("y.txt", lambda: rig.delivery("y.txt")["state"] == "DONE")
    rig.wait_runs("some", DONE=2)
    assert [(e["event"], e["path"]) for _, e, _ in in_order(by_route)] == [
        ("received", "x.log"), ("delivered", "x.log")]


def test_failed_delivery(rig, partner):
    (partner.home / "in/taken").write_text("other")
    prog = rig.listener()
    rig.up(rig.objects(partner, {"bad": [ENDS, prog.hook()]}))
    rig.upload("taken")
    rig.wait_runs("bad", DONE=1)
    (env, event, _), = prog.calls()
    delivery = rig.delivery("taken")
    assert delivery["state"] == "FAILED"
    assert (event["event"], event["error"]) == ("failed", delivery["error"])
    assert env["MFT_ERROR"] == event["error"] and event["tries"] > 0
    # a person's wish begins another episode
    rig.mftctl("delivery", "retry", delivery["id"])
    rig.wait_runs("bad", DONE=2)
    assert prog.told() == [f"failed.{delivery['id']}.{n}" for n in (0, 1)]


def test_delivery_in_doubt(rig, partner):
    """Once when it is, and once more when what a person had sent again is."""
    prog = rig.listener()
    rig.up(rig.objects(partner, {"bad": [ENDS, prog.hook()]}))
    ids = []
    for _ in range(2):
        partner.fault("-e", "inject=?link,?linkat:delay_enter=60s")
        if ids:
            rig.mftctl("delivery", "resolve", ids[0], "resend")
        else:
            rig.upload("unsure")
        wait_for("the rename", lambda: rig.delivery(
            "unsure")["state"] == "PUBLISHING")
        partner.fault()
        for left in partner.names():
            if left.startswith(".mft-"):
                (partner.home / "in" / left).unlink()
        partner.cut()
        rig.wait_runs("bad", DONE=len(ids) + 1)
        ids.append(rig.delivery("unsure")["id"])
    assert prog.told() == [f"in_doubt.{ids[0]}.{n}" for n in (0, 1)]
    for env, event, _ in prog.calls():
        assert event["event"] == env["MFT_EVENT"] == "in_doubt"
        assert event["error"] == env["MFT_ERROR"] != ""
        assert (event["path"], event["delivery"]) == ("unsure", ids[0])
    # what a person says of it is told as well
    rig.mftctl("delivery", "resolve", ids[0], "delivered")
    rig.wait_runs("bad", DONE=3)
    assert prog.told()[2] == f"delivered.{ids[0]}.2"


def test_delivery_replaced(rig, partner):
    """A person held it, and the next version passed it."""
    prog = rig.listener()
    rig.up(rig.objects(
        partner, {"late": ["on: [replaced]", prog.hook()]},
        {"out": ("in", ["if_exists: overwrite"])}))
    partner.stop()
    try:
        rig.upload("version", b"first")
        first = rig.delivery("version")["id"]
        wait_for("it waits", lambda: rig.delivery(
            "version")["state"] == "WAITING")
        rig.mftctl("delivery", "hold", first)
        rig.upload("version", b"second")
        second = wait_for("the second one", lambda: (
            d := rig.delivery("version"))["id"] != first and d["id"])
    finally:
        partner.start()
    wait_for("it is DONE", lambda: rig.delivery("version")["state"] == "DONE")
    assert prog.told() == []
    rig.mftctl("delivery", "release", first)
    rig.wait_runs("late", DONE=1)
    (env, event, _), = prog.calls()
    assert event["id"] == f"replaced.{first}.2" == env["MFT_EVENT_ID"]
    assert (event["event"], event["delivery"], event["path"]) == (
        "replaced", first, "version")
    assert event["error"] == f"replaced by a later version: {second}"
    assert (partner.home / "in/version").read_bytes() == b"second"


def test_no_hook_no_rows(rig, partner):
    rig.up(rig.objects(partner, {}))
    rig.upload("quiet")
    wait_for("DONE", lambda: rig.delivery("quiet")["state"] == "DONE")
    assert not has_catalog(rig)
    with contextlib.closing(sqlite3.connect(rig.state / "catalog.db")) as db:
        assert db.execute("SELECT count(*) FROM event").fetchall() == [(0,)]
    # one that is configured later is not told of what was before
    prog = rig.listener()
    rig.mftctl("apply", rig.accounts(rig.objects(partner, {
        "new": ["on: [received]", prog.hook()]})))
    wait_for("hooks", lambda: has_catalog(rig), rig)
    rig.upload("loud")
    rig.wait_runs("new", DONE=1)
    assert [e["path"] for _, e, _ in prog.calls()] == ["loud"]
    # and without any it asks the catalog nothing
    rig.mftctl("apply", rig.accounts(rig.objects(partner, {})))
    wait_for("rest", lambda: not has_catalog(rig), rig)


def test_program_that_fails_is_tried_again(rig, partner):
    prog = rig.listener()
    prog.orders('[ "$MFT_TRY" -gt 3 ] || { echo "not yet $MFT_TRY"; exit 7; }')
    rig.up(rig.objects(partner, {"h": ["on: [received]", prog.hook()]}))
    rig.upload("x")
    waiting = wait_for("a failure", lambda: [
        r for r in rig.open_runs("h") if r["state"] == "WAITING"], rig)[0]
    assert waiting["error"].startswith("exit status 7: not yet ")
    rig.wait_runs("h", DONE=1)
    assert len(prog.told()) == 4 and len(set(prog.told())) == 1
    bodies = {json.dumps(event) for _, event, _ in prog.calls()}
    assert len(bodies) == 1     # the same at each try


def test_tries_are_bounded_and_retry_begins_anew(rig, partner):
    prog = rig.listener()
    prog.orders("echo broken >&2; exit 1")
    rig.up(rig.objects(partner, {
        "h": ["on: [received]", "tries: 2", prog.hook()]}))
    rig.upload("x")
    rig.wait_runs("h", FAILED=1)
    assert len(prog.told()) == 2
    run, = rig.open_runs("h")
    assert (run["state"], run["tries"], run["error"]) == (
        "FAILED", 2, "exit status 1: broken")
    prog.orders("exit 0")
    rig.mftctl("hook", "retry", run["id"])
    rig.wait_runs("h", DONE=1)
    assert len(prog.told()) == 3
    done = rig.mftctl("hook", "retry", run["id"], check=False)
    assert done.returncode == 1 and "no run that has failed" in done.stderr


def test_hanging_program_holds_up_nobody(rig, partner):
    """It is ended with all that it started; the others' are told, and files are
    delivered meanwhile."""
    slow, quick = rig.listener("slow"), rig.listener("quick")
    pids = slow.top / "pids"
    slow.orders(f"sleep 1000 & echo $! >> {pids}; sleep 1000")
    rig.up(rig.objects(partner, {
        "slow": ["on: [received]", "timeout_s: 5", "tries: 1", slow.hook()],
        "quick": ["on: [received]", quick.hook()]}))
    for i in range(6):      # more than may run at a time
        rig.upload(f"hang{i}")
    rig.wait_runs("quick", DONE=6)
    wait_for("deliveries", lambda: all(
        rig.delivery(f"hang{i}")["state"] == "DONE" for i in range(6)), rig)
    rig.wait_runs("slow", FAILED=6)
    assert {run["error"] for run in rig.open_runs("slow")} == {
        "it took longer than 5 s"}
    started = pids.read_text().split()
    assert len(started) == 6
    wait_for("their end", lambda: not any(
        pathlib.Path(f"/proc/{pid}").exists() for pid in started))


def test_program_that_prints_a_lot(rig, partner):
    prog = rig.listener()
    prog.orders("yes 0123456789 | head -c 20000000; echo the end; exit 3")
    rig.up(rig.objects(partner, {
        "h": ["on: [received]", "tries: 1", prog.hook()]}))
    rig.upload("x")
    rig.wait_runs("h", FAILED=1)
    error = rig.open_runs("h")[0]["error"]
    assert error.startswith("exit status 3: ") and \
        error.endswith("the end") and len(error) < 256


def test_hook_that_is_gone_or_cannot_start(rig, partner):
    rig.up(rig.objects(partner, {
        "h": ["on: [received]", "exec: [/nowhere/program]"]}))
    rig.upload("x")
    run = wait_for("a try", lambda: [
        r for r in rig.open_runs("h") if r["tries"] > 0], rig)[0]
    wait_for("its error", lambda: rig.open_runs("h")[0].get("error") ==
             "exit status 127: /nowhere/program: No such file or directory",
             rig)
    other = {"other": ["on: [late]", "exec: [/bin/true]"]}
    rig.mftctl("apply", rig.accounts(rig.objects(partner, other)))
    wait_for("the end", lambda: json.loads(rig.mftctl(
        "-j", "hook", "show", run["id"]).stdout)["state"] == "FAILED", rig)


# ---- HTTP

def test_post_is_signed(rig, partner):
    with Http() as http:
        rig.up(rig.objects(partner, {"web": [
            ENDS, f"http: {{url: '{http.url()}', secret: {SECRET}}}"]}))
        rig.upload("posted")
        rig.wait_runs("web", DONE=1)
        (_, headers, body), = http.requests
        assert standard_webhooks(SECRET, headers, body)
        assert not standard_webhooks(SECRET, headers, body + b" ")
        assert headers["Content-Type"] == "application/json"
        event = json.loads(body)
        assert headers["webhook-id"] == event["id"]
        assert abs(int(headers["webhook-timestamp"]) - time.time()) < 300
        assert event["name"] == "posted"
        # nowhere in plain, neither in the catalog nor in the log
        for path in rig.state.iterdir():
            if path.is_file():
                assert SECRET.encode() not in path.read_bytes(), path
        assert SECRET not in rig.log.read_text()


def test_post_is_repeated_until_it_is_taken(rig, partner):
    secret = rig.top / "etc/webhook"
    secret.write_text("plain words\n")
    with Http() as http:
        answers = [500, 307, 404]
        http.answers["/hook"] = lambda n: answers[n - 1] \
            if n <= len(answers) else 200
        rig.up(rig.objects(partner, {"web": [
            "on: [received]",
            f"http: {{url: '{http.url()}', secret_file: {secret}}}"]}))
        rig.upload("again")
        assert wait_for("an error", lambda: [
            r["error"] for r in rig.open_runs("web") if "error" in r],
            rig)[0].endswith(": answer")
        rig.wait_runs("web", DONE=1)
        assert len(http.told()) == 4 and len(set(http.told())) == 1
        assert len({body for _, _, body in http.requests}) == 1
        assert http.told("/elsewhere") == []    # nobody is followed
        assert all(standard_webhooks("plain words", headers, body)
                   for _, headers, body in http.requests)


def test_post_by_tls(rig, partner):
    ca, *certificate = make_ca(rig.top / "etc")
    with Http(certificate) as http:
        rig.up(rig.objects(partner, {
            "good": [ENDS, f"http: {{url: '{http.url('/good')}', secret: a, "
                     f"ca_file: {ca}}}"],
            "bad": [ENDS, "tries: 1",
                    f"http: {{url: '{http.url('/bad')}', secret: a}}"]}))
        rig.upload("tls")
        rig.wait_runs("good", DONE=1)
        rig.wait_runs("bad", FAILED=1)
        assert "certificate" in rig.open_runs("bad")[0]["error"]
        assert len(http.told("/good")) == 1 and http.told("/bad") == []


def test_server_that_does_not_answer(rig, partner):
    with Http() as http:
        http.answers["/hang"] = None
        rig.up(rig.objects(partner, {
            "slow": [ENDS, "timeout_s: 1", "tries: 1",
                     f"http: {{url: '{http.url('/hang')}', secret: a}}"],
            "quick": [ENDS, f"http: {{url: '{http.url()}', secret: a}}"]}))
        rig.upload("hang-http")
        rig.wait_runs("quick", DONE=1)
        rig.wait_runs("slow", FAILED=1)
        assert "timed out" in rig.open_runs("slow")[0]["error"]


# ---- mail

def mail(smtp, *more):
    fields = [f"url: '{smtp.url()}'", "from: mft@example.com",
              "to: [ops@example.com, desk@example.com]", *more]
    return f"mail: {{{', '.join(fields)}}}"


def test_mail(rig, partner):
    (partner.home / "in/gone.txt").write_text("other")
    with Smtp() as smtp:
        smtp.refuse = 2
        rig.up(rig.objects(partner, {
            "alert": [ENDS, mail(smtp, "starttls: false")]}))
        rig.upload("gone.txt")
        rig.wait_runs("alert", DONE=1)
        (envelope, message), = smtp.messages
        id_ = f"failed.{rig.delivery('gone.txt')['id']}.0"
        assert envelope.mail_from == "mft@example.com"
        assert envelope.rcpt_tos == ["ops@example.com", "desk@example.com"]
        assert message["Subject"] == "mftd: failed (out) gone.txt"
        assert message["Message-ID"] == f"<{id_}.alert@example.com>"
        assert message["Auto-Submitted"] == "auto-generated"
        text = message.get_payload(decode=True).decode()
        assert f'"{id_}"' in text and '"gone.txt"' in text
        assert max(map(len, envelope.content.splitlines())) <= 998


def test_mail_by_starttls_with_password(rig, partner):
    ca, *certificate = make_ca(rig.top / "etc")
    with Smtp(certificate, "mft", "sesame") as smtp:
        rig.up(rig.objects(partner, {"alert": [ENDS, mail(
            smtp, "user: mft", "password: sesame", f"ca_file: {ca}")]}))
        rig.upload("secure.txt")
        rig.wait_runs("alert", DONE=1)
        assert smtp.users == [("mft", True, True)] and len(smtp.messages) == 1


def test_mail_without_tls_is_not_sent_where_it_is_wanted(rig, partner):
    with Smtp() as smtp:
        rig.up(rig.objects(partner, {"alert": [
            ENDS, "tries: 1", mail(smtp)]}))
        rig.upload("plain.txt")
        rig.wait_runs("alert", FAILED=1)
        assert smtp.messages == []


# ---- deadlines

def ago(minutes):
    return datetime.datetime.now(datetime.timezone.utc) - \
        datetime.timedelta(minutes=minutes)


def look_back(rig, route, hours):
    """As if the deadlines of that route had been looked at then."""
    with contextlib.closing(sqlite3.connect(
            rig.state / "catalog.db", isolation_level=None)) as db:
        db.execute("PRAGMA busy_timeout = 30000")
        db.execute("INSERT INTO deadline (route, looked_us) VALUES (?, ?)",
                   (route, int(ago(60 * hours).timestamp() * 1000000)))


def test_late_once_per_window(rig, partner):
    prog = rig.listener()
    by = ago(30).strftime("%H:%M")
    rig.mftctl("apply", rig.accounts(rig.objects(
        partner, {"alarm": ["on: [late]", "routes: [nightly]", prog.hook()]},
        {"nightly": ("in", [f"expected_by: '{by}'",
                            "expected_within_s: 3600"]),
         "other": ("in", [f"expected_by: '{by}'", "files: ['*.no']"])})))
    look_back(rig, "nightly", 2)
    look_back(rig, "other", 2)
    rig.start()
    rig.wait_runs("alarm", DONE=1)
    (env, event, _), = prog.calls()
    until = datetime.datetime.fromisoformat(event["until"])
    assert event == {
        "id": f"late.nightly.{int(until.timestamp())}", "event": "late",
        "time": event["time"], "account": "alice", "route": "nightly",
        "partner": "acme", "since": event["since"], "until": event["until"]}
    assert until.strftime("%H:%M") == by and env["MFT_UNTIL"] == event["until"]
    assert until - datetime.datetime.fromisoformat(event["since"]) == \
        datetime.timedelta(hours=1)
    # another owner looks at it again, and says nothing
    rig.kill("outbound")
    rig.upload("afterwards")
    wait_for("DONE", lambda: rig.delivery("afterwards")["state"] == "DONE")
    wait_for("hooks", lambda: rig.pids("hooks"), rig)
    rig.stop()
    assert len(prog.told()) == 1


# ---- what people see

def test_commands(rig, partner):
    prog = rig.listener()
    rig.up(rig.objects(partner, {"h": ["on: [late]", prog.hook()]}))
    prog.orders("echo all well")
    done = rig.mftctl("hook", "test", "h")
    assert done.stdout == "ok    all well\n"
    (env, event, _), = prog.calls()
    assert event["event"] == "test" and env["MFT_EVENT"] == "test"
    prog.orders("exit 4")
    done = rig.mftctl("hook", "test", "h", check=False)
    assert (done.returncode, done.stdout) == (1, "FAIL  exit status 4\n")
    assert "late" in rig.mftctl("hook", "show", "h").stdout
    assert str(prog.path) in rig.mftctl("hook", "list").stdout
    for words, code in ((["test", "none"], 1), (["show", "a@h"], 1),
                        (["retry", "h"], 1), (["wrong"], 2), (["test"], 2)):
        assert rig.mftctl("hook", *words, check=False).returncode == code


@pytest.mark.parametrize("lines, words", [
    (["on: [perhaps]", "exec: [/bin/true]"], "hooks[0].on[0]"),
    (["on: [late]", "exec: [true]"], "exec[0]: must be the absolute path"),
    (["on: [late]", "exec: [/bin/]"], "exec[0]: must be the absolute path"),
    (["on: [late]"], "needs one of exec, http and mail"),
    (["on: [late]", "exec: [/bin/true]", "mail: {url: 'smtp://h', "
      "from: a@b, to: [c@d]}"], "needs one of exec, http and mail"),
    (["on: [late]", "routes: [none]", "exec: [/bin/true]"], "no such route"),
    (["on: [late]", "http: {url: 'ftp://h', secret: a}"], "http.url"),
    (["on: [late]", "http: {url: 'http://u:p@h/', secret: a}"], "http.url"),
    (["on: [late]", "http: {url: 'http://-h/', secret: a}"], "http.url"),
    (["on: [late]", "http: {url: 'http://:80/', secret: a}"], "http.url"),
    (["on: [late]", "http: {url: 'http://h:x/', secret: a}"], "http.url"),
    (["on: [late]", "http: {url: 'http://h/'}"], "needs secret"),
    (["on: [late]", "mail: {url: 'smtp://h', from: a@b, to: [c@d], "
      "starttls: false, user: u, password: p}"], "in plain"),
    (["on: [late]", "mail: {url: 'smtp://h', from: a, to: [c@d]}"],
     "mail.from"),
    (["on: [late]", "mail: {url: 'smtp://h', from: a@b, to: [c@d@e]}"],
     "mail.to"),
    (["on: [late]", "timeout_s: 3601", "exec: [/bin/true]"], "timeout_s"),
    (["on: [late]", "tries: 0", "exec: [/bin/true]"], "tries"),
])
def test_refused(rig, partner, lines, words):
    done = rig.mftctl("apply", rig.accounts(
        rig.objects(partner, {"h": lines})), check=False)
    assert done.returncode == 1 and words in done.stderr, done.stderr
