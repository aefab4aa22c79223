/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/base/path.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/sftp/name.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"
#include "mftd/sftp/vfs.h"
#include "mftd/sftp/view.h"

/* A link's text is told only when it stays beneath the root: what lies outside
 * is nobody's business, not even its name. */
int
mftd_sftp_on_readlink(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	char text[MFTD_PATH_BYTES];
	const char *base;
	int fd, r = mftd_sftp_req_end(req);
	ssize_t n = 0;

	if (r < 0)
		return r;
	fd = mftd_sftp_vfs_open(s, req->path, O_PATH);
	if (fd == -EXDEV || fd == -ELOOP)
		return fd;
	if (fd >= 0)
		mftd_fd_close(&fd);
	fd = mftd_sftp_vfs_parent(s, req->path, true, &base);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, base, text, sizeof(text) - 1);
	r = n < 0 ? -errno : 0;
	mftd_fd_close(&fd);
	if (r < 0)
		return r;
	text[n] = '\0';
	mftd_sftp_reply_name(s, req->id, text);
	return 0;
}

/* Where a link at path with that text leads, clean; one that starts with a
 * slash means the account's root, as all paths of the client do. */
static int
target_of(const char *path, const uint8_t *text, size_t len, char *out)
{
	char raw[2 * MFTD_PATH_BYTES], dir[MFTD_PATH_BYTES];
	const char *base;
	int n, r;

	if (len == 0 || len >= MFTD_PATH_BYTES)
		return len == 0 ? -ENOENT : -ENAMETOOLONG;
	r = mftd_path_split(path, dir, sizeof(dir), &base);
	if (r < 0)
		return r;
	n = text[0] == '/' ? 0 : snprintf(raw, sizeof(raw), "%s/", dir);
	memcpy(raw + n, text, len);
	return mftd_path_clean(raw, (size_t)n + len, out, MFTD_PATH_BYTES);
}

/* The draft names the link first; OpenSSH took the target first, and all
 * clients follow it (OpenSSH PROTOCOL, section 4.1). */
int
mftd_sftp_on_symlink(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_msg_symlink m;
	const uint8_t *text;
	size_t len;
	int r = mftd_buf_get_string(req->args, &text, &len);

	if (r == 0)
		r = mftd_sftp_gate(s, req, MFTD_SFTP_PATH | MFTD_SFTP_CHANGE);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && !s->env.policy->symlinks)
		r = -EACCES;
	if (r == 0 && mftd_sftp_view_any(s, req->path) != 0)
		r = -EEXIST;
	if (r != 0)
		return r;
	memset(&m, 0, sizeof(m));
	r = target_of(req->path, text, len, m.target);
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	snprintf(m.path, sizeof(m.path), "%s", req->path);
	return mftd_sftp_ask_name(
	    s, req->path, NULL, MFTD_MSG_SYMLINK, &m, sizeof(m), NULL);
}

/* hardlink@openssh.com (OpenSSH PROTOCOL, section 4.5): of published files. */
int
mftd_sftp_on_hardlink(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	struct mftd_msg_link m;
	int r = mftd_sftp_req_end(req);

	if (r == 0 && mftd_sftp_view_any(s, req->path) != 0)
		r = -MFTD_E_INCOMPLETE;
	if (r == 0 && mftd_sftp_view_any(s, req->path2) != 0)
		r = -EEXIST;
	if (r < 0)
		return r;
	memset(&m, 0, sizeof(m));
	snprintf(m.from, sizeof(m.from), "%s", req->path);
	snprintf(m.to, sizeof(m.to), "%s", req->path2);
	return mftd_sftp_ask_name(
	    s, req->path, req->path2, MFTD_MSG_LINK, &m, sizeof(m), NULL);
}
