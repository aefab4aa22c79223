/* Part of mftd; see LICENSE. */
#include "mftd/ssh/userauth.h"

#include <stddef.h>
#include <stdint.h>

/* Names and forms of libssh's own, which its headers do not declare; the linker
 * finds them in libssh.a only. */
struct ssh_buffer_struct;
int __real_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user) __attribute__((weak));
int __wrap_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user);
int ssh_auth_reply_default(ssh_session session, int partial)
    __attribute__((weak));

/* The one connection of the process: the wrapped call has no other way to find
 * it. */
static struct {
	ssh_session session;
	struct ssh_counter_struct packets;
	int *tries;
} answering;

void
mftd_userauth_answer(ssh_session session, int *tries)
{
	answering.session = session;
	answering.tries = tries;
	if (session != NULL)
		ssh_set_counters(session, NULL, &answering.packets);
}

uint64_t
mftd_userauth_heard(void)
{
	return answering.packets.in_packets;
}

int
__wrap_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	uint64_t before = answering.packets.out_packets;
	int r;

	r = __real_ssh_packet_userauth_request(session, type, packet, user);
	if (session == answering.session && ssh_auth_reply_default != NULL &&
	    answering.packets.out_packets == before) {
		(*answering.tries)++;
		ssh_auth_reply_default(session, 0);
	}
	return r;
}
