/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PATTERN_H
#define MFTD_CATALOG_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Which files a route takes, and how they are called at the other end: pure.
 *
 * A pattern is a shell's (fnmatch(3)): one without a slash is matched against
 * the file's name, one with slashes against its path below the account's root,
 * in which "*" and "?" match no slash.
 */
#define MFTD_PATTERN_BYTES 256
#define MFTD_PATTERNS_MAX 64 /* of one list */

bool mftd_pattern_matches(const char *pattern, const char *path);

/* NULL, or what is wrong with a pattern. */
const char *mftd_pattern_fault(const char *pattern);

/*
 * Lists as the catalog stores them: a pattern a line, NULL for none.  Whether
 * path is matched by one of take (or take is NULL), and by none of leave.
 */
bool mftd_patterns_take(const char *take, const char *leave, const char *path);

#endif
