/* Part of mftd; see LICENSE. */
#include "mftd/outbound/remote.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/buf.h"
#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/limits.h"
#include "mftd/outbound/longname.h"
#include "mftd/outbound/remote_wire.h"
#include "mftd/ssh/client.h"

int
mftd_remote_broken(struct mftd_remote *m, const char *what)
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

uint64_t
mftd_remote_answers(const struct mftd_remote *m)
{
	return m->answers;
}

int64_t
mftd_remote_heard_ms(const struct mftd_remote *m)
{
	return m->heard_ms;
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

static int
read_bytes(struct mftd_remote *m, void *at, size_t len)
{
	int r = mftd_ssh_client_read(m->c, at, len);

	return r < 0 ? lost(m, r) : 0;
}

/* Receives a packet's type; left: so many bytes follow. */
static int
receive_type(struct mftd_remote *m, uint8_t *type, size_t *left)
{
	uint8_t head[5];
	uint32_t be, len;
	int r = flush(m);

	if (r == 0)
		r = read_bytes(m, head, sizeof(head));
	if (r < 0)
		return r;
	memcpy(&be, head, sizeof(be));
	len = be32toh(be);
	if (len == 0 || len > MFTD_SFTP_PACKET_BYTES)
		return mftd_remote_broken(
		    m, "a packet of an impossible length");
	*type = head[4];
	*left = len - 1;
	return 0;
}

/* Receives what follows into m->in. */
static int
receive_rest(struct mftd_remote *m, size_t left)
{
	uint8_t *at;
	int r;

	mftd_buf_reset(m->in);
	r = mftd_buf_reserve(m->in, left, &at);
	return r == 0 ? read_bytes(m, at, left) : r;
}

/* Receives a packet into m->in, its type taken off. */
static int
receive(struct mftd_remote *m, uint8_t *type)
{
	size_t left;
	int r = receive_type(m, type, &left);

	return r == 0 ? receive_rest(m, left) : r;
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
		return mftd_remote_broken(m, "a short STATUS");
	if (code == STATUS_OK)
		return f->want == FXP_STATUS
		    ? 0
		    : mftd_remote_broken(m, "a STATUS where more was asked");
	if ((code == STATUS_NO_SUCH_FILE && f->want == FXP_ATTRS) ||
	    (code == STATUS_EOF &&
		(f->want == FXP_DATA || f->want == FXP_NAME)))
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

/* Pairs of strings that no draft gives a meaning. */
static int
skip_extended(struct mftd_remote *m)
{
	const uint8_t *data;
	size_t len;
	uint32_t n;

	if (mftd_buf_get_u32(m->in, &n) < 0)
		return mftd_remote_broken(m, "short ATTRS");
	for (; n > 0; n--)
		if (mftd_buf_get_string(m->in, &data, &len) < 0 ||
		    mftd_buf_get_string(m->in, &data, &len) < 0)
			return mftd_remote_broken(m, "short ATTRS");
	return 0;
}

int
mftd_remote_take_attrs(struct mftd_remote *m, struct mftd_remote_attrs *a)
{
	uint32_t flags;

	if (mftd_buf_get_u32(m->in, &flags) < 0)
		return mftd_remote_broken(m, "short ATTRS");
	a->exists = true;
	a->has_size = (flags & ATTR_SIZE) != 0;
	a->has_mtime = (flags & ATTR_TIMES) != 0;
	a->has_mode = (flags & ATTR_PERMISSIONS) != 0;
	if ((a->has_size && mftd_buf_get_u64(m->in, &a->size) < 0) ||
	    ((flags & ATTR_UIDGID) != 0 && mftd_buf_consume(m->in, 8) < 0) ||
	    (a->has_mode && mftd_buf_get_u32(m->in, &a->mode) < 0) ||
	    (a->has_mtime &&
		(mftd_buf_get_u32(m->in, &a->atime) < 0 ||
		    mftd_buf_get_u32(m->in, &a->mtime) < 0)))
		return mftd_remote_broken(m, "short ATTRS");
	return (flags & ATTR_EXTENDED) != 0 ? skip_extended(m) : 0;
}

static int
take_handle(struct mftd_remote *m, struct mftd_remote_file *f)
{
	const uint8_t *handle;
	size_t len;

	if (mftd_buf_get_string(m->in, &handle, &len) < 0 ||
	    len > sizeof(f->handle))
		return mftd_remote_broken(m, "a bad handle");
	memcpy(f->handle, handle, len);
	f->len = len;
	return 0;
}

static bool
is_word(const uint8_t *text, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(text, word, len) == 0;
}

/* The answer of check-file: the algorithm and the hash; before it ProFTPD,
 * paramiko and mftd have the extension's name, which the draft has not.  Of
 * another algorithm nothing is known. */
static int
take_sum(struct mftd_remote *m, struct mftd_remote_sum *sum)
{
	const uint8_t *word;
	size_t len;

	if (mftd_buf_get_string(m->in, &word, &len) < 0 ||
	    (is_word(word, len, "check-file") &&
		mftd_buf_get_string(m->in, &word, &len) < 0))
		return mftd_remote_broken(m, "a short check-file answer");
	sum->known = is_word(word, len, "sha256") &&
	    mftd_buf_len(m->in) == sizeof(sum->sha256);
	if (sum->known)
		memcpy(sum->sha256, mftd_buf_data(m->in), sizeof(sum->sha256));
	return 0;
}

/* OpenSSH PROTOCOL section 4.8: four numbers, the second is the largest read,
 * the third the largest write. */
static int
take_limits(struct mftd_remote *m)
{
	uint64_t packet, read, most;

	if (mftd_buf_get_u64(m->in, &packet) < 0 ||
	    mftd_buf_get_u64(m->in, &read) < 0 ||
	    mftd_buf_get_u64(m->in, &most) < 0)
		return mftd_remote_broken(m, "a short limits answer");
	if (most > m->chunk)
		m->chunk = most < CHUNK_MOST ? (size_t)most : CHUNK_MOST;
	if (read > m->read_chunk)
		m->read_chunk = read < CHUNK_MOST ? (size_t)read : CHUNK_MOST;
	return 0;
}

/* The request that is answered; NULL: there is none. */
static struct flying *
find(struct mftd_remote *m, uint32_t id)
{
	struct flying *f = &m->flying[id % FLIGHT_REQUESTS];

	return f->want != 0 && f->id == id ? f : NULL;
}

static void
land(struct mftd_remote *m, struct flying *f)
{
	f->answer->open--;
	m->answers++;
	m->heard_ms = mftd_clock_ms();
	f->want = 0;
	m->n_flying--;
	m->flying_bytes -= f->bytes;
}

/* DATA goes to its place at once. */
static int
land_data(struct mftd_remote *m, size_t left)
{
	struct mftd_remote_data *d;
	struct flying *f;
	uint32_t head[2], len; /* id, length */
	int r;

	if (left < sizeof(head))
		return mftd_remote_broken(m, "a short packet");
	r = read_bytes(m, head, sizeof(head));
	if (r < 0)
		return r;
	left -= sizeof(head);
	len = be32toh(head[1]);
	f = find(m, be32toh(head[0]));
	if (f == NULL)
		return mftd_remote_broken(m, "an answer to no request");
	if (f->want != FXP_DATA)
		return mftd_remote_broken(m, "an answer of another type");
	d = f->out;
	if (len > left || len > d->size)
		return mftd_remote_broken(m, "bad DATA");
	if (d->at == NULL)
		d->at = d->place(d->data);
	r = read_bytes(m, d->at, len);
	if (r == 0)
		r = receive_rest(m, left - len); /* of no meaning */
	if (r < 0)
		return r;
	d->len = len;
	land(m, f);
	return 0;
}

/* Takes the answer in m->in. */
static int
land_other(struct mftd_remote *m, uint8_t type)
{
	struct flying *f;
	uint32_t id;
	int r;

	if (mftd_buf_get_u32(m->in, &id) < 0)
		return mftd_remote_broken(m, "a short packet");
	f = find(m, id);
	if (f == NULL)
		return mftd_remote_broken(m, "an answer to no request");
	if (type == FXP_STATUS)
		r = take_status(m, f);
	else if (type != f->want)
		r = mftd_remote_broken(m, "an answer of another type");
	else if (type == FXP_ATTRS)
		r = mftd_remote_take_attrs(m, f->out);
	else if (type == FXP_HANDLE)
		r = take_handle(m, f->out);
	else if (type == FXP_NAME)
		r = mftd_remote_take_names(m, f->out);
	else if (f->out != NULL)
		r = take_sum(m, f->out);
	else
		r = take_limits(m);
	if (r == 0)
		land(m, f);
	return r;
}

/* Takes one answer, whichever request's it is. */
static int
land_one(struct mftd_remote *m)
{
	uint8_t type;
	size_t left;
	int r = receive_type(m, &type, &left);

	if (r < 0)
		return r;
	if (type == FXP_DATA)
		return land_data(m, left);
	r = receive_rest(m, left);
	return r == 0 ? land_other(m, type) : r;
}

int
mftd_remote_drain(struct mftd_remote *m)
{
	int r = 0;

	while (r == 0 && m->n_flying > 0)
		r = land_one(m);
	return r;
}

int
mftd_remote_await(struct mftd_remote *m, const struct mftd_remote_answer *a)
{
	int r = 0;

	while (r == 0 && a->open > 0)
		r = land_one(m);
	return r;
}

/* ---- requests */

/* Starts a request; its fields are put into m->packet. */
int
mftd_remote_begin(struct mftd_remote *m, uint8_t type)
{
	int r;

	mftd_buf_reset(m->packet);
	r = mftd_buf_put_u8(m->packet, type);
	return r == 0 ? mftd_buf_put_u32(m->packet, ++m->id) : r;
}

/* Starts a request about a name. */
int
mftd_remote_begin_path(struct mftd_remote *m, uint8_t type, const char *path)
{
	int r = mftd_remote_begin(m, type);

	return r == 0 ? mftd_buf_put_cstring(m->packet, path) : r;
}

/* Starts a request about an open file. */
int
mftd_remote_begin_file(
    struct mftd_remote *m, uint8_t type, const struct mftd_remote_file *f)
{
	int r = mftd_remote_begin(m, type);

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
int
mftd_remote_submit_with(struct mftd_remote *m, uint8_t want, void *out,
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

int
mftd_remote_submit(struct mftd_remote *m, uint8_t want, void *out,
    struct mftd_remote_answer *answer)
{
	return mftd_remote_submit_with(m, want, out, answer, NULL, 0);
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
		return mftd_remote_broken(m, "no SFTP version 3 there");
	while (mftd_buf_len(m->in) > 0) {
		if (mftd_buf_get_string(m->in, &name, &name_len) < 0 ||
		    mftd_buf_get_string(m->in, &value, &value_len) < 0)
			return mftd_remote_broken(m, "a bad extension list");
		note_offer(m, name, name_len);
		m->has_sync |= is_word(name, name_len, "fsync@openssh.com");
		m->has_limits |= is_word(name, name_len, "limits@openssh.com");
		m->has_posix_rename |=
		    is_word(name, name_len, "posix-rename@openssh.com");
		m->has_check_file |= is_word(name, name_len, "check-file") ||
		    is_word(name, name_len, "check-file-name");
	}
	return 0;
}

static int
ask_limits(struct mftd_remote *m)
{
	/* a refusal is an answer too */
	struct mftd_remote_answer answer = { 0 };
	int r = mftd_remote_begin_path(m, FXP_EXTENDED, "limits@openssh.com");

	if (r == 0)
		r = mftd_remote_submit(m, FXP_EXTENDED_REPLY, NULL, &answer);
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
	m->chunk = m->read_chunk = CHUNK_BYTES;
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
	m->heard_ms = mftd_clock_ms();
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
