/* Part of mftd; see LICENSE. */
#include "mftd/outbound/call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/ssh/dial.h"

static int
open_password(struct mftd_call *call, const struct mftd_partner *p,
    const char *secret_key, char *why, size_t size)
{
	char place[MFTD_SECRET_PLACE_BYTES];
	struct mftd_secret_key key;
	int r = secret_key != NULL ? mftd_secret_key_read(secret_key, &key)
				   : -ENOENT;

	if (r < 0) {
		snprintf(why, size, "secret_key of mftd.yaml: %s",
		    secret_key != NULL ? mftd_secret_key_fault(r)
				       : "not given");
		return -MFTD_E_AUTH;
	}
	mftd_secret_of_partner(p->name, p->host_keys, p->n_host_keys, place);
	r = mftd_secret_open(&key, place, p->password, call->password);
	explicit_bzero(&key, sizeof(key));
	if (r == 0)
		return 0;
	snprintf(why, size, "the partner's password: %s",
	    r == -ENOKEY ? "sealed with another node's secret_key"
			 : "not sealed for this name and these host keys");
	return -MFTD_E_AUTH;
}

void
mftd_call_place(
    const struct mftd_partner *p, size_t i, struct mftd_call_place *out)
{
	struct mftd_partner *one = &out->partner;
	char *port = NULL;

	*one = *p;
	one->n_other_hosts = 0;
	if (i > 0) {
		snprintf(
		    out->text, sizeof(out->text), "%s", p->other_hosts[i - 1]);
		port = mftd_ssh_split_place(out->text, &one->host);
	}
	if (port != NULL)
		one->port = atoi(port);
	snprintf(out->name, sizeof(out->name),
	    strchr(one->host, ':') != NULL ? "[%.*s]:%d" : "%.*s:%d",
	    MFTD_HOST_BYTES, one->host, one->port);
}

int
mftd_call_open(struct mftd_call *call, const struct mftd_partner *p,
    const char *secret_key, const char *address, struct mftd_ssh_client **out,
    char *why, size_t size)
{
	int r = 0;

	call->target = (struct mftd_ssh_target) {
		.host = p->host,
		.port = p->port,
		.other_hosts = p->other_hosts,
		.n_other_hosts = p->n_other_hosts,
		.address = address,
		.user = p->user,
		.key_file = p->key_file,
		.host_keys = p->host_keys,
		.n_host_keys = p->n_host_keys,
		.source = p->source,
		.key_exchanges = p->key_exchanges,
		.ciphers = p->ciphers,
		.macs = p->macs,
		.connect_ms = p->connect_s * 1000,
		.request_ms = p->request_s * 1000,
		.go_on = call->target.go_on,
		.told = call->target.told,
		.data = call->target.data,
	};
	if (p->password != NULL) {
		r = open_password(call, p, secret_key, why, size);
		call->target.password = call->password;
	}
	if (r == 0)
		r = mftd_ssh_client_open(&call->target, out, why, size);
	explicit_bzero(call->password, sizeof(call->password));
	call->target.password = NULL;
	return r;
}
