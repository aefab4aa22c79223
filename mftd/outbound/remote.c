/* Part of mftd; see LICENSE. */
#include "mftd/outbound/remote.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/buf.h"
#include "mftd/base/err.h"
#include "mftd/base/limits.h"
#include "mftd/ssh/client.h"

/* draft-ietf-secsh-filexfer-02, sections 3 and 7 */
#define FXP_INIT 1
#define FXP_VERSION 2
#define FXP_OPEN 3
#define FXP_CLOSE 4
#define FXP_WRITE 6
#define FXP_LSTAT 7
#define FXP_FSETSTAT 10
#define FXP_REMOVE 13
#define FXP_RENAME 18
#define FXP_STATUS 101
#define FXP_HANDLE 102
#define FXP_ATTRS 105
#define FXP_EXTENDED 200
#define FXP_EXTENDED_REPLY 201
#define SFTP_VERSION 3
#define OPEN_WRITE 0x02
#define OPEN_CREAT 0x08
#define OPEN_EXCL 0x20
#define ATTR_SIZE 0x01
#define ATTR_UIDGID 0x02
#define ATTR_PERMISSIONS 0x04
#define ATTR_TIMES 0x08
#define STATUS_OK 0
#define STATUS_NO_SUCH_FILE 2
#define STATUS_PERMISSION_DENIED 3
#define STATUS_OP_UNSUPPORTED 8

#define CHUNK_BYTES 32768 /* every server takes that much (section 3) */
#define CHUNK_MOST 261120 /* OpenSSH's bound, where limits@ allows it */
#define FLIGHT_BYTES (4 << 20) /* written and not yet answered */
#define FLIGHT_REQUESTS 256
#define REQUEST_BYTES (3 * MFTD_PATH_BYTES)
#define OUT_BYTES (2 * CHUNK_BYTES) /* kept to be sent together */

/* A request on its way. */
struct flying {
	uint32_t id;
	uint8_t want; /* type of its answer; 0: this place is free */
	void *out; /* what that fills; NULL for a STATUS */
	size_t bytes; /* of a WRITE */
	struct mftd_remote_answer *answer;
};

struct mftd_remote {
	struct mftd_ssh_client *c;
	struct mftd_buf *packet; /* the one that is being made */
	struct mftd_buf *out;
	struct mftd_buf *in;
	uint32_t id;
	struct flying flying[FLIGHT_REQUESTS]; /* by id */
	size_t n_flying, flying_bytes;
	size_t chunk;
	bool has_sync;
	bool has_limits;
	char why[MFTD_REASON_BYTES];
	char offers[1024]; /* names of its extensions, a space before each */
};

static int
broken(struct mftd_remote *m, const char *what)
{
	snprintf(m->why, sizeof(m->why), "%s", what);
	return -MFTD_E_PROTOCOL;
}

/* The connection failed: its words are ours. */
static int
lost(struct mftd_remote *m, int err)
{
	snprintf(m->why, sizeof(m->why), "%s", mftd_ssh_client_why(m->c));
	return err;
}

const char *
mftd_remote_why(const struct mftd_remote *m)
{
	return m->why;
}

/* ---- answers */

static int
flush(struct mftd_remote *m)
{
	int r = 0;

	if (mftd_buf_len(m->out) > 0)
		r = mftd_ssh_client_write(
		    m->c, mftd_buf_data(m->out), mftd_buf_len(m->out));
	mftd_buf_reset(m->out);
	return r < 0 ? lost(m, r) : 0;
}

/* Receives a packet into m->in, its type taken off. */
static int
receive(struct mftd_remote *m, uint8_t *type)
{
	uint32_t be, len;
	uint8_t *at;
	int r = flush(m);

	if (r < 0)
		return r;
	r = mftd_ssh_client_read(m->c, &be, sizeof(be));
	if (r < 0)
		return lost(m, r);
	len = be32toh(be);
	if (len == 0 || len > MFTD_SFTP_PACKET_BYTES)
		return broken(m, "a packet of an impossible length");
	mftd_buf_reset(m->in);
	r = mftd_buf_reserve(m->in, len, &at);
	if (r < 0)
		return r;
	r = mftd_ssh_client_read(m->c, at, len);
	if (r < 0)
		return lost(m, r);
	return mftd_buf_get_u8(m->in, type);
}

static int
error_of(uint32_t code)
{
	switch (code) {
	case STATUS_NO_SUCH_FILE:
		return -ENOENT;
	case STATUS_PERMISSION_DENIED:
		return -EACCES;
	case STATUS_OP_UNSUPPORTED:
		return -EOPNOTSUPP;
	default:
		return -MFTD_E_PARTNER;
	}
}

