/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_CHANGE_H
#define MFTD_JOURNAL_CHANGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/policy.h"
#include "mftd/journal/folders.h"
#include "mftd/journal/layout.h"
#include "mftd/journal/work.h"

/* Who asks: set from auth's SESSION_OPEN, never from a session's message. */
struct mftd_owner {
	char session[MFTD_ID_BYTES];
	char account[MFTD_NAME_BYTES];
	char root[MFTD_PATH_BYTES]; /* below the volume */
	char peer[MFTD_ADDR_BYTES];
	int root_fd, parts_fd;
	struct mftd_policy policy;
	struct mftd_folders folders; /* open; point into policy */
};

/* A name with the directory it is in, open. */
struct mftd_place {
	int dir; /* -1 when not open */
	const char *base;
	const struct mftd_folder *folder; /* NULL: in the account's root */
	char key[MFTD_PARENT_KEY_BYTES];
};

/* Files and their bytes, or by how much they change. */
struct mftd_tally {
	int64_t bytes, files;
};

/* One request for a change of names, from its arrival to its answer. */
struct mftd_change {
	STAILQ_ENTRY(mftd_change) link;
	struct mftd_owner *owner;
	uint32_t type; /* MFTD_MSG_PUBLISH, … */
	uint64_t ref;
	union {
		struct mftd_msg_publish publish;
		struct mftd_msg_supersede supersede;
		struct mftd_msg_adopt adopt;
		struct mftd_msg_commit commit;
		struct mftd_msg_rename rename;
		struct mftd_msg_remove remove; /* and rmdir */
		struct mftd_msg_mkdir mkdir;
		struct mftd_msg_setstat setstat;
		struct mftd_msg_link link;
		struct mftd_msg_symlink symlink;
	} msg;
	/* the answer */
	int err;
	char receipt[MFTD_ID_BYTES];
	struct mftd_rec_part mark; /* of what was adopted */
	char held_by[MFTD_ID_BYTES]; /* -EAGAIN: the part that an owner has */
	int64_t until_ms; /* it waits for that one so long; 0: not yet */
	/* under way */
	struct mftd_place from, to;
	int part_dir;
	uint64_t inode;
	bool linked; /* a PUBLISH, in .mft/out: as its receipt says */
	bool must_commit; /* its records before its answer */
	/* of an account with a quota (quota.h) */
	bool prepared;
	struct mftd_tally held; /* in the usage, before it is done */
	uint64_t held_seq; /* counts begun by then; 0: nothing held */
	struct mftd_tally tally; /* what it did */
	bool untold; /* … and that is not all */
	bool moved; /* … which a count may have missed */
};

STAILQ_HEAD(mftd_changes, mftd_change);

/* Changes that one batch may hold; they fit one segment. */
#define MFTD_BATCH_MAX 256

/* A change as it arrived (data: the message's struct, checked by the gate);
 * NULL for a type that is none, or without memory.  owner outlives it. */
struct mftd_change *mftd_change_new(
    struct mftd_owner *owner, uint32_t type, uint64_t ref, const void *data);

/* Closes what it holds, tidies up behind it (nothing that matters for
 * durability) and frees it.  May be NULL. */
void mftd_change_free(struct mftd_change *c);

/*
 * Does all changes of the list as one group: records what must be known before,
 * commits, changes names, syncs each directory once, commits what must be known
 * before the answer.  Each c->err is then its answer.  The lease is the
 * caller's to check, before and after.  Returns 0, or the error that ends this
 * process: then nothing may be answered.
 */
int mftd_batch_run(struct mftd_work *w, struct mftd_changes *list);

/* Opens the directory of a clean path, in which something is to be changed, for
 * its owner.  The one gate to what a session may change: refuses what is
 * reserved (-EACCES), a folder's own name (-EACCES), and all that is read-only
 * (-EROFS).  Returns 0 or -errno. */
int mftd_place_open(const struct mftd_work *w, const struct mftd_owner *owner,
    const char *path, struct mftd_place *p);

/* Appends the record of what c changed, with its inode; it must be durable
 * before the answer. */
void mftd_change_record(struct mftd_work *w, struct mftd_change *c,
    uint32_t type, const char *path, const char *to);

/* The inode of the name and its type (st_mode), not following a link. */
int mftd_place_stat(const struct mftd_place *p, uint64_t *inode, mode_t *mode);

/* What each kind does; prepare may be NULL. */
typedef int (*mftd_change_fn)(struct mftd_work *w, struct mftd_change *c);
int mftd_publish_prepare(struct mftd_work *w, struct mftd_change *c);
int mftd_publish_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_supersede_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_adopt_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_rename_prepare(struct mftd_work *w, struct mftd_change *c);
int mftd_rename_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_remove_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_rmdir_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_mkdir_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_setstat_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_link_prepare(struct mftd_work *w, struct mftd_change *c);
int mftd_link_execute(struct mftd_work *w, struct mftd_change *c);
int mftd_symlink_execute(struct mftd_work *w, struct mftd_change *c);

#endif
