/* Part of mftd; see LICENSE. */
#ifndef MFTD_OUTBOUND_PROBE_H
#define MFTD_OUTBOUND_PROBE_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/catalog/objects.h"

/*
 * Would a delivery to a partner work?  Does at the partner what a delivery
 * does, with files of its own that begin with ".mft-test-", and takes them away
 * again; where files are fetched from, or moved to then, it only looks.  One
 * connection a process (ssh/client.h): each call below wants a process that has
 * made none.
 */
enum mftd_finding {
	MFTD_FINDING_OK,
	MFTD_FINDING_NOTE, /* deliveries work, but not as well */
	MFTD_FINDING_FAIL /* no delivery will work there */
};

struct mftd_probe {
	const struct mftd_partner *partner;
	const char *secret_key; /* the node's file, or NULL */
	const struct mftd_route *routes; /* of which those count that deliver
					    to the partner, or fetch from it */
	size_t n_routes;
	/* Told each finding: the step ("login"), and words. */
	void (*found)(void *data, enum mftd_finding f, const char *step,
	    const char *text);
	/* Asked between the steps: whether to end early, and tidy up. */
	bool (*ended)(void *data);
	void *data;
};

/* How it came out. */
enum mftd_probed {
	MFTD_PROBED_WORKS,
	MFTD_PROBED_FAILS,
	MFTD_PROBED_HOST_KEY /* it fails because of the host key */
};

enum mftd_probed mftd_probe(const struct mftd_probe *p);

/* The host key algorithms there are, best first; NULL behind the last. */
const char *mftd_probe_algorithm(size_t i);

/* The host key of host and port for one of them: its line for host_keys into
 * line, type and fingerprint into print.  -ENOENT: it offers none; else an
 * error with its words in why. */
int mftd_probe_host_key(const char *host, int port, const char *algorithm,
    char line[MFTD_KEY_BYTES], char print[MFTD_REASON_BYTES],
    char why[MFTD_REASON_BYTES]);

#endif
