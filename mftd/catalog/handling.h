/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HANDLING_H
#define MFTD_CATALOG_HANDLING_H

#include "mftd/ipc/handling.h"

/* The words for if_exists, resume and mtime, as in an objects file; the place
 * in the list is the value, NULL its end. */
extern const char *const mftd_if_exists_words[];
extern const char *const mftd_resume_words[];
extern const char *const mftd_mtime_words[];

/* How a file was verified: "", "size", "hash", "read back". */
extern const char *const mftd_verified_words[];
const char *mftd_verified_name(uint32_t verified);

/* The value of a word of such a list, or -EINVAL. */
int mftd_handling_word(const char *const *words, const char *word);

#endif
