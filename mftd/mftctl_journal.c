/* Part of mftd; see LICENSE. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jansson.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/catalog/catalog.h"
#include "mftd/journal/inspect.h"
#include "mftd/mftctl.h"

#define TAIL_RECORDS 10
#define TAIL_RECORDS_MAX 1000000
#define KEYS_MAX MFTD_NODES_MAX

/* The options of all three. */
struct options {
	const struct ctl *ctl;
	uint8_t keys[KEYS_MAX][MFTD_HEAD_KEY_BYTES];
	int n_keys;
	uint64_t records; /* of each stream */
	bool follow;
	struct mftd_catalog *catalog; /* verify: how far it has the streams */
};

static void
fail(const char *what, int err)
{
	fprintf(stderr, "mftctl: %s: %s\n", what,
	    err == -ENOENT ? "no journal is there" : mftd_strerror(err));
}

/* ---- verify */

static json_t *
verified_json(const struct mftd_verified *v)
{
	json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:b}", "stream",
	    v->stream, "path", v->path, "verdict",
	    mftd_verdict_name(v->verdict), "first", (json_int_t)v->first,
	    "records", (json_int_t)v->seq, "signed", (json_int_t)v->signed_seq,
	    "good", mftd_verdict_good(v->verdict));

	if (v->segment != 0) {
		json_object_set_new(
		    o, "segment", json_integer((json_int_t)v->segment));
		json_object_set_new(
		    o, "offset", json_integer((json_int_t)v->offset));
	}
	if (v->by[0] != '\0') {
		json_object_set_new(
		    o, "sealed_at", json_integer((json_int_t)v->sealed));
		json_object_set_new(o, "sealed_by", json_string(v->by));
	}
	return o;
}

static void
print_verified(const struct mftd_verified *v)
{
	printf("%-40s %8" PRIu64 "  %s", v->stream, v->seq,
	    mftd_verdict_name(v->verdict));
	if (v->verdict == MFTD_VERDICT_CUT && v->signed_seq > v->seq)
		printf(": %" PRIu64 " records were signed", v->signed_seq);
	else if (v->verdict == MFTD_VERDICT_CUT)
		printf(": %" PRIu64 " records were sealed by %s", v->sealed,
		    v->by);
	else if (v->by[0] != '\0')
		printf(": at %" PRIu64 " by %s", v->sealed, v->by);
	else if (v->signed_seq != 0)
		printf(": signed up to %" PRIu64, v->signed_seq);
	if (v->first > 1)
		printf("; it begins with %" PRIu64, v->first);
	if (v->segment != 0)
		printf("; what follows at %s/%08" PRIu64 ".seg, byte %" PRIu64
		       ", is no record",
		    v->path, v->segment, v->offset);
	printf("\n");
}

static void
print(const struct options *o, const struct mftd_verified *v)
{
	json_t *json;

	if (!o->ctl->json) {
		print_verified(v);
		return;
	}
	json = verified_json(v);
	mftctl_print_json(json, JSON_COMPACT);
	json_decref(json);
}

/* Whether the catalog has nothing that the stream lacks.  It is asked first of
 * those that are written meanwhile. */
static bool
catalog_agrees(struct options *o, const struct mftd_verified *v)
{
	uint64_t mark;
	int r;

	if (o->catalog == NULL || v->verdict == MFTD_VERDICT_LIVE)
		return true;
	r = mftd_catalog_mark(o->catalog, v->stream, &mark);
	if (r < 0) {
		fprintf(stderr, "mftctl: not compared with the catalog: %s\n",
		    mftd_catalog_why(o->catalog));
		mftd_catalog_close(o->catalog);
		o->catalog = NULL;
		return true;
	}
	if (mark <= v->seq)
		return true;
	fprintf(stderr,
	    "mftctl: %s: CUT: the catalog has %" PRIu64 " records of it\n",
	    v->stream, mark);
	return false;
}

/* From when on all sealed streams have to be there: of a configured volume, as
 * long as its journals are kept. */
static int64_t
since(const struct mftd_conf *conf, const char *path)
{
	struct stat asked, st;
	size_t i;

	if (stat(path, &asked) < 0)
		return 0;
	for (i = 0; conf != NULL && i < conf->n_volumes; i++)
		if (stat(conf->volumes[i].path, &st) == 0 &&
		    st.st_dev == asked.st_dev && st.st_ino == asked.st_ino)
			return mftd_clock_wall_us() -
			    conf->journal_keep_days * 86400LL * 1000000;
	return 0;
}

