/* Part of mftd; see LICENSE. */
#ifndef MFTD_HOOK_NET_H
#define MFTD_HOOK_NET_H

#include <curl/curl.h>

#include "mftd/hook/call.h"

/* What HTTP and SMTP by libcurl have in common. */
struct mftd_hook_net {
	CURL *curl;
	char error[CURL_ERROR_SIZE];
	char said[MFTD_REASON_BYTES]; /* the begin of the server's answer */
	size_t n_said;
};

/* Makes *n for the URL: bounded in time, by these protocols only, by no proxy.
 * With TLS it is 1.2 at least, and the certificate is of the URL's host, by an
 * authority of ca_file alone (NULL: the system's).  0 or -ENOMEM. */
int mftd_hook_net_open(struct mftd_hook_net *n,
    const struct mftd_hook_call *call, const char *protocols,
    const char *ca_file);

/* Does it.  0, or a negative error in why. */
int mftd_hook_net_run(struct mftd_hook_net *n, char why[MFTD_REASON_BYTES]);

void mftd_hook_net_close(struct mftd_hook_net *n);

#endif
