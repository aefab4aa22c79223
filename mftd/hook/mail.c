/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/hook/message.h"
#include "mftd/hook/net.h"

#define US_PER_S 1000000

struct upload {
	const char *at;
	size_t left;
};

static size_t
on_read(char *out, size_t one, size_t n, void *arg)
{
	struct upload *u = arg;
	size_t k = n * one < u->left ? n * one : u->left;

	memcpy(out, u->at, k);
	u->at += k;
	u->left -= k;
	return k;
}

static int
send_text(struct mftd_hook_net *n, const struct mftd_hook_mail *mail,
    const char *text, char why[MFTD_REASON_BYTES])
{
	struct upload u = { text, strlen(text) };
	struct curl_slist *to = NULL, *more = NULL;
	size_t i;
	int r = 0;

	for (i = 0; i < mail->n_to && r == 0; i++) {
		more = curl_slist_append(to, mail->to[i]);
		if (more != NULL)
			to = more;
		else
			r = -ENOMEM;
	}
	curl_easy_setopt(n->curl, CURLOPT_MAIL_FROM, mail->from);
	curl_easy_setopt(n->curl, CURLOPT_MAIL_RCPT, to);
	curl_easy_setopt(n->curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(n->curl, CURLOPT_READFUNCTION, on_read);
	curl_easy_setopt(n->curl, CURLOPT_READDATA, &u);
	curl_easy_setopt(n->curl, CURLOPT_USE_SSL,
	    (long)(mail->starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
	if (r == 0)
		r = mftd_hook_net_run(n, why);
	curl_slist_free_all(to);
	return r;
}

int
mftd_hook_mail(const struct mftd_hook_call *call, char why[MFTD_REASON_BYTES])
{
	const struct mftd_hook_mail *mail = call->hook->mail;
	char password[MFTD_SECRET_BYTES];
	struct mftd_hook_net n;
	char *text = mftd_hook_mail_text(
	    call->event, call->hook, mftd_clock_wall_us() / US_PER_S);
	int r = -ENOMEM;

	if (text == NULL)
		return r;
	r = mftd_hook_secret(call, mail->password, password, why);
	if (r == 0)
		r = mftd_hook_net_open(&n, call, "smtp,smtps", mail->ca_file);
	if (r == 0) {
		if (mail->user != NULL) {
			curl_easy_setopt(n.curl, CURLOPT_USERNAME, mail->user);
			curl_easy_setopt(n.curl, CURLOPT_PASSWORD, password);
		}
		r = send_text(&n, mail, text, why);
		mftd_hook_net_close(&n);
	}
	explicit_bzero(password, sizeof(password));
	free(text);
	return r;
}
