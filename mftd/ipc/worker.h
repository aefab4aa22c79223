/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_WORKER_H
#define MFTD_IPC_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qb/qbloop.h>

#include "mftd/base/limits.h"
#include "mftd/ipc/chan.h"
#include "mftd/ipc/lease.h"
#include "mftd/ipc/proc.h"

struct mftd_conf;
struct attached;

/*
 * What the parent gives a worker at its fork, and the loop that the
 * event-driven ones run.  A worker says in tables whom it talks to and which
 * messages it takes from each; what stands in no table ends the channel.
 */
struct mftd_worker {
	enum mftd_proc proc;
	char instance[MFTD_ID_BYTES]; /* volume, queue; "" */
	char incarnation[MFTD_ID_BYTES]; /* of this node's daemon */
	const struct mftd_conf *conf;
	struct mftd_lease *lease;
	int listen_fds[MFTD_LISTEN_MAX]; /* listener's; else -1 */
	int n_listen;
	int lock_fd; /* the service's lock, -1 without */
	int parent_fd;
	/* set by mftd_worker_init: */
	qb_loop_t *loop;
	struct mftd_chan *parent;
	const struct mftd_link *links;
	size_t n_links;
	void *data;
	struct attached *attached; /* the loop's channels */
	bool stopped; /* mftd_worker_stop was called */
};

/* Takes a message.  A negative return gives the channel up (and is logged). */
typedef int (*mftd_handle_fn)(
    void *data, struct mftd_chan *c, struct mftd_msg *m);

struct mftd_handler {
	uint32_t type;
	mftd_handle_fn handle;
};

/* One kind of peer.  up: a channel to one came into being (the parent made it,
 * or mftd_worker_attach); down: it is gone, c is freed afterwards.  Both may be
 * NULL.  The table ends with type 0. */
struct mftd_link {
	enum mftd_proc peer;
	const struct mftd_handler *handlers;
	void (*up)(void *data, struct mftd_chan *c);
	void (*down)(void *data, struct mftd_chan *c);
};

/*
 * Makes the loop and the channel to the parent.  links (ending with none: n of
 * them) and data must outlive the worker.  A row for MFTD_PROC_PARENT adds
 * handlers for what the parent sends beyond PEER, STOP and PING, which the loop
 * answers.
 * Returns 0 or -errno.
 */
int mftd_worker_init(struct mftd_worker *w, const struct mftd_link *links,
    size_t n_links, void *data);

/* Says READY to the parent. */
int mftd_worker_ready(struct mftd_worker *w);

/* Runs until mftd_worker_stop, a STOP of the parent, or the parent's end. */
void mftd_worker_run(struct mftd_worker *w);
void mftd_worker_stop(struct mftd_worker *w);

/* Puts a channel under the loop's care; the link of its peer kind applies.
 * Takes fd over on success.  data is set as the channel's.  NULL on failure. */
struct mftd_chan *mftd_worker_attach(struct mftd_worker *w, int fd,
    enum mftd_proc proc, const char *instance, void *data);

/* Ends a channel: down is called, c freed.  Safe inside its own handler. */
void mftd_worker_detach(struct mftd_worker *w, struct mftd_chan *c);

/* mftd_chan_send for channels of the loop: waits for POLLOUT by itself, and
 * detaches the channel of a peer that is gone or takes nothing any more.  c may
 * be NULL: -MFTD_E_CLOSED. */
int mftd_worker_send(struct mftd_worker *w, struct mftd_chan *c, uint32_t type,
    uint64_t ref, const void *data, size_t len);
int mftd_worker_send_fds(struct mftd_worker *w, struct mftd_chan *c,
    uint32_t type, uint64_t ref, const void *data, size_t len, const int *fds,
    int n_fds);

/* mftd_chan_send_tail, likewise. */
int mftd_worker_send_tail(struct mftd_worker *w, struct mftd_chan *c,
    uint32_t type, uint64_t ref, const void *data, size_t len, const void *tail,
    size_t tail_len);

/* Calls fn(data) once, ms from now.  Returns 0 or -errno. */
int mftd_worker_timer(
    struct mftd_worker *w, int ms, void (*fn)(void *data), void *data);

#endif
