/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_OBJECTS_H
#define MFTD_CATALOG_OBJECTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/catalog/hook.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/handling.h"

/*
 * The configured objects: what `mftctl apply FILE` reads, the catalog keeps and
 * a snapshot carries.  Strings belong to the struct.
 */
#define MFTD_CALENDAR_DAYS_MAX 1024
#define MFTD_OBJECTS_MAX 16384 /* of each kind */
#define MFTD_ACCOUNT_KEYS_MAX 64 /* of one account or partner */
#define MFTD_ACCOUNT_UMASK 022 /* unless it says another */
#define MFTD_HOST_BYTES 256 /* a partner's host name */
#define MFTD_PARTNER_HOSTS_MAX 8 /* besides the first */
#define MFTD_PARTNER_CONNECT_S_MAX 120

/* A directory elsewhere on the account's volume, shown in its root. */
struct mftd_account_folder {
	char *name; /* one component */
	char *path; /* clean, below the volume */
	bool read_only;
};

struct mftd_account {
	char *name;
	char *volume;
	char *root; /* clean path below the volume */
	char *
	    password_hash; /* catalog/password.h's form, or NULL: no password */
	char **keys; /* authorized_keys lines: "type base64 [comment]" */
	size_t n_keys;
	/* how it may log in */
	char *methods; /* "publickey", "password", "publickey+password"; NULL:
			  whatever of both it has */
	char **authorities; /* keys that sign its certificates; as keys */
	size_t n_authorities;
	char **principals; /* that a certificate must name one of; none: the
			      account's name */
	size_t n_principals;
	char **sources; /* base/cidr.h; none: from everywhere */
	size_t n_sources;
	int64_t expires_s; /* since the epoch; 0: never */
	bool disabled;
	/* what it may do then: ipc/policy.h */
	bool read_only;
	bool symlinks;
	int umask;
	char *group; /* a name or a number, or NULL */
	uint64_t quota_bytes, quota_files;
	uint64_t in_bytes_s, out_bytes_s;
	int sessions_max;
	struct mftd_account_folder *folders;
	unsigned n_folders;
};

struct mftd_partner {
	char *name;
	char *host;
	int port; /* 1 to 65535 */
	char **other_hosts; /* HOST, HOST:PORT, [V6]:PORT: tried in this order
			       when host cannot be reached */
	size_t n_other_hosts;
	char *user;
	char *key_file; /* private key, on every node; or NULL */
	char *password; /* sealed (secret.h), or NULL */
	char **host_keys; /* pinned: "type base64" */
	size_t n_host_keys;
	char *source; /* our address, numeric; NULL: any */
	char *key_exchanges, *ciphers, *macs; /* lists; NULL: as usual */
	int connections; /* at once */
	int connect_s, request_s; /* time-outs */
	uint64_t bandwidth; /* bytes per second to it, in all; 0: no bound */
};

/* How long a delivery is tried; 0: without that bound. */
struct mftd_retry {
	int tries;
	int hours; /* from the first of them */
};

/* As they stand in a file, or NULL (handling_file.h). */
struct mftd_handling_words {
	char *if_exists, *resume, *mtime, *mode;
};

/* A folder whose files are found by looking. */
struct mftd_route_folder {
	char *volume;
	char *path; /* clean, below the volume */
	int every_s; /* between two looks */
	int stable_s; /* so long a file has to stay as it is */
};

/* A folder of a partner whose files are fetched. */
struct mftd_route_pull {
	char *partner;
	char *directory; /* there; "" the login's */
	char *volume; /* where the bytes are kept until they are delivered */
	int every_s; /* between two looks */
	int stable_s; /* so long a file has to stay as it is */
	char *fetched; /* what becomes of it there: "keep", "delete", "move"
			  (msg_fetch.h) once it is delivered */
	char *move_to; /* a folder there; NULL but for "move" */
	char *resume; /* of what a cut left: "restart", "verify" */
};

struct mftd_route {
	char *name;
	char *account; /* uploads of this account, or NULL … */
	struct mftd_route_folder
	    *folder; /* or the files of this folder, or NULL … */
	struct mftd_route_pull *pull; /* or those of a partner\'s … */
	char *partner; /* … go to this partner … */
	char *to_account; /* … or to this account … */
	char *directory; /* … into this folder of it ("" its start folder, or
			    the account's root) */
	char *to_directory; /* a file's word for an account's directory */
	char *queue; /* default MFTD_DEFAULT_QUEUE; of a place: conf/place.h */
	char *runs_on; /* just of a file: the word for the place, or NULL */
	int settle_s; /* 0 to 3600, default 5 */
	char **files; /* patterns (pattern.h) of what it takes; none: all */
	size_t n_files;
	char **except; /* and of what it does not */
	size_t n_except;
	char *name_template; /* template.h; NULL: as the file is called */
	char *schedule; /* when it begins to send (schedule.h); NULL: always */
	char *time_zone; /* default UTC */
	char *calendar; /* on whose closed days it does not; or NULL */
	struct mftd_retry retry;
	struct mftd_handling at; /* the partner */
	struct mftd_handling_words words; /* just of a file */
	int priority; /* 0 to 9: at its partner the higher goes first */
	bool ordered; /* one after the other, as they were received */
	bool skip_failed; /* … past those that wait for a person */
	char *after; /* the source is kept (NULL), "archive", "delete" (after.h)
			once all its destinations have it */
	char *archive; /* the folder, a template (template.h); or NULL … */
	char *archive_below; /* … below the account's root: "account", NULL; or
				"volume" */
	char *expected_by; /* when something must have come (expected.h), in
			      that zone and by that calendar; or NULL */
	int expected_within_s; /* so long before that; 0: since the last time;
				  or as expected.h has it */
	char *expected_event; /* "received" (or NULL), "delivered" */
};

struct mftd_calendar {
	char *name;
	char **closed; /* days, "2027-12-25" */
	size_t n_closed;
};

struct mftd_objects {
	uint64_t version; /* as stored; 0 from a file */
	struct mftd_account *accounts;
	size_t n_accounts;
	struct mftd_partner *partners;
	size_t n_partners;
	struct mftd_route *routes;
	size_t n_routes;
	struct mftd_calendar *calendars;
	size_t n_calendars;
	struct mftd_hook *hooks;
	size_t n_hooks;
};

/*
 * Reads an objects file (YAML) and checks that it holds together: names are ids
 * and unique, routes name accounts and partners that exist, keys parse, roots
 * do not overlap .mft.  Plain passwords are hashed (0.3 s each).  The
 * volumes must be those of this node's conf; NULL: they are not checked.
 * Returns 0, -errno, or -MFTD_E_CONF with "FILE:LINE: FIELD: what is wrong" in
 * why.
 */
int mftd_objects_read(const char *file, const struct mftd_conf *conf,
    struct mftd_objects **out, char *why, size_t size);

/* Frees o with all it holds; o may be NULL. */
void mftd_objects_free(struct mftd_objects *o);

/* The hook of that name, or NULL. */
const struct mftd_hook *mftd_objects_hook(
    const struct mftd_objects *o, const char *name);

#endif
