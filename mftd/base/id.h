/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_ID_H
#define MFTD_BASE_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Identifiers.  An incarnation is one life of a node's daemon: the node's name
 * and 64 random bits, "n1-5f0c9a1b2c3d4e5f".  What that life makes is named
 * after it with a counter: session "n1-5f0c…-1a", part "n1-5f0c…-1a.3".  So an
 * id is never used twice, and its owner can be read off it.
 * All ids consist of [A-Za-z0-9_.-], do not start with a dot and fit
 * MFTD_ID_BYTES: safe as a file name and in a log line.
 */

/* Writes a fresh incarnation of node to out (size bytes).  Returns 0, or
 * -EINVAL when node is no valid id or does not fit, -EIO without entropy. */
int mftd_id_incarnation(const char *node, char *out, size_t size);

/* Writes a fresh id of 16 hex digits, with prefix and '-' before it when prefix
 * is not NULL.  Errors as above. */
int mftd_id_random(const char *prefix, char *out, size_t size);

/* The same with the time before the random digits: 13 hex digits of
 * microseconds since the epoch, so that ids sort as they were made.  time_us is
 * positive. */
int mftd_id_timed(const char *prefix, int64_t time_us, char *out, size_t size);

/* What every id of that prefix starts with, or sorts behind, that was made at
 * time_us (not negative) or later. */
int mftd_id_since(const char *prefix, int64_t time_us, char *out, size_t size);

/* Whether text is an id as described above (1 to MFTD_ID_BYTES - 1 bytes). */
bool mftd_id_valid(const char *text);

/* Whether id was made by incarnation: is it, or starts with it and '-' or
 * '.'. */
bool mftd_id_of(const char *id, const char *incarnation);

#endif
