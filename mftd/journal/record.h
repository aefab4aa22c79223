/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_RECORD_H
#define MFTD_JOURNAL_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"

/*
 * What a journal record says.  How records stand in a segment (length, CRC32C,
 * sequence, time, type, hash of the one before) is journal/segment.h's; this is
 * their payload, in base/buf.h's encoding.  Types are part of the stored
 * format: numbers are never reused.
 */
enum mftd_record_type {
	MFTD_RECORD_OPEN = 1, /* first of a stream: struct mftd_rec_open */
	MFTD_RECORD_AUDIT = 2, /* mftd_rec_audit: login, download, … */
	MFTD_RECORD_PART = 3, /* mftd_rec_part */
	MFTD_RECORD_RECEIPT = 4, /* mftd_rec_receipt: about to be published */
	MFTD_RECORD_PUBLISHED = 5, /* mftd_rec_outcome */
	MFTD_RECORD_ABANDONED = 6, /* mftd_rec_outcome */
	MFTD_RECORD_RENAME = 7, /* mftd_rec_name: path -> to */
	MFTD_RECORD_REMOVE = 8, /* mftd_rec_name */
	MFTD_RECORD_MKDIR = 9, /* mftd_rec_name */
	MFTD_RECORD_RMDIR = 10, /* mftd_rec_name */
	MFTD_RECORD_SETSTAT = 11, /* mftd_rec_name */
	MFTD_RECORD_SEAL = 12, /* mftd_rec_seal: of another stream */
	MFTD_RECORD_LINK = 13, /* mftd_rec_name: to is another name of path */
	MFTD_RECORD_SYMLINK = 14, /* mftd_rec_name: path leads to to */
	MFTD_RECORD_DISPOSE = 15, /* mftd_rec_name: mftd will RENAME or REMOVE
				   * what was delivered */
};

struct mftd_rec_open {
	char node[MFTD_NAME_BYTES];
	char incarnation[MFTD_ID_BYTES];
	char volume[MFTD_NAME_BYTES];
};

struct mftd_rec_audit {
	char session[MFTD_ID_BYTES]; /* "": the node itself; no account then */
	char account[MFTD_NAME_BYTES];
	char event[MFTD_NAME_BYTES];
	char text[MFTD_PATH_BYTES];
};

struct mftd_rec_part {
	char part[MFTD_ID_BYTES];
	uint64_t durable; /* bytes from the start */
	uint64_t base; /* published ones that show behind them */
};

struct mftd_rec_receipt {
	char id[MFTD_ID_BYTES];
	char session[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char root[MFTD_PATH_BYTES]; /* the account's, below the volume */
	char path[MFTD_PATH_BYTES]; /* clean, below the account's root */
	char folder[MFTD_NAME_BYTES]; /* path begins with this virtual folder,
				       * and root is where that one lies; "" */
	char part[MFTD_ID_BYTES];
	uint64_t size;
	uint64_t inode;
	bool has_routes; /* .mft/out/<id> is linked before the rename */
	bool has_sha256;
	uint8_t sha256[MFTD_SHA256_BYTES];
};

/* What became of a receipt ("" for a part that never had one). */
struct mftd_rec_outcome {
	char receipt[MFTD_ID_BYTES];
	char part[MFTD_ID_BYTES];
	char reason[MFTD_REASON_BYTES]; /* of ABANDONED */
};

/* cause: the receipt whose deliveries are DONE, of what mftd itself does by a
 * route's wish; session is "" then, and the paths are below the volume. */
struct mftd_rec_name {
	char session[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char path[MFTD_PATH_BYTES];
	char to[MFTD_PATH_BYTES]; /* of RENAME and the links, else "" */
	uint64_t inode;
	char cause[MFTD_ID_BYTES]; /* or "" */
	bool found; /* it was no upload, but found in a folder: then account is
		     * "", there is a cause, and these are its version */
	uint64_t bytes;
	int64_t mtime_ns; /* since the epoch */
};

struct mftd_rec_seal {
	char stream[MFTD_ID_BYTES];
	uint64_t seq; /* its last whole record */
	uint8_t hash[MFTD_SHA256_BYTES]; /* of that record */
};

/* Encoders return what mftd_buf_put does.  Decoders return 0 or a negative
 * error for a payload that is not exactly one such record; they trust
 * nothing: ids are valid, paths are clean. */
int mftd_rec_open_put(struct mftd_buf *b, const struct mftd_rec_open *r);
int mftd_rec_open_get(struct mftd_buf *b, struct mftd_rec_open *r);
int mftd_rec_audit_put(struct mftd_buf *b, const struct mftd_rec_audit *r);
int mftd_rec_audit_get(struct mftd_buf *b, struct mftd_rec_audit *r);
int mftd_rec_part_put(struct mftd_buf *b, const struct mftd_rec_part *r);
int mftd_rec_part_get(struct mftd_buf *b, struct mftd_rec_part *r);
int mftd_rec_receipt_put(struct mftd_buf *b, const struct mftd_rec_receipt *r);
int mftd_rec_receipt_get(struct mftd_buf *b, struct mftd_rec_receipt *r);
int mftd_rec_outcome_put(struct mftd_buf *b, const struct mftd_rec_outcome *r);
int mftd_rec_outcome_get(struct mftd_buf *b, struct mftd_rec_outcome *r);
int mftd_rec_name_put(struct mftd_buf *b, const struct mftd_rec_name *r);
int mftd_rec_name_get(struct mftd_buf *b, struct mftd_rec_name *r);
int mftd_rec_seal_put(struct mftd_buf *b, const struct mftd_rec_seal *r);
int mftd_rec_seal_get(struct mftd_buf *b, struct mftd_rec_seal *r);

/* "receipt"; "?" for an unknown type. */
const char *mftd_record_name(uint32_t type);

#endif
