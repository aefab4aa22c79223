/* Part of mftd; see LICENSE. */
#include "mftd/outbound/share.h"

static size_t
left(const struct mftd_share *s)
{
	size_t taken = s->delivers + s->fetches;

	return s->most > taken ? s->most - taken : 0;
}

bool
mftd_share_for_deliver(const struct mftd_share *s)
{
	return left(s) > 1 ||
	    (left(s) == 1 && (!s->fetch_waits || s->fetch_was_last));
}

bool
mftd_share_for_fetch(const struct mftd_share *s)
{
	return left(s) > 1 ||
	    (left(s) == 1 && (!s->deliver_waits || !s->fetch_was_last));
}

bool
mftd_share_is_wanted(const struct mftd_share *s)
{
	return left(s) == 0 && s->fetch_waits;
}

bool
mftd_share_is_over(const struct mftd_share *s)
{
	return mftd_share_is_wanted(s) && !s->fetch_was_last;
}
