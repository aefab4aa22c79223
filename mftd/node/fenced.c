/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mftd/base/clock.h"
#include "mftd/base/log.h"
#include "mftd/node/coordinator.h"

/*
 * Pacemaker says the same thing after a clean stop and after fencing.  The
 * table tells them apart: a node that stopped inbound said so to the group
 * before its agent answered, and Corosync delivers that before anything
 * Pacemaker sends afterwards.  Fencing may be quicker than Corosync's token:
 * then the group still sees the node, and the word is kept for exactly that
 * incarnation.
 */
#define KEEP_MS 30000
#define AGAIN_MS 200

struct search {
	const char *node;
	char incarnation[MFTD_ID_BYTES]; /* the member's; "" none */
	bool inbound; /* its inbound is started */
};

static int
see_node(void *data, const struct mftd_cluster_node *n)
{
	struct search *s = data;

	if (n->member && strcmp(n->node, s->node) == 0)
		snprintf(s->incarnation, sizeof(s->incarnation), "%s",
		    n->incarnation);
	return 0;
}

static int
see_role(void *data, const struct mftd_cluster_role_row *r)
{
	struct search *s = data;

	if (strcmp(r->node, s->node) == 0 &&
	    r->service == MFTD_SERVICE_INBOUND && r->role != MFTD_ROLE_STOPPED)
		s->inbound = true;
	return 0;
}

static struct search
look(const struct mftd_coordinator *co, const char *node)
{
	struct search s = { .node = node };

	mftd_cluster_nodes(co->cluster, see_node, &s);
	mftd_cluster_roles(co->cluster, see_role, &s);
	return s;
}

static void
again(void *data)
{
	struct mftd_coordinator *co = data;
	struct mftd_co_fenced *f;
	bool waiting = false;
	struct search s;

	for (f = co->fenced; f < co->fenced + MFTD_NODES_MAX; f++) {
		if (f->node[0] == '\0')
			continue;
		s = look(co, f->node);
		if (strcmp(s.incarnation, f->incarnation) == 0) {
			/* still seen as a member */
			if (mftd_clock_ms() < f->until_ms)
				waiting = true;
			else
				f->node[0] = '\0';
			continue;
		}
		/* a later life has said HELLO: that was word enough */
		if (s.incarnation[0] == '\0')
			mftd_cluster_fenced(co->cluster, f->node);
		f->node[0] = '\0';
	}
	if (waiting)
		mftd_worker_timer(co->w, AGAIN_MS, again, co);
}

static void
keep(struct mftd_coordinator *co, const struct search *s)
{
	struct mftd_co_fenced *f;

	for (f = co->fenced; f < co->fenced + MFTD_NODES_MAX; f++)
		if (f->node[0] == '\0')
			break;
	if (f == co->fenced + MFTD_NODES_MAX)
		return;
	snprintf(f->node, sizeof(f->node), "%s", s->node);
	snprintf(f->incarnation, sizeof(f->incarnation), "%s", s->incarnation);
	f->until_ms = mftd_clock_ms() + KEEP_MS;
	mftd_worker_timer(co->w, AGAIN_MS, again, co);
}

void
mftd_co_node_ended(struct mftd_coordinator *co, const char *node)
{
	struct search s = look(co, node);

	if (s.incarnation[0] == '\0') {
		log_info("notified: inbound of %s has ended", node);
		mftd_cluster_fenced(co->cluster, node);
	} else if (s.inbound) {
		log_info("notified: inbound of %s has ended, while the group "
			 "still sees it",
		    node);
		keep(co, &s);
	}
}
