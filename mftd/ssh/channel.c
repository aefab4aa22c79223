/* Part of mftd; see LICENSE. */
#include "mftd/ssh/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "mftd/base/buf.h"
#include "mftd/base/err.h"
#include "mftd/base/log.h"
#include "mftd/ssh/internal.h"
#include "mftd/ssh/packet.h"
#include "mftd/ssh/shim.h"

#define WINDOW_STEP_BYTES (1024 * 1024) /* opened again after so many */
#define COPY_BYTES (256 * 1024)
#define SEND_BYTES (512 * 1024) /* in one go */
#define PACKET_MIN_BYTES 1024 /* that the client has to take */

#define CHANNEL_OPEN_FAILURE 92
#define CHANNEL_WINDOW_ADJUST 93
#define RESOURCE_SHORTAGE 4

static int
on_data(ssh_session session, ssh_channel channel, void *bytes, uint32_t len,
    int is_stderr, void *data)
{
	struct mftd_ssh_chan *c = data;
	size_t fresh = is_stderr ? len : len - c->held;
	ssize_t n;

	/* libssh does not see to it, and holds whatever comes */
	if (fresh > c->window && !c->broken) {
		log_warn("the client ignores its channel's window");
		c->broken = true;
	}
	c->window -= c->broken ? 0 : (uint32_t)fresh;
	if (is_stderr)
		return (int)len; /* belongs to nothing: dropped */
	c->held = 0;
	if (c->data == NULL || c->broken)
		return (int)len;
	if (c->stalled || c->ssh->writing) {
		c->stalled = true;
		c->held = len;
		return 0;
	}
	n = c->ssh->ops->input(c->data, bytes, len);
	if (n < 0) {
		c->broken = true;
		return (int)len;
	}
	c->stalled = (size_t)n < len;
	c->held = len - (size_t)n;
	return (int)n;
}

static void
on_eof(ssh_session session, ssh_channel channel, void *data)
{
	struct mftd_ssh_chan *c = data;

	c->eof = true;
}

static void
on_close(ssh_session session, ssh_channel channel, void *data)
{
	struct mftd_ssh_chan *c = data;

	c->closed = true;
}

static int
on_subsystem(
    ssh_session session, ssh_channel channel, const char *name, void *data)
{
	struct mftd_ssh_chan *c = data;

	if (strcmp(name, "sftp") != 0 || c->data != NULL || c->closed ||
	    c->notice != NULL)
		return 1;
	c->data = c->ssh->ops->open(c->ssh->data, c);
	return c->data != NULL ? 0 : 1;
}

/* An scp of old (scp -O) would speak its own protocol over the channel, in
 * which a line behind a byte 2 is a message to its user, and the end. */
static int
on_exec(
    ssh_session session, ssh_channel channel, const char *command, void *data)
{
	struct mftd_ssh_chan *c = data;

	if (c->data != NULL || c->notice != NULL || c->closed)
		return 1;
	c->scp = strncmp(command, "scp ", 4) == 0;
	c->notice = c->scp
	    ? "\002scp: this server speaks SFTP only: use scp without -O\n"
	    : "This server offers SFTP only.\n";
	return 0;
}

static int
on_shell(ssh_session session, ssh_channel channel, void *data)
{
	return on_exec(session, channel, "", data);
}

static ssh_channel
on_open(ssh_session session, void *data)
{
	struct mftd_ssh *s = data;
	struct mftd_ssh_chan *c;
	size_t i;

	for (i = 0; i < MFTD_SSH_CHANNELS_MAX; i++)
		if (s->chans[i].channel == NULL)
			break;
	if (!s->in || i == MFTD_SSH_CHANNELS_MAX)
		return NULL;
	c = &s->chans[i];
	memset(c, 0, sizeof(*c));
	c->number = s->opening;
	c->window = WINDOW_BYTES;
	c->ssh = s;
	c->channel = ssh_channel_new(session);
	if (c->channel == NULL)
		return NULL;
	c->calls.userdata = c;
	c->calls.channel_data_function = on_data;
	c->calls.channel_eof_function = on_eof;
	c->calls.channel_close_function = on_close;
	c->calls.channel_subsystem_request_function = on_subsystem;
	c->calls.channel_exec_request_function = on_exec;
	c->calls.channel_shell_request_function = on_shell;
	ssh_callbacks_init(&c->calls);
	if (ssh_set_channel_callbacks(c->channel, &c->calls) != SSH_OK) {
		ssh_channel_free(c->channel);
		c->channel = NULL;
	}
	return c->channel;
}

