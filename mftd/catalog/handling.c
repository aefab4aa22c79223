/* Part of mftd; see LICENSE. */
#include "mftd/catalog/handling.h"

#include <errno.h>
#include <string.h>

const char *const mftd_if_exists_words[] = {
	[MFTD_IF_EXISTS_FAIL] = "fail",
	[MFTD_IF_EXISTS_NUMBER] = "number",
	[MFTD_IF_EXISTS_OVERWRITE] = "overwrite",
	[MFTD_IF_EXISTS_SKIP] = "skip",
	[MFTD_IF_EXISTS_COUNT] = NULL,
};

const char *const mftd_resume_words[] = { "restart", "verify", NULL };

const char *const mftd_mtime_words[] = { "unique", "preserve", NULL };

const char *const mftd_verified_words[] = {
	[MFTD_VERIFIED_NOT] = "",
	[MFTD_VERIFIED_SIZE] = "size",
	[MFTD_VERIFIED_HASH] = "hash",
	[MFTD_VERIFIED_READ] = "read back",
	[MFTD_VERIFIED_COUNT] = NULL,
};

const char *
mftd_verified_name(uint32_t verified)
{
	return verified < MFTD_VERIFIED_COUNT ? mftd_verified_words[verified]
					      : "?";
}

int
mftd_handling_word(const char *const *words, const char *word)
{
	int i;

	for (i = 0; words[i] != NULL; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -EINVAL;
}
