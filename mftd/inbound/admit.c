/* Part of mftd; see LICENSE. */
#include "mftd/inbound/admit.h"

#include <string.h>

#include "mftd/base/source.h"

bool
mftd_startups_drop(const struct mftd_conf_startups *s, int n, unsigned random)
{
	unsigned chance;

	if (n >= s->full)
		return true;
	if (n < s->start)
		return false;
	chance = (unsigned)(s->rate +
	    (100 - s->rate) * (n - s->start) / (s->full - s->start));
	return random < chance;
}

bool
mftd_banned(const struct mftd_msg_ban *bans, uint32_t n,
    const struct mftd_cidr *source, int64_t now_us)
{
	struct mftd_cidr net;
	uint32_t i;

	for (i = 0; i < n; i++) {
		if (bans[i].until_us <= now_us)
			continue;
		memcpy(net.address, bans[i].address, sizeof(net.address));
		net.bits = bans[i].bits;
		if (mftd_source_within(&net, source))
			return true;
	}
	return false;
}

bool
mftd_nets_have(
    const struct mftd_conf_nets *nets, const struct mftd_cidr *source)
{
	size_t i;

	for (i = 0; i < nets->n; i++)
		if (mftd_source_within(&nets->net[i], source))
			return true;
	return false;
}

const char *
mftd_turned_word(int why)
{
	static const char *const words[MFTD_TURNED_COUNT] = {
		"this node cannot let anyone in now",
		"as many sessions as there may be",
		"many without login already",
		"as many without login as one source may have",
		"kept out after failures, or by hand",
		"no PROXY header of a balancer",
	};

	return words[why];
}
