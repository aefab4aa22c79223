/* Part of mftd; see LICENSE. */
#include "mftd/sftp/handle.h"

#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/fdio.h"
#include "mftd/sftp/op.h"
#include "mftd/sftp/view.h"

static uint32_t
free_slot(const struct mftd_sftp_handles *t)
{
	uint32_t i;

	for (i = 0; i < MFTD_SFTP_HANDLES_MAX; i++)
		if (t->slots[i] == NULL)
			break;
	return i;
}

bool
mftd_sftp_handle_room(const struct mftd_sftp_handles *t)
{
	/* the last generation is not given out: it would start again */
	return t->generation != UINT32_MAX &&
	    free_slot(t) < MFTD_SFTP_HANDLES_MAX;
}

int
mftd_sftp_handle_new(struct mftd_sftp_handles *t, enum mftd_sftp_kind kind,
    const char *path, struct mftd_sftp_handle **out)
{
	struct mftd_sftp_handle *h;

	if (!mftd_sftp_handle_room(t))
		return -EMFILE;
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return -ENOMEM;
	h->path = strdup(path);
	if (h->path == NULL) {
		free(h);
		return -ENOMEM;
	}
	h->kind = kind;
	h->fd = -1;
	h->limit = UINT64_MAX;
	h->slot = free_slot(t);
	h->generation = ++t->generation;
	t->slots[h->slot] = h;
	*out = h;
	return 0;
}

void
mftd_sftp_handle_free(struct mftd_sftp_handles *t, struct mftd_sftp_handle *h)
{
	t->slots[h->slot] = NULL;
	mftd_fd_close(&h->fd);
	if (h->dir != NULL)
		closedir(h->dir);
	mftd_sftp_names_free(h->parts);
	free(h->path);
	free(h);
}

struct mftd_sftp_handle *
mftd_sftp_handle_find(
    const struct mftd_sftp_handles *t, const uint8_t *name, size_t len)
{
	struct mftd_sftp_handle *h;
	uint32_t words[2];

	if (len != sizeof(words))
		return NULL;
	memcpy(words, name, sizeof(words));
	if (be32toh(words[0]) >= MFTD_SFTP_HANDLES_MAX)
		return NULL;
	h = t->slots[be32toh(words[0])];
	if (h == NULL || h->generation != be32toh(words[1]))
		return NULL;
	return h;
}

void
mftd_sftp_handle_name(
    const struct mftd_sftp_handle *h, uint8_t name[MFTD_SFTP_HANDLE_BYTES])
{
	uint32_t words[2] = { htobe32(h->slot), htobe32(h->generation) };

	memcpy(name, words, sizeof(words));
}

void
mftd_sftp_handles_renamed(
    struct mftd_sftp_handles *t, const char *from, const char *to)
{
	struct mftd_sftp_handle *h;
	char *path;
	size_t i;

	for (i = 0; i < MFTD_SFTP_HANDLES_MAX; i++) {
		h = t->slots[i];
		if (h == NULL || h->kind != MFTD_SFTP_FILE ||
		    !mftd_sftp_path_within(h->path, from) ||
		    asprintf(&path, "%s%s", to, h->path + strlen(from)) < 0)
			continue;
		free(h->path);
		h->path = path;
	}
}
