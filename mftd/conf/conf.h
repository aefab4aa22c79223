/* Part of mftd; see LICENSE. */
#ifndef MFTD_CONF_CONF_H
#define MFTD_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "mftd/base/cidr.h"
#include "mftd/base/limits.h"

/* The queue of who names none: a route, a configuration, an agent. */
#define MFTD_DEFAULT_QUEUE "default"

/* Of a node's name.  The longest id that a node makes is a dormant part's: its
 * name, '-' and 16 hex digits of its incarnation, '-' and 13 hex digits for the
 * session, '.' and 5 digits for the part, ".d" and 12 hex digits for its
 * bytes. */
#define MFTD_NODE_LEN_MAX (MFTD_ID_BYTES - 1 - 17 - 14 - 6 - 14)

/*
 * The node's own configuration, mftd.yaml (mftd.yaml(5)).  Read once, before
 * the processes fork; strings belong to the struct.  What has no default here
 * must be given; lists have at least one entry.
 */
struct mftd_conf_volume {
	char *name;
	char *path; /* absolute */
};

/* After so many failures of a source within the window it is kept out for a
 * time. */
struct mftd_conf_ban {
	int failures; /* default 10; 0: never */
	int window_s; /* default 600 */
	int time_s; /* default 900 */
};

/* Networks, and each parsed. */
struct mftd_conf_nets {
	char *text[MFTD_NETS_MAX];
	size_t n;
	struct mftd_cidr net[MFTD_NETS_MAX];
};

/* From start connections without login on, rate of 100 at first and at full
 * all are turned away (as sshd_config(5)'s MaxStartups). */
struct mftd_conf_startups {
	int start, rate, full;
};

struct mftd_conf {
	bool cluster; /* mode: cluster, or standalone */
	/* an id of at most MFTD_NODE_LEN_MAX bytes; default: the host name up
	 * to its first dot */
	char *node;
	char *user; /* default "mft" */
	/* "sqlite:/PATH" (standalone only) or a postgresql:// URI */
	char *catalog;
	char *secret_key; /* file (catalog/secret.h); NULL: no secrets */
	char *state_dir; /* default LOCALSTATEDIR/lib/mft */
	char *run_dir; /* default /run/mft */
	char *log; /* "stderr" (default) or "syslog" */
	char *log_level; /* default "info" */
	int lease_ms; /* 500 to 60000, default 3000 */
	char *listen[MFTD_LISTEN_MAX]; /* "ADDR:PORT", "[V6]:PORT" */
	size_t n_listen;
	char *host_keys[MFTD_HOST_KEYS_MAX]; /* private key files */
	size_t n_host_keys;
	char **next_host_keys; /* announced, and not used yet */
	size_t n_next_host_keys;
	int login_grace_s; /* 1 to 3600 */
	int login_tries; /* 1 to 100 */
	int idle_timeout_s; /* 0: never; default 3600 */
	int keepalive_s; /* 0: never; default 60 */
	int keepalive_count; /* 1 to 100, default 3 */
	int worker_timeout_s; /* 0: never; default 120 */
	int part_expire_s; /* of a cut upload; default a week */
	int journal_keep_days; /* of records; default 90 */
	struct mftd_conf_volume volumes[MFTD_VOLUMES_MAX];
	size_t n_volumes;
	char *queues[MFTD_QUEUES_MAX]; /* default: MFTD_DEFAULT_QUEUE alone */
	size_t n_queues;
	char *max_startups; /* "START:RATE:FULL", parsed into: */
	struct mftd_conf_startups startups;
	int max_startups_per_source;
	struct mftd_conf_nets proxy_from; /* balancers: they say PROXY first */
	struct mftd_conf_nets ban_exempt; /* never kept out */
	struct mftd_conf_ban ban;
};

/*
 * Reads the file.  On success *conf is the caller's, freed by mftd_conf_free.
 * On failure -errno, or -MFTD_E_CONF with "FILE:LINE: FIELD: what is wrong" in
 * why (size bytes, may be NULL with 0).
 */
int mftd_conf_load(
    const char *file, struct mftd_conf **conf, char *why, size_t size);

void mftd_conf_free(struct mftd_conf *conf);

/* The volume of that name, or NULL. */
const struct mftd_conf_volume *mftd_conf_volume(
    const struct mftd_conf *conf, const char *name);

/* Whether the file names that outbound queue. */
bool mftd_conf_has_queue(const struct mftd_conf *conf, const char *name);

#endif
