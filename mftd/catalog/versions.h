/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_VERSIONS_H
#define MFTD_CATALOG_VERSIONS_H

#include <stdint.h>

#include "mftd/catalog/db.h"

/*
 * Versions: deliveries of one route whose files have the same name where they
 * go.  One at a time is on its way, in the order in which they were received,
 * so that the last one stays.  A claim looks for that (claim.c):
 *
 * - An earlier one that is QUEUED or WAITING, and any that is on its way or
 *   IN_DOUBT, for its rename may still happen, keeps it waiting.  Its column
 *   behind then names the other one, and no claim looks at it again until that
 *   has ended (DONE or CANCELLED, or with a person: FAILED or HELD), or is on
 *   its way no more.
 * - What would overwrite is CANCELLED when a later one is DONE.
 * - A repetition of the last one that is DONE, whose route wants no file
 *   overwritten, is sent as by "skip": the file may be there, and is its own.
 *
 * behind is a hint, so it needs no lock: who ends the other one clears it, and
 * what was missed in a race the owner of the queue finds by looking.
 */

/* The key of a name, never 0.  Two names of one key are nothing but slower:
 * claims compare the names too. */
int64_t mftd_versions_key(const char *route, const char *partner,
    const char *directory, const char *name);

/* The states in which one keeps no other waiting, and those in which it keeps
 * just the later ones: a step to any of them lets go who is behind it. */
#define MFTD_VERSIONS_ENDED "'DONE', 'CANCELLED', 'FAILED', 'HELD'"
#define MFTD_VERSIONS_TURN "'QUEUED', 'WAITING'"

/* SQL of those behind a delivery: queue and id are texts of SQL. */
#define MFTD_VERSIONS_BEHIND(queue, id) \
	"queue = " queue " AND behind = " id " AND behind <> ''"

/* Lets those go that are behind the delivery, whatever it is now: the next
 * claim finds those that still have to wait.  0 or an error. */
int mftd_versions_go(struct mftd_catalog *c, const char *delivery);

/* MFTD_DB_VERSIONS_GO. */
#define MFTD_VERSIONS_GO                                                      \
	"UPDATE delivery SET behind = '' WHERE EXISTS (SELECT 1 FROM r) AND " \
	"queue = $1 AND behind <> '' AND behind > $4 AND behind <= $5 AND "   \
	"NOT EXISTS (SELECT 1 FROM delivery b WHERE b.id = delivery.behind "  \
	"AND b.name_key = delivery.name_key AND "                             \
	"b.state || '' NOT IN (" MFTD_VERSIONS_ENDED ") AND "                 \
	"(b.state || '' NOT IN (" MFTD_VERSIONS_TURN ") OR "                  \
	"(b.order_us, b.order_seq, b.id) < (delivery.order_us, "              \
	"delivery.order_seq, delivery.id))) RETURNING id"

/* ---- what claim.c asks of a row d that might be claimed */

#define MFTD_VERSIONS_SAME                                              \
	"b.name_key = d.name_key AND b.name_key <> 0 AND "              \
	"b.route = d.route AND b.partner = d.partner AND "              \
	"b.directory = d.directory AND b.name = d.name AND b.state || " \
	"'' "
#define MFTD_VERSIONS_ORDER(than)               \
	"(b.order_us, b.order_seq, b.id) " than \
	" (d.order_us, d.order_seq, d.id) "
#define MFTD_VERSIONS_LAST \
	"ORDER BY b.order_us DESC, b.order_seq DESC, b.id DESC LIMIT 1"
#define MFTD_VERSIONS_BEFORE(state)                                          \
	"(SELECT b.id FROM delivery b WHERE " MFTD_VERSIONS_SAME "= '" state \
	"' AND " MFTD_VERSIONS_ORDER("<") MFTD_VERSIONS_LAST ")"

/* The id of one that it has to wait for, or ''.  Of those before it the next
 * one, so that they let go one another and not the first one all of them. */
#define MFTD_VERSIONS_WAITS_FOR                                               \
	"coalesce(" MFTD_VERSIONS_BEFORE("QUEUED") ", " MFTD_VERSIONS_BEFORE( \
	    "WAITING") ", (SELECT b.id FROM delivery b "                      \
		       "WHERE " MFTD_VERSIONS_SAME                            \
		       "IN ('CLAIMED', 'SENDING', 'SENT', 'PUBLISHING', "     \
		       "'DELIVERED', 'IN_DOUBT') AND b.id <> d.id LIMIT 1), " \
		       "'')"

/* The id of a later one that is where d would overwrite it, or ''. */
#define MFTD_VERSIONS_REPLACED_BY                                            \
	"CASE WHEN d.if_exists = 'overwrite' OR substr(d.partner, 1, 1) = "  \
	"'@' THEN coalesce((SELECT b.id FROM delivery b "                    \
	"WHERE " MFTD_VERSIONS_SAME "= 'DONE' AND " MFTD_VERSIONS_ORDER(">") \
	    MFTD_VERSIONS_LAST "), '') ELSE '' END"

/* What it is to do where its name exists. */
#define MFTD_VERSIONS_IF_EXISTS                                             \
	"CASE WHEN d.if_exists = 'fail' AND coalesce((SELECT "              \
	"CASE WHEN b.size = d.size AND (d.sha256 IS NULL OR "               \
	"b.sha256 = d.sha256) THEN 1 ELSE 0 END FROM delivery b "           \
	"WHERE " MFTD_VERSIONS_SAME "= 'DONE' " MFTD_VERSIONS_LAST "), 0) " \
	"= 1 THEN 'skip' ELSE d.if_exists END"

#endif
