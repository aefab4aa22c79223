/* Part of mftd; see LICENSE. */
/*
 * A fetch that is cut goes on where it was, once what is here is proven to be
 * the beginning of what is there; else it begins anew.  What is left of it is
 * one part, and goes when it is of no use any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "mftd/base/log.h"
#include "tests/unit/journal/steps.h"
#include "tests/unit/outbound/fetch_rig.h"

#define BIG (20u << 20)
#define MARK (2u << 20)
#define FAR (10u << 20) /* a cut fetch has come further */

static int
setup_resume(void **state)
{
	struct rig *g;

	if (setup(state) < 0)
		return -1;
	g = *state;
	g->j.mark_bytes = MARK;
	return 0;
}

/* What the server read for the last file that it had open. */
static uint64_t
last_read(const struct rig *g)
{
	unsigned long long n = 0;
	char path[128], line[1024];
	const char *at;
	FILE *f;

	assert_true(partner_await_idle(&g->partner));
	snprintf(path, sizeof(path), "%s/log", g->partner.dir);
	f = fopen(path, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f) != NULL) {
		at = strstr(line, "bytes read ");
		if (at != NULL)
			n = strtoull(at + strlen("bytes read "), NULL, 10);
	}
	fclose(f);
	return n;
}

static void
part_path(const struct rig *g, const char *name, char path[160])
{
	snprintf(path, 160, "%s/%s", g->staged, name);
}

static uint64_t
part_size(const struct rig *g)
{
	struct stat st = { .st_size = 0 };
	char path[160];

	part_path(g, ".part", path);
	return stat(path, &st) == 0 ? (uint64_t)st.st_size : 0;
}

/* The file at the partner, and what a fetch whose server died left of it. */
static void
leave_part(struct rig *g)
{
	char fault[192];

	put_file(g, "a", BIG, 1);
	run(g, 1, NULL);
	/* of 256 KiB, if it says that it can, or more of 32 */
	snprintf(fault, sizeof(fault),
	    "-P %s/a -e inject=read,pread64:signal=KILL:when=60",
	    g->partner.in);
	partner_fault(&g->partner, fault);
	run(g, 2, NULL);
	partner_fault(&g->partner, "");
	assert_int_equal(g->n_rows, 0);
	assert_true(g->look_err < 0);
	assert_int_equal(count_names(g->out), 0);
	assert_int_equal(count_names(g->staged), 2);
	assert_true(part_size(g) > FAR);
}

/* The next fetch brings it, whole, by reading all of it or less. */
static void
check_brought(struct rig *g, unsigned seed, bool gone_on)
{
	uint64_t n;

	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", BIG, seed);
	assert_int_equal(count_names(g->out), 1);
	assert_int_equal(count_names(g->staged), 0);
	n = last_read(g);
	if (gone_on)
		assert_in_range(n, 1, BIG - FAR);
	else
		assert_true(n >= BIG);
}

static void
goes_on_after_a_cut(void **state)
{
	struct rig *g = *state;

	leave_part(g);
	check_brought(g, 1, true);
}

