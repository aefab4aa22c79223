/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_ACCOUNT_H
#define MFTD_JOURNAL_ACCOUNT_H

#include <sys/queue.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/msg_session.h"
#include "mftd/journal/change.h"
#include "mftd/journal/volume.h"

/* A directory that this process has made sure of for an account. */
struct mftd_known {
	LIST_ENTRY(mftd_known) link;
	char account[MFTD_NAME_BYTES];
	char path[MFTD_PATH_BYTES]; /* below the volume */
};
LIST_HEAD(mftd_knowns, mftd_known);

/*
 * What SESSION_OPEN asks for: opens the account's root, its parts directory and
 * its folders, all of them made where they are missing, into owner.  Returns 0,
 * or -errno with the reason logged: -EINVAL for a root or folder that is none,
 * -EPERM for one inside .mft and for a group that this process cannot give,
 * -EXDEV for another mount.  owner's descriptors are then closed.
 */
int mftd_account_open(const struct mftd_volume *v, struct mftd_knowns *known,
    struct mftd_owner *owner, const struct mftd_msg_session_open *o);

/* Closes owner's descriptors. */
void mftd_account_close(struct mftd_owner *owner);

/* The umask and the group of the account, for what fd was just made as:
 * permissions are set to exactly mode without the umask's bits.  0 or -errno.
 */
int mftd_account_adopt(const struct mftd_owner *owner, int fd, mode_t mode);

#endif
