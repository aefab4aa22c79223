/* Part of mftd; see LICENSE. */
#include "mftd/hook/net.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Keeps the begin, passes over the rest. */
static size_t
on_answer(char *data, size_t one, size_t n, void *arg)
{
	struct mftd_hook_net *net = arg;
	size_t room = sizeof(net->said) - 1 - net->n_said;
	size_t k = n < room ? n : room;

	memcpy(net->said + net->n_said, data, k);
	net->n_said += k;
	net->said[net->n_said] = '\0';
	return one * n;
}

/* Where TLS is spoken, this is what it is worth. */
static void
tls(CURL *curl, const char *ca_file)
{
	curl_easy_setopt(
	    curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
	if (ca_file == NULL)
		return;
	curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file);
	/* the system's authorities, else taken beside it */
	curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
}

int
mftd_hook_net_open(struct mftd_hook_net *n, const struct mftd_hook_call *call,
    const char *protocols, const char *ca_file)
{
	memset(n, 0, sizeof(*n));
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return -ENOMEM;
	n->curl = curl_easy_init();
	if (n->curl == NULL) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	curl_easy_setopt(n->curl, CURLOPT_URL, mftd_hook_url(call->hook));
	curl_easy_setopt(n->curl, CURLOPT_PROTOCOLS_STR, protocols);
	curl_easy_setopt(n->curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(n->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(n->curl, CURLOPT_TIMEOUT, (long)call->hook->timeout_s);
	curl_easy_setopt(n->curl, CURLOPT_ERRORBUFFER, n->error);
	curl_easy_setopt(n->curl, CURLOPT_USERAGENT, "mftd/" MFTD_VERSION);
	curl_easy_setopt(n->curl, CURLOPT_WRITEFUNCTION, on_answer);
	curl_easy_setopt(n->curl, CURLOPT_WRITEDATA, n);
	tls(n->curl, ca_file);
	return 0;
}

int
mftd_hook_net_run(struct mftd_hook_net *n, char why[MFTD_REASON_BYTES])
{
	CURLcode code = curl_easy_perform(n->curl);

	if (code == CURLE_OK)
		return 0;
	snprintf(why, MFTD_REASON_BYTES, "%s",
	    n->error[0] != '\0' ? n->error : curl_easy_strerror(code));
	return code == CURLE_OPERATION_TIMEDOUT ? -ETIMEDOUT : -EIO;
}

void
mftd_hook_net_close(struct mftd_hook_net *n)
{
	curl_easy_cleanup(n->curl);
	curl_global_cleanup();
}
