/* Part of mftd; see LICENSE. */
/*
 * Reads a partner's file as a fetch does, to a file here, and says in how many
 * seconds and with how much CPU.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mftd/base/clock.h"
#include "mftd/base/err.h"
#include "mftd/outbound/call.h"
#include "mftd/outbound/fetch_state.h"

#define ARGUMENTS 7
#define US_PER_S 1e6

static double
cpu_s(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	    (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / US_PER_S;
}

/* The whole of it, call included, as sftp's is. */
static int
fetch(struct mftd_fetch_state *f, const struct mftd_partner *p,
    const char *path, const struct stat *st, int fd)
{
	uint8_t sum[MFTD_SHA256_BYTES];
	int r = mftd_call_open(
	    &f->call, p, NULL, NULL, &f->client, f->why, sizeof(f->why));

	if (r == 0)
		r = mftd_remote_open(f->client, &f->remote);
	if (r == 0)
		r = mftd_fetch_read(f, path, (uint64_t)st->st_size,
		    (int64_t)st->st_mtime, fd, sum);
	mftd_remote_free(f->remote);
	mftd_ssh_client_close(f->client);
	return r;
}

int
main(int argc, char **argv)
{
	struct mftd_fetch_state *f = calloc(1, sizeof(*f));
	struct mftd_partner p = { .host = "127.0.0.1",
		.connect_s = 60,
		.request_s = 60,
		.n_host_keys = 1 };
	struct mftd_fetch j = { .partner = &p };
	int64_t began = mftd_clock_us();
	struct stat st;
	int fd, r;

	if (f == NULL || argc != ARGUMENTS) {
		fprintf(
		    stderr, "usage: reader PORT USER KEY HOST-KEY FROM TO\n");
		return 1;
	}
	f->j = &j;
	f->part.fd = -1;
	f->part.so_far = EVP_MD_CTX_new();
	p.port = atoi(argv[1]);
	p.user = argv[2];
	p.key_file = argv[3];
	p.host_keys = &argv[4];
	f->sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	f->sum = EVP_MD_CTX_new();
	fd = open(argv[6], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	r = fd < 0 || stat(argv[5], &st) < 0 ? -errno
					     : fetch(f, &p, argv[5], &st, fd);
	if (r < 0)
		fprintf(stderr, "reader: %s: %s\n", mftd_strerror(r), f->why);
	else
		printf("%f %f\n", (double)(mftd_clock_us() - began) / US_PER_S,
		    cpu_s());
	EVP_MD_CTX_free(f->part.so_far);
	EVP_MD_CTX_free(f->sum);
	EVP_MD_free(f->sha256);
	free(f->buffer);
	free(f);
	if (fd >= 0)
		close(fd);
	return r < 0;
}