/* The STATUS in m->in is the answer to f. */
static int
take_status(struct mftd_remote *m, const struct flying *f)
{
	struct mftd_remote_answer *a = f->answer;
	char text[MFTD_REASON_BYTES] = "";
	uint32_t code;

	if (mftd_buf_get_u32(m->in, &code) < 0)
		return broken(m, "a short STATUS");
	if (code == STATUS_OK)
		return f->want == FXP_STATUS
		    ? 0
		    : broken(m, "a STATUS where more was asked");
	if (code == STATUS_NO_SUCH_FILE && f->want == FXP_ATTRS)
		return 0; /* an answer like another */
	if (a->err < 0)
		return 0;
	a->err = error_of(code);
	/* draft -02 has a text here; servers of older drafts do not */
	if (mftd_buf_get_cstring(m->in, text, sizeof(text)) < 0)
		text[0] = '\0';
	if (text[0] != '\0')
		snprintf(a->why, sizeof(a->why), "%s", text);
	else
		snprintf(a->why, sizeof(a->why), "status %u", code);
	return 0;
}

static int
take_attrs(struct mftd_remote *m, struct mftd_remote_attrs *a)
{
	uint32_t flags, skip;

	if (mftd_buf_get_u32(m->in, &flags) < 0)
		return broken(m, "short ATTRS");
	a->exists = true;
	a->has_size = (flags & ATTR_SIZE) != 0;
	a->has_mtime = (flags & ATTR_TIMES) != 0;
	if ((a->has_size && mftd_buf_get_u64(m->in, &a->size) < 0) ||
	    ((flags & ATTR_UIDGID) != 0 && mftd_buf_consume(m->in, 8) < 0) ||
	    ((flags & ATTR_PERMISSIONS) != 0 &&
		mftd_buf_consume(m->in, 4) < 0) ||
	    (a->has_mtime &&
		(mftd_buf_get_u32(m->in, &skip) < 0 ||
		    mftd_buf_get_u32(m->in, &a->mtime) < 0)))
		return broken(m, "short ATTRS");
	return 0;
}

static int
take_handle(struct mftd_remote *m, struct mftd_remote_file *f)
{
	const uint8_t *handle;
	size_t len;

	if (mftd_buf_get_string(m->in, &handle, &len) < 0 ||
	    len > sizeof(f->handle))
		return broken(m, "a bad handle");
	memcpy(f->handle, handle, len);
	f->len = len;
	return 0;
}

/* OpenSSH PROTOCOL section 4.8: four numbers, the third is the largest
 * write. */
static int
take_limits(struct mftd_remote *m)
{
	uint64_t packet, read, most;

	if (mftd_buf_get_u64(m->in, &packet) < 0 ||
	    mftd_buf_get_u64(m->in, &read) < 0 ||
	    mftd_buf_get_u64(m->in, &most) < 0)
		return broken(m, "a short limits answer");
	if (most > m->chunk)
		m->chunk = most < CHUNK_MOST ? (size_t)most : CHUNK_MOST;
	return 0;
}

/* Takes one answer, whichever request's it is. */
static int
land_one(struct mftd_remote *m)
{
	struct flying *f;
	uint8_t type;
	uint32_t id;
	int r = receive(m, &type);

	if (r < 0)
		return r;
	if (mftd_buf_get_u32(m->in, &id) < 0)
		return broken(m, "a short packet");
	f = &m->flying[id % FLIGHT_REQUESTS];
	if (f->want == 0 || f->id != id)
		return broken(m, "an answer to no request");
	if (type == FXP_STATUS)
		r = take_status(m, f);
	else if (type != f->want)
		r = broken(m, "an answer of another type");
	else if (type == FXP_ATTRS)
		r = take_attrs(m, f->out);
	else if (type == FXP_HANDLE)
		r = take_handle(m, f->out);
	else
		r = take_limits(m);
	if (r < 0)
		return r;
	f->answer->open--;
	f->want = 0;
	m->n_flying--;
	m->flying_bytes -= f->bytes;
	return 0;
}

int
mftd_remote_drain(struct mftd_remote *m)
{
	int r = 0;

	while (r == 0 && m->n_flying > 0)
		r = land_one(m);
	return r;
}

/* ---- requests */

