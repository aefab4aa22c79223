/* Part of mftd; see LICENSE. */
#include "mftd/inbound/proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define V1_BYTES 107 /* with its CR LF, at most */
#define V2_HEAD 16

static const uint8_t v1_start[] = "PROXY ";
static const uint8_t v2_start[12] = { 0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a,
	0x51, 0x55, 0x49, 0x54, 0x0a };

static void
set_peer(struct mftd_proxy *out, int family, const void *address, unsigned port)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, address, text, sizeof(text));
	snprintf(out->peer, sizeof(out->peer),
	    family == AF_INET6 ? "[%s]:%u" : "%s:%u", text, port);
	out->known = true;
}

/* ---- version 1: one line of text */

/* A word up to the next space; NULL when there is none, or no room. */
static char *
next_word(char **at)
{
	char *word = *at, *end = strchr(word, ' ');

	if (end == NULL)
		end = word + strlen(word);
	if (end == word)
		return NULL;
	*at = *end == '\0' ? end : end + 1;
	*end = '\0';
	return word;
}

static int
port_of(const char *text)
{
	size_t n = strspn(text, "0123456789");
	unsigned port;

	if (n == 0 || n > 5 || text[n] != '\0' || (n > 1 && text[0] == '0') ||
	    sscanf(text, "%5u", &port) != 1 || port > 65535)
		return -EBADMSG;
	return (int)port;
}

/* "SOURCE DESTINATION PORT PORT" */
static int
parse_words(int family, char *at, struct mftd_proxy *out)
{
	struct in6_addr from, to;
	char *words[4];
	int i, port;

	for (i = 0; i < 4; i++) {
		words[i] = next_word(&at);
		if (words[i] == NULL)
			return -EBADMSG;
	}
	port = port_of(words[2]);
	if (*at != '\0' || port < 0 || port_of(words[3]) < 0 ||
	    inet_pton(family, words[0], &from) != 1 ||
	    inet_pton(family, words[1], &to) != 1)
		return -EBADMSG;
	set_peer(out, family, &from, (unsigned)port);
	return 0;
}

static int
parse_line(char *line, struct mftd_proxy *out)
{
	char *rest = line + sizeof(v1_start) - 1;

	if (strcmp(rest, "UNKNOWN") == 0 || strncmp(rest, "UNKNOWN ", 8) == 0)
		return 0;
	if (strncmp(rest, "TCP4 ", 5) == 0)
		return parse_words(AF_INET, rest + 5, out);
	if (strncmp(rest, "TCP6 ", 5) == 0)
		return parse_words(AF_INET6, rest + 5, out);
	return -EBADMSG;
}

static int
parse_v1(const uint8_t *data, size_t len, struct mftd_proxy *out)
{
	char line[V1_BYTES + 1];
	size_t n;

	for (n = 0; n < len && n < V1_BYTES; n++) {
		if (data[n] == '\n')
			break;
		/* printable, and the CR of its end */
		if ((data[n] < ' ' && data[n] != '\r') || data[n] > '~' ||
		    (n > 0 && data[n - 1] == '\r'))
			return -EBADMSG;
		line[n] = (char)data[n];
	}
	if (n == V1_BYTES)
		return -EBADMSG;
	if (n == len)
		return 0;
	if (line[n - 1] != '\r')
		return -EBADMSG;
	line[n - 1] = '\0';
	return parse_line(line, out) < 0 ? -EBADMSG : (int)n + 1;
}

/* ---- version 2: binary */

/* The addresses; what follows them (TLVs) is skipped. */
static int
parse_addresses(
    uint8_t family, const uint8_t *at, size_t len, struct mftd_proxy *out)
{
	switch (family) {
	case 0x00: /* unspecified */
		return 0;
	case 0x11: /* TCP over IPv4 */
		if (len < 12)
			return -EBADMSG;
		set_peer(out, AF_INET, at, (unsigned)at[8] << 8 | at[9]);
		return 0;
	case 0x21: /* TCP over IPv6 */
		if (len < 36)
			return -EBADMSG;
		set_peer(out, AF_INET6, at, (unsigned)at[32] << 8 | at[33]);
		return 0;
	default:
		return -EBADMSG;
	}
}

static int
parse_v2(const uint8_t *data, size_t len, struct mftd_proxy *out)
{
	size_t rest;

	if (len > 12 && data[12] != 0x20 && data[12] != 0x21)
		return -EBADMSG;
	if (len < V2_HEAD)
		return 0;
	rest = (size_t)data[14] << 8 | data[15];
	if (V2_HEAD + rest > MFTD_PROXY_BYTES)
		return -EBADMSG;
	if (len < V2_HEAD + rest)
		return 0;
	if (data[12] == 0x21 &&
	    parse_addresses(data[13], data + V2_HEAD, rest, out) < 0)
		return -EBADMSG;
	return (int)(V2_HEAD + rest);
}

static bool
begins(const uint8_t *data, size_t len, const uint8_t *start, size_t n)
{
	return memcmp(data, start, len < n ? len : n) == 0;
}

int
mftd_proxy_parse(const uint8_t *data, size_t len, struct mftd_proxy *out)
{
	memset(out, 0, sizeof(*out));
	if (begins(data, len, v2_start, sizeof(v2_start)))
		return parse_v2(data, len, out);
	if (begins(data, len, v1_start, sizeof(v1_start) - 1))
		return parse_v1(data, len, out);
	return -EBADMSG;
}
