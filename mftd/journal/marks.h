/* Part of mftd; see LICENSE. */
#ifndef MFTD_JOURNAL_MARKS_H
#define MFTD_JOURNAL_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "mftd/base/limits.h"

/* How much of a part is on stable storage, as its owner told or as its PART
 * records say: the last word counts. */
struct mftd_mark {
	LIST_ENTRY(mftd_mark) link;
	char part[MFTD_ID_BYTES];
	uint64_t durable; /* bytes from the start */
	uint64_t base; /* that show behind them, since they are published */
	bool cut; /* less than was durable, as it was laid down before */
};

struct mftd_marks {
	LIST_HEAD(, mftd_mark) list;
	size_t n;
};

void mftd_marks_init(struct mftd_marks *m);
void mftd_marks_clear(struct mftd_marks *m);

/* Adds or changes a part's mark (cut: false); room for max of them.  0, -ENOMEM
 * or -MFTD_E_LIMIT with nothing changed. */
int mftd_marks_set(struct mftd_marks *m, size_t max, const char *part,
    uint64_t durable, uint64_t base);

/* The part's mark, or NULL. */
struct mftd_mark *mftd_marks_find(const struct mftd_marks *m, const char *part);

/* Forgets it, if there is one. */
void mftd_marks_drop(struct mftd_marks *m, const char *part);

#endif
