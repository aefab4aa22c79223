/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_SQLITE_FILE_H
#define MFTD_CATALOG_SQLITE_FILE_H

/* Whose the file of an SQLite catalog is, and who may open it. */

/* Root's mftctl may be the first to come: the file belongs to whom its
 * directory does, or the daemon could not write it.  (SQLite itself gives the
 * files beside it to the owner of the file.) */
void mftd_sqlite_give_away(const char *path);

/* Whoever may read the file may lock it, and so keep us out.  (SQLite gives its
 * mode to the files beside it when it makes them.) */
void mftd_sqlite_close_to_others(const char *path);

#endif
