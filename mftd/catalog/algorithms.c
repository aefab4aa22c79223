/* Part of mftd; see LICENSE. */
#include "mftd/catalog/algorithms.h"

#include <stdbool.h>
#include <string.h>

static const char *const names[MFTD_ALGORITHM_KINDS] = {
	[MFTD_KEY_EXCHANGES] =
	    "curve25519-sha256,curve25519-sha256@libssh.org,"
	    "ecdh-sha2-nistp256,ecdh-sha2-nistp384,ecdh-sha2-nistp521,"
	    "diffie-hellman-group18-sha512,diffie-hellman-group16-sha512,"
	    "diffie-hellman-group-exchange-sha256,"
	    "diffie-hellman-group14-sha256,diffie-hellman-group14-sha1,"
	    "diffie-hellman-group1-sha1,diffie-hellman-group-exchange-sha1",
	[MFTD_CIPHERS] =
	    "chacha20-poly1305@openssh.com,aes256-gcm@openssh.com,"
	    "aes128-gcm@openssh.com,aes256-ctr,aes192-ctr,aes128-ctr,"
	    "aes256-cbc,aes192-cbc,aes128-cbc,3des-cbc",
	[MFTD_MACS] =
	    ("hmac-sha2-256-etm@openssh.com,hmac-sha2-512-etm@openssh.com,"
	     "hmac-sha1-etm@openssh.com,hmac-sha2-256,hmac-sha2-512,hmac-sha1"),
};

const char *
mftd_algorithms(enum mftd_algorithm_kind kind)
{
	return names[kind];
}

static bool
has(const char *list, const char *name, size_t len)
{
	size_t n;

	for (; *list != '\0'; list += n + (list[n] == ',')) {
		n = strcspn(list, ",");
		if (n == len && strncmp(list, name, len) == 0)
			return true;
	}
	return false;
}

const char *
mftd_algorithms_unknown(
    enum mftd_algorithm_kind kind, const char *list, size_t *len)
{
	for (;; list += *len + 1) {
		*len = strcspn(list, ",");
		if (*len == 0 || !has(names[kind], list, *len))
			return list;
		if (list[*len] == '\0')
			return NULL;
	}
}
