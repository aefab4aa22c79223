/* Part of mftd; see LICENSE. */
#include "mftd/catalog/pattern.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/path.h"

bool
mftd_pattern_matches(const char *pattern, const char *path)
{
	if (strchr(pattern, '/') != NULL)
		return fnmatch(pattern, path, FNM_PATHNAME) == 0;
	return fnmatch(pattern, mftd_path_base(path), 0) == 0;
}

static bool
has_impossible_part(const char *pattern)
{
	size_t len;

	for (;; pattern += len + 1) {
		len = strcspn(pattern, "/");
		if (len == 0 || (len <= 2 && strncmp(pattern, "..", len) == 0))
			return true;
		if (pattern[len] == '\0')
			return false;
	}
}

/* What fnmatch(3) takes, but as something else than was meant. */
static const char *
syntax_fault(const char *pattern)
{
	const char *end;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '\\') {
			if (*++pattern == '\0')
				return "ends with a backslash";
			continue;
		}
		if (*pattern != '[')
			continue;
		end = pattern + 1 + strspn(pattern + 1, "!^");
		end = *end != '\0' ? strchr(end + 1, ']') : NULL;
		if (end == NULL)
			return "has a [ without its ]";
		pattern = end;
	}
	return NULL;
}

const char *
mftd_pattern_fault(const char *pattern)
{
	if (pattern[0] == '\0')
		return "is empty";
	if (strlen(pattern) >= MFTD_PATTERN_BYTES)
		return "too long";
	if (strpbrk(pattern, "\r\n") != NULL)
		return "holds a line break";
	if (pattern[0] == '/' || pattern[strlen(pattern) - 1] == '/')
		return "begins or ends with a slash";
	if (has_impossible_part(pattern))
		return "has a part that no path has: empty, \".\" or \"..\"";
	return syntax_fault(pattern);
}

/* Whether one of the list's lines matches. */
static bool
any_matches(const char *list, const char *path)
{
	char pattern[MFTD_PATTERN_BYTES];
	size_t len;

	for (; *list != '\0'; list += len + (list[len] == '\n')) {
		len = strcspn(list, "\n");
		if (len >= sizeof(pattern))
			continue; /* none that was ever let in */
		snprintf(pattern, sizeof(pattern), "%.*s", (int)len, list);
		if (mftd_pattern_matches(pattern, path))
			return true;
	}
	return false;
}

bool
mftd_patterns_take(const char *take, const char *leave, const char *path)
{
	return (take == NULL || any_matches(take, path)) &&
	    (leave == NULL || !any_matches(leave, path));
}
