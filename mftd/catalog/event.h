/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_EVENT_H
#define MFTD_CATALOG_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mftd/base/limits.h"
#include "mftd/catalog/numbered.h"

struct mftd_catalog;

/*
 * What hooks are told of.  An event is a row, written together with what it
 * tells of and only if some hook wants its kind.  Its id is made of what it is
 * of: received.RECEIPT; KIND.DELIVERY.N for a delivery's, N being how many
 * wishes of people it had (only they bring a delivery on that has come to such
 * an end); late.ROUTE.SECONDS; partner-stopped.QUEUE.PARTNER.MICROSECONDS.FAULT
 * and partner-back.QUEUE.PARTNER.MICROSECONDS, both with the time of the stop.
 *
 * A further kind has a row in the table of event_kind.c, and one that is no
 * state of a delivery its own INSERT.
 */
#define MFTD_EVENT_RECEIVED "received"
#define MFTD_EVENT_FAILED "failed"
#define MFTD_EVENT_IN_DOUBT "in_doubt"
#define MFTD_EVENT_REPLACED "replaced" /* CANCELLED by a claim */
#define MFTD_EVENT_LATE "late"
#define MFTD_EVENT_STOPPED "partner-stopped" /* its circuit breaker */
#define MFTD_EVENT_BACK "partner-back"

/* The state of a delivery that makes the event, "" for one that no delivery
 * makes; NULL: there is no such kind. */
const char *mftd_event_state(const char *kind);

/* Whether a delivery that comes to be in that state makes an event. */
bool mftd_event_ends(const char *state);

/* "received, delivered, …", for people. */
const char *mftd_event_kinds(void);

/* Inside a transaction: whether some hook wants one of the kinds that forwarded
 * records make. */
int mftd_event_wanted(struct mftd_catalog *c, bool *wanted);

/* Inside a transaction: writes that the receipt was received, if it has just
 * come to be known as published. */
int mftd_event_receive(
    struct mftd_catalog *c, const char *receipt, int64_t time_us);

/* Inside a transaction: writes of which of the receipt's deliveries failed
 * because of their names or schedules. */
int mftd_event_unmatched(
    struct mftd_catalog *c, const char *receipt, int64_t time_us);

/* An event with all that is known of what it is of. */
struct mftd_event {
	char id[MFTD_EVENT_ID_BYTES];
	char kind[MFTD_NAME_BYTES];
	int64_t time_us;
	char receipt[MFTD_ID_BYTES];
	char delivery[MFTD_ID_BYTES];
	char route[MFTD_NAME_BYTES];
	char account[MFTD_NAME_BYTES];
	char partner[MFTD_NAME_BYTES];
	char volume[MFTD_NAME_BYTES];
	char path[MFTD_PATH_BYTES]; /* as uploaded; any bytes */
	char directory[MFTD_PATH_BYTES]; /* at the partner */
	char name[MFTD_NUMBERED_BYTES]; /* there; any bytes */
	char host[MFTD_NAME_BYTES];
	char error[MFTD_REASON_BYTES];
	uint64_t size;
	bool has_sha256;
	uint8_t sha256[MFTD_SHA256_BYTES];
	uint32_t tries;
	int64_t received_us; /* 0: of nothing that was received */
	int64_t since_us, until_us; /* late: the window */
	/* of a partner: */
	char queue[MFTD_NAME_BYTES];
	char fault[16]; /* why it is or was stopped (partner_state.h) */
};

/* -ENOENT: there is no such event. */
int mftd_event_get(
    struct mftd_catalog *c, const char *id, struct mftd_event *out);

#endif
