/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_PARTNER_PATH_H
#define MFTD_CATALOG_PARTNER_PATH_H

#include <stdbool.h>

/*
 * Folders at a partner, by the words of the configuration: links there nobody
 * knows, and where a login starts only the partner does.
 */
#define MFTD_PARTNER_PATH_ROOT (~0U) /* above whatever place a login has */

/* How many folders above the login's a path begins; an absolute one at the
 * root. */
unsigned mftd_partner_path_ups(const char *path);

/*
 * Whether one that begins further up may be the other: each that many folders
 * above the login's, and from there by that plain path, which begins with "/".
 * An absolute path may be any relative one that it ends with, and "../a/b" b,
 * or a/b: where the login starts at the root that has nothing above it.
 */
bool mftd_partner_path_meets(
    unsigned ups, const char *path, unsigned low_ups, const char *low);

/* The path from there without what says nothing ("//", "."), which the caller
 * frees (g_free). */
char *mftd_partner_path_plain(const char *path);

/* Whether two paths as configured are one folder, or may be. */
bool mftd_partner_path_is_one(const char *a, const char *b);
bool mftd_partner_path_may_be_one(const char *a, const char *b);

#endif
