/* Part of mftd; see LICENSE. */
#ifndef MFTD_CONTROL_WIRE_H
#define MFTD_CONTROL_WIRE_H

#include <sys/types.h>

/* A packet of a reply carries up to this many bytes of text. */
#define MFTD_CONTROL_PIECE_BYTES 32768

/* Sends the next piece of a reply of which len bytes are left, marked as the
 * last one if it is.  Never blocks.  Returns the bytes sent, -EAGAIN, or
 * -errno. */
ssize_t mftd_control_send_piece(int fd, const char *text, size_t len);

#endif
