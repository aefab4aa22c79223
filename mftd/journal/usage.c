/* Part of mftd; see LICENSE. */
#include "mftd/journal/usage.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/journal/crc32c.h"

#define RECOVERIES ".recoveries" /* no account is called so */
#define LINE_BYTES 192 /* of fixed length, so that it is written in place */
#define PEEK_TRIES 8
#define LOCK_PAUSE_NS (5 * 1000 * 1000)

/*
 * A traditional lock of this process: those of the open file description may
 * stay on a FUSE file system when who has one is killed (Linux leaves their
 * release there to FLUSH, which speaks of the process).  It goes with the first
 * close of that file here: so only one descriptor of it is open at a time.
 */
static int
take_lock(int fd)
{
	struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const struct timespec pause = { .tv_nsec = LOCK_PAUSE_NS };
	int64_t deadline = mftd_clock_ms() + MFTD_QUOTA_LOCK_MS;

	for (;;) {
		if (fcntl(fd, F_SETLK, &fl) == 0)
			return 0;
		if (errno != EAGAIN && errno != EACCES && errno != EINTR)
			return -errno;
		if (mftd_clock_ms() >= deadline)
			return -EAGAIN;
		nanosleep(&pause, NULL);
	}
}

int
mftd_usage_lock(const struct mftd_volume *v, const char *account)
{
	int r,
	    fd = openat(v->usage, account,
		O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return -errno;
	r = take_lock(fd);
	if (r < 0) {
		mftd_fd_close(&fd);
		return r;
	}
	return fd;
}

static bool
parse(const char *line, struct mftd_usage *u)
{
	unsigned known, counting, stale;
	uint64_t counted_s;
	uint32_t crc;
	int at = 0;

	if (sscanf(line,
		"mftd-usage 1 %u %u %u %" SCNx64 " %" SCNx64 " %" SCNx64
		" %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64 " %" SCNx64
		" %n%" SCNx32,
		&known, &counting, &stale, &u->bytes, &u->files, &u->seq,
		&u->grown_bytes, &u->grown_files, &counted_s, &u->begun_at,
		&u->counted_at, &at, &crc) != 12)
		return false;
	u->counted_s = (int64_t)counted_s;
	u->known = known != 0;
	u->counting = counting != 0;
	u->stale = stale != 0;
	return mftd_crc32c(0, line, (size_t)at) == crc;
}

/* 0, or -MFTD_E_CORRUPT for what is not whole. */
static int
read_once(int fd, struct mftd_usage *u)
{
	char line[LINE_BYTES + 1] = { 0 };
	ssize_t n = mftd_fd_pread_full(fd, line, LINE_BYTES, 0);

	memset(u, 0, sizeof(*u));
	if (n < 0)
		return (int)n;
	if (n == 0)
		return 0; /* new */
	if (!parse(line, u)) {
		memset(u, 0, sizeof(*u));
		return -MFTD_E_CORRUPT;
	}
	return 0;
}

int
mftd_usage_read(int fd, struct mftd_usage *u)
{
	int r = read_once(fd, u);

	return r == -MFTD_E_CORRUPT ? 0 : r;
}

int
mftd_usage_write(int fd, const struct mftd_usage *u, bool durable)
{
	char line[LINE_BYTES + 16];
	int r, n;

	n = snprintf(line, sizeof(line),
	    "mftd-usage 1 %u %u %u %016" PRIx64 " %016" PRIx64 " %016" PRIx64
	    " %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %016" PRIx64
	    " %016" PRIx64 " ",
	    u->known, u->counting, u->stale, u->bytes, u->files, u->seq,
	    u->grown_bytes, u->grown_files, (uint64_t)u->counted_s, u->begun_at,
	    u->counted_at);
	n += snprintf(line + n, sizeof(line) - (size_t)n, "%08" PRIx32,
	    mftd_crc32c(0, line, (size_t)n));
	for (; n < LINE_BYTES - 1; n++)
		line[n] = ' ';
	line[LINE_BYTES - 1] = '\n';
	r = mftd_fd_pwrite_full(fd, line, LINE_BYTES, 0);
	return r == 0 && durable ? mftd_sync_data(fd) : r;
}

int
mftd_usage_peek(
    const struct mftd_volume *v, const char *account, struct mftd_usage *u)
{
	int i, r = -MFTD_E_CORRUPT;
	int fd = openat(v->usage, account, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	memset(u, 0, sizeof(*u));
	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	/* one that is just being written is whole the next time */
	for (i = 0; i < PEEK_TRIES && r == -MFTD_E_CORRUPT; i++)
		r = read_once(fd, u);
	mftd_fd_close(&fd);
	return r == -MFTD_E_CORRUPT ? 0 : r;
}

/* One file for the whole volume, whatever the number of accounts. */
void
mftd_usage_recovered(const struct mftd_volume *v)
{
	struct mftd_usage u;
	int r, fd = mftd_usage_lock(v, RECOVERIES);

	r = fd < 0 ? fd : mftd_usage_read(fd, &u);
	if (r == 0) {
		u.known = true;
		u.seq++;
		r = mftd_usage_write(fd, &u, true);
	}
	/* its name, too: from the start again it would come to a number that
	 * some account was counted at */
	if (r == 0)
		r = mftd_sync_all(v->usage);
	if (fd >= 0)
		mftd_fd_close(&fd);
	if (r < 0)
		log_warn("usage is not marked as stale: %s", mftd_strerror(r));
}

int
mftd_usage_recoveries(const struct mftd_volume *v, uint64_t *n)
{
	struct mftd_usage u;
	int r = mftd_usage_peek(v, RECOVERIES, &u);

	*n = u.seq;
	return r;
}

static void
add(uint64_t *n, int64_t by)
{
	if (by < 0 && (uint64_t)-by > *n)
		*n = 0;
	else
		*n += (uint64_t)by;
}

void
mftd_usage_add(struct mftd_usage *u, int64_t bytes, int64_t files)
{
	add(&u->bytes, bytes);
	add(&u->files, files);
	if (u->counting && bytes > 0)
		u->grown_bytes += (uint64_t)bytes;
	if (u->counting && files > 0)
		u->grown_files += (uint64_t)files;
	if (u->counting && (bytes < 0 || files < 0))
		u->stale = true; /* the count may have seen what went */
}

void
mftd_usage_begin(struct mftd_usage *u, uint64_t recoveries)
{
	u->grown_bytes = u->grown_files = 0;
	u->counting = true;
	u->stale = false;
	u->begun_at = recoveries;
	u->seq++;
}

void
mftd_usage_passed(
    struct mftd_usage *u, uint64_t seq, int64_t bytes, int64_t files)
{
	if (u->seq == seq)
		return;
	/* the only one since is under way: what is known has it still */
	if (!u->counting || u->seq != seq + 1)
		mftd_usage_add(u, bytes, files);
	u->stale = true;
}

int
mftd_usage_counted(struct mftd_usage *u, const struct mftd_usage *found)
{
	if (u->known && (!u->counting || u->seq != found->seq))
		return 0; /* another one has ended, or began later */
	if (u->begun_at != found->begun_at)
		return 1; /* a recovery came between */
	if (!u->known || !u->stale) {
		u->bytes = found->bytes + u->grown_bytes;
		u->files = found->files + u->grown_files;
	}
	u->known = true;
	u->counting = false;
	u->counted_s = found->counted_s;
	u->counted_at = found->begun_at;
	return u->stale;
}
