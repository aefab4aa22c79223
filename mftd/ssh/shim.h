/* Part of mftd; see LICENSE. */
#ifndef MFTD_SSH_SHIM_H
#define MFTD_SSH_SHIM_H

#include <stdbool.h>

/*
 * libssh reads 4 KiB at a time with one poll and one recv each, and sends with
 * a blocking send.  It reaches recv, poll and send through the linker, so the
 * definitions in shim.c take their place for one descriptor of the process: a
 * large receive buffer, poll answered from it, and a send that never blocks.
 * All other descriptors see the system's calls.
 */

/* From now on fd is served so; -1 ends it and frees the buffer.  One connection
 * a process. */
void mftd_shim_serve(int fd);

/* Packets of 32 KiB and the buffers for hundreds of KiB stay on the heap from
 * now on: mapping them anew each time costs half of all CPU. */
void mftd_shim_keep_heap(void);

/* While set, poll does not report that fd can be read: libssh then only writes,
 * and runs none of our callbacks inside a write. */
void mftd_shim_writing(bool on);

#endif
