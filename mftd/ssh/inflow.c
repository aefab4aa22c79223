/* Part of mftd; see LICENSE. */
#include "mftd/ssh/inflow.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "mftd/ssh/packet.h"

/* Names and forms of libssh's own, which its headers do not declare; the linker
 * finds them in libssh.a only. */
struct ssh_buffer_struct;
typedef int handler(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user);
handler __real_channel_rcv_data __attribute__((weak));
handler __real_ssh_packet_channel_open_conf __attribute__((weak));
handler __wrap_channel_rcv_data;
handler __wrap_ssh_packet_channel_open_conf;

#define CHANNEL_WINDOW_ADJUST 93
#define CHANNEL_EXTENDED_DATA 95
#define PACKET_USED 1 /* libssh's word for a packet that was handled */
#define NUMBER_BYTES 4

/* The wrapped calls have no other way to find it. */
static struct {
	ssh_session session;
	void (*take)(
	    void *data, const uint8_t *bytes, size_t len, bool is_stderr);
	void *data;
	bool open;
	uint32_t ours, theirs; /* numbers of the channel */
} inflow;

void
mftd_inflow_watch(ssh_session session,
    void (*take)(void *data, const uint8_t *bytes, size_t len, bool is_stderr),
    void *data)
{
	memset(&inflow, 0, sizeof(inflow));
	inflow.session = session;
	inflow.take = take;
	inflow.data = data;
}

static uint32_t
number(const uint8_t *at)
{
	uint32_t be;

	memcpy(&be, at, sizeof(be));
	return be32toh(be);
}

/* Recipient's channel, sender's channel (RFC 4254 section 5.1). */
int
__wrap_ssh_packet_channel_open_conf(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	const uint8_t *at = ssh_buffer_get(packet);

	if (session == inflow.session && !inflow.open &&
	    ssh_buffer_get_len(packet) >= 2 * NUMBER_BYTES) {
		inflow.ours = number(at);
		inflow.theirs = number(at + NUMBER_BYTES);
		inflow.open = true;
	}
	return __real_ssh_packet_channel_open_conf(session, type, packet, user);
}

/* Recipient's channel, of extended data its kind, a string (RFC 4254 section
 * 5.2).  What is not so, or another channel's, is for libssh to refuse. */
int
__wrap_channel_rcv_data(ssh_session session, uint8_t type,
    struct ssh_buffer_struct *packet, void *user)
{
	bool is_stderr = type == CHANNEL_EXTENDED_DATA;
	size_t head = (is_stderr ? 3 : 2) * NUMBER_BYTES;
	size_t left = ssh_buffer_get_len(packet), len;
	const uint8_t *at = ssh_buffer_get(packet);

	if (session != inflow.session || !inflow.open || left < head ||
	    number(at) != inflow.ours)
		return __real_channel_rcv_data(session, type, packet, user);
	len = number(at + head - NUMBER_BYTES);
	if (len > left - head)
		return __real_channel_rcv_data(session, type, packet, user);
	inflow.take(inflow.data, at + head, len, is_stderr);
	return PACKET_USED;
}

int
mftd_inflow_grant(uint32_t bytes)
{
	uint8_t packet[1 + 2 * NUMBER_BYTES] = { CHANNEL_WINDOW_ADJUST };
	uint32_t be = htobe32(inflow.theirs);

	if (!inflow.open)
		return -EIO;
	memcpy(packet + 1, &be, sizeof(be));
	be = htobe32(bytes);
	memcpy(packet + 1 + NUMBER_BYTES, &be, sizeof(be));
	return mftd_sshpkt_send(inflow.session, packet, sizeof(packet));
}
