/* Part of mftd; see LICENSE. */
#ifndef MFTD_CONTROL_CONTROL_H
#define MFTD_CONTROL_CONTROL_H

#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <qb/qbloop.h>

/*
 * The control socket, <run_dir>/control.sock: how agents and mftctl speak to
 * the coordinator.  SOCK_SEQPACKET; a request is one packet with one JSON
 * object of at most MFTD_CONTROL_REQUEST_BYTES; a reply is one or more packets,
 * each '+' (more follow) or '.' (last) and a piece of JSON text.  mftctl(8) has
 * the commands.  Whoever can open the socket may do everything: its mode and
 * the directory's are the gate.
 */
struct mftd_control;

/* A request of client.  req is borrowed.  The answer is given by
 * mftd_control_reply, now or later. */
typedef void (*mftd_control_fn)(void *data, uint64_t client, json_t *req);

/* Listens on path (a stale socket there is removed: the daemon's lock proves
 * that nobody serves it).  0 with *out, or -errno. */
int mftd_control_open(qb_loop_t *loop, const char *path, mftd_control_fn fn,
    void *data, struct mftd_control **out);

/* Ends all clients, removes the socket, frees c (may be NULL). */
void mftd_control_close(struct mftd_control *c);

/* Answers client's request and steals reply.  -ENOENT when the client has gone
 * meanwhile (nobody waits: not an error worth a log line). */
int mftd_control_reply(struct mftd_control *c, uint64_t client, json_t *reply);

/* The other side: one request, one reply, bounded by deadline_ms of
 * mftd_clock_ms.  req is stolen; *reply is the caller's.  0, -ETIMEDOUT,
 * -ECONNREFUSED or -ENOENT (no daemon), -MFTD_E_PROTOCOL, -errno. */
int mftd_control_call(
    const char *path, json_t *req, int64_t deadline_ms, json_t **reply);

#endif
