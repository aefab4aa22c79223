/* Part of mftd; see LICENSE. */
#include "mftd/base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define V4_AT 12 /* of a mapped address: behind ten zeros and two 0xff */
#define TEXT_BYTES 64

static int
parse_address(const char *text, uint8_t out[16], bool *v4)
{
	static const uint8_t mapped[V4_AT] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0xff, 0xff };

	memcpy(out, mapped, sizeof(mapped));
	*v4 = inet_pton(AF_INET, text, out + V4_AT) == 1;
	if (*v4 || inet_pton(AF_INET6, text, out) == 1)
		return 0;
	return -EINVAL;
}

/* Whether a and b agree in their first bits. */
static bool
agree(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned mask = 0xffu << (8 - bits % 8);

	return memcmp(a, b, bits / 8) == 0 &&
	    (bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask & 0xff) == 0);
}

static int
parse_bits(const char *text, unsigned most, unsigned *out)
{
	char *end;
	unsigned long n;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	n = strtoul(text, &end, 10);
	if (*end != '\0' || n > most)
		return -EINVAL;
	*out = (unsigned)n;
	return 0;
}

int
mftd_cidr_parse(const char *text, struct mftd_cidr *out)
{
	const char *slash = strchr(text, '/');
	size_t n = slash != NULL ? (size_t)(slash - text) : strlen(text);
	uint8_t cut[16] = { 0 };
	char address[TEXT_BYTES];
	unsigned bits;
	bool v4;

	if (n >= sizeof(address))
		return -EINVAL;
	memcpy(address, text, n);
	address[n] = '\0';
	if (parse_address(address, out->address, &v4) < 0)
		return -EINVAL;
	bits = v4 ? 32 : 128;
	if (slash != NULL && parse_bits(slash + 1, bits, &bits) < 0)
		return -EINVAL;
	out->bits = bits + (v4 ? V4_AT * 8 : 0);
	memcpy(cut, out->address, out->bits / 8);
	if (out->bits % 8 != 0)
		cut[out->bits / 8] = (uint8_t)(out->address[out->bits / 8] &
		    (0xffu << (8 - out->bits % 8)));
	return memcmp(cut, out->address, sizeof(cut)) == 0 ? 0 : -EINVAL;
}

bool
mftd_cidr_has(const struct mftd_cidr *net, const char *address)
{
	char text[TEXT_BYTES];
	uint8_t a[16];
	size_t n = strlen(address);
	bool v4;

	if (n > 2 && address[0] == '[' && address[n - 1] == ']') {
		address++;
		n -= 2;
	}
	if (n >= sizeof(text))
		return false;
	memcpy(text, address, n);
	text[n] = '\0';
	return parse_address(text, a, &v4) == 0 &&
	    agree(a, net->address, net->bits);
}

bool
mftd_cidr_any(char *const *list, size_t n, const char *address)
{
	struct mftd_cidr net;
	size_t i;

	for (i = 0; i < n; i++)
		if (mftd_cidr_parse(list[i], &net) == 0 &&
		    mftd_cidr_has(&net, address))
			return true;
	return false;
}
