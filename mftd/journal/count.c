/* Part of mftd; see LICENSE. */
#include "mftd/journal/count.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/journal/process.h"
#include "mftd/journal/quota.h"
#include "mftd/journal/usage.h"

#define TRIES 3 /* counts that changes disturbed, in a row */

/* What the child says. */
struct result {
	int err;
	struct mftd_tally tally;
};

/* A count under way. */
struct mftd_count {
	LIST_ENTRY(mftd_count) link;
	struct mftd_journal *j;
	char account[MFTD_NAME_BYTES];
	int root, fd; /* to be counted; the child's word */
	pid_t pid;
	int tries;
	struct mftd_usage begun; /* the usage when it did */
};

/* Adds what lies below the directory fd (taken over) on its file system. */
static int
walk(int fd, dev_t dev, bool top, struct mftd_tally *t)
{
	DIR *dir = fdopendir(fd);
	struct dirent *d;
	struct stat st;
	int r = 0, sub;

	if (dir == NULL) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, d = readdir(dir)) != NULL) {
		if (strcmp(d->d_name, ".") == 0 ||
		    strcmp(d->d_name, "..") == 0 ||
		    (top && strcmp(d->d_name, MFTD_LAYOUT_DIR) == 0))
			continue;
		if (fstatat(fd, d->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
			r = errno == ENOENT ? 0 : -errno;
		} else if (S_ISREG(st.st_mode)) {
			t->bytes += st.st_size;
			t->files++;
		} else if (S_ISDIR(st.st_mode) && st.st_dev == dev) {
			sub = openat(fd, d->d_name,
			    O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (sub >= 0)
				r = walk(sub, dev, false, t);
			else
				r = errno == ENOENT ? 0 : -errno;
		}
		errno = 0;
	}
	if (r == 0 && errno != 0)
		r = -errno;
	closedir(dir);
	return r;
}

/* The session's descriptor shares its offset with all that were made of it, and
 * an earlier count left that at the end. */
static int
open_anew(int root)
{
	int fd = openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static _Noreturn void
child(const struct mftd_count *k, pid_t parent, int out)
{
	struct result res = { 0 };
	struct stat st;
	int root, keep[2] = { out, k->root };

	signal(SIGTERM, SIG_DFL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	prctl(PR_SET_NAME, "mftd:count");
	mftd_fd_keep_only(keep, 2); /* above all: no lock of ours */
	root = open_anew(k->root);
	if (root < 0)
		res.err = root;
	else if (fstat(root, &st) < 0)
		res.err = -errno;
	else
		res.err = walk(root, st.st_dev, true, &res.tally);
	_exit(mftd_fd_write_full(out, &res, sizeof(res)) == 0 ? 0 : 1);
}

/* ---- what the usage says */

static int
mark_begun(struct mftd_count *k)
{
	const struct mftd_volume *v = &k->j->vol;
	uint64_t recoveries;
	int r, fd = mftd_usage_lock(v, k->account);

	if (fd < 0)
		return fd;
	r = mftd_usage_recoveries(v, &recoveries);
	if (r == 0)
		r = mftd_usage_read(fd, &k->begun);
	if (r == 0) {
		mftd_usage_begin(&k->begun, recoveries);
		r = mftd_usage_write(fd, &k->begun, true);
	}
	mftd_fd_close(&fd);
	return r;
}

/* Puts the result in.  1: it was disturbed. */
static int
mark_done(struct mftd_count *k, struct mftd_tally t)
{
	struct mftd_usage u, found = k->begun;
	int r, again = 0, fd = mftd_usage_lock(&k->j->vol, k->account);

	if (fd < 0)
		return fd;
	found.bytes = (uint64_t)t.bytes;
	found.files = (uint64_t)t.files;
	found.counted_s = time(NULL);
	r = mftd_usage_read(fd, &u);
	if (r == 0) {
		again = mftd_usage_counted(&u, &found);
		r = mftd_usage_write(fd, &u, true);
	}
	mftd_fd_close(&fd);
	return r < 0 ? r : again;
}

/* ---- the process */

static void
count_free(struct mftd_count *k)
{
	LIST_REMOVE(k, link);
	mftd_fd_close(&k->root);
	mftd_fd_close(&k->fd);
	free(k);
}

static void
tell_waiting(struct mftd_journal *j, const char *account, int err)
{
	struct mftd_jsession *s, *next;

	for (s = TAILQ_FIRST(&j->sessions); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->counting && strcmp(s->owner.account, account) == 0) {
			s->counting = false;
			mftd_journal_counted(j, s, err);
		}
	}
}

static int start_child(struct mftd_count *k);

static int32_t
on_result(int32_t fd, int32_t events, void *data)
{
	struct mftd_count *k = data;
	struct mftd_journal *j = k->j;
	struct result res = { .err = -EIO };
	ssize_t n;
	int r;

	(void)events;
	n = read(fd, &res, sizeof(res));
	qb_loop_poll_del(j->worker->loop, fd);
	mftd_fd_close(&k->fd);
	waitpid(k->pid, NULL, 0); /* its word was its last deed */
	r = n == (ssize_t)sizeof(res) ? res.err : -EIO;
	if (r == 0)
		r = mark_done(k, res.tally);
	if (r == 1 && ++k->tries < TRIES) {
		r = mark_begun(k);
		if (r == 0)
			r = start_child(k);
		if (r == 0)
			return 0;
	}
	if (r < 0)
		log_error("account=%s: its files were not counted: %s",
		    k->account, mftd_strerror(r));
	else
		log_info("account=%s uses bytes=%lld files=%lld", k->account,
		    (long long)res.tally.bytes, (long long)res.tally.files);
	tell_waiting(j, k->account, r < 0 ? r : 0);
	count_free(k);
	return 0;
}

static int
start_child(struct mftd_count *k)
{
	pid_t parent = getpid();
	int fds[2], r;

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	k->pid = fork();
	if (k->pid == 0)
		child(k, parent, fds[1]);
	r = k->pid < 0 ? -errno : 0;
	close(fds[1]);
	k->fd = fds[0];
	if (r == 0)
		r = qb_loop_poll_add(k->j->worker->loop, QB_LOOP_LOW, k->fd,
		    POLLIN, k, on_result);
	if (r < 0 && k->pid > 0) {
		kill(k->pid, SIGKILL);
		waitpid(k->pid, NULL, 0);
	}
	if (r < 0)
		mftd_fd_close(&k->fd);
	return r;
}

static struct mftd_count *
under_way(struct mftd_journal *j, const char *account)
{
	struct mftd_count *k;

	LIST_FOREACH(k, &j->counts, link)
	if (strcmp(k->account, account) == 0)
		return k;
	return NULL;
}

static int
begin(struct mftd_journal *j, const struct mftd_owner *o)
{
	struct mftd_count *k = calloc(1, sizeof(*k));
	int r;

	if (k == NULL)
		return -ENOMEM;
	k->j = j;
	k->fd = -1;
	memcpy(k->account, o->account, sizeof(k->account));
	LIST_INSERT_HEAD(&j->counts, k, link);
	k->root = fcntl(o->root_fd, F_DUPFD_CLOEXEC, 3);
	r = k->root < 0 ? -errno : mark_begun(k);
	if (r == 0)
		r = start_child(k);
	if (r < 0)
		count_free(k);
	return r;
}

static bool
is_old(const struct mftd_volume *v, const struct mftd_usage *u)
{
	int64_t age = time(NULL) - u->counted_s;
	uint64_t recoveries;

	return u->stale || age < 0 || age > MFTD_QUOTA_RECOUNT_S ||
	    mftd_usage_recoveries(v, &recoveries) < 0 ||
	    u->counted_at != recoveries;
}

int
mftd_count_want(struct mftd_journal *j, struct mftd_jsession *s)
{
	const struct mftd_owner *o = &s->owner;
	struct mftd_usage u;
	int r;

	if (!mftd_quota_of(o))
		return 0;
	r = mftd_usage_peek(&j->vol, o->account, &u);
	if (r < 0 || (u.known && !is_old(&j->vol, &u)))
		return r;
	r = under_way(j, o->account) != NULL ? 0 : begin(j, o);
	if (u.known) {
		if (r < 0)
			log_warn("account=%s: its files are not counted: %s",
			    o->account, mftd_strerror(r));
		return 0;
	}
	s->counting = r == 0;
	return r == 0 ? 1 : r;
}

void
mftd_count_stale(struct mftd_journal *j)
{
	struct mftd_jsession *s;

	TAILQ_FOREACH(s, &j->sessions, link)
		if (!s->cut && !s->counting && s->owner.root_fd >= 0)
			(void)mftd_count_want(j, s);
	/* a session that has its answer does not wait */
	TAILQ_FOREACH(s, &j->sessions, link)
		if (s->ready)
			s->counting = false;
}
