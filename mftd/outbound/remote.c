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
#define REQUEST_BYTES (3 * MFTD_PATH_BYTES)

struct mftd_remote {
	struct mftd_ssh_client *c;
	struct mftd_buf *out;
	struct mftd_buf *in;
	uint32_t id;
	uint32_t flying; /* WRITEs without an answer yet */
	uint32_t flying_most;
	size_t chunk;
	bool has_sync;
	bool has_limits;
	int write_err; /* the first failed WRITE's */
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

/* ---- packets */

/* Starts a request; its fields are put into m->out. */
static int
begin(struct mftd_remote *m, uint8_t type)
{
	int r;

	mftd_buf_reset(m->out);
	r = mftd_buf_put_u8(m->out, type);
	return r == 0 ? mftd_buf_put_u32(m->out, ++m->id) : r;
}

/* Sends what begin started, with more bytes behind it. */
static int
send_with(struct mftd_remote *m, const void *more, size_t more_len)
{
	uint8_t packet[4 + REQUEST_BYTES];
	size_t len = mftd_buf_len(m->out);
	uint32_t be = htobe32((uint32_t)(len + more_len));
	int r;

	memcpy(packet, &be, sizeof(be));
	memcpy(packet + sizeof(be), mftd_buf_data(m->out), len);
	r = mftd_ssh_client_write(m->c, packet, sizeof(be) + len);
	if (r == 0 && more_len > 0)
		r = mftd_ssh_client_write(m->c, more, more_len);
	return r < 0 ? lost(m, r) : 0;
}

/* Receives a packet into m->in, its type taken off. */
static int
receive(struct mftd_remote *m, uint8_t *type)
{
	uint32_t be, len;
	uint8_t *at;
	int r;

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

/* Receives the answer with that id. */
static int
answer(struct mftd_remote *m, uint8_t *type, uint32_t id)
{
	uint32_t got;
	int r = receive(m, type);

	if (r < 0)
		return r;
	if (mftd_buf_get_u32(m->in, &got) < 0 || got != id)
		return broken(m, "an answer to another request");
	return 0;
}

/* Reads the STATUS in m->in as an error; its words go to why. */
static int
status(struct mftd_remote *m)
{
	char text[MFTD_REASON_BYTES] = "";
	uint32_t code;

	if (mftd_buf_get_u32(m->in, &code) < 0)
		return broken(m, "a short STATUS");
	if (code == STATUS_OK)
		return 0;
	/* draft -02 has a text here; servers of older drafts do not */
	if (mftd_buf_get_cstring(m->in, text, sizeof(text)) < 0)
		text[0] = '\0';
	if (text[0] != '\0')
		snprintf(m->why, sizeof(m->why), "%s", text);
	else
		snprintf(m->why, sizeof(m->why), "status %u", code);
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

/* Sends what begin started and waits for its answer, which is to be of type
 * want; a STATUS instead is an error, or, wanted, the result. */
static int
request(struct mftd_remote *m, uint8_t want)
{
	uint32_t id = m->id;
	uint8_t type;
	int r;

	r = mftd_remote_drain(m);
	if (r == 0)
		r = send_with(m, NULL, 0);
	if (r == 0)
		r = answer(m, &type, id);
	if (r < 0)
		return r;
	if (type == FXP_STATUS) {
		r = status(m);
		return r == 0 && want != FXP_STATUS
		    ? broken(m, "a STATUS where more was asked")
		    : r;
	}
	return type == want ? 0 : broken(m, "an answer of another type");
}

bool
mftd_remote_answered(int err)
{
	return err == -ENOENT || err == -EACCES || err == -EOPNOTSUPP ||
	    err == -MFTD_E_PARTNER;
}

const char *
mftd_remote_why(const struct mftd_remote *m)
{
	return m->why;
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

/* OpenSSH PROTOCOL section 4.8: four numbers, the third is the largest
 * write. */
static int
ask_limits(struct mftd_remote *m)
{
	uint64_t packet, read, most;
	int r = begin(m, FXP_EXTENDED);

	if (r == 0)
		r = mftd_buf_put_cstring(m->out, "limits@openssh.com");
	if (r == 0)
		r = request(m, FXP_EXTENDED_REPLY);
	if (r < 0)
		return mftd_remote_answered(r) ? 0 : r;
	if (mftd_buf_get_u64(m->in, &packet) < 0 ||
	    mftd_buf_get_u64(m->in, &read) < 0 ||
	    mftd_buf_get_u64(m->in, &most) < 0)
		return broken(m, "a short limits answer");
	if (most > m->chunk)
		m->chunk = most < CHUNK_MOST ? (size_t)most : CHUNK_MOST;
	return 0;
}

static int
start(struct mftd_remote *m)
{
	static const uint8_t init[] = { 0, 0, 0, 5, FXP_INIT, 0, 0, 0,
		SFTP_VERSION };
	int r;

	m->out = mftd_buf_new(REQUEST_BYTES);
	m->in = mftd_buf_new(MFTD_SFTP_PACKET_BYTES);
	if (m->out == NULL || m->in == NULL)
		return -ENOMEM;
	m->chunk = CHUNK_BYTES;
	r = mftd_ssh_client_write(m->c, init, sizeof(init));
	if (r < 0)
		return lost(m, r);
	r = read_version(m);
	if (r == 0 && m->has_limits)
		r = ask_limits(m);
	m->flying_most = (uint32_t)(FLIGHT_BYTES / m->chunk);
	return r;
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
	mftd_buf_free(m->out);
	mftd_buf_free(m->in);
	free(m);
}

/* ---- names */

static int
read_attrs(struct mftd_remote *m, struct mftd_remote_attrs *a)
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

int
mftd_remote_lstat(
    struct mftd_remote *m, const char *path, struct mftd_remote_attrs *a)
{
	int r = begin(m, FXP_LSTAT);

	memset(a, 0, sizeof(*a));
	if (r == 0)
		r = mftd_buf_put_cstring(m->out, path);
	if (r == 0)
		r = request(m, FXP_ATTRS);
	if (r == -ENOENT)
		return 0;
	return r == 0 ? read_attrs(m, a) : r;
}

int
mftd_remote_remove(struct mftd_remote *m, const char *path)
{
	int r = begin(m, FXP_REMOVE);

	if (r == 0)
		r = mftd_buf_put_cstring(m->out, path);
	return r == 0 ? request(m, FXP_STATUS) : r;
}

int
mftd_remote_rename(struct mftd_remote *m, const char *from, const char *to)
{
	int r = begin(m, FXP_RENAME);

	if (r == 0)
		r = mftd_buf_put_cstring(m->out, from);
	if (r == 0)
		r = mftd_buf_put_cstring(m->out, to);
	return r == 0 ? request(m, FXP_STATUS) : r;
}

/* ---- a file */

int
mftd_remote_create(
    struct mftd_remote *m, const char *path, struct mftd_remote_file *f)
{
	const uint8_t *handle;
	size_t len;
	int r = begin(m, FXP_OPEN);

	if (r == 0)
		r = mftd_buf_put_cstring(m->out, path);
	if (r == 0)
		r = mftd_buf_put_u32(
		    m->out, OPEN_WRITE | OPEN_CREAT | OPEN_EXCL);
	if (r == 0)
		r = mftd_buf_put_u32(m->out, 0); /* no attributes */
	if (r == 0)
		r = request(m, FXP_HANDLE);
	if (r < 0)
		return r;
	if (mftd_buf_get_string(m->in, &handle, &len) < 0 ||
	    len > sizeof(f->handle))
		return broken(m, "a bad handle");
	memcpy(f->handle, handle, len);
	f->len = len;
	return 0;
}

size_t
mftd_remote_chunk(const struct mftd_remote *m)
{
	return m->chunk;
}

/* Starts a request about an open file. */
static int
begin_file(
    struct mftd_remote *m, uint8_t type, const struct mftd_remote_file *f)
{
	int r = begin(m, type);

	return r == 0 ? mftd_buf_put_string(m->out, f->handle, f->len) : r;
}

/* Takes the answer of one WRITE, whichever: only their number counts. */
static int
land_one(struct mftd_remote *m)
{
	uint8_t type;
	uint32_t id;
	int r = receive(m, &type);

	if (r < 0)
		return r;
	if (type != FXP_STATUS || mftd_buf_get_u32(m->in, &id) < 0)
		return broken(m, "no STATUS for a WRITE");
	m->flying--;
	r = status(m);
	if (r == -MFTD_E_PROTOCOL)
		return r;
	if (r < 0 && m->write_err == 0)
		m->write_err = r;
	return 0;
}

int
mftd_remote_write(struct mftd_remote *m, const struct mftd_remote_file *f,
    uint64_t offset, const void *data, size_t len)
{
	int r = 0;

	while (r == 0 && m->flying >= m->flying_most)
		r = land_one(m);
	if (r == 0)
		r = m->write_err;
	if (r == 0)
		r = begin_file(m, FXP_WRITE, f);
	if (r == 0)
		r = mftd_buf_put_u64(m->out, offset);
	if (r == 0)
		r = mftd_buf_put_u32(m->out, (uint32_t)len);
	if (r == 0)
		r = send_with(m, data, len);
	if (r == 0)
		m->flying++;
	return r;
}

int
mftd_remote_drain(struct mftd_remote *m)
{
	int r = 0;

	while (r == 0 && m->flying > 0)
		r = land_one(m);
	if (r == 0) {
		r = m->write_err;
		m->write_err = 0;
	}
	return r;
}

int
mftd_remote_sync(struct mftd_remote *m, const struct mftd_remote_file *f)
{
	int r;

	if (!m->has_sync)
		return -EOPNOTSUPP;
	r = begin(m, FXP_EXTENDED);
	if (r == 0)
		r = mftd_buf_put_cstring(m->out, "fsync@openssh.com");
	if (r == 0)
		r = mftd_buf_put_string(m->out, f->handle, f->len);
	return r == 0 ? request(m, FXP_STATUS) : r;
}

int
mftd_remote_set_mtime(
    struct mftd_remote *m, const struct mftd_remote_file *f, uint32_t mtime)
{
	int r = begin_file(m, FXP_FSETSTAT, f);

	if (r == 0)
		r = mftd_buf_put_u32(m->out, ATTR_TIMES);
	if (r == 0)
		r = mftd_buf_put_u32(m->out, mtime);
	if (r == 0)
		r = mftd_buf_put_u32(m->out, mtime);
	return r == 0 ? request(m, FXP_STATUS) : r;
}

int
mftd_remote_close(struct mftd_remote *m, const struct mftd_remote_file *f)
{
	int r = begin_file(m, FXP_CLOSE, f);

	return r == 0 ? request(m, FXP_STATUS) : r;
}
