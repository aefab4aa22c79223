/* Part of mftd; see LICENSE. */
#include "agent.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "ocf/memory.h"

static const struct mftd_ocf_agent test_agent = { .name = "agent" };

static struct mftd_ocf
call_of(const char *instance)
{
	return (struct mftd_ocf) {
		.agent = &test_agent, .action = "monitor", .instance = instance
	};
}

static const char *tmp; /* as it was before clean_env */
static char directory[256];

static int
make_directory(void **state)
{
	clean_env(state);
	snprintf(directory, sizeof(directory), "%s/test_memory_XXXXXX",
	    tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(directory) == NULL)
		return -1;
	return setenv("HA_RSCTMP", directory, 1);
}

static int
remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

static int
drop_directory(void **state)
{
	(void)state;
	if (rmdir(directory) == 0)
		return 0;
	nftw(directory, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	return -1; /* it left something behind */
}

static void
there_and_back(void **state)
{
	struct mftd_ocf ocf = call_of("res:0"), other = call_of("res");
	char text[MFTD_OCF_MEMORY_MAX], path[MFTD_OCF_MEMORY_PATH_MAX];
	struct stat st;

	(void)state;
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), -ENOENT);
	assert_string_equal(text, "");
	assert_int_equal(mftd_ocf_memory_write(&ocf, "a", "one two"), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), 0);
	assert_string_equal(text, "one two");
	assert_int_equal(mftd_ocf_memory_read(&ocf, "b", text), -ENOENT);
	assert_int_equal(mftd_ocf_memory_read(&other, "a", text), -ENOENT);
	/* what is shorter leaves nothing of the longer, and no other size */
	assert_int_equal(stat(mftd_ocf_memory_path(&ocf, "a", path), &st), 0);
	assert_int_equal(st.st_size, MFTD_OCF_MEMORY_MAX);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(mftd_ocf_memory_write(&ocf, "a", "x"), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), 0);
	assert_string_equal(text, "x");
	assert_int_equal(mftd_ocf_memory_forget(&ocf, "a"), 0);
	assert_int_equal(mftd_ocf_memory_forget(&ocf, "a"), 0);
}

static void
bounded(void **state)
{
	struct mftd_ocf ocf = call_of("res");
	char text[MFTD_OCF_MEMORY_MAX], line[MFTD_OCF_MEMORY_MAX];

	(void)state;
	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	assert_int_equal(mftd_ocf_memory_write(&ocf, "a", line), -ENAMETOOLONG);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), -ENOENT);
	line[sizeof(line) - 2] = '\0';
	assert_int_equal(mftd_ocf_memory_write(&ocf, "a", line), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), 0);
	assert_string_equal(text, line);
	assert_int_equal(mftd_ocf_memory_forget(&ocf, "a"), 0);
}

/* An instance's name does not lead anywhere else. */
static void
names(void **state)
{
	struct mftd_ocf ocf = call_of("../../etc/x y:1");
	char path[MFTD_OCF_MEMORY_PATH_MAX], name[512];

	(void)state;
	mftd_ocf_memory_path(&ocf, "kind", path);
	snprintf(
	    name, sizeof(name), "%s/mft-agent-.._.._etc_x_y_1.kind", directory);
	assert_string_equal(path, name);
}

static void
not_ours(void **state)
{
	struct mftd_ocf ocf = call_of("res");
	char path[MFTD_OCF_MEMORY_PATH_MAX], text[MFTD_OCF_MEMORY_MAX];

	(void)state;
	mftd_ocf_memory_path(&ocf, "a", path);
	assert_int_equal(symlink("/etc/hostname", path), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), -EPERM);
	assert_int_equal(mftd_ocf_memory_write(&ocf, "a", "x"), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), -EPERM);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), -EPERM);
	assert_int_equal(rmdir(path), 0);
	if (geteuid() != 0)
		return;
	assert_int_equal(mftd_ocf_memory_write(&ocf, "a", "x"), 0);
	assert_int_equal(chown(path, 65534, 65534), 0);
	assert_int_equal(mftd_ocf_memory_read(&ocf, "a", text), -EPERM);
	assert_int_equal(unlink(path), 0);
}

#define TEST(f) \
	cmocka_unit_test_setup_teardown(f, make_directory, drop_directory)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(there_and_back),
		TEST(bounded),
		TEST(names),
		TEST(not_ours),
	};

	tmp = getenv("TMPDIR");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
