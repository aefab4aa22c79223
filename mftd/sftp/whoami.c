/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "mftd/base/path.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/reply.h"
#include "mftd/sftp/request.h"

/* Whether the len bytes are the account's name, or nothing, which means it. */
static bool
is_me(const struct mftd_sftp *s, const uint8_t *name, size_t len)
{
	return len == 0 ||
	    (len == strlen(s->env.account) &&
		memcmp(name, s->env.account, len) == 0);
}

/* home-directory (draft-ietf-secsh-filexfer-extensions-00; OpenSSH PROTOCOL,
 * section 4.11): the root is everybody's home, and nobody knows others. */
int
mftd_sftp_on_home(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	const uint8_t *name;
	size_t len;
	int r = mftd_buf_get_string(req->args, &name, &len);

	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r == 0 && !is_me(s, name, len))
		r = -ENOENT;
	if (r == 0)
		mftd_sftp_reply_name(s, req->id, "/");
	return r;
}

/* expand-path@openssh.com (OpenSSH PROTOCOL, section 4.9): REALPATH that knows
 * what a tilde is. */
int
mftd_sftp_on_expand(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	char clean[MFTD_PATH_BYTES], name[MFTD_PATH_BYTES + 1];
	const uint8_t *raw, *slash;
	size_t len, skip;
	int r = mftd_buf_get_string(req->args, &raw, &len);

	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r < 0)
		return r;
	if (len > 0 && raw[0] == '~') {
		slash = memchr(raw, '/', len);
		skip = slash != NULL ? (size_t)(slash - raw) : len;
		if (!is_me(s, raw + 1, skip - 1))
			return -ENOENT;
		raw += skip;
		len -= skip;
	}
	r = mftd_path_clean((const char *)raw, len, clean, sizeof(clean));
	if (r < 0)
		return r == -EINVAL ? -EBADMSG : r;
	snprintf(
	    name, sizeof(name), "/%s", strcmp(clean, ".") == 0 ? "" : clean);
	mftd_sftp_reply_name(s, req->id, name);
	return 0;
}

/* One name per id of the list: the account's for what it owns, "" for others,
 * which this account has no business to know. */
static int
put_names(struct mftd_sftp *s, struct mftd_buf *out, const uint8_t *ids,
    size_t len, uint32_t mine)
{
	struct mftd_buf *in, *names;
	uint32_t id;
	int r = 0;

	if (len % sizeof(id) != 0 || len > MFTD_SFTP_IDS_MAX * sizeof(id))
		return len % sizeof(id) != 0 ? -EBADMSG : -EINVAL;
	in = mftd_buf_from(ids, len);
	names = mftd_buf_new(MFTD_SFTP_IDS_MAX * (4 + MFTD_NAME_BYTES));
	if (in == NULL || names == NULL)
		r = -ENOMEM;
	while (r == 0 && mftd_buf_len(in) > 0) {
		r = mftd_buf_get_u32(in, &id);
		if (r == 0)
			r = mftd_buf_put_cstring(
			    names, id == mine ? s->env.account : "");
	}
	if (r == 0)
		r = mftd_buf_put_string(
		    out, mftd_buf_data(names), mftd_buf_len(names));
	mftd_buf_free(in);
	mftd_buf_free(names);
	return r;
}

/* users-groups-by-id@openssh.com (OpenSSH PROTOCOL, section 4.12). */
int
mftd_sftp_on_users(struct mftd_sftp *s, struct mftd_sftp_req *req)
{
	const uint8_t *uids, *gids;
	size_t n_uids, n_gids;
	struct mftd_buf *out;
	int r;

	r = mftd_buf_get_string(req->args, &uids, &n_uids);
	if (r == 0)
		r = mftd_buf_get_string(req->args, &gids, &n_gids);
	if (r == 0)
		r = mftd_sftp_req_end(req);
	if (r < 0)
		return r;
	out = mftd_buf_new(MFTD_SFTP_PACKET_BYTES);
	if (out == NULL)
		return -ENOMEM;
	r = put_names(s, out, uids, n_uids, geteuid());
	if (r == 0)
		r = put_names(s, out, gids, n_gids, getegid());
	if (r == 0)
		mftd_sftp_reply_body(s, SSH_FXP_EXTENDED_REPLY, req->id, out);
	mftd_buf_free(out);
	return r;
}
