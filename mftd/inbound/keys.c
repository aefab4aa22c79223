/* Part of mftd; see LICENSE. */
#include "mftd/inbound/keys.h"

#include "mftd/base/limits.h"
#include "mftd/base/log.h"
#include "mftd/ssh/transport.h"

int
mftd_keys_load(const struct mftd_conf *conf, struct mftd_ssh_server **out,
    char *why, size_t size)
{
	struct mftd_ssh_server *s;
	size_t i;
	int r;

	r = mftd_ssh_server_new(
	    conf->host_keys, conf->n_host_keys, &s, why, size);
	if (r < 0)
		return r;
	for (i = 0; r == 0 && i < conf->n_next_host_keys; i++)
		r = mftd_ssh_server_announce(
		    s, conf->next_host_keys[i], why, size);
	if (r < 0)
		mftd_ssh_server_free(s);
	else
		*out = s;
	return r;
}

int
mftd_keys_check(const struct mftd_conf *conf, char *why, size_t size)
{
	struct mftd_ssh_server *s;
	int r = mftd_keys_load(conf, &s, why, size);

	if (r == 0)
		mftd_ssh_server_free(s);
	return r;
}

void
mftd_keys_log(const struct mftd_conf *conf, const struct mftd_ssh_server *s)
{
	char text[MFTD_REASON_BYTES];
	size_t i;

	for (i = 0; mftd_ssh_server_key(s, i, text, sizeof(text)) == 0; i++)
		log_info("%s %s",
		    i < conf->n_host_keys ? "host key" : "next host key", text);
}
