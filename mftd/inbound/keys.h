/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_KEYS_H
#define MFTD_INBOUND_KEYS_H

#include <stddef.h>

#include "mftd/conf/conf.h"

struct mftd_ssh_server;

/*
 * A server with the configured host keys, used and announced ones.  0, or a
 * negative error with words in why.
 */
int mftd_keys_load(const struct mftd_conf *conf, struct mftd_ssh_server **out,
    char *why, size_t size);

/* Whether that would work. */
int mftd_keys_check(const struct mftd_conf *conf, char *why, size_t size);

/* Logs what they are, so that an administrator can tell partners, and compare
 * nodes. */
void mftd_keys_log(
    const struct mftd_conf *conf, const struct mftd_ssh_server *s);

#endif
