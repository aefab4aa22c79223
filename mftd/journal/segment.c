/* Part of mftd; see LICENSE. */
#include "mftd/journal/segment.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/journal/crc32c.h"

#define FORMAT_VERSION 4

static const char magic[8] = { 'M', 'F', 'T', 'D', 'S', 'E', 'G', '1' };

/* Fields at fixed places of the header and of a record. */
enum {
	HEAD_VERSION = 8,
	HEAD_STREAM = 12,
	HEAD_NUMBER = HEAD_STREAM + MFTD_ID_BYTES,
	HEAD_FIRST = HEAD_NUMBER + 8,
	HEAD_CARRIED = HEAD_FIRST + 8,
	HEAD_KEY = HEAD_CARRIED + MFTD_SHA256_BYTES,
	HEAD_SIGNATURE = HEAD_KEY + MFTD_HEAD_KEY_BYTES,
	HEAD_CRC = HEAD_SIGNATURE + MFTD_HEAD_SIGNATURE_BYTES,
	REC_CRC = 4,
	REC_SEQ = 8,
	REC_TIME = 16,
	REC_TYPE = 24,
	REC_PLACE = 28,
	REC_PREV = 32,
};

static void
put32(uint8_t *at, uint32_t v)
{
	v = htobe32(v);
	memcpy(at, &v, sizeof(v));
}

static void
put64(uint8_t *at, uint64_t v)
{
	v = htobe64(v);
	memcpy(at, &v, sizeof(v));
}

static uint32_t
get32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return be32toh(v);
}

static uint64_t
get64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return be64toh(v);
}

void
mftd_segment_name(uint64_t number, char out[MFTD_SEGMENT_NAME_BYTES])
{
	snprintf(out, MFTD_SEGMENT_NAME_BYTES, "%08llu.seg",
	    (unsigned long long)number);
}

void
mftd_segment_put(struct mftd_segment *s, uint8_t out[MFTD_SEGMENT_HEADER_BYTES])
{
	const struct mftd_head *before = &s->before.head;

	memset(out, 0, MFTD_SEGMENT_HEADER_BYTES);
	memcpy(out, magic, sizeof(magic));
	put32(out + HEAD_VERSION, FORMAT_VERSION);
	memcpy(out + HEAD_STREAM, before->stream,
	    strnlen(before->stream, MFTD_ID_BYTES));
	put64(out + HEAD_NUMBER, s->number);
	put64(out + HEAD_FIRST, before->seq + 1);
	memcpy(out + HEAD_CARRIED, before->hash, MFTD_SHA256_BYTES);
	memcpy(out + HEAD_KEY, s->before.key, MFTD_HEAD_KEY_BYTES);
	memcpy(out + HEAD_SIGNATURE, s->before.signature,
	    MFTD_HEAD_SIGNATURE_BYTES);
	s->crc = mftd_crc32c(0, out, HEAD_CRC);
	put32(out + HEAD_CRC, s->crc);
}

int
mftd_segment_get(
    const uint8_t in[MFTD_SEGMENT_HEADER_BYTES], struct mftd_segment *s)
{
	struct mftd_head *before = &s->before.head;

	if (memcmp(in, magic, sizeof(magic)) != 0 ||
	    get32(in + HEAD_VERSION) != FORMAT_VERSION ||
	    get32(in + HEAD_CRC) != mftd_crc32c(0, in, HEAD_CRC))
		return -MFTD_E_CORRUPT;
	memcpy(before->stream, in + HEAD_STREAM, MFTD_ID_BYTES);
	if (!mftd_id_valid(before->stream) || get64(in + HEAD_FIRST) == 0)
		return -MFTD_E_CORRUPT;
	s->crc = get32(in + HEAD_CRC);
	s->number = get64(in + HEAD_NUMBER);
	before->seq = get64(in + HEAD_FIRST) - 1;
	memcpy(before->hash, in + HEAD_CARRIED, MFTD_SHA256_BYTES);
	memcpy(s->before.key, in + HEAD_KEY, MFTD_HEAD_KEY_BYTES);
	memcpy(s->before.signature, in + HEAD_SIGNATURE,
	    MFTD_HEAD_SIGNATURE_BYTES);
	return 0;
}

static uint32_t
record_crc(uint32_t crc, const uint8_t *rec, size_t len)
{
	crc = mftd_crc32c(crc, rec, REC_CRC);
	return mftd_crc32c(crc, rec + REC_SEQ, len - REC_SEQ);
}

int
mftd_entry_put(struct mftd_buf *b, uint32_t crc, struct mftd_entry *e)
{
	uint8_t *at;
	int r;

	if (e->payload_bytes > MFTD_PAYLOAD_BYTES)
		return -EMSGSIZE;
	e->bytes = MFTD_RECORD_HEADER_BYTES + e->payload_bytes;
	r = mftd_buf_reserve(b, e->bytes, &at);
	if (r < 0)
		return r;
	put32(at, (uint32_t)e->bytes);
	put64(at + REC_SEQ, e->seq);
	put64(at + REC_TIME, (uint64_t)e->time_us);
	put32(at + REC_TYPE, e->type);
	put32(at + REC_PLACE, e->place);
	memcpy(at + REC_PREV, e->prev, MFTD_SHA256_BYTES);
	if (e->payload_bytes > 0)
		memcpy(at + MFTD_RECORD_HEADER_BYTES, e->payload,
		    e->payload_bytes);
	put32(at + REC_CRC, record_crc(crc, at, e->bytes));
	SHA256(at, e->bytes, e->hash);
	return 0;
}

int
mftd_entry_get(
    const uint8_t *in, size_t len, uint32_t crc, struct mftd_entry *e)
{
	e->bytes = sizeof(uint32_t);
	if (len < e->bytes)
		return -EAGAIN;
	e->bytes = get32(in);
	if (e->bytes == 0)
		return 0;
	if (e->bytes < MFTD_RECORD_HEADER_BYTES || e->bytes > MFTD_RECORD_BYTES)
		return -MFTD_E_CORRUPT;
	if (len < e->bytes)
		return -EAGAIN;
	if (get32(in + REC_CRC) != record_crc(crc, in, e->bytes))
		return -MFTD_E_CORRUPT;
	e->seq = get64(in + REC_SEQ);
	e->time_us = (int64_t)get64(in + REC_TIME);
	e->type = get32(in + REC_TYPE);
	e->place = get32(in + REC_PLACE);
	if (e->place >= e->seq)
		return -MFTD_E_CORRUPT;
	memcpy(e->prev, in + REC_PREV, MFTD_SHA256_BYTES);
	e->payload = in + MFTD_RECORD_HEADER_BYTES;
	e->payload_bytes = e->bytes - MFTD_RECORD_HEADER_BYTES;
	SHA256(in, e->bytes, e->hash);
	return 1;
}

size_t
mftd_segment_blank(const uint8_t *in, size_t len)
{
	static const uint8_t zeros[4096];
	size_t n = 0;

	/* most of a segment is; one by one that takes longer than to read it */
	while (len - n >= sizeof(zeros) &&
	    memcmp(in + n, zeros, sizeof(zeros)) == 0)
		n += sizeof(zeros);
	while (n < len && in[n] == 0)
		n++;
	return n;
}

uint64_t
mftd_entry_durable(const struct mftd_entry *e)
{
	return e->seq - 1 - e->place;
}
