/* Part of mftd; see LICENSE. */
#include "mftd/ssh/userauth.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mftd/base/buf.h"

#define WORD_BYTES 64 /* of a service and a method */

/* Names and forms of libssh's own, which its headers do not declare; the linker
 * finds them in libssh.a only. */
struct ssh_buffer_struct;
int __real_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user) __attribute__((weak));
int __wrap_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user);
int ssh_auth_reply_default(ssh_session session, int partial)
    __attribute__((weak));
void ssh_reset_error(void *error) __attribute__((weak));

/* The one connection of the process: the wrapped call has no other way to find
 * it. */
static struct {
	ssh_session session;
	struct ssh_counter_struct packets;
	int *tries;
	bool asked; /* what is on offer, by the first "none" */
} answering;

void
mftd_userauth_answer(ssh_session session, int *tries)
{
	answering.session = session;
	answering.tries = tries;
	answering.asked = false;
	if (session != NULL)
		ssh_set_counters(session, NULL, &answering.packets);
}

uint64_t
mftd_userauth_heard(void)
{
	return answering.packets.in_packets;
}

/* Whether the callbacks count the request, or nobody has to.  It begins with
 * user, service and method (RFC 4252 section 5). */
static bool
is_counted(const uint8_t *request, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(request, len);
	char service[WORD_BYTES], method[WORD_BYTES];
	const uint8_t *user;
	size_t user_len;
	bool first = !answering.asked, counted = false;

	if (b != NULL && mftd_buf_get_string(b, &user, &user_len) == 0 &&
	    mftd_buf_get_cstring(b, service, sizeof(service)) == 0 &&
	    mftd_buf_get_cstring(b, method, sizeof(method)) == 0 &&
	    strcmp(service, "ssh-connection") == 0) {
		counted = strcmp(method, "password") == 0 ||
		    strcmp(method, "publickey") == 0;
		if (strcmp(method, "none") == 0) {
			answering.asked = true;
			counted = first;
		}
	}
	mftd_buf_free(b);
	return counted;
}

int
__wrap_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	uint64_t before = answering.packets.out_packets;
	bool counted;
	int r;

	if (session != answering.session || ssh_auth_reply_default == NULL)
		return __real_ssh_packet_userauth_request(
		    session, type, packet, user);
	counted =
	    is_counted(ssh_buffer_get(packet), ssh_buffer_get_len(packet));
	r = __real_ssh_packet_userauth_request(session, type, packet, user);
	if (answering.packets.out_packets == before) {
		counted = false;
		/* what it did not like ends the request, not the connection */
		ssh_reset_error(session);
		ssh_auth_reply_default(session, 0);
	}
	if (!counted)
		(*answering.tries)++;
	return r;
}
