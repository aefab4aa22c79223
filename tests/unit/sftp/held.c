/* Part of mftd; see LICENSE. */
#include "tests/unit/sftp/held.h"

#include <errno.h>
#include <limits.h>
#include <linux/fs.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/ipc/chan.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/proto.h"

#define PATIENCE_S 20

struct held held;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static unsigned allowed; /* syncs of the held file */
static pthread_t server; /* the thread that is no syncer's */

int __real_fsync(int fd);
int __real_fdatasync(int fd);
int __wrap_fsync(int fd);
int __wrap_fdatasync(int fd);
int __real_sync_file_range(int fd, off_t off, off_t len, unsigned flags);
int __wrap_sync_file_range(int fd, off_t off, off_t len, unsigned flags);
int __real_ioctl(int fd, unsigned long what, void *arg);
int __wrap_ioctl(int fd, unsigned long what, void *arg);
int __real_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);
int __wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m);

int __real_mftd_chan_send(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const int *fds, int n_fds);
int __wrap_mftd_chan_send(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const int *fds, int n_fds);

int
__wrap_mftd_chan_send(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const int *fds, int n_fds)
{
	if (type == MFTD_MSG_PART && held.deaf)
		return -ENOBUFS;
	return __real_mftd_chan_send(c, type, ref, data, len, fds, n_fds);
}

/* The syncer's own waits come here too. */
int
__wrap_pthread_cond_wait(pthread_cond_t *c, pthread_mutex_t *m)
{
	if (held.let_at_wait && pthread_equal(pthread_self(), server))
		held_allow(UINT_MAX);
	return __real_pthread_cond_wait(c, m);
}

/* A base is copied, whatever file system this is. */
int
__wrap_ioctl(int fd, unsigned long what, void *arg)
{
	errno = EOPNOTSUPP;
	return what == FICLONE ? -1 : __real_ioctl(fd, what, arg);
}

int
__wrap_sync_file_range(int fd, off_t off, off_t len, unsigned flags)
{
	bool fail = held.fail_start;

	held.fail_start = false;
	errno = EIO;
	return fail ? -1 : __real_sync_file_range(fd, off, len, flags);
}

int
__wrap_fsync(int fd)
{
	bool fail;

	pthread_mutex_lock(&lock);
	held.entries++;
	fail = held.fail_entry;
	held.fail_entry = false;
	pthread_mutex_unlock(&lock);
	errno = EIO;
	return fail ? -1 : __real_fsync(fd);
}

int
__wrap_fdatasync(int fd)
{
	struct stat st;
	bool fail = false;
	unsigned n;

	if (fstat(fd, &st) == 0 && (st.st_mode & 0777) == HELD_MODE) {
		pthread_mutex_lock(&lock);
		n = ++held.begun;
		held.synced = fd;
		pthread_cond_broadcast(&moved);
		while (n > allowed)
			pthread_cond_wait(&moved, &lock);
		fail = n == held.failing;
		pthread_mutex_unlock(&lock);
	}
	errno = EIO;
	return fail ? -1 : __real_fdatasync(fd);
}

void
held_allow(unsigned n)
{
	pthread_mutex_lock(&lock);
	allowed = n;
	pthread_cond_broadcast(&moved);
	pthread_mutex_unlock(&lock);
}

void
held_await(unsigned n)
{
	struct timespec until;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += PATIENCE_S;
	pthread_mutex_lock(&lock);
	while (held.begun < n && r == 0)
		r = pthread_cond_clockwait(
		    &moved, &lock, CLOCK_MONOTONIC, &until);
	pthread_mutex_unlock(&lock);
	assert_int_equal(r, 0);
}

void
held_let(struct peer *p, unsigned n)
{
	held_await(n);
	held_allow(n);
	peer_hear_sync(p);
	peer_journal(p);
}

int
held_setup(void **state)
{
	struct peer *p = malloc(sizeof(*p));

	peer_open(p, false);
	peer_threads(p);
	peer_start(p);
	held_allow(UINT_MAX);
	held = (struct held) { .synced = -1 };
	server = pthread_self();
	*state = p;
	return 0;
}

int
held_teardown(void **state)
{
	held_allow(UINT_MAX);
	peer_close(*state);
	free(*state);
	return 0;
}

uint64_t
held_open(struct peer *p, const char *path, uint32_t flags)
{
	struct answer a = peer_ask(p, req_open(p, path, flags, HELD_MODE));
	uint32_t len;
	uint64_t h;

	assert_int_equal(a.type, SSH_FXP_HANDLE);
	assert_int_equal(mftd_buf_get_u32(a.body, &len), 0);
	assert_int_equal(mftd_buf_get_u64(a.body, &h), 0);
	mftd_buf_free(a.body);
	p->asked = 0;
	return h;
}

void
held_fill(struct peer *p, uint64_t h, uint64_t from, uint64_t to)
{
	uint8_t *data = calloc(1, HELD_PACKET);

	assert_non_null(data);
	for (; from < to; from += HELD_PACKET)
		assert_int_equal(
		    peer_status(p, req_write(p, h, from, data, HELD_PACKET)),
		    SSH_FX_OK);
	free(data);
}

void
held_put(struct peer *p, uint64_t h, uint64_t off, size_t len)
{
	uint8_t *data = calloc(1, len);

	assert_non_null(data);
	assert_int_equal(
	    peer_status(p, req_write(p, h, off, data, len)), SSH_FX_OK);
	free(data);
}

struct mftd_buf *
held_fsync(struct peer *p, uint64_t h)
{
	struct mftd_buf *b = req_path(p, SSH_FXP_EXTENDED, "fsync@openssh.com");

	mftd_buf_put_u32(b, 8);
	mftd_buf_put_u64(b, h);
	return b;
}

uint32_t
held_do_fsync(struct peer *p, uint64_t h)
{
	return peer_status(p, held_fsync(p, h));
}

void
held_answered(struct peer *p, uint32_t status)
{
	struct answer a;

	assert_true(peer_take(p, &a));
	mftd_buf_free(a.body);
	assert_int_equal(a.type, SSH_FXP_STATUS);
	assert_int_equal(a.status, status);
}

void
held_end(struct peer *p)
{
	mftd_sftp_free(p->s);
	p->s = NULL;
	p->asked = 0;
	peer_journal(p);
	assert_int_equal(p->last.type, MFTD_MSG_PART_END);
}

unsigned
held_begun(void)
{
	unsigned n;

	pthread_mutex_lock(&lock);
	n = held.begun;
	pthread_mutex_unlock(&lock);
	return n;
}
