/* Part of mftd; see LICENSE. */
#include "mftd/catalog/hook.h"

#include <stdlib.h>

#include "mftd/catalog/rows.h"

const char *
mftd_hook_means(const struct mftd_hook *h)
{
	if (h->http != NULL)
		return "http";
	return h->mail != NULL ? "mail" : "exec";
}

const char *
mftd_hook_url(const struct mftd_hook *h)
{
	if (h->http != NULL)
		return h->http->url;
	return h->mail != NULL ? h->mail->url : NULL;
}

static void
free_http(struct mftd_hook_http *http)
{
	if (http == NULL)
		return;
	free(http->url);
	free(http->secret);
	free(http->secret_file);
	free(http->ca_file);
	free(http);
}

static void
free_mail(struct mftd_hook_mail *mail)
{
	if (mail == NULL)
		return;
	free(mail->url);
	free(mail->from);
	mftd_rows_free(mail->to, mail->n_to);
	free(mail->user);
	free(mail->password);
	free(mail->ca_file);
	free(mail);
}

void
mftd_hooks_free(struct mftd_hook *list, size_t n)
{
	struct mftd_hook *h;

	for (h = list; h < list + n; h++) {
		free(h->name);
		mftd_rows_free(h->on, h->n_on);
		mftd_rows_free(h->routes, h->n_routes);
		mftd_rows_free(h->accounts, h->n_accounts);
		mftd_rows_free(h->partners, h->n_partners);
		mftd_rows_free(h->exec, h->n_exec);
		free_http(h->http);
		free_mail(h->mail);
	}
	free(list);
}
