/* Part of mftd; see LICENSE. */
#include "mftd/hook/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/catalog/secret.h"

int
mftd_hook_call(const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES])
{
	const struct mftd_hook *h = call->hook;

	why[0] = '\0';
	if (h->http != NULL)
		return mftd_hook_http(call, why);
	if (h->mail != NULL)
		return mftd_hook_mail(call, why);
	return mftd_hook_exec(call, why);
}

int
mftd_hook_secret(const struct mftd_hook_call *call, const char *sealed,
    char out[MFTD_SECRET_BYTES], char why[MFTD_REASON_BYTES])
{
	char place[MFTD_SECRET_PLACE_BYTES];
	struct mftd_secret_key key;
	int r;

	out[0] = '\0';
	if (sealed == NULL)
		return 0;
	r = call->secret_key != NULL
	    ? mftd_secret_key_read(call->secret_key, &key)
	    : -ENOENT;
	if (r < 0) {
		snprintf(why, MFTD_REASON_BYTES,
		    "its secret cannot be opened: secret_key of mftd.yaml: %s",
		    call->secret_key != NULL ? mftd_secret_key_fault(r)
					     : "not given");
		return r;
	}
	mftd_secret_of_hook(call->hook->name, mftd_hook_url(call->hook), place);
	r = mftd_secret_open(&key, place, sealed, out);
	explicit_bzero(&key, sizeof(key));
	if (r < 0)
		snprintf(why, MFTD_REASON_BYTES,
		    "its secret cannot be opened: %s",
		    r == -ENOKEY ? "it was sealed under another key"
				 : mftd_strerror(r));
	return r;
}