/* Starts a request; its fields are put into m->packet. */
static int
begin(struct mftd_remote *m, uint8_t type)
{
	int r;

	mftd_buf_reset(m->packet);
	r = mftd_buf_put_u8(m->packet, type);
	return r == 0 ? mftd_buf_put_u32(m->packet, ++m->id) : r;
}

/* Starts a request about a name. */
static int
begin_path(struct mftd_remote *m, uint8_t type, const char *path)
{
	int r = begin(m, type);

	return r == 0 ? mftd_buf_put_cstring(m->packet, path) : r;
}

/* Starts a request about an open file. */
static int
begin_file(
    struct mftd_remote *m, uint8_t type, const struct mftd_remote_file *f)
{
	int r = begin(m, type);

	return r == 0 ? mftd_buf_put_string(m->packet, f->handle, f->len) : r;
}

/* Sends what begin started, with more bytes behind it: small ones together with
 * what comes next. */
static int
send_with(struct mftd_remote *m, const void *more, size_t more_len)
{
	size_t len = mftd_buf_len(m->packet);
	bool direct = more_len >= CHUNK_BYTES;
	int r = 0;

	if (mftd_buf_len(m->out) + 4 + len + (direct ? 0 : more_len) >
	    OUT_BYTES)
		r = flush(m);
	if (r == 0)
		r = mftd_buf_put_u32(m->out, (uint32_t)(len + more_len));
	if (r == 0)
		r = mftd_buf_put(m->out, mftd_buf_data(m->packet), len);
	if (r == 0 && !direct && more_len > 0)
		return mftd_buf_put(m->out, more, more_len);
	if (r < 0 || !direct)
		return r;
	r = flush(m);
	if (r == 0) {
		r = mftd_ssh_client_write(m->c, more, more_len);
		r = r < 0 ? lost(m, r) : 0;
	}
	return r;
}

/* Sends what begin started; want and out as in struct flying. */
static int
submit_with(struct mftd_remote *m, uint8_t want, void *out,
    struct mftd_remote_answer *answer, const void *more, size_t more_len)
{
	struct flying *f = &m->flying[m->id % FLIGHT_REQUESTS];
	int r = 0;

	while (r == 0 &&
	    (f->want != 0 ||
		(more_len > 0 && m->flying_bytes > 0 &&
		    m->flying_bytes + more_len > FLIGHT_BYTES)))
		r = land_one(m);
	if (r < 0)
		return r;
	*f = (struct flying) { .id = m->id,
		.want = want,
		.out = out,
		.bytes = more_len,
		.answer = answer };
	answer->open++;
	m->n_flying++;
	m->flying_bytes += more_len;
	return send_with(m, more, more_len);
}

static int
submit(struct mftd_remote *m, uint8_t want, void *out,
    struct mftd_remote_answer *answer)
{
	return submit_with(m, want, out, answer, NULL, 0);
}

int
mftd_remote_lstat(struct mftd_remote *m, const char *path,
    struct mftd_remote_attrs *a, struct mftd_remote_answer *answer)
{
	int r = begin_path(m, FXP_LSTAT, path);

	memset(a, 0, sizeof(*a));
	return r == 0 ? submit(m, FXP_ATTRS, a, answer) : r;
}

int
mftd_remote_remove(
    struct mftd_remote *m, const char *path, struct mftd_remote_answer *answer)
{
	int r = begin_path(m, FXP_REMOVE, path);

	return r == 0 ? submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_rename(struct mftd_remote *m, const char *from, const char *to,
    struct mftd_remote_answer *answer)
{
	int r = begin_path(m, FXP_RENAME, from);

	if (r == 0)
		r = mftd_buf_put_cstring(m->packet, to);
	return r == 0 ? submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_create(struct mftd_remote *m, const char *path,
    struct mftd_remote_file *f, struct mftd_remote_answer *answer)
{
	int r = begin_path(m, FXP_OPEN, path);

	if (r == 0)
		r = mftd_buf_put_u32(
		    m->packet, OPEN_WRITE | OPEN_CREAT | OPEN_EXCL);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, 0); /* no attributes */
	return r == 0 ? submit(m, FXP_HANDLE, f, answer) : r;
}

size_t
mftd_remote_chunk(const struct mftd_remote *m)
{
	return m->chunk;
}

int
mftd_remote_write(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, const void *data, size_t len,
    struct mftd_remote_answer *answer)
{
	int r = begin_file(m, FXP_WRITE, f);

	if (r == 0)
		r = mftd_buf_put_u64(m->packet, offset);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, (uint32_t)len);
	return r == 0 ? submit_with(m, FXP_STATUS, NULL, answer, data, len) : r;
}

