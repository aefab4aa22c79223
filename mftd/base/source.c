/* Part of mftd; see LICENSE. */
#include "mftd/base/source.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/limits.h"

#define V4_BITS 96 /* in front of a mapped IPv4 address */
#define V6_SOURCE_BITS 64

/* Cuts the port off, and brackets. */
static int
host_of(const char *peer, char *out, size_t size)
{
	const char *end = strchr(peer, ':');
	size_t n;

	if (peer[0] == '[') {
		end = strchr(++peer, ']');
		if (end == NULL)
			return -EINVAL;
	} else if (end == NULL || strchr(end + 1, ':') != NULL) {
		end = peer + strlen(peer); /* no port */
	}
	n = (size_t)(end - peer);
	if (n >= size)
		return -EINVAL;
	memcpy(out, peer, n);
	out[n] = '\0';
	n = strcspn(out, "%"); /* a link-local address's interface */
	out[n] = '\0';
	return strchr(out, '/') == NULL ? 0 : -EINVAL;
}

static bool
is_v4(const struct mftd_cidr *net)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return net->bits >= V4_BITS &&
	    memcmp(net->address, mapped, sizeof(mapped)) == 0;
}

int
mftd_source_of(const char *peer, struct mftd_cidr *out)
{
	char host[MFTD_ADDR_BYTES];
	int r = host_of(peer, host, sizeof(host));

	if (r == 0)
		r = mftd_cidr_parse(host, out);
	if (r == 0 && !is_v4(out)) {
		out->bits = V6_SOURCE_BITS;
		memset(out->address + V6_SOURCE_BITS / 8, 0,
		    sizeof(out->address) - V6_SOURCE_BITS / 8);
	}
	return r;
}

void
mftd_source_text(const struct mftd_cidr *net, char *out, size_t size)
{
	bool v4 = is_v4(net);
	char text[INET6_ADDRSTRLEN];

	inet_ntop(v4 ? AF_INET : AF_INET6, net->address + (v4 ? 12 : 0), text,
	    sizeof(text));
	if (net->bits == 128)
		snprintf(out, size, "%s", text);
	else
		snprintf(
		    out, size, "%s/%u", text, net->bits - (v4 ? V4_BITS : 0));
}

bool
mftd_source_within(const struct mftd_cidr *net, const struct mftd_cidr *inner)
{
	unsigned whole = net->bits / 8, rest = net->bits % 8;
	unsigned mask = (0xff00u >> rest) & 0xff;

	return inner->bits >= net->bits &&
	    memcmp(net->address, inner->address, whole) == 0 &&
	    (rest == 0 ||
		((net->address[whole] ^ inner->address[whole]) & mask) == 0);
}
