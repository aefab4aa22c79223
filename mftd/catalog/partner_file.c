/* Part of mftd; see LICENSE. */
#include "mftd/catalog/partner_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/id.h"
#include "mftd/base/limits.h"
#include "mftd/catalog/algorithms.h"
#include "mftd/catalog/check_host.h"
#include "mftd/catalog/secret.h"

#define NEEDED CYAML_FLAG_POINTER
#define MAY (CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL)
#define HOST_PORT_BYTES (MFTD_HOST_BYTES + 8)
#define ALGORITHMS_BYTES 1024
#define SIZE_BYTES 32

#define TEXT(key, flags, member, size) \
	CYAML_FIELD_STRING_PTR(        \
	    key, flags, struct mftd_partner_file, member, 1, (size)-1)
#define NUMBER(key, member) \
	CYAML_FIELD_INT(    \
	    key, CYAML_FLAG_OPTIONAL, struct mftd_partner_file, p.member)

static const cyaml_schema_value_t key = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, MFTD_KEY_BYTES - 1),
};

static const cyaml_schema_value_t host = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, HOST_PORT_BYTES - 1),
};

static const cyaml_schema_field_t fields[] = { TEXT("name", NEEDED, p.name,
						   MFTD_NAME_BYTES),
	TEXT("host", NEEDED, p.host, MFTD_HOST_BYTES), NUMBER("port", port),
	CYAML_FIELD_SEQUENCE_COUNT("other_hosts", MAY, struct mftd_partner_file,
	    p.other_hosts, p.n_other_hosts, &host, 1, MFTD_PARTNER_HOSTS_MAX),
	TEXT("user", NEEDED, p.user, MFTD_NAME_BYTES),
	TEXT("key_file", MAY, p.key_file, PATH_MAX),
	TEXT("password", MAY, password, MFTD_SECRET_BYTES),
	CYAML_FIELD_SEQUENCE_COUNT("host_keys", NEEDED,
	    struct mftd_partner_file, p.host_keys, p.n_host_keys, &key, 1,
	    MFTD_ACCOUNT_KEYS_MAX),
	TEXT("source", MAY, p.source, MFTD_ADDR_BYTES),
	TEXT("key_exchanges", MAY, p.key_exchanges, ALGORITHMS_BYTES),
	TEXT("ciphers", MAY, p.ciphers, ALGORITHMS_BYTES),
	TEXT("macs", MAY, p.macs, ALGORITHMS_BYTES),
	TEXT("bandwidth", MAY, bandwidth, SIZE_BYTES),
	NUMBER("connections", connections), NUMBER("connect_s", connect_s),
	NUMBER("request_s", request_s), CYAML_FIELD_END };

const cyaml_schema_value_t mftd_partner_file_schema = {
	CYAML_VALUE_MAPPING(
	    CYAML_FLAG_DEFAULT, struct mftd_partner_file, fields),
};

/* The numbers, what they are when the file is silent, and their bounds. */
static const struct number {
	const char *name;
	size_t off;
	int silent, min, max;
} numbers[] = {
	{ "port", offsetof(struct mftd_partner, port), 22, 1, 65535 },
	{ "connections", offsetof(struct mftd_partner, connections),
	    MFTD_DELIVERS_PARTNER_MAX, 1, MFTD_CONNECTIONS_MAX },
	{ "connect_s", offsetof(struct mftd_partner, connect_s), 10, 1,
	    MFTD_PARTNER_CONNECT_S_MAX },
	{ "request_s", offsetof(struct mftd_partner, request_s), 30, 1, 600 },
};

static int
check_numbers(const struct mftd_check *p, struct mftd_partner *pt)
{
	const struct number *n;
	char words[64];
	int *v;

	for (n = numbers; n < numbers + sizeof(numbers) / sizeof(numbers[0]);
	     n++) {
		v = (int *)((char *)pt + n->off);
		if (*v == 0 && !mftd_check_given(p, n->name))
			*v = n->silent;
		snprintf(
		    words, sizeof(words), "must be %d to %d", n->min, n->max);
		if (*v < n->min || *v > n->max)
			return mftd_check_refuse(p, n->name, words);
	}
	return 0;
}

static int
check_hosts(const struct mftd_check *p, const struct mftd_partner *pt)
{
	const char *colon = strchr(pt->host, ':');
	size_t i;

	/* one colon is a port's, which has a field of its own */
	if (!mftd_check_host(pt->host) ||
	    (colon != NULL && strchr(colon + 1, ':') == NULL))
		return mftd_check_refuse(
		    p, "host", "not a host name or address");
	for (i = 0; i < pt->n_other_hosts; i++)
		if (!mftd_check_host_port(pt->other_hosts[i]))
			return mftd_check_refuse_entry(p, "other_hosts", i,
			    "must be HOST, HOST:PORT or [V6]:PORT");
	return 0;
}

