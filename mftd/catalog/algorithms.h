/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_ALGORITHMS_H
#define MFTD_CATALOG_ALGORITHMS_H

#include <stddef.h>

/* What a partner can be called with: all that libssh knows, also what it does
 * not offer by itself.  The list is ours, so that a file is checked without
 * libssh; tests/unit/ssh/test_algorithms holds it against that. */
enum mftd_algorithm_kind {
	MFTD_KEY_EXCHANGES, /* RFC 4253 section 7.1: kex_algorithms */
	MFTD_CIPHERS,
	MFTD_MACS,
	MFTD_ALGORITHM_KINDS
};

/* The names, with commas between. */
const char *mftd_algorithms(enum mftd_algorithm_kind kind);

/* The first name of list (commas between) that is none of the kind, with its
 * length in *len; it may be empty.  NULL: all are. */
const char *mftd_algorithms_unknown(
    enum mftd_algorithm_kind kind, const char *list, size_t *len);

#endif
