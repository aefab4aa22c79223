/* Part of mftd; see LICENSE. */
#ifndef MFTD_CATALOG_HANDLING_FILE_H
#define MFTD_CATALOG_HANDLING_FILE_H

#include <cyaml/cyaml.h>

#include "mftd/catalog/check.h"
#include "mftd/catalog/objects.h"

/* What a route of an objects file says of how its files are handled at the
 * partner: fields of its schema. */
#define MFTD_HANDLING_WORD(key, member)                                       \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, \
	    struct mftd_route, words.member, 1, 32)
#define MFTD_HANDLING_TEXT(key, member) \
	CYAML_FIELD_STRING(             \
	    key, CYAML_FLAG_OPTIONAL, struct mftd_route, at.member, 1)
#define MFTD_HANDLING_FIELDS                                      \
	MFTD_HANDLING_WORD("if_exists", if_exists),               \
	    MFTD_HANDLING_WORD("resume", resume),                 \
	    MFTD_HANDLING_WORD("mtime", mtime),                   \
	    MFTD_HANDLING_WORD("mode", mode),                     \
	    MFTD_HANDLING_TEXT("temp_suffix", temp_suffix),       \
	    MFTD_HANDLING_TEXT("temp_directory", temp_directory), \
	    MFTD_HANDLING_TEXT("trigger", trigger),               \
	    MFTD_HANDLING_TEXT("trigger_line", trigger_line)

/* Checks those of list[i], also against the routes before it, and fills in its
 * struct mftd_handling.  0 or -MFTD_E_CONF. */
int mftd_handling_file_check(
    const struct mftd_check *p, struct mftd_route *list, size_t i);

void mftd_handling_words_free(struct mftd_handling_words *w);

#endif
