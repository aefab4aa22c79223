/* Part of mftd; see LICENSE. */
/*
 * What an agent tells the cluster about its node: attributes that last until
 * the node leaves it. Pacemaker's own programs say it, at thirty times the
 * price of a monitor; so what was said is remembered (memory.h) and said again
 * only if it is another value, or if the cluster may have lost it: the
 * attribute daemon was started anew, the daemon behind the agent has another
 * life, MFTD_OCF_TOLD_S went by, or it is no recurring monitor that asks.
 */
#ifndef MFTD_OCF_ATTRIBUTE_H
#define MFTD_OCF_ATTRIBUTE_H

#include "ocf.h"

enum {
	MFTD_OCF_TOLD_S = 1800, /* what was told is told again, in seconds */
	MFTD_OCF_ATTRIBUTE_MAX = 64, /* bytes of an attribute's name */
};

/*
 * Sets or deletes this node's promotion score of the resource. life is a word
 * of at most 64 bytes without blanks that changes when the node was out of the
 * cluster, or "". A failure is logged and otherwise ignored: without a cluster
 * there is nobody to promote. Takes at most 80 % of the action's timeout.
 */
void mftd_ocf_promotion_set(
    const struct mftd_ocf *ocf, int score, const char *life);
void mftd_ocf_promotion_delete(const struct mftd_ocf *ocf);

/*
 * The same for an attribute of any name, value a word. Returns 0 when the
 * cluster knows it, else -EIO, or -errno of a child process (it is logged).
 */
int mftd_ocf_attribute_set(
    const struct mftd_ocf *ocf, const char *name, const char *value);
void mftd_ocf_attribute_delete(const struct mftd_ocf *ocf, const char *name);

/*
 * Whether any other node of the cluster has that value: 1, 0, or a negative
 * error if it cannot be known. Asks each time. Neither may hold a quotation
 * mark.
 */
int mftd_ocf_attribute_elsewhere(
    const struct mftd_ocf *ocf, const char *name, const char *value);

#endif
