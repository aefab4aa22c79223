/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_JOURNAL_STORY_H
#define TESTS_UNIT_JOURNAL_STORY_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/ipc/msg_journal.h"
#include "tests/unit/journal/tree.h"

/*
 * What alice's names hold, before and after what was asked; and whether a
 * volume, with all its journals, tells one story of it.
 */
#define STORY_NAMES 8
extern const char *const story_names[STORY_NAMES];

/* By name: NULL: nothing is there; "/": a directory; "@x": a link to x; else a
 * file's text, one that begins with '!' of mode 0640 instead of 0600. */
struct story {
	const char *holds[STORY_NAMES];
};

/* A request; its paths are among the names. */
struct story_ask {
	const char *label;
	uint32_t type; /* MFTD_MSG_PUBLISH, … */
	const char *path, *to, *text;
	bool flag; /* noreplace, overwrite */
};

/* The message that asks it, but for PUBLISH, which is of a part.  Returns its
 * size. */
union story_msg {
	struct mftd_msg_publish publish;
	struct mftd_msg_supersede supersede;
	struct mftd_msg_adopt adopt;
	struct mftd_msg_rename rename;
	struct mftd_msg_link link;
	struct mftd_msg_symlink symlink;
	struct mftd_msg_remove remove;
	struct mftd_msg_mkdir mkdir;
	struct mftd_msg_setstat setstat;
};
size_t story_msg(const struct story_ask *a, union story_msg *m);

/* Makes them on a fresh volume, by other hands than mftd's. */
void story_make(struct tree *t, const struct story *s);

/* What they hold once it was done; it is done only where it can be. */
struct story story_after(const struct story *s, const struct story_ask *a);

/* What they hold on the disk; texts stay valid until the next call but one. */
struct story story_read(struct tree *t);
bool story_same(const struct story *a, const struct story *b);
void story_print(const char *what, const struct story *s);

/*
 * All nodes that wrote are gone and were recovered, the last journal has
 * stopped: every stream verifies, every receipt has one outcome, which is what
 * .mft/out says too, nothing is left aside, and no part but dormant ones.
 * Prints what is not so.  late: one of them wrote behind its seal, which its
 * stream's verdict may say.
 */
bool story_holds_together(struct tree *t, bool late);

/* How many bytes of an unfinished upload of a name lie dormant: 0: none is
 * there; -1: they are not the beginning of text. */
int64_t story_dormant(struct tree *t, const char *name, const char *text);

/* How many receipts of a path are published. */
int story_published(struct tree *t, const char *path);

/* How many records of that type name the path and, if not NULL, to. */
int story_records(
    struct tree *t, uint32_t type, const char *path, const char *to);

#endif
