/* Part of mftd; see LICENSE. */
#include "mftd/ipc/msg.h"

#include <stdbool.h>
#include <string.h>

#include "mftd/base/err.h"
#include "mftd/ipc/msg_fetch.h"
#include "mftd/ipc/msg_journal.h"
#include "mftd/ipc/msg_look.h"
#include "mftd/ipc/msg_node.h"
#include "mftd/ipc/msg_outbound.h"
#include "mftd/ipc/msg_session.h"

#define STRINGS_MAX 10

struct field {
	size_t off, size; /* size 0 ends the list */
};

#define STR(s, f)                                                 \
	{                                                         \
		offsetof(struct s, f), sizeof(((struct s *)0)->f) \
	}

/* The boundary between the processes: one row per message. */
static const struct layout {
	const char *name;
	size_t size;
	int fds_min, fds_max;
	bool tail; /* bytes may follow the struct */
	struct field strings[STRINGS_MAX];
} layouts[MFTD_MSG_TYPE_END] = {
	[MFTD_MSG_PEER] = { "peer", sizeof(struct mftd_msg_peer), 1, 1, false,
	    { STR(mftd_msg_peer, instance) } },
	[MFTD_MSG_READY] = { "ready", sizeof(struct mftd_msg_none), 0, 0, false,
	    { { 0, 0 } } },
	[MFTD_MSG_STOP] = { "stop", sizeof(struct mftd_msg_none), 0, 0, false,
	    { { 0, 0 } } },
	[MFTD_MSG_PING] = { "ping", sizeof(struct mftd_msg_none), 0, 0, false,
	    { { 0, 0 } } },
	[MFTD_MSG_PONG] = { "pong", sizeof(struct mftd_msg_none), 0, 0, false,
	    { { 0, 0 } } },
	[MFTD_MSG_SERVICE_SET] = { "service-set",
	    sizeof(struct mftd_msg_service_set), 0, 0, false,
	    { STR(mftd_msg_service_set, queue) } },
	[MFTD_MSG_SERVICE_STATE] = { "service-state",
	    sizeof(struct mftd_msg_service_state), 0, 0, false,
	    { STR(mftd_msg_service_state, queue),
		STR(mftd_msg_service_state, reason) } },
	[MFTD_MSG_CONFIG_POKE] = { "config-poke",
	    sizeof(struct mftd_msg_config_poke), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_CATALOG_STATE] = { "catalog-state",
	    sizeof(struct mftd_msg_catalog_state), 0, 0, false,
	    { STR(mftd_msg_catalog_state, reason) } },
	[MFTD_MSG_BACKLOG] = { "backlog", sizeof(struct mftd_msg_backlog), 0, 0,
	    false, { { 0, 0 } } },
	[MFTD_MSG_SNAPSHOT] = { "snapshot", sizeof(struct mftd_msg_snapshot), 0,
	    0, false, { STR(mftd_msg_snapshot, path) } },
	[MFTD_MSG_RECOVER] = { "recover", sizeof(struct mftd_msg_recover), 0, 0,
	    false, { STR(mftd_msg_recover, incarnation) } },
	[MFTD_MSG_RECOVERED] = { "recovered", sizeof(struct mftd_msg_recovered),
	    0, 0, false, { STR(mftd_msg_recovered, incarnation) } },
	[MFTD_MSG_VOLUME_STATE] = { "volume-state",
	    sizeof(struct mftd_msg_volume_state), 0, 0, false,
	    { STR(mftd_msg_volume_state, volume),
		STR(mftd_msg_volume_state, reason) } },
	[MFTD_MSG_OUTBOUND_STATE] = { "outbound-state",
	    sizeof(struct mftd_msg_outbound_state), 0, 0, false,
	    { STR(mftd_msg_outbound_state, queue),
		STR(mftd_msg_outbound_state, reason) } },
	[MFTD_MSG_SESSION_YIELD] = { "session-yield",
	    sizeof(struct mftd_msg_session_yield), 0, 0, false,
	    { STR(mftd_msg_session_yield, session),
		STR(mftd_msg_session_yield, account) } },
	[MFTD_MSG_SESSION_NEW] = { "session-new",
	    sizeof(struct mftd_msg_session_new), 1, 1, false,
	    { STR(mftd_msg_session_new, session),
		STR(mftd_msg_session_new, peer) } },
	[MFTD_MSG_AUTH_PASSWORD] = { "auth-password",
	    sizeof(struct mftd_msg_auth_password), 0, 0, false,
	    { STR(mftd_msg_auth_password, user),
		STR(mftd_msg_auth_password, password) } },
	[MFTD_MSG_AUTH_KEY] = { "auth-key", sizeof(struct mftd_msg_auth_key), 0,
	    0, false, { STR(mftd_msg_auth_key, user) } },
	[MFTD_MSG_AUTH_RESULT] = { "auth-result",
	    sizeof(struct mftd_msg_auth_result), 0, 2, false,
	    { STR(mftd_msg_auth_result, account),
		STR(mftd_msg_auth_result, volume),
		STR(mftd_msg_auth_result, reason) } },
	[MFTD_MSG_SESSION_OPEN] = { "session-open",
	    sizeof(struct mftd_msg_session_open), 1, 1, false,
	    { STR(mftd_msg_session_open, session),
		STR(mftd_msg_session_open, account),
		STR(mftd_msg_session_open, volume),
		STR(mftd_msg_session_open, root),
		STR(mftd_msg_session_open, peer) } },
	[MFTD_MSG_SESSION_READY] = { "session-ready",
	    sizeof(struct mftd_msg_session_ready), 0, 2 + MFTD_FOLDERS_MAX,
	    false, { STR(mftd_msg_session_ready, volume_id) } },
	[MFTD_MSG_SESSION_END] = { "session-end",
	    sizeof(struct mftd_msg_session_end), 0, 0, false,
	    { STR(mftd_msg_session_end, reason) } },
	[MFTD_MSG_SESSION_STAT] = { "session-stat",
	    sizeof(struct mftd_msg_session_stat), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_ACCOUNT_SHUT] = { "account-shut",
	    sizeof(struct mftd_msg_account_shut), 0, 0, false,
	    { STR(mftd_msg_account_shut, account),
		STR(mftd_msg_account_shut, reason) } },
	[MFTD_MSG_FAILURE] = { "failure", sizeof(struct mftd_msg_failure), 0, 0,
	    false, { STR(mftd_msg_failure, peer) } },
	[MFTD_MSG_BANS] = { "bans", sizeof(struct mftd_msg_bans), 0, 0, true,
	    { { 0, 0 } } },
	[MFTD_MSG_LISTENER_STATE] = { "listener-state",
	    sizeof(struct mftd_msg_listener_state), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_PUBLISH] = { "publish", sizeof(struct mftd_msg_publish), 0, 0,
	    false,
	    { STR(mftd_msg_publish, path), STR(mftd_msg_publish, part) } },
	[MFTD_MSG_SUPERSEDE] = { "supersede", sizeof(struct mftd_msg_supersede),
	    0, 0, false,
	    { STR(mftd_msg_supersede, path), STR(mftd_msg_supersede, keep) } },
	[MFTD_MSG_PART] = { "part", sizeof(struct mftd_msg_part), 0, 0, false,
	    { STR(mftd_msg_part, part) } },
	[MFTD_MSG_PART_END] = { "part-end", sizeof(struct mftd_msg_part_end), 0,
	    0, false, { STR(mftd_msg_part_end, part) } },
	[MFTD_MSG_COMMIT] = { "commit", sizeof(struct mftd_msg_commit), 0, 0,
	    false, { STR(mftd_msg_commit, part) } },
	[MFTD_MSG_ADOPT] = { "adopt", sizeof(struct mftd_msg_adopt), 0, 0,
	    false, { STR(mftd_msg_adopt, path), STR(mftd_msg_adopt, part) } },
	[MFTD_MSG_RENAME] = { "rename", sizeof(struct mftd_msg_rename), 0, 0,
	    false,
	    { STR(mftd_msg_rename, from), STR(mftd_msg_rename, to),
		STR(mftd_msg_rename, part) } },
	[MFTD_MSG_REMOVE] = { "remove", sizeof(struct mftd_msg_remove), 0, 0,
	    false, { STR(mftd_msg_remove, path) } },
	[MFTD_MSG_MKDIR] = { "mkdir", sizeof(struct mftd_msg_mkdir), 0, 0,
	    false, { STR(mftd_msg_mkdir, path) } },
	[MFTD_MSG_RMDIR] = { "rmdir", sizeof(struct mftd_msg_remove), 0, 0,
	    false, { STR(mftd_msg_remove, path) } },
	[MFTD_MSG_SETSTAT] = { "setstat", sizeof(struct mftd_msg_setstat), 0, 0,
	    false, { STR(mftd_msg_setstat, path) } },
	[MFTD_MSG_LINK] = { "link", sizeof(struct mftd_msg_link), 0, 0, false,
	    { STR(mftd_msg_link, from), STR(mftd_msg_link, to) } },
	[MFTD_MSG_SYMLINK] = { "symlink", sizeof(struct mftd_msg_symlink), 0, 0,
	    false,
	    { STR(mftd_msg_symlink, path), STR(mftd_msg_symlink, target) } },
	[MFTD_MSG_AUDIT] = { "audit", sizeof(struct mftd_msg_audit), 0, 0,
	    false, { STR(mftd_msg_audit, event), STR(mftd_msg_audit, text) } },
	[MFTD_MSG_JOURNAL_RESULT] = { "journal-result",
	    sizeof(struct mftd_msg_journal_result), 0, 0, false,
	    { STR(mftd_msg_journal_result, receipt) } },
	[MFTD_MSG_RELEASE] = { "release", sizeof(struct mftd_msg_release), 0, 0,
	    false, { STR(mftd_msg_release, receipt) } },
	[MFTD_MSG_QUOTA] = { "quota", sizeof(struct mftd_msg_quota), 0, 0,
	    false, { STR(mftd_msg_quota, path), STR(mftd_msg_quota, part) } },
	[MFTD_MSG_QUOTA_RESULT] = { "quota-result",
	    sizeof(struct mftd_msg_quota_result), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_STREAM] = { "stream", sizeof(struct mftd_msg_stream), 0, 0,
	    false, { STR(mftd_msg_stream, stream) } },
	[MFTD_MSG_WANT] = { "want", sizeof(struct mftd_msg_want), 0, 0, false,
	    { STR(mftd_msg_want, stream) } },
	[MFTD_MSG_RECORD] = { "record", sizeof(struct mftd_msg_record), 0, 0,
	    true, { STR(mftd_msg_record, stream) } },
	[MFTD_MSG_FORWARDED] = { "forwarded", sizeof(struct mftd_msg_forwarded),
	    0, 0, false, { STR(mftd_msg_forwarded, stream) } },
	[MFTD_MSG_LINKS] = { "links", sizeof(struct mftd_msg_links), 0, 0,
	    false, { { 0, 0 } } },
	[MFTD_MSG_ROUTES] = { "routes", sizeof(struct mftd_msg_routes), 0, 0,
	    false, { { 0, 0 } } },
	[MFTD_MSG_LINKS_SEEN] = { "links-seen",
	    sizeof(struct mftd_msg_links_seen), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_DISPOSE] = { "dispose", sizeof(struct mftd_msg_dispose), 0, 0,
	    false,
	    { STR(mftd_msg_dispose, receipt), STR(mftd_msg_dispose, account),
		STR(mftd_msg_dispose, root), STR(mftd_msg_dispose, path),
		STR(mftd_msg_dispose, archive) } },
	[MFTD_MSG_DISPOSED] = { "disposed", sizeof(struct mftd_msg_disposed), 0,
	    0, false,
	    { STR(mftd_msg_disposed, receipt), STR(mftd_msg_disposed, text) } },
	[MFTD_MSG_DELIVER_JOB] = { "deliver-job",
	    sizeof(struct mftd_msg_deliver_job), 0, 0, false,
	    { STR(mftd_msg_deliver_job, id), STR(mftd_msg_deliver_job, receipt),
		STR(mftd_msg_deliver_job, volume),
		STR(mftd_msg_deliver_job, directory),
		STR(mftd_msg_deliver_job, name),
		STR(mftd_msg_deliver_job, host),
		STR(mftd_msg_deliver_job, at.temp_suffix),
		STR(mftd_msg_deliver_job, at.temp_directory),
		STR(mftd_msg_deliver_job, at.trigger),
		STR(mftd_msg_deliver_job, at.trigger_line) } },
	[MFTD_MSG_DELIVER_STEP] = { "deliver-step",
	    sizeof(struct mftd_msg_deliver_step), 0, 0, true,
	    { STR(mftd_msg_deliver_step, host),
		STR(mftd_msg_deliver_step, why) } },
	[MFTD_MSG_DELIVER_ANSWER] = { "deliver-answer",
	    sizeof(struct mftd_msg_deliver_answer), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_HOOKS_ROLE] = { "hooks-role",
	    sizeof(struct mftd_msg_hooks_role), 0, 0, false,
	    { STR(mftd_msg_hooks_role, queue),
		STR(mftd_msg_hooks_role, owner) } },
	[MFTD_MSG_LOOK_STAGED] = { "look-staged",
	    sizeof(struct mftd_msg_look_staged), 0, 0, false,
	    { STR(mftd_msg_look_staged, receipt) } },
	[MFTD_MSG_LOOK_KNOWN] = { "look-known",
	    sizeof(struct mftd_msg_look_known), 0, 0, false,
	    { STR(mftd_msg_look_known, after) } },
	[MFTD_MSG_LOOK_ROWS] = { "look-rows", sizeof(struct mftd_msg_look_rows),
	    0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_LOOK_GONE] = { "look-gone", sizeof(struct mftd_msg_look_gone),
	    0, 0, false, { STR(mftd_msg_look_gone, name) } },
	[MFTD_MSG_LOOK_FOUND] = { "look-found",
	    sizeof(struct mftd_msg_look_found), 0, 0, false,
	    { STR(mftd_msg_look_found, receipt),
		STR(mftd_msg_look_found, name) } },
	[MFTD_MSG_LOOK_END] = { "look-end", sizeof(struct mftd_msg_look_end), 0,
	    0, false, { STR(mftd_msg_look_end, text) } },
	[MFTD_MSG_LOOK_ANSWER] = { "look-answer",
	    sizeof(struct mftd_msg_look_answer), 0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_FETCH_CALLED] = { "fetch-called",
	    sizeof(struct mftd_msg_fetch_called), 0, 0, false,
	    { STR(mftd_msg_fetch_called, host),
		STR(mftd_msg_fetch_called, why) } },
	[MFTD_MSG_FETCH_PLACE] = { "fetch-place", sizeof(struct mftd_msg_none),
	    0, 0, false, { { 0, 0 } } },
	[MFTD_MSG_FETCH_STAGED] = { "fetch-staged",
	    sizeof(struct mftd_msg_fetch_staged), 0, 0, false,
	    { STR(mftd_msg_fetch_staged, id) } },
	[MFTD_MSG_FETCH_ASK] = { "fetch-ask", sizeof(struct mftd_msg_fetch_ask),
	    0, 0, true, { { 0, 0 } } },
	[MFTD_MSG_FETCH_FOUND] = { "fetch-found",
	    sizeof(struct mftd_msg_fetch_found), 0, 0, false,
	    { STR(mftd_msg_fetch_found, file.name),
		STR(mftd_msg_fetch_found, id) } },
	[MFTD_MSG_FETCH_LOOKED] = { "fetch-looked",
	    sizeof(struct mftd_msg_fetch_looked), 0, 0, false,
	    { STR(mftd_msg_fetch_looked, why) } },
	[MFTD_MSG_FETCH_NEXT] = { "fetch-next", sizeof(struct mftd_msg_none), 0,
	    0, false, { { 0, 0 } } },
	[MFTD_MSG_FETCH_WISH] = { "fetch-wish",
	    sizeof(struct mftd_msg_fetch_wish), 0, 0, false,
	    { STR(mftd_msg_fetch_wish, file.name), STR(mftd_msg_fetch_wish, id),
		STR(mftd_msg_fetch_wish, directory),
		STR(mftd_msg_fetch_wish, move_to),
		STR(mftd_msg_fetch_wish, target) } },
	[MFTD_MSG_FETCH_TIDY] = { "fetch-tidy",
	    sizeof(struct mftd_msg_fetch_tidy), 0, 0, false,
	    { STR(mftd_msg_fetch_tidy, id), STR(mftd_msg_fetch_tidy, target),
		STR(mftd_msg_fetch_tidy, text) } },
	[MFTD_MSG_FETCH_ANSWER] = { "fetch-answer",
	    sizeof(struct mftd_msg_fetch_answer), 0, 0, false, { { 0, 0 } } },
};

static const struct layout *
layout_of(uint32_t type)
{
	if (type >= MFTD_MSG_TYPE_END || layouts[type].name == NULL)
		return NULL;
	return &layouts[type];
}

const char *
mftd_msg_name(uint32_t type)
{
	const struct layout *l = layout_of(type);

	return l != NULL ? l->name : "?";
}

int
mftd_msg_check(const struct mftd_msg *m)
{
	const struct layout *l = layout_of(m->type);
	const struct field *f;
	int i;

	if (l == NULL || m->len < l->size || (m->len > l->size && !l->tail))
		return -MFTD_E_PROTOCOL;
	if (m->n_fds < l->fds_min || m->n_fds > l->fds_max)
		return -MFTD_E_PROTOCOL;
	for (i = 0; i < STRINGS_MAX && l->strings[i].size != 0; i++) {
		f = &l->strings[i];
		if (memchr((const char *)m->data + f->off, '\0', f->size) ==
		    NULL)
			return -MFTD_E_PROTOCOL;
	}
	return 0;
}