/* Within one life of the process, too. */
static void
goes_on_in_one_life(void **state)
{
	struct rig *g = *state;
	char fault[192];

	put_file(g, "a", BIG, 1);
	snprintf(fault, sizeof(fault),
	    "-P %s/a -e inject=read,pread64:signal=KILL:when=60",
	    g->partner.in);
	partner_fault(&g->partner, fault);
	/* each server dies at its 60th READ */
	run(g, 4, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", BIG, 1);
	assert_int_equal(count_names(g->staged), 0);
}

/* Killed, it has what its last mark says. */
static void
goes_on_after_a_kill(void **state)
{
	const struct steps_plan plan = {
		.what = STEPS_KILL, .call = "fdatasync", .at = 6
	};
	struct rig *g = *state;

	put_file(g, "a", BIG, 1);
	g->steps = steps_new(&plan);
	run(g, 2, NULL);
	assert_true(steps_came(g->steps));
	steps_free(g->steps);
	g->steps = NULL;
	assert_int_equal(g->n_rows, 0);
	assert_true(part_size(g) > FAR);
	check_brought(g, 1, true);
}

/* Equal in size and mtime, it is another one: its bytes tell. */
static void
another_file_is_not_gone_on_with(void **state)
{
	struct rig *g = *state;

	leave_part(g);
	put_file(g, "a", BIG, 2);
	check_brought(g, 2, false);
}

static void
another_version_is_not_gone_on_with(void **state)
{
	struct rig *g = *state;

	leave_part(g);
	put_file(g, "a", BIG + 1, 2);
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", BIG + 1, 2);
	assert_true(last_read(g) > BIG);
}

static void
change_byte(struct rig *g, const char *name, const char *words, long at)
{
	char path[160], data[1024];
	size_t n, i;
	int c;
	FILE *f;

	part_path(g, name, path);
	f = fopen(path, "r+");
	assert_non_null(f);
	if (words != NULL) {
		n = fread(data, 1, sizeof(data), f);
		for (i = 0; i + strlen(words) < n; i++)
			if (memcmp(data + i, words, strlen(words)) == 0)
				at = (long)(i + strlen(words)) - 1;
	}
	assert_true(at >= 0);
	fseek(f, at, SEEK_SET);
	c = fgetc(f);
	fseek(f, at, SEEK_SET);
	fputc(c ^ 1, f);
	fclose(f);
}

/* As a power cut may leave it, before the mark or by a disk that lies. */
static void
damaged_part_is_not_gone_on_with(void **state)
{
	struct rig *g = *state;

	leave_part(g);
	change_byte(g, ".part", NULL, 4711);
	check_brought(g, 1, false);
}

static void
part_of_another_host_is_not_gone_on_with(void **state)
{
	struct rig *g = *state;

	leave_part(g);
	change_byte(g, ".mark", "127.0.0.1", -1);
	check_brought(g, 1, false);
}

/* Whoever has it may still write to it. */
static void
part_in_use_is_not_gone_on_with(void **state)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	struct rig *g = *state;
	char path[160];
	int fd;

	leave_part(g);
	part_path(g, ".part", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	run(g, 2, NULL);
	/* what it writes comes nowhere */
	assert_int_equal(pwrite(fd, "late", 4, 0), 4);
	close(fd);
	assert_int_equal(g->n_rows, 1);
	check_row(g, 0, "a", BIG, 1);
	assert_int_equal(count_names(g->staged), 0);
}

static void
part_of_a_file_that_is_gone_goes(void **state)
{
	struct rig *g = *state;
	char path[192];

	leave_part(g);
	snprintf(path, sizeof(path), "%s/a", g->partner.in);
	unlink(path);
	run(g, 1, NULL);
	assert_int_equal(count_names(g->staged), 0);
}

static void
part_goes_when_it_is_not_wanted(void **state)
{
	struct rig *g = *state;

	leave_part(g);
	g->j.mark_bytes = 0;
	run(g, 1, NULL);
	assert_int_equal(count_names(g->staged), 0);
	check_brought(g, 1, false);
}

/* It was killed before its first mark. */
static void
part_without_a_mark_goes(void **state)
{
	struct rig *g = *state;
	char path[160];

	leave_part(g);
	part_path(g, ".mark", path);
	unlink(path);
	part_path(g, ".mark.new", path);
	close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	run(g, 1, NULL);
	assert_int_equal(count_names(g->staged), 0);
}

/* Another file makes no place of it for its own while it is there. */
static void
cut_one_comes_first(void **state)
{
	struct rig *g = *state;
	char path[192];
	const struct timespec t[2] = { { .tv_sec = MTIME - 9 },
		{ .tv_sec = MTIME - 9 } };

	leave_part(g);
	put_file(g, "older", BIG, 3);
	snprintf(path, sizeof(path), "%s/older", g->partner.in);
	assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
	run(g, 2, NULL);
	assert_int_equal(g->n_rows, 2);
	check_row(g, 0, "a", BIG, 1);
	check_row(g, 1, "older", BIG, 3);
	assert_int_equal(count_names(g->staged), 0);
}

/* Small ones, and those of a route that does not say so, begin anew. */
static void
others_begin_anew(void **state)
{
	struct rig *g = *state;
	char fault[192];

	g->j.mark_bytes = 0;
	put_file(g, "a", BIG, 1);
	run(g, 1, NULL);
	snprintf(fault, sizeof(fault),
	    "-P %s/a -e inject=read,pread64:signal=KILL:when=60",
	    g->partner.in);
	partner_fault(&g->partner, fault);
	run(g, 2, NULL);
	partner_fault(&g->partner, "");
	assert_int_equal(count_names(g->staged), 0);
	g->j.mark_bytes = MARK;
	check_brought(g, 1, false);
}

/* A failed sync is not asked for again: what it was of goes. */
static void
failed_sync_drops_it(void **state)
{
	const struct steps_plan plan = {
		.what = STEPS_FAIL, .err = EIO, .call = "fdatasync", .at = 3
	};
	struct rig *g = *state;

	put_file(g, "a", BIG, 1);
	g->steps = steps_new(&plan);
	run(g, 2, NULL);
	assert_true(steps_came(g->steps));
	assert_false(steps_synced_again(g->steps));
	steps_free(g->steps);
	g->steps = NULL;
	assert_int_equal(g->n_rows, 0);
	assert_int_equal(count_names(g->staged), 0);
	check_brought(g, 1, false);
}

/* The fetch's calls, since its last rename. */
struct seen {
	int syncs, at_link;
};

static void
watch(void *data, pid_t pid, int nr, const uint64_t args[6])
{
	struct seen *s = data;

	(void)pid;
	(void)args;
	if (nr == SYS_renameat || nr == SYS_renameat2)
		s->syncs = 0;
	else if (nr == SYS_fsync)
		s->syncs++;
	else if (nr == SYS_linkat)
		s->at_link = s->syncs;
}

/* Its name where it is staged is durable, as it is itself, before it is in
 * out. */
static void
named_durably_before_it_is_out(void **state)
{
	struct seen seen = { .at_link = -1 };
	const struct steps_plan plan = { .watch = watch, .data = &seen };
	struct rig *g = *state;

	put_file(g, "a", BIG, 1);
	g->steps = steps_new(&plan);
	run(g, 2, NULL);
	steps_free(g->steps);
	g->steps = NULL;
	assert_int_equal(g->n_rows, 1);
	assert_int_equal(seen.at_link, 2);
}

int
main(int argc, char *argv[])
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup_resume, teardown)
	const struct CMUnitTest tests[] = {
		T(goes_on_after_a_cut),
		T(goes_on_in_one_life),
		T(goes_on_after_a_kill),
		T(another_file_is_not_gone_on_with),
		T(another_version_is_not_gone_on_with),
		T(damaged_part_is_not_gone_on_with),
		T(part_of_another_host_is_not_gone_on_with),
		T(part_in_use_is_not_gone_on_with),
		T(part_of_a_file_that_is_gone_goes),
		T(part_goes_when_it_is_not_wanted),
		T(part_without_a_mark_goes),
		T(cut_one_comes_first),
		T(others_begin_anew),
		T(failed_sync_drops_it),
		T(named_durably_before_it_is_out),
	};

	if (!partner_possible())
		return 77;
	mftd_log_open("stderr", getenv("VERBOSE") != NULL ? "info" : "error");
	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
