/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/base/fdio.h"
#include "mftd/hook/message.h"
#include "mftd/hook/net.h"
#include "mftd/hook/sign.h"

#define US_PER_S 1000000
#define HEADER_BYTES (MFTD_EVENT_ID_BYTES + 64)

/* The first line of its file, or the sealed one. */
static int
get_secret(const struct mftd_hook_call *call, char out[MFTD_SECRET_BYTES],
    char why[MFTD_REASON_BYTES])
{
	const struct mftd_hook_http *http = call->hook->http;
	char *text = NULL;
	size_t len;
	int r;

	if (http->secret_file == NULL)
		return mftd_hook_secret(call, http->secret, out, why);
	r = mftd_file_read(
	    AT_FDCWD, http->secret_file, MFTD_SECRET_BYTES - 1, &text, &len);
	if (r < 0) {
		snprintf(why, MFTD_REASON_BYTES, "secret_file: %s",
		    mftd_strerror(r));
		return r;
	}
	snprintf(
	    out, MFTD_SECRET_BYTES, "%.*s", (int)strcspn(text, "\r\n"), text);
	explicit_bzero(text, len);
	free(text);
	if (out[0] != '\0')
		return 0;
	snprintf(why, MFTD_REASON_BYTES, "secret_file is empty");
	return -EINVAL;
}

/* Adds a header; false without memory. */
static bool
add(struct curl_slist **list, const char *name, const char *value)
{
	char line[HEADER_BYTES];
	struct curl_slist *more;

	snprintf(line, sizeof(line), "%s:%s%s", name,
	    value[0] != '\0' ? " " : "", value);
	more = curl_slist_append(*list, line);
	if (more != NULL)
		*list = more;
	return more != NULL;
}

/* The headers of Standard Webhooks. */
static int
sign(const struct mftd_hook_call *call, const char *body,
    struct curl_slist **headers, char why[MFTD_REASON_BYTES])
{
	char secret[MFTD_SECRET_BYTES], signature[MFTD_HOOK_SIGNATURE_BYTES];
	long long now = mftd_clock_wall_us() / US_PER_S;
	char stamp[24];
	int r = get_secret(call, secret, why);

	if (r < 0)
		return r;
	r = mftd_hook_sign(secret, call->event->id, now, body, signature);
	explicit_bzero(secret, sizeof(secret));
	if (r < 0) {
		snprintf(why, MFTD_REASON_BYTES, "cannot sign: %s",
		    r == -EINVAL ? "whsec_ is not followed by base64"
				 : mftd_strerror(r));
		return r;
	}
	snprintf(stamp, sizeof(stamp), "%lld", now);
	return add(headers, "Content-Type", "application/json") &&
		add(headers, "Expect", "") &&
		add(headers, "webhook-id", call->event->id) &&
		add(headers, "webhook-timestamp", stamp) &&
		add(headers, "webhook-signature", signature)
	    ? 0
	    : -ENOMEM;
}

static int
post(struct mftd_hook_net *n, const char *body, struct curl_slist *headers,
    char why[MFTD_REASON_BYTES])
{
	long status = 0;
	int r;

	curl_easy_setopt(n->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(n->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(n->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
	r = mftd_hook_net_run(n, why);
	if (r < 0)
		return r;
	curl_easy_getinfo(n->curl, CURLINFO_RESPONSE_CODE, &status);
	snprintf(why, MFTD_REASON_BYTES, "HTTP %ld%s%s", status,
	    n->said[0] != '\0' ? ": " : "", n->said);
	return status >= 200 && status < 300 ? 0 : -EPROTO;
}

int
mftd_hook_http(const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES])
{
	struct curl_slist *headers = NULL;
	struct mftd_hook_net n;
	char *body = mftd_hook_json(call->event);
	int r = -ENOMEM;

	if (body == NULL)
		return r;
	r = mftd_hook_net_open(
	    &n, call, "http,https", call->hook->http->ca_file);
	if (r == 0) {
		r = sign(call, body, &headers, why);
		if (r == 0)
			r = post(&n, body, headers, why);
		curl_slist_free_all(headers);
		mftd_hook_net_close(&n);
	}
	free(body);
	return r;
}
