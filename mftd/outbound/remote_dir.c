/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <string.h>

#include "mftd/outbound/longname.h"
#include "mftd/outbound/remote_wire.h"

/* Directories of a partner (remote.h). */

int
mftd_remote_take_names(struct mftd_remote *m, struct mftd_remote_names *names)
{
	struct mftd_remote_attrs a;
	const uint8_t *name, *text;
	size_t len, text_len;
	uint32_t n, i;
	int r;

	if (mftd_buf_get_u32(m->in, &n) < 0)
		return mftd_remote_broken(m, "a short NAME");
	for (i = 0; i < n; i++) {
		a = (struct mftd_remote_attrs) { 0 };
		if (mftd_buf_get_string(m->in, &name, &len) < 0 ||
		    mftd_buf_get_string(m->in, &text, &text_len) < 0)
			return mftd_remote_broken(m, "a short NAME");
		r = mftd_remote_take_attrs(m, &a);
		if (r < 0)
			return r;
		a.links = mftd_longname_links(text, text_len);
		names->take(names->data, name, len, &a);
	}
	names->n = n;
	return 0;
}

int
mftd_remote_realpath(struct mftd_remote *m, const char *path,
    struct mftd_remote_names *names, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_path(m, FXP_REALPATH, path);

	names->n = 0;
	return r == 0 ? mftd_remote_submit(m, FXP_NAME, names, answer) : r;
}

int
mftd_remote_open_dir(struct mftd_remote *m, const char *path,
    struct mftd_remote_file *f, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_path(m, FXP_OPENDIR, path);

	return r == 0 ? mftd_remote_submit(m, FXP_HANDLE, f, answer) : r;
}

int
mftd_remote_read_dir(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_names *names, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_READDIR, f);

	names->n = 0;
	return r == 0 ? mftd_remote_submit(m, FXP_NAME, names, answer) : r;
}

int
mftd_remote_fstat(struct mftd_remote *m, const struct mftd_remote_file *f,
    struct mftd_remote_attrs *a, struct mftd_remote_answer *answer)
{
	int r = mftd_remote_begin_file(m, FXP_FSTAT, f);

	memset(a, 0, sizeof(*a));
	return r == 0 ? mftd_remote_submit(m, FXP_ATTRS, a, answer) : r;
}
