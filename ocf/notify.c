/* Part of mftd; see LICENSE. */
#include "notify.h"

#include <errno.h>
#include <string.h>

void
mftd_ocf_notify_read(struct mftd_ocf_notify *notify)
{
	notify->type = mftd_ocf_meta("notify_type");
	notify->operation = mftd_ocf_meta("notify_operation");
	notify->start = mftd_ocf_meta("notify_start_uname");
	notify->stop = mftd_ocf_meta("notify_stop_uname");
	notify->active = mftd_ocf_meta("notify_active_uname");
}

int
mftd_ocf_notify_next(const char **list, char name[static MFTD_OCF_NODE_MAX + 1])
{
	static const char blanks[] = " \t\n";
	const char *word = *list + strspn(*list, blanks);
	size_t len = strcspn(word, blanks);

	*list = word + len;
	if (len == 0)
		return 0;
	if (len > MFTD_OCF_NODE_MAX)
		return -ENAMETOOLONG;
	memcpy(name, word, len);
	name[len] = '\0';
	return 1;
}
