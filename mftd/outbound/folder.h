/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_FOLDER_H
#define MFTD_OUTBOUND_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/policy.h"
#include "mftd/journal/folders.h"

/*
 * An account's folders as outbound writes into them: a session at journal, and
 * the parts made in it.  What an account's clients may not write to, this may:
 * that is the operator's word about them.
 */
struct mftd_folder_session {
	const char *session;
	const struct mftd_policy *policy;
	struct mftd_chan *journal;
	int root, parts; /* -1 before it is opened */
	struct mftd_folders folders;
	char volume_id[MFTD_ID_BYTES];
};

/* One file on its way. */
struct mftd_folder_part {
	int fd; /* -1: there is none */
	uint64_t inode;
	char id[MFTD_ID_BYTES];
	char key[MFTD_PARENT_KEY_BYTES];
	const char *base; /* into the path that it was made for */
};

/* Waits for journal's first word.  0, its error, or -MFTD_E_CLOSED. */
int mftd_folder_open(struct mftd_folder_session *s);
void mftd_folder_close(struct mftd_folder_session *s);

/*
 * Makes an empty part for the clean path, which must outlive it, under that id,
 * and the directories above path where they are missing.  Nobody sees it before
 * mftd_folder_settle.  0 or -errno: -EISDIR, -EACCES: what has the name is no
 * file.
 */
int mftd_folder_make(struct mftd_folder_session *s, const char *path,
    const char *id, struct mftd_folder_part *p);

/* The part is whole: who lists the folder may see it, and it is durable. */
int mftd_folder_settle(
    const struct mftd_folder_session *s, const struct mftd_folder_part *p);

/* Whether journal still has the session: one that starts after it finds every
 * part that was made so far, and says what became of it. */
bool mftd_folder_is_held(const struct mftd_folder_session *s);

/* Supersedes the uploads that others have begun under the part's name, as a
 * session's does. */
int mftd_folder_supersede(struct mftd_folder_session *s,
    const struct mftd_folder_part *p, const char *path);

/* Asks journal to publish it; ref comes back with the answer.  0 or
 * -MFTD_E_CLOSED. */
int mftd_folder_ask(struct mftd_folder_session *s,
    const struct mftd_folder_part *p, const char *path, uint64_t size,
    const uint8_t *sha256, uint64_t ref);

/* Waits for an answer of journal: its ref, and what it says in *err.  0 or
 * -MFTD_E_CLOSED, after which nothing is known of those not answered. */
int mftd_folder_answer(struct mftd_folder_session *s, uint64_t *ref, int *err);

/* Removes a part that is not published, and that nobody was asked to publish,
 * or who was has refused it.  It may be gone already. */
void mftd_folder_drop(
    const struct mftd_folder_session *s, const struct mftd_folder_part *p);

#endif
