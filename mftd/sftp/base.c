/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/job.h"
#include "mftd/sftp/part.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/sync.h"

int
mftd_sftp_part_base(struct mftd_sftp_part *p, int fd)
{
	struct stat st, own;

	if (fstat(fd, &st) < 0)
		return -errno;
	p->shown = (uint64_t)st.st_size;
	if (st.st_size == 0 || ioctl(p->fd, FICLONE, fd) == 0) {
		p->size = p->contig = (uint64_t)st.st_size;
		close(fd);
		return 0;
	}
	if (fstat(p->fd, &own) < 0 ||
	    fchmod(p->fd, (own.st_mode & 0777) | S_ISVTX) < 0)
		return -errno;
	/* scp and sftp write the whole file again, from its start: what they
	 * write need not be copied first */
	p->base_fd = fd;
	p->base_size = (uint64_t)st.st_size;
	return 0;
}

int
mftd_sftp_part_baseless(struct mftd_sftp_part *p)
{
	struct stat st;

	mftd_fd_close(&p->base_fd);
	if (fstat(p->fd, &st) < 0 || fchmod(p->fd, st.st_mode & 0777) < 0)
		return -errno;
	return 0;
}

/* read and write, where copy_file_range is not to be had.  Bytes copied, 0 at
 * the end of the base, or -errno. */
static ssize_t
copy_plain(int from, int to, uint64_t at, size_t len)
{
	void *mem = malloc(len);
	ssize_t n;
	int r;

	if (mem == NULL)
		return -ENOMEM;
	n = mftd_fd_pread_full(from, mem, len, (int64_t)at);
	if (n > 0) {
		r = mftd_fd_pwrite_full(to, mem, (size_t)n, (int64_t)at);
		if (r < 0)
			n = r;
	}
	free(mem);
	return n;
}

static ssize_t
copy_some(int from, int to, uint64_t at, size_t len)
{
	off_t in = (off_t)at, out = (off_t)at;
	ssize_t n = copy_file_range(from, &in, to, &out, len, 0);

	if (n >= 0)
		return n;
	if (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
	    errno == EOPNOTSUPP)
		return copy_plain(from, to, at, len);
	return errno == EINTR ? copy_plain(from, to, at, len) : -errno;
}

int
mftd_sftp_base_slice(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	uint64_t left;
	ssize_t n = 0;
	int r;

	if (p->err != 0 || p->base_fd < 0)
		return p->err;
	if (mftd_sftp_sync_full(p))
		return MFTD_SFTP_STALL;
	left = p->base_size > p->contig ? p->base_size - p->contig : 0;
	if (left > MFTD_SFTP_SLICE_BYTES)
		left = MFTD_SFTP_SLICE_BYTES;
	if (left > 0)
		n = copy_some(p->base_fd, p->fd, p->contig, left);
	if (n == 0 && left > 0)
		n = -EIO; /* somebody has cut it: a hole is not what it was */
	if (n < 0)
		return mftd_sftp_part_fail(p, (int)n);
	p->contig += (uint64_t)n;
	if (p->contig > p->size)
		p->size = p->contig;
	p->dirty += (uint64_t)n;
	if (n == 0) {
		r = mftd_sftp_part_baseless(p);
		return r < 0 ? mftd_sftp_part_fail(p, r) : 0;
	}
	if (p->dirty >= MFTD_SFTP_SYNC_BYTES && !p->flushing)
		(void)mftd_sftp_sync_begin(s, p, NULL); /* p->err */
	return MFTD_SFTP_LATER;
}

static int
fill_step(struct mftd_sftp *s, struct mftd_sftp_job *job)
{
	int r = mftd_sftp_base_slice(s, job->part);

	if (r == MFTD_SFTP_LATER || r == MFTD_SFTP_STALL)
		return r;
	job->part->filling = false;
	mftd_sftp_job_wake(s); /* one may have waited for this */
	return MFTD_SFTP_ANSWERED; /* nobody: who waits is handled again */
}

static void
fill_free(struct mftd_sftp_job *job)
{
	free(job);
}

int
mftd_sftp_base_want(struct mftd_sftp *s, struct mftd_sftp_part *p)
{
	struct mftd_sftp_job *job;
	int r = mftd_sftp_base_slice(s, p);

	if (r == MFTD_SFTP_LATER) /* most bases are small: the last look */
		r = mftd_sftp_base_slice(s, p);
	if ((r != MFTD_SFTP_LATER && r != MFTD_SFTP_STALL) || p->filling)
		return r <= 0 ? r : MFTD_SFTP_STALL;
	job = calloc(1, sizeof(*job));
	if (job == NULL)
		return mftd_sftp_part_fail(p, -ENOMEM);
	job->step = fill_step;
	job->free = fill_free;
	p->filling = true;
	mftd_sftp_job_start(s, job, p);
	return MFTD_SFTP_STALL;
}
