/* Part of mftd; see LICENSE. */
/*
 * Which socket a local service listens on: its inode number, which another life
 * of the service does not share. Nobody is connected to.
 */
#ifndef MFTD_OCF_LISTENER_H
#define MFTD_OCF_LISTENER_H

#include <stdint.h>

/*
 * The inode of a listening Unix socket of this network namespace, of that name:
 * an abstract one, or the last part of a path. 0 if there is none, or it cannot
 * be known. name holds no '@' and no '/'.
 */
uint32_t mftd_ocf_listener(const char *name);

/*
 * The two ways to that, each 0 or -errno and *inode. By sock_diag(7), which a
 * kernel may not have (-ENOENT and others); by /proc/net/unix (proc(5)), at the
 * price of a quarter of an agent's call.
 */
int mftd_ocf_listener_diag(const char *name, uint32_t *inode);
int mftd_ocf_listener_proc(const char *name, uint32_t *inode);

#endif
