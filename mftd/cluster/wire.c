/* Part of mftd; see LICENSE. */
#include "mftd/cluster/wire.h"

#include <errno.h>
#include <string.h>

#include "mftd/base/id.h"
#include "mftd/conf/place.h"

enum kind {
	END,
	BOOL,
	U32,
	U64,
	NAME, /* MFTD_NAME_BYTES, an id */
	ID, /* MFTD_ID_BYTES, an id */
	QUEUE0, /* a queue, be it a place's (conf/place.h), or "" */
	TEXT, /* MFTD_ADDR_BYTES (and names), anything printable */
	PIECE /* struct mftd_gm_snapshot's len and data */
};

struct field {
	enum kind kind;
	size_t at; /* inside struct mftd_gm */
};

#define FIELDS_MAX 12
#define AT(member) offsetof(struct mftd_gm, u.member)
#define ROUND(of)                                                      \
	{ U32, AT(of.round.by.nodeid) }, { U32, AT(of.round.by.pid) }, \
	{                                                              \
		U64, AT(of.round.count)                                \
	}

struct type {
	const char *name;
	struct field fields[FIELDS_MAX];
};

static const struct type types[MFTD_GM_END] = {
	[MFTD_GM_COLLECT] = { "collect",
	    { ROUND(collect), { U32, AT(collect.attempt) },
		{ BOOL, AT(collect.again) } } },
	[MFTD_GM_HELLO] = { "hello",
	    { ROUND(hello), { NAME, AT(hello.node) },
		{ ID, AT(hello.incarnation) }, { ID, AT(hello.boot_id) },
		{ BOOL, AT(hello.quorate) }, { BOOL, AT(hello.synced) },
		{ U64, AT(hello.generation) }, { U64, AT(hello.history) } } },
	[MFTD_GM_DECIDE] = { "decide", { ROUND(decide) } },
	[MFTD_GM_SNAPSHOT] = { "snapshot",
	    { ROUND(snapshot), { U32, AT(snapshot.total) },
		{ U32, AT(snapshot.offset) }, { PIECE, AT(snapshot) } } },
	[MFTD_GM_BEAT] = { "beat", { { U64, AT(beat.sent_ms) } } },
	[MFTD_GM_SESSION_ADD] = { "session-add",
	    { { ID, AT(session.id) }, { TEXT, AT(session.account) },
		{ TEXT, AT(session.peer) }, { U64, AT(session.since_us) } } },
	[MFTD_GM_SESSION_DEL] = { "session-del", { { ID, AT(session.id) } } },
	[MFTD_GM_ROLE] = { "role",
	    { { U32, AT(role.service) }, { U32, AT(role.role) },
		{ QUEUE0, AT(role.queue) }, { U64, AT(role.epoch) } } },
	[MFTD_GM_CONFIG] = { "config", { { U64, AT(config.version) } } },
	[MFTD_GM_GONE] = { "gone", { { END, 0 } } },
	[MFTD_GM_FENCED] = { "fenced", { { ID, AT(incarnation) } } },
	[MFTD_GM_CLAIM] = { "claim", { { ID, AT(incarnation) } } },
	[MFTD_GM_RECOVERED] = { "recovered",
	    { { ID, AT(incarnation) }, { U32, AT(incarnation.failed) } } },
	[MFTD_GM_BAN] = { "ban",
	    { { TEXT, AT(ban.row.net) }, { TEXT, AT(ban.row.why) },
		{ U64, AT(ban.row.until_us) }, { U64, AT(ban.said_us) } } },
	[MFTD_GM_UNBAN] = { "unban", { { TEXT, AT(ban.row.net) } } },
	[MFTD_GM_SESSION_END] = { "session-end",
	    { { ID, AT(session.id) }, { TEXT, AT(session.end) } } },
};

_Static_assert(
    MFTD_NAME_BYTES == MFTD_ID_BYTES && MFTD_ADDR_BYTES == MFTD_ID_BYTES,
    "all strings of the wire have one size");
#define STRING_BYTES MFTD_ID_BYTES

static const struct type *
type_of(uint32_t type)
{
	if (type >= MFTD_GM_END || types[type].name == NULL)
		return NULL;
	return &types[type];
}

static bool
numbered(uint32_t type)
{
	return type >= MFTD_GM_SESSION_ADD;
}

