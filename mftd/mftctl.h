/* Part of mftd; see LICENSE. */
#ifndef MFTD_MFTCTL_H
#define MFTD_MFTCTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "mftd/catalog/objects.h"
#include "mftd/conf/conf.h"

/* What the files of mftctl share. */

/* What every command gets. */
struct ctl {
	const struct mftd_conf *conf; /* NULL: it can do without */
	bool json;
};

/* journal verify, show and tail.  argv[0] is "journal".  The exit code. */
int mftctl_journal(const struct ctl *ctl, int argc, char **argv);

/* Prints the last records of each stream at or below path (0: all), and with
 * follow then each one that comes, without end.  Returns 0, 1 when one of them
 * has something that is no record, or an error of mftd_inspect_find. */
int mftctl_show(
    const struct ctl *ctl, const char *path, uint64_t last, bool follow);

/* delivery list, show, hold and so on; partner scan, test and so on.  As
 * above. */
int mftctl_delivery(const struct ctl *ctl, int argc, char **argv);
int mftctl_partner(const struct ctl *ctl, int argc, char **argv);

/* hook list, show, test and retry.  As above. */
int mftctl_hook(const struct ctl *ctl, int argc, char **argv);

/* Runs fn in a child that has become the daemon's user.  What it returned, or 1
 * after a message. */
int mftctl_in_child(const struct ctl *ctl,
    int (*fn)(const struct ctl *ctl, void *data), void *data);

struct mftd_catalog;

/* partner list, show and resume: argv[0] is the word, behind it the name.  As
 * above. */
int mftctl_partner_state(const struct ctl *ctl, int argc, char **argv);

/* Says which routes run on nodes that nobody knows; status is the daemon's, or
 * NULL if it does not answer.  They are no error: such a node may be yet to
 * come. */
void mftctl_warn_places(
    const struct ctl *ctl, const struct mftd_objects *o, const json_t *status);

/* Whether the daemon of that status works by that configuration, sending too,
 * or does not reach the catalog now: who comes back does not wait for that. */
bool mftctl_is_taken(const json_t *status, uint64_t version);

/* Who is at it: "bob@n1", "bob as root@n1". */
void mftctl_name_me(const struct ctl *ctl, char *out, size_t size);

/* What a person wants of deliveries: argv[0] is "hold" and so on, behind it
 * their ids.  As above. */
int mftctl_wish(
    const struct ctl *ctl, struct mftd_catalog *c, int argc, char **argv);

/* Says what the catalog said of err. */
void mftctl_catalog_failed(
    const struct ctl *ctl, struct mftd_catalog *c, int err);

/* ---- mftctl_json.c: members of an object o */

/* Any bytes: a byte that is not UTF-8 stands as "\xff", and the member KEY_hex
 * beside it has all of them in hexadecimal.  "" puts nothing. */
void mftctl_put(json_t *o, const char *key, const char *text);
void mftctl_put_number(json_t *o, const char *key, uint64_t v);
void mftctl_put_hash(
    json_t *o, const char *key, const uint8_t hash[MFTD_SHA256_BYTES]);

/* In UTC, "2026-11-21T15:00:00.000000Z". */
void mftctl_put_time(json_t *o, const char *key, int64_t time_us);

/* ---- the same file: what a terminal may be given (base/text.h) */

/* Prints v, which stays the same value, with a line break. */
void mftctl_print_json(const json_t *v, size_t flags);

/* Before the strings of v are printed as they are. */
void mftctl_make_safe(json_t *v);

#endif
