/* Part of mftd; see LICENSE. */
#include "mftd/ssh/userauth.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "mftd/base/buf.h"
#include "mftd/base/limits.h"

#define WORD_BYTES 64 /* of a service and a method */
#define PACKET_USED 1 /* libssh's word for a packet that was handled */

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
	void (*on_user)(void *data, const char *user);
	void *data;
	bool asked; /* what is on offer, by the first "none" */
} answering;

void
mftd_userauth_answer(ssh_session session, int *tries,
    void (*on_user)(void *data, const char *user), void *data)
{
	answering.session = session;
	answering.tries = tries;
	answering.on_user = on_user;
	answering.data = data;
	answering.asked = false;
	if (session != NULL)
		ssh_set_counters(session, NULL, &answering.packets);
}

uint64_t
mftd_userauth_heard(void)
{
	return answering.packets.in_packets;
}

/* What a request begins with (RFC 4252 section 5). */
struct request {
	char user[MFTD_NAME_BYTES]; /* "": none that a user could have */
	char method[WORD_BYTES]; /* "": none, or of another service */
	bool cut; /* libssh would read less than what was sent: refused */
};

/* A string into out, or "" when it is longer or has a NUL in it. */
static int
take_word(struct mftd_buf *b, char *out, size_t size, bool *cut)
{
	const uint8_t *text;
	size_t len;
	int r = mftd_buf_get_string(b, &text, &len);

	out[0] = '\0';
	if (r < 0)
		return r;
	if (memchr(text, '\0', len) != NULL) {
		*cut = true;
	} else if (len < size) {
		memcpy(out, text, len);
		out[len] = '\0';
	}
	return 0;
}

static void
look_at(const uint8_t *packet, size_t len, struct request *q)
{
	struct mftd_buf *b = mftd_buf_from(packet, len);
	char service[WORD_BYTES], password[1];
	uint8_t change;

	memset(q, 0, sizeof(*q));
	if (b == NULL || take_word(b, q->user, sizeof(q->user), &q->cut) < 0 ||
	    take_word(b, service, sizeof(service), &q->cut) < 0 ||
	    take_word(b, q->method, sizeof(q->method), &q->cut) < 0 ||
	    strcmp(service, "ssh-connection") != 0)
		q->method[0] = '\0';
	/* of the password only whether it is whole, and is not to be changed,
	 * which libssh would take for a login */
	if (strcmp(q->method, "password") == 0 &&
	    mftd_buf_get_u8(b, &change) == 0 &&
	    take_word(b, password, sizeof(password), &q->cut) == 0)
		q->cut |= change != 0;
	mftd_buf_free(b);
}

/* Whether the callbacks count the request, or nobody has to. */
static bool
is_counted(const struct request *q)
{
	bool first = !answering.asked;

	if (strcmp(q->method, "none") != 0)
		return strcmp(q->method, "password") == 0 ||
		    strcmp(q->method, "publickey") == 0;
	answering.asked = true;
	return first;
}

int
__wrap_ssh_packet_userauth_request(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	uint64_t before = answering.packets.out_packets;
	struct request q;
	bool counted;
	int r = PACKET_USED;

	if (session != answering.session || ssh_auth_reply_default == NULL)
		return __real_ssh_packet_userauth_request(
		    session, type, packet, user);
	look_at(ssh_buffer_get(packet), ssh_buffer_get_len(packet), &q);
	answering.on_user(answering.data, q.user[0] != '\0' ? q.user : NULL);
	counted = is_counted(&q);
	if (!q.cut)
		r = __real_ssh_packet_userauth_request(
		    session, type, packet, user);
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
