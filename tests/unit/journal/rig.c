/* Part of mftd; see LICENSE. */
#include "tests/unit/journal/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/base/path.h"
#include "mftd/conf/conf.h"
#include "mftd/journal/journal.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/reader.h"
#include "mftd/journal/recover.h"

#define DEADLINE_MS 20000
#define WORDS_MAX 32
#define DAY_S 86400

static int part_expire_s = DAY_S;

void
rig_expire(int seconds)
{
	part_expire_s = seconds;
}

void
rig_main(const char *path, const char *incarnation, int parent_fd,
    struct mftd_lease *lease)
{
	char node[MFTD_NAME_BYTES];
	struct mftd_conf conf = { .node = node, .n_volumes = 1 };
	struct mftd_worker w = { .proc = MFTD_PROC_JOURNAL,
		.instance = "main",
		.conf = &conf,
		.lease = lease,
		.lock_fd = -1,
		.parent_fd = parent_fd };

	/* an incarnation is named after its node */
	snprintf(node, sizeof(node), "%.*s", (int)strcspn(incarnation, "-"),
	    incarnation);
	conf.volumes[0].name = (char *)"main";
	conf.volumes[0].path = (char *)(uintptr_t)path;
	conf.state_dir = (char *)(uintptr_t)path;
	conf.journal_keep_days = 90;
	conf.part_expire_s = part_expire_s;
	snprintf(w.incarnation, sizeof(w.incarnation), "%s", incarnation);
	mftd_log_open("stderr", getenv("VERBOSE") != NULL ? "debug" : "error");
	mftd_log_process("journal");
	mftd_journal_main(&w);
}

static void
child(struct rig *r, int fd, char *const words[], const char *self)
{
	char *argv[WORDS_MAX], number[16];
	int n = 0;

	if (r->within != NULL)
		r->within(r->within_data);
	dup2(fd, 3);
	close_range(4, ~0U, 0);
	if (words == NULL) {
		rig_main(r->path, r->incarnation, 3, r->lease);
		_exit(0);
	}
	/* a leak checker cannot work under a tracer, and says so with 1 */
	setenv("ASAN_OPTIONS", "detect_leaks=0", 1);
	for (; words[n] != NULL; n++)
		argv[n] = words[n];
	snprintf(number, sizeof(number), "%d", 3);
	argv[n++] = (char *)(uintptr_t)self;
	argv[n++] = (char *)"journal";
	argv[n++] = (char *)(uintptr_t)r->path;
	argv[n++] = r->incarnation;
	argv[n++] = number;
	argv[n] = NULL;
	execvp(argv[0], argv);
	_exit(127);
}

static struct mftd_chan *
give_peer(struct rig *r, enum mftd_proc proc)
{
	struct mftd_msg_peer peer = { .proc = proc };
	int fds[2];

	assert_int_equal(mftd_chan_pair(fds), 0);
	/* a journal that is dead already is found out by its reader */
	mftd_chan_send(
	    r->parent, MFTD_MSG_PEER, 0, &peer, sizeof(peer), &fds[1], 1);
	close(fds[1]);
	return mftd_chan_new(fds[0], proc, "");
}

static void
start(struct rig *r, const char *path, const char *incarnation,
    char *const words[], const char *self)
{
	int fds[2];

	r->path = path;
	snprintf(r->incarnation, sizeof(r->incarnation), "%s", incarnation);
	r->lease = mftd_lease_new();
	assert_non_null(r->lease);
	mftd_lease_hold(r->lease);
	assert_int_equal(mftd_chan_pair(fds), 0);
	r->pid = fork();
	assert_true(r->pid >= 0);
	if (r->pid == 0)
		child(r, fds[1], words, self);
	part_expire_s = DAY_S;
	close(fds[1]);
	r->parent = mftd_chan_new(fds[0], MFTD_PROC_JOURNAL, "main");
	r->coordinator = give_peer(r, MFTD_PROC_COORDINATOR);
	r->auth = give_peer(r, MFTD_PROC_AUTH);
	r->catalog = give_peer(r, MFTD_PROC_CATALOG);
}

void
rig_start(struct rig *r, const char *path, const char *incarnation,
    char *const words[], const char *self)
{
	memset(r, 0, sizeof(*r));
	start(r, path, incarnation, words, self);
}

