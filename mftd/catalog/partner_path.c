/* Part of mftd; see LICENSE. */
#include "mftd/catalog/partner_path.h"

#include <string.h>

#include <glib.h>

unsigned
mftd_partner_path_ups(const char *path)
{
	unsigned ups = 0, depth = 0;
	size_t len;

	if (path[0] == '/')
		return MFTD_PARTNER_PATH_ROOT;
	for (; *path != '\0'; path += len + (path[len] == '/')) {
		len = strcspn(path, "/");
		if (len == 0 || (len == 1 && path[0] == '.'))
			continue;
		if (len != 2 || strncmp(path, "..", 2) != 0)
			depth++;
		else if (depth > 0)
			depth--;
		else
			ups++;
	}
	return ups;
}

static unsigned
depth_of(const char *path)
{
	unsigned depth = 0;

	for (; path[0] != '\0' && path[1] != '\0'; path++)
		depth += path[0] == '/';
	return depth;
}

/* Of two relative ones the one from further up begins with at most as many
 * names as the login's own place may have. */
static bool
has_names_for(unsigned ups, const char *path, unsigned low_ups, const char *low)
{
	return ups == MFTD_PARTNER_PATH_ROOT ||
	    depth_of(path) <= depth_of(low) + ups - low_ups;
}

bool
mftd_partner_path_meets(
    unsigned ups, const char *path, unsigned low_ups, const char *low)
{
	return ups > low_ups && has_names_for(ups, path, low_ups, low) &&
	    (low[1] == '\0' || g_str_has_suffix(path, low));
}

/* Two slashes at its beginning say something to GLib, and nothing to SFTP. */
char *
mftd_partner_path_plain(const char *path)
{
	while (path[0] == '/' && path[1] == '/')
		path++;
	return g_canonicalize_filename(path, "/");
}

static bool
compare(const char *a, const char *b, bool sure)
{
	unsigned ups_a = mftd_partner_path_ups(a);
	unsigned ups_b = mftd_partner_path_ups(b);
	char *x = mftd_partner_path_plain(a);
	char *y = mftd_partner_path_plain(b);
	bool yes = ups_a == ups_b ? strcmp(x, y) == 0
	    : sure		  ? false
	    : ups_a > ups_b	  ? mftd_partner_path_meets(ups_a, x, ups_b, y)
				  : mftd_partner_path_meets(ups_b, y, ups_a, x);

	g_free(x);
	g_free(y);
	return yes;
}

bool
mftd_partner_path_is_one(const char *a, const char *b)
{
	return compare(a, b, true);
}

bool
mftd_partner_path_may_be_one(const char *a, const char *b)
{
	return compare(a, b, false);
}
