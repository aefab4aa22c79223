/* Part of mftd; see LICENSE. */
#include "mftd/catalog/route_pull.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <glib.h>

#include "mftd/base/err.h"
#include "mftd/base/id.h"
#include "mftd/catalog/fetched.h"
#include "mftd/catalog/handling.h"
#include "mftd/catalog/partner_path.h"

#define EVERY_S 60
#define STABLE_S 10
#define SECONDS_MAX 86400

#define TEXT(key, flags, least, member, size)                     \
	CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | (flags), \
	    struct mftd_route_pull, member, least, (size)-1)

const cyaml_schema_field_t mftd_route_pull_fields[] = {
	TEXT("partner", 0, 1, partner, MFTD_NAME_BYTES),
	TEXT("directory", CYAML_FLAG_OPTIONAL, 0, directory,
	    MFTD_PATH_BYTES / 2),
	TEXT("volume", 0, 1, volume, MFTD_NAME_BYTES),
	CYAML_FIELD_INT(
	    "every_s", CYAML_FLAG_OPTIONAL, struct mftd_route_pull, every_s),
	CYAML_FIELD_INT(
	    "stable_s", CYAML_FLAG_OPTIONAL, struct mftd_route_pull, stable_s),
	TEXT("fetched", CYAML_FLAG_OPTIONAL, 1, fetched, MFTD_NAME_BYTES),
	TEXT("move_to", CYAML_FLAG_OPTIONAL, 1, move_to, MFTD_PATH_BYTES / 2),
	TEXT("resume", CYAML_FLAG_OPTIONAL, 1, resume, MFTD_NAME_BYTES),
	CYAML_FIELD_END
};

static int
check_seconds(const struct mftd_check *p, const char *name, int *v, int silent)
{
	if (*v == 0 && !mftd_check_given(p, name))
		*v = silent;
	if (*v < 1 || *v > SECONDS_MAX)
		return mftd_check_refuse(p, name, "must be 1 to 86400");
	return 0;
}

/* What is to become of the files there. */
static int
check_fetched(const struct mftd_check *p, struct mftd_route_pull *pull)
{
	int fetched;

	if (pull->fetched == NULL)
		pull->fetched = strdup(mftd_fetched_name(MFTD_FETCHED_KEEP));
	if (pull->fetched == NULL)
		return -ENOMEM;
	fetched = mftd_fetched_of(pull->fetched);
	if (fetched < 0)
		return mftd_check_refuse(
		    p, "from_partner.fetched", "must be keep, delete or move");
	if (fetched != MFTD_FETCHED_MOVE)
		return pull->move_to == NULL
		    ? 0
		    : mftd_check_refuse(p, "from_partner.move_to",
			  "means nothing without fetched: move");
	if (pull->move_to == NULL)
		return mftd_check_refuse(p, "from_partner.fetched",
		    "needs a move_to, a folder there");
	if (!mftd_check_plain(pull->move_to))
		return mftd_check_refuse(
		    p, "from_partner.move_to", "holds a control character");
	return !mftd_partner_path_is_one(pull->move_to, pull->directory)
	    ? 0
	    : mftd_check_refuse(p, "from_partner.move_to",
		  "is the folder that they come from");
}

static int
check_resume(const struct mftd_check *p, struct mftd_route_pull *pull)
{
	if (pull->resume == NULL)
		pull->resume = strdup(mftd_resume_words[0]);
	if (pull->resume == NULL)
		return -ENOMEM;
	return mftd_handling_word(mftd_resume_words, pull->resume) >= 0
	    ? 0
	    : mftd_check_refuse(
		  p, "from_partner.resume", "must be restart or verify");
}

static bool
is_same_folder(
    const struct mftd_route_pull *a, const char *partner, const char *directory)
{
	return strcmp(a->partner, partner) == 0 &&
	    mftd_partner_path_is_one(a->directory, directory);
}

