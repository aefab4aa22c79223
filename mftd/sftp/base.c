/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/part.h"

#define CHUNK_BYTES (1024 * 1024)

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
	void *mem = malloc(CHUNK_BYTES);
	ssize_t n;
	int r;

	if (mem == NULL)
		return -ENOMEM;
	if (len > CHUNK_BYTES)
		len = CHUNK_BYTES;
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
mftd_sftp_part_whole(struct mftd_sftp_part *p)
{
	uint64_t at = p->contig;
	ssize_t n;

	if (p->base_fd < 0)
		return 0;
	if (p->base_size > at && p->base_size - at > MFTD_SFTP_BASE_COPY_BYTES)
		return -EFBIG;
	while (at < p->base_size) {
		n = copy_some(p->base_fd, p->fd, at, p->base_size - at);
		if (n < 0)
			return (int)n;
		if (n == 0)
			break; /* it was cut meanwhile */
		at += (uint64_t)n;
	}
	if (at > p->size)
		p->size = at;
	p->dirty += at - p->contig;
	p->contig = at;
	return mftd_sftp_part_baseless(p);
}
