/* Part of mftd; see LICENSE. */
#include "mftd/ssh/login.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/err.h"

#define ROUNDS_MAX 8 /* of questions */

/* Nobody is there to type a passphrase: that one was asked for is noted. */
static int
no_passphrase(
    const char *prompt, char *buf, size_t len, int echo, int verify, void *data)
{
	*(bool *)data = true;
	return -1;
}

/* Why that file gave no key; libssh does not say. */
static const char *
key_fault(const char *file, bool asked)
{
	struct stat st;

	if (stat(file, &st) < 0)
		return strerror(errno);
	if (S_ISDIR(st.st_mode))
		return strerror(EISDIR);
	if (access(file, R_OK) < 0)
		return strerror(errno);
	return asked ? "it wants a passphrase, and nobody is there to type one"
		     : "it is no private key";
}

/* What SSH_AUTH_* is to us: 0, -MFTD_E_AUTH for a refusal, which another method
 * may mend, else -MFTD_E_CLOSED. */
static int
result(int r)
{
	if (r == SSH_AUTH_SUCCESS)
		return 0;
	return r == SSH_AUTH_DENIED || r == SSH_AUTH_PARTIAL ? -MFTD_E_AUTH
							     : -MFTD_E_CLOSED;
}

static int
by_key(ssh_session s, const char *file, char *why, size_t size)
{
	ssh_key key = NULL;
	bool asked = false;
	int r;

	if (ssh_pki_import_privkey_file(
		file, NULL, no_passphrase, &asked, &key) != SSH_OK) {
		snprintf(why, size, "cannot read the key: %s: %s", file,
		    key_fault(file, asked));
		return -MFTD_E_AUTH;
	}
	r = result(ssh_userauth_publickey(s, NULL, key));
	ssh_key_free(key);
	return r;
}

/* Gives the password wherever something is asked that must not show. */
static int
by_questions(ssh_session s, const char *password)
{
	int round, i, n, r = ssh_userauth_kbdint(s, NULL, NULL);
	char echo;

	for (round = 0; r == SSH_AUTH_INFO && round < ROUNDS_MAX; round++) {
		n = ssh_userauth_kbdint_getnprompts(s);
		for (i = 0; i < n; i++) {
			ssh_userauth_kbdint_getprompt(
			    s, (unsigned int)i, &echo);
			if (ssh_userauth_kbdint_setanswer(s, (unsigned int)i,
				echo != 0 ? "" : password) < 0)
				return -MFTD_E_CLOSED;
		}
		r = ssh_userauth_kbdint(s, NULL, NULL);
	}
	return r == SSH_AUTH_INFO ? -MFTD_E_AUTH : result(r);
}

static int
by_password(ssh_session s, const char *password)
{
	int methods = ssh_userauth_list(s, NULL), r = -MFTD_E_AUTH;

	if ((methods & SSH_AUTH_METHOD_PASSWORD) != 0)
		r = result(ssh_userauth_password(s, NULL, password));
	else if ((methods & SSH_AUTH_METHOD_INTERACTIVE) != 0)
		r = by_questions(s, password);
	return r;
}

int
mftd_ssh_log_in(ssh_session s, const char *key_file, const char *password,
    char *why, size_t size)
{
	int r = -MFTD_E_AUTH;

	why[0] = '\0';
	if (key_file != NULL)
		r = by_key(s, key_file, why, size);
	else /* which methods there are is told with a refusal */
		r = result(ssh_userauth_none(s, NULL));
	if (r == -MFTD_E_AUTH && password != NULL)
		r = by_password(s, password);
	if (r < 0 && why[0] == '\0')
		snprintf(why, size, "%s: %s",
		    r == -MFTD_E_AUTH ? "login refused" : "login",
		    ssh_get_error(s));
	return r;
}