void
mftd_ssh_chans_init(struct mftd_ssh *s)
{
	s->calls.channel_open_request_session_function = on_open;
}

/* Says what is offered instead; it fits any window that a client opens. */
static void
say_notice(struct mftd_ssh_chan *c)
{
	uint32_t len = (uint32_t)strlen(c->notice);

	mftd_shim_writing(true);
	c->ssh->writing = true;
	if (c->scp)
		ssh_channel_write(c->channel, c->notice, len);
	else
		ssh_channel_write_stderr(c->channel, c->notice, len);
	c->ssh->writing = false;
	mftd_shim_writing(false);
}

void
mftd_ssh_chans_sweep(struct mftd_ssh *s)
{
	struct mftd_ssh_chan *c;

	for (c = s->chans; c < s->chans + MFTD_SSH_CHANNELS_MAX; c++) {
		if (c->channel == NULL || c->data != NULL)
			continue;
		if (c->notice != NULL && !c->closed)
			say_notice(c);
		if (c->notice != NULL || c->closed)
			mftd_ssh_chan_close(c, 1);
	}
}

void
mftd_ssh_chans_free(struct mftd_ssh *s)
{
	size_t i;

	for (i = 0; i < MFTD_SSH_CHANNELS_MAX; i++)
		free(s->chans[i].copy);
}

struct mftd_ssh_chan *
mftd_ssh_chan_next(struct mftd_ssh *s, const struct mftd_ssh_chan *c)
{
	size_t i = c != NULL ? (size_t)(c - s->chans) + 1 : 0;

	for (; i < MFTD_SSH_CHANNELS_MAX; i++)
		if (s->chans[i].channel != NULL && s->chans[i].data != NULL)
			return &s->chans[i];
	return NULL;
}

void *
mftd_ssh_chan_data(const struct mftd_ssh_chan *c)
{
	return c->data;
}

enum mftd_ssh_chan_state
mftd_ssh_chan_state(const struct mftd_ssh_chan *c)
{
	if (c->closed || c->broken)
		return MFTD_SSH_CHAN_CLOSED;
	if (c->eof && !c->stalled)
		return MFTD_SSH_CHAN_EOF;
	return MFTD_SSH_CHAN_OPEN;
}

/* What the client may send and what waits here is a window's worth together. */
static void
open_window(struct mftd_ssh_chan *c)
{
	size_t have = c->window + c->held + c->copy_len;
	struct mftd_buf *b;
	uint32_t more;
	int r;

	if (have + WINDOW_STEP_BYTES > WINDOW_BYTES || c->closed || c->eof)
		return;
	more = (uint32_t)(WINDOW_BYTES - have);
	b = mftd_buf_new(16);
	r = b != NULL ? mftd_buf_put_u8(b, CHANNEL_WINDOW_ADJUST) : -ENOMEM;
	if (r == 0)
		r = mftd_buf_put_u32(b, c->number);
	if (r == 0)
		r = mftd_buf_put_u32(b, more);
	if (r == 0)
		r = mftd_sshpkt_send(
		    c->ssh->session, mftd_buf_data(b), mftd_buf_len(b));
	if (r == 0)
		c->window += more;
	mftd_buf_free(b);
}

/* Offers what lies in copy.  1: all of it was taken; 0: not; or an error. */
static int
offer_copy(struct mftd_ssh_chan *c, bool *progress)
{
	ssize_t n;

	if (c->copy_len == 0)
		return 1;
	n = c->ssh->ops->input(c->data, c->copy + c->copy_off, c->copy_len);
	if (n < 0)
		return (int)n;
	if (n > 0)
		*progress = true;
	c->copy_off += (size_t)n;
	c->copy_len -= (size_t)n;
	return c->copy_len == 0;
}

