/* Part of mftd; see LICENSE. */
#ifndef MFTD_INBOUND_ADMIT_H
#define MFTD_INBOUND_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "mftd/base/cidr.h"
#include "mftd/conf/conf.h"
#include "mftd/ipc/msg_session.h"

/* Whom the listener lets in.  Pure: no clock, no chance of its own. */

/*
 * Whether a new connection is turned away while n are without login: never
 * below start, always from full on, in between with a chance that grows from
 * rate % to all.  random: any of 0 to 99, equally likely.
 */
bool mftd_startups_drop(
    const struct mftd_conf_startups *s, int n, unsigned random);

/* Whether source is among the n that are kept out at now_us. */
bool mftd_banned(const struct mftd_msg_ban *bans, uint32_t n,
    const struct mftd_cidr *source, int64_t now_us);

/* Whether the source lies in one of the networks. */
bool mftd_nets_have(
    const struct mftd_conf_nets *nets, const struct mftd_cidr *source);

/* enum mftd_turned in words, for the log. */
const char *mftd_turned_word(int why);

#endif
