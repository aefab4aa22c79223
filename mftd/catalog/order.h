/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ORDER_H
#define MFTD_CATALOG_ORDER_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/limits.h"

struct mftd_catalog;

/*
 * The order in which files were received: by it versions of one name go out
 * (versions.h), and one that has an older one's place is never sent.  A
 * record's time is its node's clock's, which may be wrong or be set back.  So
 *
 * - within a stream its sequence decides; a journal's next stream is later than
 *   the one before it, and a node's next incarnation than those before it,
 *   whatever the clock says;
 * - between nodes their clocks do, as long as they agree with the database's
 *   (MFTD_ORDER_AGREE_US); one that does not is read as the database's clock;
 * - nothing is later than now, and the database's clock counts as one that
 *   never goes back;
 * - where these contradict each other, a clock was set meanwhile, and how far
 *   the result may be off is part of it: of two such nobody says for certain
 *   which is the later one, and a person is asked (claim.c).
 *
 * What no clock shows is one that was wrong while the catalog was away, did not
 * go back, and is right again when the catalog is.
 */

/* Nodes that keep time agree to milliseconds, and what a virtual machine stands
 * still when it is moved, or a leap second, is below this. */
#define MFTD_ORDER_AGREE_US INT64_C(1000000)

/* Between a node's incarnations, and its streams, for records of the older one
 * that come when the next one has begun. */
#define MFTD_ORDER_GAP_US 1000

/* What is given to a record: order_us, and how far it may be off. */
struct mftd_order {
	int64_t us;
	int64_t off_us; /* 0: as exact as clocks that agree */
};

/* What is known of a stream as records of it come, all in microseconds. */
struct mftd_order_stream {
	int64_t begin_us; /* given to the first of these; 0: none was yet */
	int64_t last_us; /* given to the record before */
	int64_t first_us; /* none of it is before that */
	int64_t next_us; /* nor behind that; INT64_MAX: anything */
	int64_t skew_us; /* how far the clock of its records is ahead */
	int64_t off_us; /* how far that may be off */
	int64_t now_us; /* the catalog's clock */
};

/* The order of the next record, of that time by its node's clock; s->last_us
 * moves on.  Pure. */
struct mftd_order mftd_order_of(struct mftd_order_stream *s, int64_t time_us);

/* One forward of a stream's records, beginning to end. */
struct mftd_ordering {
	struct mftd_order_stream s;
	char node[MFTD_ID_BYTES]; /* of the stream */
	char of[MFTD_ID_BYTES]; /* and its volume: receipt.order_by */
	int64_t skew_us; /* the node's */
	char incarnation[MFTD_ID_BYTES]; /* the node's last */
	int64_t first_us; /* where that one begins */
	int64_t before_us; /* the last of the stream before; 0: none */
	int64_t behind_us; /* the first of the next one; 0: none */
	int64_t last_us; /* the greatest that the node was given */
	bool here; /* the stream is of this node's present incarnation */
};

/*
 * Inside a FORWARD transaction, before the first record, of that time: reads
 * what is known, and compares this node's clock with the database's if the
 * stream is c's own (mftd_catalog_here).  0 or an error.
 */
int mftd_order_begin(struct mftd_catalog *c, const char *stream,
    int64_t time_us, struct mftd_ordering *o);

/* After the last one, and when the stream's mark was moved: keeps it.  drained:
 * what comes next was not written yet.  0 or an error. */
int mftd_order_end(struct mftd_catalog *c, const char *stream, bool drained,
    const struct mftd_ordering *o);

/* Now, by the database's clock if this node's was seen to be another: what is
 * to wait until some time is waited for on any node. */
int64_t mftd_order_now_us(const struct mftd_catalog *c);

/* Whose streams are one behind the other, as receipt.order_by has it: the node,
 * and "/" and the place of the volume among its (journal/stream.h), if that is
 * not the first one. */
void mftd_order_of_stream(const char *stream, char of[MFTD_ID_BYTES]);

/* The node that wrote a stream of that name ("<node>-<16 digits>-j<n>"); else
 * the name itself. */
void mftd_order_node(const char *stream, char node[MFTD_ID_BYTES]);

#endif
