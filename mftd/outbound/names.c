/* Part of mftd; see LICENSE. */
#include "mftd/outbound/names.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/id.h"
#include "mftd/catalog/numbered.h"
#include "mftd/catalog/template.h"

/* directory "" or ".": where the login starts. */
static int
join(const char *directory, const char *name, char *out, size_t size)
{
	bool top = directory[0] == '\0' || strcmp(directory, ".") == 0;
	int n = snprintf(
	    out, size, "%s%s%s", top ? "" : directory, top ? "" : "/", name);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

/* The last component of path. */
static char *
base_of(char *path)
{
	char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

int
mftd_deliver_final_name(const struct mftd_delivery *d, char *out, size_t size)
{
	char path[2 * MFTD_PATH_BYTES + 2];
	int r = join(d->directory, d->name, path, sizeof(path));

	return r < 0 ? r : mftd_numbered(path, d->has.number, out, size);
}

/* A name in the final one's directory. */
static int
beside(const struct mftd_delivery *d, const char *name, char *out, size_t size)
{
	char *base;
	size_t left, len = strlen(name);

	if (join(d->directory, d->name, out, size) < 0)
		return -ENAMETOOLONG;
	base = base_of(out);
	left = size - (size_t)(base - out);
	if (len >= left)
		return -ENAMETOOLONG;
	memcpy(base, name, len + 1);
	return 0;
}

/* A hidden name of ours beside the final one. */
static int
hidden_name(
    const struct mftd_delivery *d, const char *what, char *out, size_t size)
{
	char name[MFTD_ID_BYTES + 32];

	if (!mftd_id_valid(d->id))
		return -EINVAL;
	snprintf(name, sizeof(name), ".mft-%s.%s", d->id, what);
	return beside(d, name, out, size);
}

/* How much of a name of len bytes is in its first most ones, without half a
 * character of UTF-8 at the end. */
static size_t
whole_part(const char *name, size_t len, size_t most)
{
	if (len <= most)
		return len;
	while (most > 0 && ((unsigned char)name[most] & 0xc0) == 0x80)
		most--;
	return most;
}

/* The last component of a temporary name. */
static void
temp_base(const struct mftd_delivery *d, uint32_t tries,
    char out[static NAME_MAX + 1])
{
	char end[MFTD_ID_BYTES + MFTD_TEMP_SUFFIX_BYTES + 16];
	char name[MFTD_PATH_BYTES];
	const char *base;
	size_t len;

	if (d->at.temp_suffix[0] == '\0') {
		snprintf(out, NAME_MAX + 1, ".mft-%s.%u.part", d->id, tries);
		return;
	}
	snprintf(name, sizeof(name), "%s", d->name);
	base = base_of(name);
	snprintf(end, sizeof(end), ".%s.%u%s", d->id, tries, d->at.temp_suffix);
	len = whole_part(base, strlen(base), NAME_MAX - strlen(end));
	snprintf(out, NAME_MAX + 1, "%.*s%s", (int)len, base, end);
}

int
mftd_deliver_temp_name(
    const struct mftd_delivery *d, uint32_t tries, char *out, size_t size)
{
	char base[NAME_MAX + 1];

	if (!mftd_id_valid(d->id))
		return -EINVAL;
	temp_base(d, tries, base);
	return d->at.temp_directory[0] != '\0'
	    ? join(d->at.temp_directory, base, out, size)
	    : beside(d, base, out, size);
}

/* ---- the trigger file */

static int
expand(const struct mftd_delivery *d, const char *template, char *final,
    char *out, size_t size)
{
	const struct mftd_template_values v = { .name = base_of(final) };

	return mftd_template_make(template, &v, out, size);
}

int
mftd_deliver_trigger_name(const struct mftd_delivery *d, char *out, size_t size)
{
	char name[MFTD_PATH_BYTES];
	char final[2 * MFTD_PATH_BYTES + 2];
	int n, r = mftd_deliver_final_name(d, final, sizeof(final));

	if (r == 0)
		r = expand(d, d->at.trigger, final, name, sizeof(name));
	if (r < 0)
		return r;
	n = snprintf(
	    out, size, "%.*s%s", (int)(base_of(final) - final), final, name);
	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int
mftd_deliver_trigger_temp(const struct mftd_delivery *d, char *out, size_t size)
{
	return hidden_name(d, "trigger", out, size);
}

int
mftd_deliver_witness_name(const struct mftd_delivery *d, char *out, size_t size)
{
	return hidden_name(d, "look.part", out, size);
}

/* Whether the name is what another file of the route is called while it is
 * sent. */
static bool
is_temporary(const struct mftd_delivery *d, const char *base)
{
	size_t len = strlen(base), n = strlen(d->at.temp_suffix);

	return n > 0 && len > n &&
	    strcmp(base + len - n, d->at.temp_suffix) == 0;
}

/* Who waits for a trigger takes what has such a name for one, and may remove
 * it; and the trigger of the file in question would replace it. */
static const char *
trigger_fault(const struct mftd_delivery *d, char *final)
{
	const char *base = base_of(final);
	char name[MFTD_PATH_BYTES];

	if (expand(d, d->at.trigger, final, name, sizeof(name)) < 0)
		return "trigger: of this name it makes one that no file can "
		       "have: empty, or longer than 255 bytes";
	if (is_temporary(d, name))
		return "trigger: it would end as the temporary names of its "
		       "route (temp_suffix)";
	if (strcmp(name, base) == 0)
		return "trigger: it would have the file's own name, and "
		       "replace it";
	if (mftd_template_may_make(d->at.trigger, base))
		return "trigger: the file's name is one that a trigger file of "
		       "its route may have";
	return NULL;
}

const char *
mftd_deliver_name_fault(const struct mftd_delivery *d)
{
	char final[2 * MFTD_PATH_BYTES + 2];

	if (mftd_deliver_final_name(d, final, sizeof(final)) < 0)
		return "its name is too long";
	if (strlen(base_of(final)) > NAME_MAX)
		return "its name is longer than 255 bytes";
	if (is_temporary(d, base_of(final)))
		return "temp_suffix: the file's name ends as the temporary "
		       "names of its route";
	return d->at.trigger[0] != '\0' ? trigger_fault(d, final) : NULL;
}

int
mftd_deliver_trigger_line(const struct mftd_delivery *d, char *out, size_t size)
{
	char final[2 * MFTD_PATH_BYTES + 2];
	int r = mftd_deliver_final_name(d, final, sizeof(final));

	out[0] = '\0';
	if (r < 0 || d->at.trigger_line[0] == '\0')
		return r;
	r = expand(d, d->at.trigger_line, final, out, size - 1);
	if (r == 0)
		strcat(out, "\n");
	return r;
}