static int
verify(struct options *o, const char *path)
{
	struct mftd_expected expected = { o->keys, o->n_keys,
		since(o->ctl->conf, path) };
	struct mftd_verified *list;
	bool good = true;
	size_t i, n;
	int r = mftd_inspect_verify(path, expected, &list, &n);

	if (r < 0) {
		fail(path, r);
		return 1;
	}
	for (i = 0; i < n; i++) {
		print(o, &list[i]);
		good = catalog_agrees(o, &list[i]) && good &&
		    mftd_verdict_good(list[i].verdict);
	}
	mftd_inspect_free(list, n);
	return good ? 0 : 1;
}

/* ---- show and tail */

static int
show_some(struct options *o, const char *path, uint64_t last)
{
	int r = mftctl_show(o->ctl, path, last, o->follow);

	if (r < 0)
		fail(path, r);
	return r == 0 ? 0 : 1;
}

static int
show(struct options *o, const char *path)
{
	return show_some(o, path, 0);
}

static int
tail(struct options *o, const char *path)
{
	return show_some(o, path, o->records);
}

/* ---- all */

static const struct kind {
	const char *word, *options;
	int (*fn)(struct options *o, const char *path);
	bool catalog; /* of configured volumes, it is compared with */
} kinds[] = {
	{ "verify", "+k:", verify, true },
	{ "show", "+", show, false },
	{ "tail", "+fn:", tail, false },
};

static int
parse_records(const char *text, uint64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && text[0] != '-' && *out > 0 &&
		*out <= TAIL_RECORDS_MAX
	    ? 0
	    : -EINVAL;
}

static int
parse(const struct kind *k, struct options *o, int argc, char **argv)
{
	int c, r;

	optind = 0; /* glibc's way to begin anew */
	while ((c = getopt(argc, argv, k->options)) != -1)
		switch (c) {
		case 'f':
			o->follow = true;
			break;
		case 'k':
			r = mftd_head_keys(optarg, o->keys, KEYS_MAX);
			if (r < 0) {
				fprintf(stderr, "mftctl: %s: %s\n", optarg,
				    r == -EINVAL ? "not Ed25519 keys in PEM"
						 : mftd_strerror(r));
				return 1;
			}
			o->n_keys = r;
			break;
		case 'n':
			if (parse_records(optarg, &o->records) == 0)
				break;
			fprintf(
			    stderr, "mftctl: -n: 1 to %d\n", TAIL_RECORDS_MAX);
			return 2;
		default:
			return 2;
		}
	return 0;
}

/* Calls k's function for each path that is given. */
static int
each_path(const struct kind *k, struct options *o, int argc, char **argv)
{
	int worst = 0, r;

	for (; argc > 0; argc--, argv++) {
		r = k->fn(o, *argv);
		worst = r > worst ? r : worst;
	}
	return worst;
}

/* … or for each configured volume. */
static int
each_volume(const struct kind *k, struct options *o)
{
	const struct mftd_conf *conf = o->ctl->conf;
	int worst = 0, r;
	size_t i;

	if (conf == NULL) {
		fprintf(stderr,
		    "mftctl: no configuration: give the journal's path\n");
		return 2;
	}
	if (k->catalog &&
	    mftd_catalog_open(conf->catalog, "mftd/mftctl", &o->catalog) < 0)
		o->catalog = NULL;
	for (i = 0; i < conf->n_volumes; i++) {
		r = k->fn(o, conf->volumes[i].path);
		worst = r > worst ? r : worst;
	}
	mftd_catalog_close(o->catalog);
	return worst;
}

int
mftctl_journal(const struct ctl *ctl, int argc, char **argv)
{
	const struct kind *k = kinds;
	struct options o = { .ctl = ctl, .records = TAIL_RECORDS };
	int paths, r;

	while (k < kinds + sizeof(kinds) / sizeof(kinds[0]) &&
	    strcmp(argv[1], k->word) != 0)
		k++;
	if (k == kinds + sizeof(kinds) / sizeof(kinds[0])) {
		fprintf(
		    stderr, "mftctl: journal: only verify, show and tail\n");
		return 2;
	}
	r = parse(k, &o, argc - 1, argv + 1);
	if (r != 0)
		return r;
	paths = argc - 1 - optind;
	if (o.follow &&
	    (paths > 1 ||
		(paths == 0 && ctl->conf != NULL &&
		    ctl->conf->n_volumes > 1))) {
		fprintf(stderr, "mftctl: -f follows one path at a time\n");
		return 2;
	}
	return paths > 0 ? each_path(k, &o, paths, argv + 1 + optind)
			 : each_volume(k, &o);
}
