/* Part of mftd; see LICENSE. */
#include "mftd/catalog/check_host.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/catalog/objects.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/* An address of IPv6, with or without a scope: "fe80::1%eth0". */
static bool
is_ipv6(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *scope = strchr(text, '%');
	size_t len = scope != NULL ? (size_t)(scope - text) : strlen(text);
	struct in6_addr a;

	if (len >= sizeof(address))
		return false;
	snprintf(address, sizeof(address), "%.*s", (int)len, text);
	return inet_pton(AF_INET6, address, &a) == 1 &&
	    (scope == NULL ||
		(scope[1] != '\0' &&
		    scope[1 + strspn(scope + 1, LETTERS DIGITS "-_.")] ==
			'\0'));
}

bool
mftd_check_host(const char *text)
{
	struct in_addr a;

	if (strchr(text, ':') != NULL)
		return is_ipv6(text);
	if (text[0] == '\0' || strlen(text) >= MFTD_HOST_BYTES ||
	    strchr("-.", text[0]) != NULL || strstr(text, "..") != NULL ||
	    strstr(text, ".-") != NULL ||
	    text[strspn(text, LETTERS DIGITS "-_.")] != '\0')
		return false;
	/* only digits: the resolver would read "10.1" as an address, too */
	return text[strspn(text, DIGITS ".")] != '\0' ||
	    inet_pton(AF_INET, text, &a) == 1;
}

bool
mftd_check_host_port(const char *text)
{
	char name[MFTD_HOST_BYTES];
	const char *end;
	size_t len;
	char *rest;

	if (text[0] == '[') {
		end = strchr(++text, ']');
		if (end == NULL)
			return false;
		len = (size_t)(end++ - text);
	} else {
		/* more than one colon: a bare address of IPv6 */
		end = strchr(text, ':');
		if (end == NULL || strchr(end + 1, ':') != NULL)
			end = text + strlen(text);
		len = (size_t)(end - text);
	}
	if (len >= sizeof(name))
		return false;
	snprintf(name, sizeof(name), "%.*s", (int)len, text);
	if (!mftd_check_host(name))
		return false;
	if (*end == '\0')
		return true;
	return *end == ':' && end[1] >= '1' && end[1] <= '9' &&
	    strtol(end + 1, &rest, 10) <= 65535 && *rest == '\0';
}
