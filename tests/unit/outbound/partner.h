/* Part of mftd; see LICENSE. */
#ifndef TESTS_UNIT_OUTBOUND_PARTNER_H
#define TESTS_UNIT_OUTBOUND_PARTNER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "mftd/catalog/objects.h"

/*
 * A partner: OpenSSH's sshd, one per connection (-i), behind a socket on
 * loopback, with keys and files in a directory of its own.
 */
struct partner {
	char dir[64];
	char in[80]; /* where deliveries go: dir/in */
	char user[64];
	char key[80], host_key[512];
	char other_key[512]; /* a key that is not its host key */
	char *host_keys[1];
	int port;
	pid_t acceptor;
	int guard; /* closed, by whatever ends the test, it ends too */
	struct mftd_partner p; /* as configured */
};

/* False when this machine has no sshd. */
bool partner_possible(void);

int partner_start(struct partner *p);

/* Ends it and everything it started, and removes its directory. */
void partner_stop(struct partner *p);

/* What goes wrong in its next sftp-servers: strace's arguments
 * ("-e inject=…"); "" nothing. */
void partner_fault(struct partner *p, const char *what);

/* How often its log has the words. */
int partner_count(const struct partner *p, const char *words);

/* Kills the servers of all connections that there are, and waits for that. */
bool partner_hang_up(struct partner *p);

/* Stops the servers of all connections that there are: they answer no more, and
 * stay.  It takes new ones. */
void partner_fall_silent(struct partner *p);

/* Kills their sftp-servers only, and waits until they are reaped: the channels
 * end, the connections stay. */
bool partner_end_channels(struct partner *p);

/* Waits until no server of a connection is left: what they were asked is done,
 * or never will be. */
bool partner_await_idle(const struct partner *p);

/* Whether dir/in/name exists. */
bool partner_has(const struct partner *p, const char *name);

/* Whether all that came of its connections has ended. */
bool partner_idle(const struct partner *p);

/* How many names dir/in holds. */
int partner_names(const struct partner *p);

/* Waits until cond(data) holds, up to 60 s. */
bool await(bool (*cond)(void *data), void *data);

/* Writes a file of size bytes that look random, by seed; its SHA-256 goes to
 * sum. */
void make_file(
    const char *path, uint64_t size, unsigned int seed, uint8_t sum[32]);

/* The SHA-256 of a file. */
void sum_file(const char *path, uint8_t sum[32]);

/* rm -rf */
void remove_tree(const char *path);

#endif