int
mftd_ssh_chan_resume(struct mftd_ssh_chan *c)
{
	bool progress = false;
	int n, r = 0;

	open_window(c);
	if (!c->stalled)
		return 0;
	if (c->copy == NULL)
		c->copy = malloc(COPY_BYTES);
	if (c->copy == NULL)
		return -MFTD_E_LIMIT;
	for (;;) {
		r = offer_copy(c, &progress);
		if (r <= 0)
			break;
		n = ssh_channel_read_nonblocking(
		    c->channel, c->copy, COPY_BYTES, 0);
		if (n <= 0) {
			c->stalled = false;
			free(c->copy);
			c->copy = NULL;
			break;
		}
		c->held -= (size_t)n;
		c->copy_off = 0;
		c->copy_len = (size_t)n;
	}
	return r < 0 ? r : progress;
}

size_t
mftd_ssh_chan_room(const struct mftd_ssh_chan *c)
{
	size_t window;

	if (c->closed ||
	    (ssh_get_poll_flags(c->ssh->session) & SSH_WRITE_PENDING) != 0)
		return 0;
	window = ssh_channel_window_size(c->channel);
	return window < SEND_BYTES ? window : SEND_BYTES;
}

ssize_t
mftd_ssh_chan_send(struct mftd_ssh_chan *c, const uint8_t *bytes, size_t len)
{
	size_t room = mftd_ssh_chan_room(c);
	int n;

	if (len > room)
		len = room;
	if (len == 0)
		return 0;
	mftd_shim_writing(true);
	c->ssh->writing = true;
	n = ssh_channel_write(c->channel, bytes, (uint32_t)len);
	c->ssh->writing = false;
	mftd_shim_writing(false);
	return n < 0 ? -MFTD_E_CLOSED : n;
}

void
mftd_ssh_chan_close(struct mftd_ssh_chan *c, int status)
{
	mftd_shim_writing(true);
	c->ssh->writing = true;
	if (!c->closed && ssh_channel_is_open(c->channel)) {
		ssh_channel_request_send_exit_status(c->channel, status);
		ssh_channel_send_eof(c->channel);
		ssh_channel_close(c->channel);
	}
	ssh_remove_channel_callbacks(c->channel, &c->calls);
	ssh_channel_free(c->channel);
	c->ssh->writing = false;
	mftd_shim_writing(false);
	free(c->copy);
	memset(c, 0, sizeof(*c));
}

static int
refuse(struct mftd_ssh *s, uint32_t channel, const char *why)
{
	struct mftd_buf *b = mftd_buf_new(256);
	int r = b != NULL ? mftd_buf_put_u8(b, CHANNEL_OPEN_FAILURE) : -ENOMEM;

	if (r == 0)
		r = mftd_buf_put_u32(b, channel);
	if (r == 0)
		r = mftd_buf_put_u32(b, RESOURCE_SHORTAGE);
	if (r == 0)
		r = mftd_buf_put_cstring(b, why);
	if (r == 0)
		r = mftd_buf_put_cstring(b, ""); /* its language */
	if (r == 0)
		r = mftd_sshpkt_send(
		    s->session, mftd_buf_data(b), mftd_buf_len(b));
	mftd_buf_free(b);
	return r;
}

/* libssh counts its header into what the peer takes: at 10 bytes it would send
 * packets of nothing without end, and below that far larger ones. */
bool
mftd_ssh_chan_refuse(struct mftd_ssh *s, const uint8_t *packet, size_t len)
{
	struct mftd_buf *b = mftd_buf_from(packet, len);
	uint32_t channel = 0, window, maximum;
	const uint8_t *type;
	size_t n;
	bool small;

	small = b != NULL && mftd_buf_get_string(b, &type, &n) == 0 &&
	    mftd_buf_get_u32(b, &channel) == 0 &&
	    mftd_buf_get_u32(b, &window) == 0 &&
	    mftd_buf_get_u32(b, &maximum) == 0 && maximum < PACKET_MIN_BYTES;
	mftd_buf_free(b);
	s->opening = channel;
	if (small && refuse(s, channel, "the maximum packet is too small") < 0)
		log_warn("the answer to a channel's opening is lost");
	return small;
}
