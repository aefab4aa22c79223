/* Part of mftd; see LICENSE. */
#include "mftd/sftp/reply.h"

#include <endian.h>
#include <string.h>

#include "mftd/base/fdio.h"
#include "mftd/base/log.h"
#include "mftd/sftp/attrs.h"
#include "mftd/sftp/proto.h"
#include "mftd/sftp/state.h"
#include "mftd/sftp/status.h"

static void
check(struct mftd_sftp *s, int r)
{
	if (r < 0 && !s->fatal) {
		log_error("sftp: an answer cannot be queued: error %d", -r);
		s->fatal = true;
	}
}

/* Length, type and id of a packet with body_len bytes behind them. */
static int
put_head(struct mftd_buf *out, uint8_t type, uint32_t id, size_t body_len)
{
	int r = mftd_buf_put_u32(out, (uint32_t)(1 + 4 + body_len));

	if (r == 0)
		r = mftd_buf_put_u8(out, type);
	if (r == 0)
		r = mftd_buf_put_u32(out, id);
	return r;
}

void
mftd_sftp_reply_status(
    struct mftd_sftp *s, uint32_t id, uint32_t code, const char *text)
{
	int r;

	r = put_head(s->out, SSH_FXP_STATUS, id, 4 + 4 + strlen(text) + 4);
	if (r == 0)
		r = mftd_buf_put_u32(s->out, code);
	if (r == 0)
		r = mftd_buf_put_cstring(s->out, text);
	if (r == 0)
		r = mftd_buf_put_cstring(s->out, ""); /* language */
	check(s, r);
}

void
mftd_sftp_reply_error(struct mftd_sftp *s, uint32_t id, int err)
{
	const char *text;
	uint32_t code = mftd_sftp_status_of(err, &text);

	mftd_sftp_reply_status(s, id, code, text);
}

void
mftd_sftp_reply_body(
    struct mftd_sftp *s, uint8_t type, uint32_t id, const struct mftd_buf *b)
{
	int r = put_head(s->out, type, id, mftd_buf_len(b));

	if (r == 0)
		r = mftd_buf_put(s->out, mftd_buf_data(b), mftd_buf_len(b));
	check(s, r);
}

void
mftd_sftp_reply_handle(
    struct mftd_sftp *s, uint32_t id, const uint8_t *handle, size_t len)
{
	int r = put_head(s->out, SSH_FXP_HANDLE, id, 4 + len);

	if (r == 0)
		r = mftd_buf_put_string(s->out, handle, len);
	check(s, r);
}

void
mftd_sftp_reply_attrs(struct mftd_sftp *s, uint32_t id, const struct stat *st)
{
	int r = put_head(s->out, SSH_FXP_ATTRS, id, 4 + 8 + 8 + 4 + 8);

	if (r == 0)
		r = mftd_sftp_attrs_put(s->out, st);
	check(s, r);
}

void
mftd_sftp_reply_name(struct mftd_sftp *s, uint32_t id, const char *name)
{
	size_t len = strlen(name);
	int r = put_head(s->out, SSH_FXP_NAME, id, 4 + 2 * (4 + len) + 4);

	if (r == 0)
		r = mftd_buf_put_u32(s->out, 1);
	if (r == 0)
		r = mftd_buf_put_string(s->out, name, len);
	if (r == 0) /* longname */
		r = mftd_buf_put_string(s->out, name, len);
	if (r == 0)
		r = mftd_buf_put_u32(s->out, 0); /* no attributes */
	check(s, r);
}

static void
write_u32(uint8_t *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof(v));
}

ssize_t
mftd_sftp_reply_data(
    struct mftd_sftp *s, uint32_t id, int fd, size_t len, int64_t off)
{
	const size_t head = 4 + 1 + 4 + 4;
	uint8_t *at;
	ssize_t n;
	int r = mftd_buf_reserve(s->out, head + len, &at);

	if (r < 0)
		return r;
	n = mftd_fd_pread_full(fd, at + head, len, off);
	if (n <= 0) {
		mftd_buf_trim(s->out, head + len);
		if (n == 0)
			mftd_sftp_reply_status(
			    s, id, SSH_FX_EOF, "End of file");
		return n;
	}
	write_u32(at, (uint32_t)(1 + 4 + 4 + (size_t)n));
	at[4] = SSH_FXP_DATA;
	write_u32(at + 5, id);
	write_u32(at + 9, (uint32_t)n);
	mftd_buf_trim(s->out, len - (size_t)n);
	return n;
}
