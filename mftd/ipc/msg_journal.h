/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_MSG_JOURNAL_H
#define MFTD_IPC_MSG_JOURNAL_H

#include <stdint.h>

#include "mftd/base/limits.h"

/*
 * session -> journal.  Paths are clean (base/path.h), below the account's root.
 * All but PART and AUDIT are answered by JOURNAL_RESULT with the same ref, and
 * what they changed is durable by then.
 */

/* Publish a part: it lies at .mft/parts/<account>/<parent
 * key>/<basename>/<part>, its data and entry are durable. */
struct mftd_msg_publish {
	char path[MFTD_PATH_BYTES];
	char part[MFTD_ID_BYTES];
	uint64_t size;
	uint64_t inode;
	uint32_t has_sha256;
	uint32_t noreplace; /* opened with CREAT+EXCL */
	uint8_t sha256[MFTD_SHA256_BYTES];
};

/* Set aside every part of path but keep ("" keeps none): abandoned. */
struct mftd_msg_supersede {
	char path[MFTD_PATH_BYTES];
	char keep[MFTD_ID_BYTES];
};

/*
 * This part's first durable bytes are on stable storage, with its entry; fewer
 * than before when the session is about to write over them.  base: bytes that
 * show where nothing was written yet, because they are published.  Not
 * answered.
 */
struct mftd_msg_part {
	char part[MFTD_ID_BYTES];
	uint64_t durable;
	uint64_t base;
};

/* What was told of this part, and all else of the session, is to be durable in
 * the journal before the answer, a JOURNAL_RESULT. */
struct mftd_msg_commit {
	char part[MFTD_ID_BYTES];
};

/* Nobody has this part open for writing any more, and it was not published: it
 * is to lie dormant (journal/dormant.h).  key, name: its place (layout.h).  Not
 * answered; the end of a session says the same of all its parts. */
struct mftd_msg_part_end {
	char part[MFTD_ID_BYTES];
	char key[MFTD_PARENT_KEY_BYTES];
	char name[MFTD_FILE_NAME_BYTES];
};

/*
 * The dormant part of path becomes part, cut to what was durable of it.  While
 * another session has it open that one is asked to end, for a bounded time.
 * -ENOENT: path has none (any more); -MFTD_E_HELD: its owner did not let go.
 */
struct mftd_msg_adopt {
	char path[MFTD_PATH_BYTES];
	char part[MFTD_ID_BYTES];
};

struct mftd_msg_rename {
	char from[MFTD_PATH_BYTES];
	char to[MFTD_PATH_BYTES];
	char part[MFTD_ID_BYTES]; /* of from, the session's own: moves, too */
	uint32_t overwrite; /* posix-rename@openssh.com */
};

/* LINK: to becomes another name of the published file from. */
struct mftd_msg_link {
	char from[MFTD_PATH_BYTES];
	char to[MFTD_PATH_BYTES];
};

/* SYMLINK: path becomes a link to target, which is clean below the account's
 * root, too: what the link says is journal's to write. */
struct mftd_msg_symlink {
	char path[MFTD_PATH_BYTES];
	char target[MFTD_PATH_BYTES];
};

/* REMOVE and RMDIR. */
struct mftd_msg_remove {
	char path[MFTD_PATH_BYTES];
};

struct mftd_msg_mkdir {
	char path[MFTD_PATH_BYTES];
	uint32_t mode;
};

/* The attributes whose MFTD_SET_* bit is in mask. */
#define MFTD_SET_SIZE 1
#define MFTD_SET_MODE 2
#define MFTD_SET_TIMES 4

struct mftd_msg_setstat {
	char path[MFTD_PATH_BYTES];
	uint32_t mask;
	uint32_t mode;
	uint64_t size;
	int64_t atime; /* seconds since the epoch */
	int64_t mtime;
};

/* A line of the audit trail (login, download, …).  Not answered. */
struct mftd_msg_audit {
	char event[MFTD_NAME_BYTES];
	char text[MFTD_PATH_BYTES];
};

struct mftd_msg_journal_result {
	int32_t err; /* 0, -errno or -MFTD_E_* */
	char receipt[MFTD_ID_BYTES]; /* of PUBLISH, else "" */
};