static bool
printable(const char *text)
{
	for (; *text != '\0'; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

static bool
string_ok(enum kind kind, const char *text)
{
	if (strnlen(text, STRING_BYTES) == STRING_BYTES)
		return false;
	if (kind == TEXT)
		return printable(text);
	if (kind == QUEUE0 && (text[0] == '\0' || mftd_place_valid(text)))
		return true;
	return mftd_id_valid(text);
}

static bool
piece_ok(const struct mftd_gm_snapshot *s)
{
	return s->len > 0 && s->len <= MFTD_GM_PIECE_BYTES &&
	    s->offset <= s->total && s->len <= s->total - s->offset;
}

static int
put_field(const struct field *f, const struct mftd_gm *m, struct mftd_buf *b)
{
	const void *at = (const char *)m + f->at;
	const struct mftd_gm_snapshot *s = at;

	switch (f->kind) {
	case BOOL:
		return mftd_buf_put_u8(b, *(const bool *)at ? 1 : 0);
	case U32:
		return mftd_buf_put_u32(b, *(const uint32_t *)at);
	case U64:
		return mftd_buf_put_u64(b, *(const uint64_t *)at);
	case PIECE:
		if (!piece_ok(s))
			return -EINVAL;
		return mftd_buf_put_string(b, s->data, s->len);
	default:
		if (!string_ok(f->kind, at))
			return -EINVAL;
		return mftd_buf_put_cstring(b, at);
	}
}

int
mftd_gm_encode(const struct mftd_gm *m, struct mftd_buf *b)
{
	const struct type *t = type_of(m->type);
	const struct field *f;
	size_t before = mftd_buf_len(b);
	int ret;

	if (t == NULL || numbered(m->type) != (m->number != 0))
		return -EINVAL;
	ret = mftd_buf_put_u8(b, MFTD_GM_VERSION);
	if (ret == 0)
		ret = mftd_buf_put_u8(b, (uint8_t)m->type);
	if (ret == 0)
		ret = mftd_buf_put_u64(b, m->number);
	for (f = t->fields; ret == 0 && f->kind != END; f++)
		ret = put_field(f, m, b);
	if (ret < 0)
		(void)mftd_buf_trim(b, mftd_buf_len(b) - before);
	return ret;
}

static int
get_piece(struct mftd_buf *b, struct mftd_gm_snapshot *s)
{
	size_t len;

	if (mftd_buf_get_string(b, &s->data, &len) < 0 ||
	    len > MFTD_GM_PIECE_BYTES)
		return -EBADMSG;
	s->len = (uint32_t)len;
	return piece_ok(s) ? 0 : -EBADMSG;
}

static int
get_field(const struct field *f, struct mftd_buf *b, struct mftd_gm *m)
{
	void *at = (char *)m + f->at;
	uint8_t flag;

	switch (f->kind) {
	case BOOL:
		if (mftd_buf_get_u8(b, &flag) < 0 || flag > 1)
			return -EBADMSG;
		*(bool *)at = flag;
		return 0;
	case U32:
		return mftd_buf_get_u32(b, at);
	case U64:
		return mftd_buf_get_u64(b, at);
	case PIECE:
		return get_piece(b, at);
	default:
		if (mftd_buf_get_cstring(b, at, STRING_BYTES) < 0)
			return -EBADMSG;
		return string_ok(f->kind, at) ? 0 : -EBADMSG;
	}
}

static int
get_message(struct mftd_buf *b, struct mftd_gm *m)
{
	const struct type *t;
	const struct field *f;
	uint8_t version, type;

	if (mftd_buf_get_u8(b, &version) < 0)
		return -EBADMSG;
	if (version != MFTD_GM_VERSION)
		return -EPROTONOSUPPORT;
	if (mftd_buf_get_u8(b, &type) < 0 ||
	    mftd_buf_get_u64(b, &m->number) < 0)
		return -EBADMSG;
	m->type = type;
	t = type_of(type);
	if (t == NULL || numbered(type) != (m->number != 0))
		return -EBADMSG;
	for (f = t->fields; f->kind != END; f++)
		if (get_field(f, b, m) < 0)
			return -EBADMSG;
	return mftd_buf_len(b) == 0 ? 0 : -EBADMSG;
}

int
mftd_gm_decode(const void *data, size_t len, struct mftd_gm *m)
{
	struct mftd_buf *b = mftd_buf_from(data, len);
	int ret;

	if (b == NULL)
		return -ENOMEM;
	memset(m, 0, sizeof(*m));
	ret = get_message(b, m);
	mftd_buf_free(b);
	return ret;
}

const char *
mftd_gm_name(uint32_t type)
{
	const struct type *t = type_of(type);

	return t != NULL ? t->name : "unknown";
}

int
mftd_gm_member_cmp(
    const struct mftd_gm_member *a, const struct mftd_gm_member *b)
{
	if (a->nodeid != b->nodeid)
		return a->nodeid < b->nodeid ? -1 : 1;
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	return 0;
}

bool
mftd_gm_same_member(
    const struct mftd_gm_member *a, const struct mftd_gm_member *b)
{
	return mftd_gm_member_cmp(a, b) == 0;
}

bool
mftd_gm_same_round(const struct mftd_gm_round *a, const struct mftd_gm_round *b)
{
	return mftd_gm_same_member(&a->by, &b->by) && a->count == b->count;
}
