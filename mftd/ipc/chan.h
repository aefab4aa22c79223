/* Part of mftd; see LICENSE. */
#ifndef MFTD_IPC_CHAN_H
#define MFTD_IPC_CHAN_H

#include <stdint.h>

#include "mftd/ipc/msg.h"
#include "mftd/ipc/proc.h"

/*
 * A channel between two processes: SOCK_SEQPACKET, one message a packet, each
 * checked by msg.h's gate on arrival.
 */
struct mftd_chan;

/* Makes the two ends of a channel: nonblocking, close-on-exec sockets.
 * Returns 0 or -errno. */
int mftd_chan_pair(int fds[2]);

/* A channel over fd to a process of kind proc; instance may be "".  Takes fd
 * over when it succeeds.  NULL without memory. */
struct mftd_chan *mftd_chan_new(
    int fd, enum mftd_proc proc, const char *instance);

/* Closes and frees c, which may be NULL. */
void mftd_chan_free(struct mftd_chan *c);

/* Frees c but leaves its descriptor open, the caller's again. */
void mftd_chan_release(struct mftd_chan *c);

int mftd_chan_fd(const struct mftd_chan *c);
enum mftd_proc mftd_chan_proc(const struct mftd_chan *c);
const char *mftd_chan_instance(const struct mftd_chan *c);

/* What the owner hangs on it: the session's state, say.  Not freed. */
void mftd_chan_set_data(struct mftd_chan *c, void *data);
void *mftd_chan_data(const struct mftd_chan *c);

/*
 * Sends a message; never blocks: what the socket does not take waits in the
 * channel (mftd_chan_flush).  The descriptors stay the caller's and are
 * duplicated.  -ENOBUFS when MFTD_CHAN_QUEUE_MAX messages wait, -EMSGSIZE,
 * -MFTD_E_CLOSED when the peer is gone.
 */
int mftd_chan_send(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const int *fds, int n_fds);

/* As above with bytes behind the struct (MFTD_MSG_RECORD). */
int mftd_chan_send_tail(struct mftd_chan *c, uint32_t type, uint64_t ref,
    const void *data, size_t len, const void *tail, size_t tail_len);

/* Sends what waits.  0: nothing waits any more; -EAGAIN: wait for POLLOUT;
 * -MFTD_E_CLOSED. */
int mftd_chan_flush(struct mftd_chan *c);

/* Whether messages wait to be sent. */
int mftd_chan_pending(const struct mftd_chan *c);

/*
 * Receives one message.  -EAGAIN when there is none, -MFTD_E_CLOSED at the end,
 * -MFTD_E_PROTOCOL for one that the gate refused (give the channel up).  After
 * use call mftd_msg_close.
 */
int mftd_chan_recv(struct mftd_chan *c, struct mftd_msg *m);

/* Waits until deadline_ms (mftd_clock_ms; negative: no end) for the next
 * message, flushing meanwhile.  As above, and -ETIMEDOUT. */
int mftd_chan_wait(
    struct mftd_chan *c, struct mftd_msg *m, int64_t deadline_ms);

/* Closes the descriptors of m that nobody took. */
void mftd_msg_close(struct mftd_msg *m);

#endif
