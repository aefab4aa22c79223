/* Part of mftd; see LICENSE. */
#include "mftd/ssh/rekey.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define SSH_MSG_IGNORE 2
#define KEPT_BYTES (9 * 1024 * 1024) /* a channel's window, and some */

/* Names and forms of libssh's own, which its headers do not declare; the linker
 * finds them in libssh.a only. */
struct ssh_buffer_struct;
typedef int handler(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user);
handler __real_ssh_packet_kexinit __attribute__((weak));
handler __real_ssh_packet_newkeys __attribute__((weak));
handler __wrap_ssh_packet_kexinit;
handler __wrap_ssh_packet_newkeys;
int __real_ssh_buffer_get_u8(struct ssh_buffer_struct *buffer, uint8_t *data)
    __attribute__((weak));
int __wrap_ssh_buffer_get_u8(struct ssh_buffer_struct *buffer, uint8_t *data);
/* wrapped (packet.c): they are asked as if it came just now */
handler __wrap_ssh_packet_global_request;
handler __wrap_ssh_packet_channel_open;
handler ssh_request_success __attribute__((weak));
handler ssh_request_denied __attribute__((weak));
handler channel_rcv_request __attribute__((weak));
handler channel_rcv_change_window __attribute__((weak));
handler channel_rcv_data __attribute__((weak));
handler channel_rcv_eof __attribute__((weak));
handler channel_rcv_close __attribute__((weak));

/* What a client sends of the connection protocol (RFC 4254). */
static const struct {
	uint8_t type;
	handler *handle;
} kinds[] = {
	{ 80, __wrap_ssh_packet_global_request },
	{ 81, ssh_request_success },
	{ 82, ssh_request_denied },
	{ 90, __wrap_ssh_packet_channel_open },
	{ 93, channel_rcv_change_window },
	{ 94, channel_rcv_data },
	{ 95, channel_rcv_data }, /* extended */
	{ 96, channel_rcv_eof },
	{ 97, channel_rcv_close },
	{ 98, channel_rcv_request },
};

struct kept {
	STAILQ_ENTRY(kept) link;
	size_t kind, len;
	uint8_t bytes[];
};

/* The wrapped calls have no other way to find it. */
static struct {
	ssh_session session;
	const uint8_t *latest; /* where ssh_buffer_get_u8 put a byte */
	const uint8_t *type; /* and puts the type of a packet */
	bool keyed; /* the first exchange is done */
	bool again; /* another one is under way */
	size_t bytes;
	STAILQ_HEAD(, kept) list;
} rekey;

static void
drop(struct kept *k)
{
	STAILQ_REMOVE_HEAD(&rekey.list, link);
	rekey.bytes -= sizeof(*k) + k->len;
	free(k);
}

void
mftd_rekey_watch(ssh_session session)
{
	struct kept *k;

	while (rekey.session != NULL && (k = STAILQ_FIRST(&rekey.list)) != NULL)
		drop(k);
	memset(&rekey, 0, sizeof(rekey));
	STAILQ_INIT(&rekey.list);
	rekey.session = session;
}

int
__wrap_ssh_packet_kexinit(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	if (session == rekey.session) {
		rekey.type = rekey.latest;
		rekey.again = rekey.keyed;
	}
	return __real_ssh_packet_kexinit(session, type, packet, user);
}

static bool
keep(size_t kind, struct ssh_buffer_struct *packet)
{
	size_t len = ssh_buffer_get_len(packet);
	struct kept *k;

	if (rekey.bytes + sizeof(*k) + len > KEPT_BYTES)
		return false;
	k = malloc(sizeof(*k) + len);
	if (k == NULL)
		return false;
	k->kind = kind;
	k->len = len;
	memcpy(k->bytes, ssh_buffer_get(packet), len);
	STAILQ_INSERT_TAIL(&rekey.list, k, link);
	rekey.bytes += sizeof(*k) + len;
	return true;
}

/* The type of a packet is read so before its filter is asked; and so are other
 * bytes, to other places. */
int
__wrap_ssh_buffer_get_u8(struct ssh_buffer_struct *buffer, uint8_t *data)
{
	int r = __real_ssh_buffer_get_u8(buffer, data);
	size_t i;

	rekey.latest = data;
	if (!rekey.again || r == 0 || data != rekey.type)
		return r;
	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].type == *data && keep(i, buffer))
			*data = SSH_MSG_IGNORE;
	return r;
}

static void
handle_kept(ssh_session session)
{
	struct kept *k;
	ssh_buffer b;

	while ((k = STAILQ_FIRST(&rekey.list)) != NULL) {
		b = ssh_buffer_new();
		if (b != NULL &&
		    ssh_buffer_add_data(b, k->bytes, (uint32_t)k->len) == 0)
			kinds[k->kind].handle(
			    session, kinds[k->kind].type, b, NULL);
		ssh_buffer_free(b);
		drop(k);
	}
}

int
__wrap_ssh_packet_newkeys(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	int r = __real_ssh_packet_newkeys(session, type, packet, user);

	if (session == rekey.session) {
		rekey.keyed = true;
		rekey.again = false;
		handle_kept(session);
	}
	return r;
}
