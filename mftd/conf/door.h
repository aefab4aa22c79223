/* Part of mftd; see LICENSE. */
#ifndef MFTD_CONF_DOOR_H
#define MFTD_CONF_DOOR_H

#include "mftd/conf/conf.h"
#include "mftd/conf/yaml.h"

/* Who is let in at all: part of conf.c. */
void mftd_conf_door_defaults(struct mftd_conf *c, const struct mftd_yaml *y);

/* Checks, and parses what is text.  0, or -MFTD_E_CONF after a refusal. */
int mftd_conf_door_check(struct mftd_conf *c, const struct mftd_yaml *y);

#endif
