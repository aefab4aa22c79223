/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <string.h>

#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"

/* limits@openssh.com (OpenSSH PROTOCOL, section 4.8). */
static int
on_limits(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	const uint64_t words[] = { MFTD_SFTP_PACKET_BYTES, MFTD_SFTP_READ_BYTES,
		MFTD_SFTP_READ_BYTES, MFTD_SFTP_HANDLES_MAX };
	struct mftd_buf *b;
	int r = mftd_sftp_req_end(req);
	size_t i;

	if (r < 0)
		return r;
	b = mftd_buf_new(sizeof(words));
	if (b == NULL)
		return -ENOMEM;
	for (i = 0; r == 0 && i < sizeof(words) / sizeof(words[0]); i++)
		r = mftd_buf_put_u64(b, words[i]);
	if (r == 0)
		mftd_sftp_reply_body(s, SSH_FXP_EXTENDED_REPLY, req->id, b);
	mftd_buf_free(b);
	return r;
}

/* OpenSSH PROTOCOL, section 4: all that VERSION announces. */
static const struct extension {
	const char *name;
	const char
	    *version; /* or what else VERSION says of it; NULL: nothing */
	unsigned needs;
	int (*on)(struct mftd_sftp *s, struct mftd_sftp_req *req);
} extensions[] = {
	{ "posix-rename@openssh.com", "1",
	    MFTD_SFTP_PATH | MFTD_SFTP_PATH2 | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_posix_rename },
	{ "statvfs@openssh.com", "2", MFTD_SFTP_PATH, mftd_sftp_on_statvfs },
	{ "fstatvfs@openssh.com", "2", MFTD_SFTP_HANDLE,
	    mftd_sftp_on_fstatvfs },
	{ "fsync@openssh.com", "1", MFTD_SFTP_HANDLE, mftd_sftp_on_fsync },
	{ "limits@openssh.com", "1", 0, on_limits },
	{ "hardlink@openssh.com", "1",
	    MFTD_SFTP_PATH | MFTD_SFTP_PATH2 | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_hardlink },
	{ "lsetstat@openssh.com", "1", MFTD_SFTP_PATH | MFTD_SFTP_CHANGE,
	    mftd_sftp_on_lsetstat },
	{ "expand-path@openssh.com", "1", 0, mftd_sftp_on_expand },
	{ "home-directory", "1", 0, mftd_sftp_on_home },
	{ "users-groups-by-id@openssh.com", "1", 0, mftd_sftp_on_users },
	{ "copy-data", "1", 0, mftd_sftp_on_copy_data },
	{ "check-file", "sha256,sha384,sha512,sha224", MFTD_SFTP_HANDLE,
	    mftd_sftp_on_check_handle },
	/* spoken of by the one before */
	{ "check-file-handle", NULL, MFTD_SFTP_HANDLE,
	    mftd_sftp_on_check_handle },
	{ "check-file-name", NULL, MFTD_SFTP_PATH, mftd_sftp_on_check_name },
};

#define N_EXTENSIONS (sizeof(extensions) / sizeof(extensions[0]))

int
mftd_sftp_on_extended(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	const uint8_t *name;
	size_t len, i;
	int r = mftd_buf_get_string(req->args, &name, &len);

	if (r < 0)
		return r;
	for (i = 0; i < N_EXTENSIONS; i++) {
		if (len != strlen(extensions[i].name) ||
		    memcmp(name, extensions[i].name, len) != 0)
			continue;
		r = mftd_sftp_gate(s, req, extensions[i].needs);
		return r == 0 ? extensions[i].on(s, req) : r;
	}
	return -EOPNOTSUPP;
}

int
mftd_sftp_extensions_put(struct mftd_buf *b)
{
	size_t i;
	int r = 0;

	for (i = 0; r == 0 && i < N_EXTENSIONS; i++) {
		if (extensions[i].version == NULL)
			continue;
		r = mftd_buf_put_cstring(b, extensions[i].name);
		if (r == 0)
			r = mftd_buf_put_cstring(b, extensions[i].version);
	}
	return r;
}