static int
refuse_alone(const struct mftd_check *p, bool sure)
{
	return mftd_check_refuse(p, "from_partner.directory",
	    sure ? "another route takes from it, and one of both would take "
		   "its files away from the other"
		 : "another route may take from it, and one would take its "
		   "files away from the other (only the partner knows where a "
		   "login starts: write its folders in one way)");
}

/* Who deletes or moves what it fetched takes it away from the others. */
static int
check_alone(const struct mftd_check *p, const struct mftd_route *routes)
{
	const struct mftd_route_pull *own = routes[p->index].pull, *other;
	size_t i;
	bool sure;

	for (i = 0; i < p->index; i++) {
		other = routes[i].pull;
		if (other == NULL ||
		    strcmp(own->partner, other->partner) != 0 ||
		    (strcmp(own->fetched, "keep") == 0 &&
			strcmp(other->fetched, "keep") == 0))
			continue;
		sure = is_same_folder(own, other->partner, other->directory);
		if (sure ||
		    mftd_partner_path_may_be_one(
			own->directory, other->directory))
			return refuse_alone(p, sure);
	}
	return 0;
}

/* Each has a process. */
static int
check_number(const struct mftd_check *p, const struct mftd_route *routes)
{
	char text[96];
	size_t i, n = 0;

	for (i = 0; i <= p->index; i++)
		n += routes[i].pull != NULL &&
		    strcmp(routes[i].queue, routes[p->index].queue) == 0;
	if (n <= MFTD_FETCHES_MAX)
		return 0;
	snprintf(text, sizeof(text),
	    "%d routes of one queue take from partners, at most",
	    MFTD_FETCHES_MAX);
	return mftd_check_refuse(p, "from_partner", text);
}

static int
check_pull(
    const struct mftd_check *p, struct mftd_route_pull *pull, bool has_partner)
{
	int e;

	if (pull->directory == NULL)
		pull->directory = strdup("");
	if (pull->directory == NULL)
		return -ENOMEM;
	if (!has_partner)
		return mftd_check_refuse(
		    p, "from_partner.partner", "no such partner");
	if (!mftd_check_plain(pull->directory))
		return mftd_check_refuse(
		    p, "from_partner.directory", "holds a control character");
	if (!mftd_id_valid(pull->volume))
		return mftd_check_refuse(
		    p, "from_partner.volume", "not a name");
	if (p->conf != NULL && mftd_conf_volume(p->conf, pull->volume) == NULL)
		return mftd_check_refuse(
		    p, "from_partner.volume", "this node has no such volume");
	e = check_seconds(p, "from_partner.every_s", &pull->every_s, EVERY_S);
	if (e == 0)
		e = check_seconds(
		    p, "from_partner.stable_s", &pull->stable_s, STABLE_S);
	if (e == 0)
		e = check_resume(p, pull);
	return e == 0 ? check_fetched(p, pull) : e;
}

int
mftd_route_pull_check(
    const struct mftd_check *p, struct mftd_route *routes, bool has_partner)
{
	struct mftd_route *r = &routes[p->index];
	int e;

	if (r->pull == NULL)
		return 0;
	e = check_pull(p, r->pull, has_partner);
	if (e < 0)
		return e;
	if (mftd_check_given(p, "settle_s"))
		return mftd_check_refuse(p, "settle_s",
		    "is of uploads; of a partner it is "
		    "from_partner.stable_s");
	r->settle_s = 0;
	if (r->after != NULL && strcmp(r->after, "keep") != 0)
		return mftd_check_refuse(p, "after",
		    "is of uploads; of a partner's files it is "
		    "from_partner.fetched");
	if (r->partner != NULL && r->directory != NULL &&
	    is_same_folder(r->pull, r->partner, r->directory))
		return mftd_check_refuse(p, "directory",
		    "its files would come back to where they came from");
	e = check_number(p, routes);
	return e == 0 ? check_alone(p, routes) : e;
}

void
mftd_route_pull_free(struct mftd_route_pull *pull)
{
	if (pull == NULL)
		return;
	free(pull->partner);
	free(pull->directory);
	free(pull->volume);
	free(pull->fetched);
	free(pull->move_to);
	free(pull->resume);
	free(pull);
}