/*
 * session -> journal, of an account with a quota: may this part of path grow to
 * so many bytes, and if so, to how many more?  Answered by QUOTA_RESULT.  path
 * "": only how much is used.  It is a word ahead of time: PUBLISH decides.
 */
struct mftd_msg_quota {
	char path[MFTD_PATH_BYTES];
	char part[MFTD_ID_BYTES];
	uint64_t size;
	uint64_t more;
};

struct mftd_msg_quota_result {
	int32_t err; /* -EDQUOT: no; -EAGAIN: not counted yet */
	uint64_t granted; /* bytes that the part may have, at least size */
	uint64_t used_bytes, used_files; /* by the account, parts too */
};

/* catalog -> journal: .mft/out/<receipt> may go.  Not answered. */
struct mftd_msg_release {
	char receipt[MFTD_ID_BYTES];
};

/*
 * catalog -> journal: the receipt is delivered everywhere; the file at path is
 * to go, if it is still that receipt's: into archive, or, when that is "", for
 * good.  All paths are below the volume; root is the account's, for its quota.
 * Answered by DISPOSED; asking again is harmless.  At most MFTD_DISPOSALS_MAX
 * wait for their answer.
 *
 * A file that was found in a folder has no account and no root; .mft/out has a
 * copy of it, so found is not 0 and says which version was copied (times since
 * the epoch).
 */
struct mftd_msg_dispose {
	char receipt[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char root[MFTD_PATH_BYTES];
	char path[MFTD_PATH_BYTES];
	char archive[MFTD_PATH_BYTES];
	uint32_t found;
	uint64_t bytes, inode;
	int64_t mtime_ns, ctime_ns;
};

/* What became of a source. */
enum mftd_source {
	MFTD_SOURCE_KEPT, /* text: why */
	MFTD_SOURCE_ARCHIVED, /* text: as what, below the volume */
	MFTD_SOURCE_DELETED, /* text: "" */
};

struct mftd_msg_disposed {
	char receipt[MFTD_ID_BYTES];
	int32_t err; /* not 0: not now; nothing was changed */
	uint32_t source;
	char text[MFTD_PATH_BYTES];
};

/*
 * journal -> catalog: this stream's records up to seq may be forwarded (they
 * are durable).  Sent when the channel comes up, for every stream that is not
 * wholly forwarded as far as journal knows, and whenever seq grows.
 */
struct mftd_msg_stream {
	char stream[MFTD_ID_BYTES];
	uint64_t seq;
};

/* catalog -> journal: send records after this seq, at most this many.
 * Answered by that many RECORDs, or fewer at the end. */
struct mftd_msg_want {
	char stream[MFTD_ID_BYTES];
	uint64_t after;
	uint32_t most;
};

/* journal -> catalog; the record's payload follows (journal/record.h).
 * type 0: no more now. */
struct mftd_msg_record {
	char stream[MFTD_ID_BYTES];
	uint64_t seq;
	int64_t time_us;
	uint32_t type;
	uint32_t payload_bytes;
};

/* catalog -> journal: all up to seq is in the catalog. */
struct mftd_msg_forwarded {
	char stream[MFTD_ID_BYTES];
	uint64_t seq;
};

/* journal -> catalog: these links lie in .mft/out; who is not needed any more?
 * Answered by a RELEASE for each such, and LINKS_SEEN.  Each id is what its
 * receiver has to look at: the gate does not. */
#define MFTD_LINKS_MAX 256
struct mftd_msg_links {
	uint32_t n;
	char receipts[MFTD_LINKS_MAX][MFTD_ID_BYTES];
};

/*
 * catalog -> journal: whether uploads need a link in .mft/out.  none_until_ms:
 * no route takes from an account, and this may be believed until then, by
 * mftd_clock_ms; 0: some route does.  Sent again and again; a journal that
 * heard nothing, or nothing for long, links what is published.
 */
struct mftd_msg_routes {
	int64_t none_until_ms;
};

/* catalog -> journal; err: 0, or it cannot say now. */
struct mftd_msg_links_seen {
	int32_t err;
};

#endif