void
rig_start_within(struct rig *r, const char *path, const char *incarnation,
    void (*within)(void *data), void *data)
{
	memset(r, 0, sizeof(*r));
	r->within = within;
	r->within_data = data;
	start(r, path, incarnation, NULL, NULL);
}

bool
rig_wait(struct mftd_chan *c, uint32_t type, struct mftd_msg *m)
{
	int64_t deadline = mftd_clock_ms() + DEADLINE_MS;
	int r;

	while ((r = mftd_chan_wait(c, m, deadline)) == 0) {
		if (m->type == type)
			return true;
		mftd_msg_close(m);
	}
	assert_int_equal(r, -MFTD_E_CLOSED);
	return false;
}

bool
rig_ready(struct rig *r)
{
	struct mftd_msg m;

	return rig_wait(r->parent, MFTD_MSG_READY, &m);
}

/* A process that does not end is ended, and its status says so. */
static void
await_end(pid_t pid)
{
	struct pollfd p = { .fd = (int)syscall(SYS_pidfd_open, pid, 0),
		.events = POLLIN };

	assert_true(p.fd >= 0);
	if (poll(&p, 1, DEADLINE_MS) == 0)
		kill(pid, SIGKILL);
	close(p.fd);
}

static int
end(struct rig *r)
{
	int status = 0;

	await_end(r->pid);
	assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	mftd_chan_free(r->parent);
	mftd_chan_free(r->coordinator);
	mftd_chan_free(r->auth);
	mftd_chan_free(r->catalog);
	return status;
}

int
rig_stop(struct rig *r)
{
	const struct mftd_msg_none none = { 0 };

	mftd_chan_send(
	    r->parent, MFTD_MSG_STOP, 0, &none, sizeof(none), NULL, 0);
	return end(r);
}

int
rig_kill(struct rig *r)
{
	kill(r->pid, SIGKILL);
	return end(r);
}

int
rig_open(struct rig *r, struct rig_session *s, int n, const char *account,
    const char *root)
{
	struct mftd_msg_session_open o = { .volume = "main",
		.peer = "192.0.2.1:4711" };
	const struct mftd_msg_session_ready *ready;
	struct mftd_msg m;
	int fds[2], err;

	memset(s, 0, sizeof(*s));
	s->root = s->parts = -1;
	snprintf(s->id, sizeof(s->id), "%.50s-%x", r->incarnation, n);
	memcpy(o.session, s->id, sizeof(o.session));
	o.policy = r->policy;
	snprintf(o.account, sizeof(o.account), "%s", account);
	snprintf(o.root, sizeof(o.root), "%s", root);
	assert_int_equal(mftd_chan_pair(fds), 0);
	mftd_chan_send(
	    r->auth, MFTD_MSG_SESSION_OPEN, 0, &o, sizeof(o), &fds[1], 1);
	close(fds[1]);
	s->c = mftd_chan_new(fds[0], MFTD_PROC_JOURNAL, "");
	if (!rig_wait(s->c, MFTD_MSG_SESSION_READY, &m))
		return -MFTD_E_CLOSED;
	ready = m.data;
	memcpy(s->volume_id, ready->volume_id, sizeof(s->volume_id));
	err = ready->err;
	if (err == 0) {
		s->n_folders = (int)r->policy.n_folders;
		assert_int_equal(m.n_fds, 2 + s->n_folders);
		s->root = m.fds[0];
		s->parts = m.fds[1];
		memcpy(s->folders, m.fds + 2, sizeof(s->folders));
		m.n_fds = 0;
	}
	mftd_msg_close(&m);
	return err;
}

void
rig_close(struct rig_session *s)
{
	mftd_chan_free(s->c);
	s->c = NULL;
	mftd_fd_close(&s->root);
	mftd_fd_close(&s->parts);
	while (s->n_folders > 0)
		mftd_fd_close(&s->folders[--s->n_folders]);
}