/* Whether a host can have it: it is not any one, of a group, or reserved
 * (RFC 6890). */
static bool
is_of_a_host(int family, const struct in6_addr *a)
{
	const uint8_t *v4 = a->s6_addr;

	if (family == AF_INET)
		return v4[0] > 0 && v4[0] < 224;
	return !IN6_IS_ADDR_UNSPECIFIED(a) && !IN6_IS_ADDR_MULTICAST(a) &&
	    !IN6_IS_ADDR_V4MAPPED(a);
}

static int
check_source(const struct mftd_check *p, const struct mftd_partner *pt)
{
	struct in6_addr a;
	int family = AF_INET;

	if (pt->source == NULL)
		return 0;
	if (inet_pton(family, pt->source, &a) != 1)
		family = AF_INET6;
	if (family == AF_INET6 && inet_pton(family, pt->source, &a) != 1)
		return mftd_check_refuse(
		    p, "source", "not an address, numeric");
	if (!is_of_a_host(family, &a))
		return mftd_check_refuse(
		    p, "source", "not an address that a host can have");
	return 0;
}

static int
check_algorithms(const struct mftd_check *p, const struct mftd_partner *pt)
{
	const struct {
		const char *field, *list;
	} lists[MFTD_ALGORITHM_KINDS] = {
		[MFTD_KEY_EXCHANGES] = { "key_exchanges", pt->key_exchanges },
		[MFTD_CIPHERS] = { "ciphers", pt->ciphers },
		[MFTD_MACS] = { "macs", pt->macs },
	};
	char words[MFTD_REASON_BYTES];
	const char *at;
	size_t i, len;

	for (i = 0; i < MFTD_ALGORITHM_KINDS; i++) {
		at = lists[i].list != NULL
		    ? mftd_algorithms_unknown(i, lists[i].list, &len)
		    : NULL;
		if (at == NULL)
			continue;
		if (len == 0)
			snprintf(words, sizeof(words),
			    "must be names with commas between");
		else
			snprintf(words, sizeof(words), "knows no %.*s",
			    (int)(len < 64 ? len : 64), at);
		return mftd_check_refuse(p, lists[i].field, words);
	}
	return 0;
}

int
mftd_partner_file_check(
    const struct mftd_check *p, struct mftd_partner_file *list, size_t i)
{
	struct mftd_partner *pt = &list[i].p;
	size_t k;
	int r;

	if (!mftd_id_valid(pt->name))
		return mftd_check_refuse(p, "name", "not a name");
	for (k = 0; k < i; k++)
		if (strcmp(list[k].p.name, pt->name) == 0)
			return mftd_check_refuse(p, "name", "given twice");
	if (!mftd_check_plain(pt->user))
		return mftd_check_refuse(p, "user", "not a user name");
	if (pt->key_file == NULL && list[i].password == NULL)
		return mftd_check_refuse(
		    p, "key_file", "is missing, and so is a password");
	if (pt->key_file != NULL &&
	    (pt->key_file[0] != '/' || !mftd_check_plain(pt->key_file)))
		return mftd_check_refuse(
		    p, "key_file", "must be an absolute path");
	if ((r = check_hosts(p, pt)) < 0 || (r = check_numbers(p, pt)) < 0 ||
	    (r = check_source(p, pt)) < 0 ||
	    (r = check_algorithms(p, pt)) < 0 ||
	    (r = mftd_check_size(p, "bandwidth", list[i].bandwidth, "KMGT",
		 &pt->bandwidth)) < 0)
		return r;
	return mftd_check_keys(p, "host_keys", pt->host_keys, pt->n_host_keys);
}

int
mftd_partner_file_seal(const struct mftd_check *p, struct mftd_partner_file *f)
{
	char sealed[MFTD_SEALED_BYTES], place[MFTD_SECRET_PLACE_BYTES];
	struct mftd_secret_key secret;
	char words[MFTD_REASON_BYTES];
	int r;

	if (f->password == NULL)
		return 0;
	if (p->conf == NULL || p->conf->secret_key == NULL)
		return mftd_check_refuse(p, "password",
		    "cannot be kept: mftd.yaml names no secret_key");
	r = mftd_secret_key_read(p->conf->secret_key, &secret);
	if (r < 0) {
		snprintf(words, sizeof(words),
		    "cannot be kept: secret_key of mftd.yaml: %s",
		    mftd_secret_key_fault(r));
		return mftd_check_refuse(p, "password", words);
	}
	mftd_secret_of_partner(
	    f->p.name, f->p.host_keys, f->p.n_host_keys, place);
	r = mftd_secret_seal(&secret, place, f->password, sealed);
	explicit_bzero(&secret, sizeof(secret));
	if (r < 0)
		return r;
	f->p.password = strdup(sealed);
	return f->p.password != NULL ? 0 : -ENOMEM;
}
