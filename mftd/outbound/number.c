/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>

#include "mftd/base/err.h"
#include "mftd/outbound/batch.h"

/* Final names with a number, where the plain one exists. */

#define LOOKS 16 /* names asked for at a time */

/* Gives it that number; false: there is no such name. */
static bool
set_number(struct mftd_item *it, uint32_t number)
{
	it->d.has.number = number;
	return mftd_deliver_final_name(&it->d, it->final, sizeof(it->final)) ==
	    0 &&
	    mftd_deliver_name_fault(&it->d) == NULL;
}

/* Asks for the numbers from first on. */
static int
look(struct mftd_batch *b, struct mftd_item *it, uint32_t first,
    struct mftd_remote_attrs *a, struct mftd_remote_answer *answer)
{
	uint32_t i;
	int r = 0;

	for (i = 0; r == 0 && i < LOOKS; i++) {
		a[i].exists = true;
		if (first + i <= MFTD_NUMBER_MAX && set_number(it, first + i))
			r = mftd_remote_lstat(
			    b->remote, it->final, &a[i], answer);
	}
	return r == 0 ? mftd_remote_drain(b->remote) : r;
}

static void
give_up(struct mftd_item *it)
{
	static const char why[] = "the name exists at the partner, and so do "
				  "those with a number";

	if (it->publishing) {
		it->event = MFTD_EVENT_REJECTED;
		it->err = -EEXIST;
		snprintf(it->why, sizeof(it->why), "%s", why);
		it->drop = true;
		return;
	}
	it->lasting = true;
	mftd_item_fail(it, -EEXIST, why, "");
}

/* The next number that no file has. */
static int
find(struct mftd_batch *b, struct mftd_item *it)
{
	struct mftd_remote_attrs a[LOOKS];
	struct mftd_remote_answer answer = { 0 };
	uint32_t i, first = it->d.has.number + 1;
	int r;

	for (; first <= MFTD_NUMBER_MAX; first += LOOKS) {
		r = look(b, it, first, a, &answer);
		if (r < 0 || mftd_item_refused(it, &answer, "stat"))
			return r;
		for (i = 0; i < LOOKS; i++)
			if (!a[i].exists && set_number(it, first + i))
				return 0;
	}
	give_up(it);
	return 0;
}

int
mftd_batch_number(struct mftd_batch *b)
{
	struct mftd_item *it;
	int r = 0;

	FOR_EACH_ACTIVE(it, b)
	{
		if (r == 0 && it->taken)
			r = find(b, it);
		it->taken = false;
	}
	return r;
}