/* A part, durable; 0 or negative, as the disk may be gone. */
static int
write_part(struct rig_session *s, int parent, const char *base,
    const char *text, struct mftd_msg_publish *m)
{
	char key[MFTD_PARENT_KEY_BYTES];
	struct stat st;
	int fd = -1, err;

	err = mftd_layout_parent_key(s->volume_id, parent, key, sizeof(key));
	if (err < 0)
		goto out;
	err = fd = mftd_layout_part_create(s->parts, key, base, m->part, 0600);
	if (err < 0)
		goto out;
	err = mftd_fd_write_full(fd, text, strlen(text));
	if (err < 0)
		goto out;
	err = mftd_sync_data(fd);
	if (err < 0)
		goto out;
	err = fstat(fd, &st) < 0 ? -errno : 0;
	if (err < 0)
		goto out;
	m->size = strlen(text);
	m->inode = st.st_ino;
	err = mftd_layout_part_sync(s->parts, key, base);
out:
	mftd_fd_close(&fd);
	return err;
}

static int
make_part(struct rig_session *s, const char *path, const char *text,
    struct mftd_msg_publish *m)
{
	char dir[MFTD_PATH_BYTES];
	const char *base;
	int parent, err;

	memset(m, 0, sizeof(*m));
	snprintf(m->path, sizeof(m->path), "%s", path);
	snprintf(m->part, sizeof(m->part), "%.50s.%d", s->id, ++s->n_parts);
	assert_int_equal(mftd_path_split(path, dir, sizeof(dir), &base), 0);
	parent =
	    mftd_path_open_nolinks(s->root, dir, O_RDONLY | O_DIRECTORY, 0);
	if (parent < 0)
		return parent;
	err = write_part(s, parent, base, text, m);
	close(parent);
	return err;
}

void
rig_part(struct rig_session *s, const char *path, const char *text,
    struct mftd_msg_publish *m)
{
	assert_int_equal(make_part(s, path, text, m), 0);
}

void
rig_start_upload(struct rig *r, struct rig_session *s, const char *path,
    const char *incarnation, uint64_t durable, struct mftd_msg_publish *m)
{
	struct mftd_msg_part told = { .durable = durable };

	rig_start(r, path, incarnation, NULL, NULL);
	assert_true(rig_ready(r));
	assert_int_equal(rig_open(r, s, 1, "alice", "alice"), 0);
	rig_part(s, "f", "some of what the client sends", m);
	memcpy(told.part, m->part, sizeof(told.part));
	if (durable > 0)
		rig_send(s, MFTD_MSG_PART, &told, sizeof(told));
}

uint64_t
rig_send(struct rig_session *s, uint32_t type, const void *msg, size_t len)
{
	s->ref++;
	mftd_chan_send(s->c, type, s->ref, msg, len, NULL, 0);
	return s->ref;
}

int
rig_answer(
    struct rig_session *s, uint64_t ref, struct mftd_msg_journal_result *res)
{
	struct mftd_msg m;

	if (!rig_wait(s->c, MFTD_MSG_JOURNAL_RESULT, &m))
		return -MFTD_E_CLOSED;
	assert_int_equal(m.ref, ref);
	memcpy(res, m.data, sizeof(*res));
	return res->err;
}

int
rig_ask(struct rig_session *s, uint32_t type, const void *msg, size_t len)
{
	struct mftd_msg_journal_result res;

	return rig_answer(s, rig_send(s, type, msg, len), &res);
}

int
rig_upload(struct rig_session *s, const char *path, const char *text)
{
	struct mftd_msg_publish m;
	int err = make_part(s, path, text, &m);

	if (err < 0)
		return err;
	return rig_ask(s, MFTD_MSG_PUBLISH, &m, sizeof(m));
}

struct walk {
	rig_record_fn fn;
	void *data;
};

static int
read_stream(void *data, const char *node, const char *stream, int node_dir)
{
	struct walk *k = data;
	struct mftd_reader *r;
	struct mftd_entry e;
	int dir = openat(node_dir, stream, O_RDONLY | O_DIRECTORY);

	(void)node;
	assert_int_equal(mftd_reader_open(dir, stream, &r), 0);
	close(dir);
	while (mftd_reader_next(r, &e) == 1)
		k->fn(k->data, e.type, e.payload, e.payload_bytes);
	mftd_reader_close(r);
	return 0;
}

void
rig_records(const char *path, rig_record_fn fn, void *data)
{
	struct walk k = { fn, data };
	char journal[4200];
	int fd;

	snprintf(journal, sizeof(journal), "%s/.mft/journal", path);
	fd = open(journal, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return; /* it died before it made one */
	assert_int_equal(mftd_streams_each(fd, NULL, read_stream, &k), 0);
	close(fd);
}
