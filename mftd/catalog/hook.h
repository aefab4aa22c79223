/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HOOK_H
#define MFTD_CATALOG_HOOK_H

#include <stdbool.h>
#include <stddef.h>

/* A configured hook: which events it wants, and the one way in which it tells
 * of them.  Strings belong to the struct. */
struct mftd_hook_http {
	char *url;
	char *secret; /* sealed, or NULL */
	char *secret_file; /* on each node, or NULL */
	char *ca_file; /* NULL: the system's */
};

struct mftd_hook_mail {
	char *url; /* smtp://HOST[:PORT] or smtps:// */
	char *from;
	char **to;
	size_t n_to;
	char *user; /* or NULL */
	char *password; /* sealed, or NULL */
	char *ca_file; /* NULL: the system's */
	bool starttls; /* insist on it, with smtp: */
};

struct mftd_hook {
	char *name;
	char **on; /* kinds of events (event.h) */
	size_t n_on;
	char **routes, **accounts, **partners; /* just of these; none: any */
	size_t n_routes, n_accounts, n_partners;
	char **exec; /* program and arguments; none: one of the others */
	size_t n_exec;
	struct mftd_hook_http *http; /* or NULL */
	struct mftd_hook_mail *mail; /* or NULL */
	int timeout_s; /* of one try */
	int tries; /* then it has failed */
};

/* "exec", "http" or "mail". */
const char *mftd_hook_means(const struct mftd_hook *h);

/* The server that its secret is for; NULL: it has none. */
const char *mftd_hook_url(const struct mftd_hook *h);

/* Frees a list with all it holds. */
void mftd_hooks_free(struct mftd_hook *list, size_t n);

#endif
