/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_SEGMENT_H
#define MFTD_JOURNAL_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"
#include "mftd/journal/head.h"

/*
 * How a stream stands on disk: segments NNNNNNNN.seg from 1 on, allocated
 * ahead, so that a record never meets a full disk; the first is small, since a
 * journal that starts again and again leaves one each time.  Numbers are
 * big-endian.
 *
 * Header:  magic "MFTDSEG1", u32 version, stream id (96 bytes, zero-padded),
 *          u64 segment number, u64 sequence of its first record, SHA-256 of the
 *          record before that (zeros in the first); the writer's public key and
 *          its signature of the head that these two make (journal/head.h); u32
 *          CRC-32C of all this.
 * Record:  u32 length of the whole record, u32 CRC-32C of the segment's header
 *          but its last field and all of the record but this one, u64 sequence
 * (from 1, gap-free over segments), i64 wall time in microseconds, u32 type,
 * u32 how many records of its commit stand before it, SHA-256 of the whole
 * record before it, payload (journal/record.h). A length of zero ends a
 * segment; only zeros follow.
 *
 * What clients have a say in stands in payloads, also as numbers: the header in
 * the sum, with the signature in it, is what they cannot know, so that nothing
 * of theirs passes for a record.
 */
#define MFTD_SEGMENT_BYTES (16 << 20)
#define MFTD_SEGMENT_FIRST_BYTES (1 << 20)
#define MFTD_SEGMENT_HEADER_BYTES \
	(64 + MFTD_ID_BYTES + MFTD_HEAD_KEY_BYTES + MFTD_HEAD_SIGNATURE_BYTES)
#define MFTD_RECORD_HEADER_BYTES 64
#define MFTD_PAYLOAD_BYTES (MFTD_RECORD_BYTES - MFTD_RECORD_HEADER_BYTES)

struct mftd_segment {
	uint64_t number;
	struct mftd_signed_head before; /* the stream, up to this segment */
	uint32_t crc; /* set by put and get: its records' sums go on from it */
};

struct mftd_entry {
	uint64_t seq;
	int64_t time_us;
	uint32_t type; /* enum mftd_record_type */
	uint32_t place; /* in its commit, from 0; below seq */
	uint8_t prev[MFTD_SHA256_BYTES];
	uint8_t hash[MFTD_SHA256_BYTES]; /* of this record */
	const uint8_t *payload;
	size_t payload_bytes; /* up to MFTD_PAYLOAD_BYTES */
	size_t bytes; /* the whole record on disk */
};

/* "00000001.seg". */
#define MFTD_SEGMENT_NAME_BYTES 32
void mftd_segment_name(uint64_t number, char out[MFTD_SEGMENT_NAME_BYTES]);

void mftd_segment_put(
    struct mftd_segment *s, uint8_t out[MFTD_SEGMENT_HEADER_BYTES]);

/* 0; -MFTD_E_CORRUPT for what is no header of this version. */
int mftd_segment_get(
    const uint8_t in[MFTD_SEGMENT_HEADER_BYTES], struct mftd_segment *s);

/* Appends the record e, of a segment with that crc, to b and sets e's hash and
 * bytes.  Returns as mftd_buf_put, and -EMSGSIZE for too long a payload. */
int mftd_entry_put(struct mftd_buf *b, uint32_t crc, struct mftd_entry *e);

/*
 * Parses the record at the front of len bytes of a segment with that crc; what
 * it points at stays theirs.
 * Returns 1; 0 at an end mark; -EAGAIN when len is less than the record, and
 * e's bytes says how many it has; -MFTD_E_CORRUPT.
 */
int mftd_entry_get(
    const uint8_t *in, size_t len, uint32_t crc, struct mftd_entry *e);

/* How many of len bytes, from the first one on, are zero. */
size_t mftd_segment_blank(const uint8_t *in, size_t len);

/* The last record that was durable when e was written; 0: none. */
uint64_t mftd_entry_durable(const struct mftd_entry *e);

#endif