int
mftd_remote_sync(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer)
{
	int r;

	if (!m->has_sync) {
		answer->err = -EOPNOTSUPP;
		return 0;
	}
	r = begin_path(m, FXP_EXTENDED, "fsync@openssh.com");
	if (r == 0)
		r = mftd_buf_put_string(m->packet, f->handle, f->len);
	return r == 0 ? submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_set_mtime(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint32_t mtime, struct mftd_remote_answer *answer)
{
	int r = begin_file(m, FXP_FSETSTAT, f);

	if (r == 0)
		r = mftd_buf_put_u32(m->packet, ATTR_TIMES);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, mtime);
	if (r == 0)
		r = mftd_buf_put_u32(m->packet, mtime);
	return r == 0 ? submit(m, FXP_STATUS, NULL, answer) : r;
}

int
mftd_remote_close(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_answer *answer)
{
	int r = begin_file(m, FXP_CLOSE, f);

	return r == 0 ? submit(m, FXP_STATUS, NULL, answer) : r;
}

/* ---- start */

static void
note_offer(struct mftd_remote *m, const uint8_t *name, size_t len)
{
	size_t have = strlen(m->offers), i;

	if (have + 1 + len >= sizeof(m->offers))
		return;
	m->offers[have++] = ' ';
	for (i = 0; i < len; i++)
		m->offers[have++] =
		    name[i] > ' ' && name[i] <= '~' ? (char)name[i] : '?';
}

const char *
mftd_remote_offers(const struct mftd_remote *m)
{
	return m->offers[0] != '\0' ? m->offers + 1 : "";
}

static int
read_version(struct mftd_remote *m)
{
	const uint8_t *name, *value;
	size_t name_len, value_len;
	uint32_t version;
	uint8_t type;
	int r = receive(m, &type);

	if (r < 0)
		return r;
	if (type != FXP_VERSION || mftd_buf_get_u32(m->in, &version) < 0 ||
	    version < SFTP_VERSION)
		return broken(m, "no SFTP version 3 there");
	while (mftd_buf_len(m->in) > 0) {
		if (mftd_buf_get_string(m->in, &name, &name_len) < 0 ||
		    mftd_buf_get_string(m->in, &value, &value_len) < 0)
			return broken(m, "a bad extension list");
		note_offer(m, name, name_len);
		if (name_len == strlen("fsync@openssh.com") &&
		    memcmp(name, "fsync@openssh.com", name_len) == 0)
			m->has_sync = true;
		if (name_len == strlen("limits@openssh.com") &&
		    memcmp(name, "limits@openssh.com", name_len) == 0)
			m->has_limits = true;
	}
	return 0;
}

static int
ask_limits(struct mftd_remote *m)
{
	/* a refusal is an answer too */
	struct mftd_remote_answer answer = { 0 };
	int r = begin_path(m, FXP_EXTENDED, "limits@openssh.com");

	if (r == 0)
		r = submit(m, FXP_EXTENDED_REPLY, NULL, &answer);
	return r == 0 ? mftd_remote_drain(m) : r;
}

static int
start(struct mftd_remote *m)
{
	static const uint8_t init[] = { 0, 0, 0, 5, FXP_INIT, 0, 0, 0,
		SFTP_VERSION };
	int r;

	m->packet = mftd_buf_new(REQUEST_BYTES);
	m->out = mftd_buf_new(OUT_BYTES);
	m->in = mftd_buf_new(MFTD_SFTP_PACKET_BYTES);
	if (m->packet == NULL || m->out == NULL || m->in == NULL)
		return -ENOMEM;
	m->chunk = CHUNK_BYTES;
	r = mftd_buf_put(m->out, init, sizeof(init));
	if (r == 0)
		r = read_version(m);
	return r == 0 && m->has_limits ? ask_limits(m) : r;
}

int
mftd_remote_open(struct mftd_ssh_client *c, struct mftd_remote **out)
{
	struct mftd_remote *m = calloc(1, sizeof(*m));
	int r;

	if (m == NULL)
		return -ENOMEM;
	m->c = c;
	r = start(m);
	if (r < 0) {
		mftd_remote_free(m);
		return r;
	}
	*out = m;
	return 0;
}

void
mftd_remote_free(struct mftd_remote *m)
{
	if (m == NULL)
		return;
	mftd_buf_free(m->packet);
	mftd_buf_free(m->out);
	mftd_buf_free(m->in);
	free(m);
}
