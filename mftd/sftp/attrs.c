/* Part of mftd; see LICENSE. */
#include "mftd/sftp/attrs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "mftd/sftp/proto.h"

/* Takes the pairs of ATTR_EXTENDED off: version 3 defines none. */
static int
skip_extended(struct mftd_buf *b)
{
	const uint8_t *data;
	uint32_t count;
	size_t len;
	int r;

	r = mftd_buf_get_u32(b, &count);
	/* bounded by the packet: each pair takes at least 8 bytes of it */
	while (r == 0 && count-- > 0) {
		r = mftd_buf_get_string(b, &data, &len);
		if (r == 0)
			r = mftd_buf_get_string(b, &data, &len);
	}
	return r;
}

int
mftd_sftp_attrs_get(struct mftd_buf *b, struct mftd_sftp_attrs *a)
{
	int r;

	memset(a, 0, sizeof(*a));
	r = mftd_buf_get_u32(b, &a->flags);
	if (r == 0 && (a->flags & ~SSH_FILEXFER_ATTR_ALL) != 0)
		r = -EBADMSG;
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_SIZE) != 0)
		r = mftd_buf_get_u64(b, &a->size);
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_UIDGID) != 0) {
		r = mftd_buf_get_u32(b, &a->uid);
		if (r == 0)
			r = mftd_buf_get_u32(b, &a->gid);
	}
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_PERMISSIONS) != 0)
		r = mftd_buf_get_u32(b, &a->mode);
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_ACMODTIME) != 0) {
		r = mftd_buf_get_u32(b, &a->atime);
		if (r == 0)
			r = mftd_buf_get_u32(b, &a->mtime);
	}
	if (r == 0 && (a->flags & SSH_FILEXFER_ATTR_EXTENDED) != 0)
		r = skip_extended(b);
	return r;
}

static uint32_t
clamp_time(time_t t)
{
	if (t < 0)
		return 0;
	return t > (time_t)UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

int
mftd_sftp_attrs_put(struct mftd_buf *b, const struct stat *st)
{
	int r;

	r = mftd_buf_put_u32(b,
	    SSH_FILEXFER_ATTR_SIZE | SSH_FILEXFER_ATTR_UIDGID |
		SSH_FILEXFER_ATTR_PERMISSIONS | SSH_FILEXFER_ATTR_ACMODTIME);
	if (r == 0)
		r = mftd_buf_put_u64(b, (uint64_t)st->st_size);
	if (r == 0)
		r = mftd_buf_put_u32(b, st->st_uid);
	if (r == 0)
		r = mftd_buf_put_u32(b, st->st_gid);
	if (r == 0)
		r = mftd_buf_put_u32(b, st->st_mode);
	if (r == 0)
		r = mftd_buf_put_u32(b, clamp_time(st->st_atime));
	if (r == 0)
		r = mftd_buf_put_u32(b, clamp_time(st->st_mtime));
	return r;
}

mode_t
mftd_sftp_file_mode(mode_t mode)
{
	return (mode & 0777) | 0600;
}

static char
type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return '-';
	case S_IFDIR:
		return 'd';
	case S_IFLNK:
		return 'l';
	case S_IFIFO:
		return 'p';
	case S_IFSOCK:
		return 's';
	case S_IFCHR:
		return 'c';
	case S_IFBLK:
		return 'b';
	default:
		return '?';
	}
}

static void
mode_text(mode_t mode, char out[11])
{
	static const char letters[] = "rwxrwxrwx";
	int i;

	out[0] = type_letter(mode);
	for (i = 0; i < 9; i++)
		out[1 + i] = (mode & (0400 >> i)) != 0 ? letters[i] : '-';
	out[10] = '\0';
}

size_t
mftd_sftp_longname(const struct stat *st, const char *owner, const char *name,
    char *out, size_t size)
{
	char mode[11], when[32] = "";
	time_t now = time(NULL);
	struct tm tm;
	int n;

	mode_text(st->st_mode, mode);
	/* as ls does: the year takes the hour's place after half a year */
	if (gmtime_r(&st->st_mtime, &tm) != NULL &&
	    strftime(when, sizeof(when),
		now - st->st_mtime < 182 * 86400 && st->st_mtime <= now
		    ? "%b %e %H:%M"
		    : "%b %e  %Y",
		&tm) == 0)
		when[0] = '\0';
	n = snprintf(out, size, "%s %3lu %-8s %-8s %8llu %s %s", mode,
	    (unsigned long)st->st_nlink, owner, owner,
	    (unsigned long long)st->st_size, when, name);
	if (n < 0)
		return 0;
	return (size_t)n < size ? (size_t)n : size - 1;
}
