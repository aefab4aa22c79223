# Part of mftd; see LICENSE.
"""What is taken out of the code, and the test that must notice.

Each row: what it is, the file, a text that stands in it exactly once, what it
becomes, the C test and its arguments.  A text that is not found is an error: who
changes such a line changes its row.
"""

from typing import NamedTuple

JOURNAL = "tests/unit/journal/"
FAULTS = JOURNAL + "test_faults"
INTERLEAVE = JOURNAL + "test_interleave"
DURABLE = (FAULTS, "durable_before_its_answer")
RECOVER = (JOURNAL + "test_recover",)
RETAIN = (JOURNAL + "test_retain",)
ORDER = (JOURNAL + "test_order",)
SNAPSHOT = ("tests/unit/catalog/test_snapshot",)
KILLED = (FAULTS, "killed")
ERRORS = (FAULTS, "input_output_error")
LOOKS = (FAULTS, "no_descriptor")
DIES = (INTERLEAVE, "dies_and_is_recovered_later")
GOES_ON = (INTERLEAVE, "goes_on")
PART = ("tests/unit/sftp/test_faults", "durable_before_publish")
WRITTEN = ("tests/unit/sftp/test_faults", "written_back_meanwhile")
SMALL_FILES = (JOURNAL + "test_disk", "small_files_*")
SESSION = ("tests/unit/sftp/test_faults", "input_output_error")
TOLD = ("tests/unit/sftp/test_durable",)
AHEAD = ("tests/unit/sftp/test_ahead",)
FOUND = ("tests/unit/catalog/test_catalog",)
FETCH = ("tests/unit/outbound/test_fetch",)
TIDY = ("tests/unit/outbound/test_tidy",)
DEPOSIT = ("tests/unit/outbound/test_deposit",)
PARENT = ("tests/unit/node/test_parent",)
VERDICT = ("tests/unit/agents/test_verdict",)
MEMORY = ("tests/unit/ocf/test_memory",)
SERVICE = ("tests/unit/node/test_service",)
PLACES = ("tests/unit/node/test_places",)


class Mutation(NamedTuple):
    """One of them; long: not for each run."""
    name: str
    file: str
    before: str
    after: str
    test: tuple
    long: bool = False


DISPOSE = (JOURNAL + "test_dispose",)
TAKEN = (JOURNAL + "test_taken",)
DISPOSE_ORDER = (*DISPOSE, "durable_in_its_order")
DISPOSE_FAULTS = (JOURNAL + "test_dispose_faults",)


def journal(name, file, *rest, **more):
    return Mutation(name, f"mftd/journal/{file}", *rest, **more)


def versions(name, file, before, after, test):
    return Mutation(f"version_{name}", f"mftd/catalog/{file}", before, after,
                    ("tests/unit/catalog/test_catalog", test))


def told(name, file, before, after, test=TOLD):
    return Mutation(f"told_{name}", f"mftd/sftp/{file}", before, after, test)


def catalog(name, file, before, after, test):
    return Mutation(name, f"mftd/catalog/{file}", before, after,
                    ("tests/unit/catalog/test_catalog", test))


def stage(name, before, after):
    return Mutation(name, "mftd/outbound/stage.c", before, after,
                    ("tests/unit/outbound/test_stage",))


DELIVERY = ("tests/unit/outbound/test_delivery",)
HALF = ("tests/unit/outbound/test_half",)


def half(name, file, before, after, test=HALF):
    return Mutation(f"half_{name}", f"mftd/outbound/{file}", before, after,
                    test)


def hook(name, file, before, after):
    return Mutation(name, f"mftd/hook/{file}", before, after,
                    ("tests/unit/hook/test_sign",))


def lag(name):
    return (JOURNAL + "test_lag", name)


MUTATIONS = [
    # the lease, before a change of names and before its answer
    journal("lease_before", "session.c",
            "if (!mftd_lease_held(j->worker->lease)) {", "if (false) {",
            (JOURNAL + "test_journal",)),
    journal("lease_after", "session.c",
            "if (!mftd_lease_held(j->worker->lease))\n",
            "if (false)\n",
            (JOURNAL + "test_crash", "lease_lost_while_publishing")),
    Mutation("lease_answer", "mftd/sftp/server.c",
             "op->tells && !mftd_lease_held(s->env.lease)", "false",
             ("tests/unit/sftp/test_upload",)),
    Mutation("lease_fsync", "mftd/sftp/close.c",
             "err == 0 && !mftd_lease_held(s->env.lease)", "false",
             ("tests/unit/sftp/test_read",)),
    Mutation("lease_listener", "mftd/inbound/listener.c",
             "!mftd_lease_held(l->w->lease) || l->auth == NULL",
             "l->auth == NULL", ("tests/unit/inbound/test_listener",)),

    # the group commit: before the rename, before the answer, and its sync
    journal("commit_before", "batch.c",
            "w->failed != 0 || mftd_work_commit(w) < 0", "w->failed != 0",
            KILLED),
    journal("commit_after", "batch.c",
            "return must_commit ? mftd_work_commit(w) : 0;", "return 0;",
            KILLED),
    journal("commit_sync", "stream.c",
            "if (r == 0 && mftd_sync_data(s->fd) < 0)", "if (r < 0 && false)",
            DURABLE),

    journal("commit_asked_for", "batch.c",
            "w->failed != 0 || mftd_work_commit(w) < 0", "w->failed != 0",
            (JOURNAL + "test_recover",)),
    Mutation("fsync_asks_for_it", "mftd/sftp/close.c",
             "	if (err == 0)\n		err = mftd_sftp_op_ask("
             "s, op, MFTD_MSG_COMMIT, &m, sizeof(m));\n	if (err == 0)\n"
             "		return;\n", "", ("tests/unit/sftp/test_read",)),

    # each sync of a directory or file
    Mutation("sync_of_data", "mftd/base/fdio.c",
             "return fdatasync(fd) < 0 ? -errno : look_again(fd);",
             "return 0;", PART),
    Mutation("sync_of_all", "mftd/base/fdio.c",
             "return fsync(fd) < 0 ? -errno : look_again(fd);", "return 0;",
             PART),
    Mutation("sync_of_dir", "mftd/base/fdio.c",
             "	r = mftd_sync_all(fd);\n	close(fd);",
             "	r = 0;\n	close(fd);", PART),
    Mutation("sync_of_parent", "mftd/base/fdio.c",
             "return mftd_sync_dir(dir, parent);", "return 0;", SNAPSHOT),
    Mutation("sync_begun", "mftd/base/fdio.c",
             "if (sync_file_range(fd, off, len, SYNC_FILE_RANGE_WRITE) == 0)",
             "if (true)", WRITTEN),
    journal("segment_sync", "stream.c",
            "r = mftd_sync_all(fd);", "r = 0;", DURABLE),
    journal("segment_dir_sync", "stream.c",
            "r = mftd_sync_all(s->dir);", "r = 0;", DURABLE),
    journal("stream_dir_sync", "stream.c",
            "return mftd_sync_all(node_fd) < 0 ? -MFTD_E_SYNC : 0;",
            "return 0;", DURABLE),
    journal("node_dir_sync", "stream.c",
            "if (mftd_sync_all(journal_fd) < 0)", "if (false)", DURABLE),
    journal("made_dir_sync", "volume.c",
            "return synced(mftd_sync_all(parent), name);", "return 0;",
            DURABLE),
    Mutation("new_file_sync", "mftd/base/fdio.c",
             "if (r == 0 && mftd_sync_all(fd) < 0)", "if (false)",
             SMALL_FILES),
    Mutation("made_file_dir_sync", "mftd/base/fdio.c",
             "return mftd_sync_parent(dir, path) < 0 ? -MFTD_E_SYNC : r;",
             "return r;", SMALL_FILES),
    Mutation("replaced_file_dir_sync", "mftd/base/fdio.c",
             "return mftd_sync_parent(dir, path) < 0 ? -MFTD_E_SYNC : 0;",
             "return 0;", SMALL_FILES),
    Mutation("made_path_sync", "mftd/base/fdio.c",
             "r = mftd_sync_parent(dir, part);", "r = 0;", SMALL_FILES),
    Mutation("sync_looks_again", "mftd/base/fdio.c",
             "return fsync(fd) < 0 ? -errno : look_again(fd);",
             "return fsync(fd) < 0 ? -errno : 0;",
             (JOURNAL + "test_disk", "sync_after_a_cut_on_xfs")),
    Mutation("data_sync_looks_again", "mftd/base/fdio.c",
             "return fdatasync(fd) < 0 ? -errno : look_again(fd);",
             "return fdatasync(fd) < 0 ? -errno : 0;",
             (JOURNAL + "test_disk", "syncs_during_a_cut_on_xfs")),
    journal("batch_sync", "batch.c",
            "if (mftd_work_sync(w) < 0)", "if (w->failed < 0)", DURABLE),
    journal("directory_sync", "work.c",
            "int r = mftd_sync_all(fd);", "int r = 0;", DURABLE),
    journal("touched_sync", "work.c",
            "sync_dir(w, w->dirs[i].fd);", "(void)0;", DURABLE),
    journal("recovery_sync", "recover.c",
            "if (mftd_work_sync(w) < 0)\n", "if (w->failed < 0)\n", DURABLE),
    # archive or delete a source: its archive before its name goes, the
    # record before the proof
    journal("archive_sync", "dispose.c",
            "	if (mftd_work_sync(w) < 0)\n"
            "		return w->failed;\n"
            "	STAILQ_FOREACH(d, list, link)\n"
            "		if (d->goes)\n"
            "			record",
            "	STAILQ_FOREACH(d, list, link)\n"
            "		if (d->goes)\n"
            "			record", DISPOSE_ORDER),
    journal("archive_touch", "dispose.c",
            "			mftd_work_touch(w, fd);\n"
            "			r = 1;", "			r = 1;",
            DISPOSE_ORDER),
    journal("found_in_archive_touch", "dispose.c",
            "	if (r == 0)\n		mftd_work_touch(w, fd);\n", "",
            (*DISPOSE, "durable_when_asked_again")),
    journal("dispose_intent_commit", "dispose.c",
            "			record(w, d, MFTD_RECORD_DISPOSE);\n"
            "	if (mftd_work_commit(w) < 0)",
            "			record(w, d, MFTD_RECORD_DISPOSE);\n"
            "	if (w->failed < 0)", (*DISPOSE_FAULTS, "killed")),
    journal("taken_sync", "dispose.c",
            "	if (mftd_work_sync(w) < 0)\n"
            "		return w->failed;\n"
            "	STAILQ_FOREACH(d, list, link)\n"
            "		if (d->done)",
            "	STAILQ_FOREACH(d, list, link)\n"
            "		if (d->done)", DISPOSE_ORDER),
    journal("taken_commit", "dispose.c",
            "			conclude(w, d);\n"
            "	if (mftd_work_commit(w) < 0)",
            "			conclude(w, d);\n"
            "	if (w->failed < 0)", (*DISPOSE_FAULTS, "killed")),
    journal("taken_dropped_sync", "dispose.c",
            "	return mftd_work_sync(w);", "	return w->failed;",
            DISPOSE_ORDER),
    journal("taken_from_touch", "taken.c",
            "		return r;\n	mftd_work_touch(w, dir);\n",
            "		return r;\n", DISPOSE_ORDER),
    journal("taken_to_touch", "taken.c",
            "	mftd_work_touch(w, w->vol->out);\n	r = fstatat",
            "	r = fstatat", DISPOSE_ORDER),
    journal("taken_drop_touch", "taken.c",
            "mftd_strerror(-errno));\n	mftd_work_touch(w, w->vol->out);",
            "mftd_strerror(-errno));", DISPOSE_ORDER),
    # ... and only that file's name
    journal("another_file_is_given_back", "taken.c",
            "	if (r == 0)\n		r = put_back(w, taken, dir, base);",
            "", (*DISPOSE_FAULTS, "held")),
    journal("taken_is_looked_at", "taken.c",
            "if (r == 0 && st.st_ino == inode)", "if (r == 0)",
            (*DISPOSE_FAULTS, "held")),
    journal("taken_is_recovered", "recover.c",
            "r = mftd_takens_settle(w, taken, stream);", "r = 0;", TAKEN),
    journal("unfinished_upload_is_left", "dispose.c",
            "r = check_parts(w, d);", "r = 0;", DISPOSE),
    journal("given_back_touch", "taken.c",
            "		r = 0;\n	mftd_work_touch(w, dir);\n",
            "		r = 0;\n",
            (*TAKEN, "recovery_gives_it_back")),
    journal("given_back_out_touch", "taken.c",
            "	mftd_work_touch(w, dir);\n"
            "	mftd_work_touch(w, w->vol->out);\n"
            "	return r;", "	mftd_work_touch(w, dir);\n	return r;",
            (*TAKEN, "recovery_gives_it_back")),
    journal("recovered_from_touch", "taken.c",
            "	if (dir >= 0)\n		mftd_work_touch(w, dir);\n", "",
            (*TAKEN, "recovery_says_what_was_done")),
    journal("recovered_to_touch", "taken.c",
            "	mftd_work_touch(w, w->vol->out);\n	if (mftd_work_sync",
            "	if (mftd_work_sync",
            (*TAKEN, "recovery_says_what_was_done")),
    journal("recovered_record", "taken.c",
            "if (mftd_work_sync(w) < 0 || mftd_work_record(w) < 0)",
            "if (mftd_work_sync(w) < 0)",
            (*TAKEN, "recovery_records_it_first")),
    journal("recovered_taken_sync", "taken.c",
            "if (mftd_work_sync(w) < 0 || mftd_work_record(w) < 0)",
            "if (mftd_work_record(w) < 0)",
            (*TAKEN, "recovery_says_what_was_done")),
    journal("recovered_taken_touch", "taken.c",
            "		return -errno;\n"
            "	mftd_work_touch(w, w->vol->out);\n	return 0;",
            "		return -errno;\n	return 0;",
            (*TAKEN, "recovery_says_what_was_done")),
    journal("setstat_sync", "names.c",
            "return r == 0 ? mftd_sync_all(fd) : r;", "return r;", DURABLE),
    journal("publish_touch", "publish.c",
            "mftd_work_touch(w, c->from.dir);", "", DURABLE),
    journal("publish_part_touch", "publish.c",
            "mftd_work_touch(w, c->part_dir);", "", DURABLE),
    journal("publish_out_touch", "publish.c",
            "	if (c->owner->has_routes)\n"
            "		mftd_work_touch(w, w->vol->out);", "", DURABLE),
    journal("abandon_out_touch", "publish.c",
            "			w->failed = -errno;\n"
            "		mftd_work_touch(w, w->vol->out);",
            "			w->failed = -errno;", DURABLE),
    journal("recoveries_name_sync", "usage.c",
            "r = mftd_sync_all(v->usage);", "r = 0;", DURABLE),
    journal("rename_from_touch", "names.c",
            "	mftd_work_touch(w, c->from.dir);\n"
            "	mftd_work_touch(w, c->to.dir);",
            "	mftd_work_touch(w, c->to.dir);",
            (*ORDER, "rename_in_both_directories")),
    journal("rename_to_touch", "names.c",
            "mftd_work_touch(w, c->to.dir);", "",
            (*ORDER, "rename_in_both_directories")),
    journal("usage_sync", "usage.c",
            "return r == 0 && durable ? mftd_sync_data(fd) : r;",
            "return r;", (*ORDER, "growth_before_it_is_published")),
    journal("adopted_part_sync", "adopt.c",
            "r = mftd_sync_data(fd);", "r = 0;",
            (*ORDER, "last_byte_of_an_adopted_part")),
    journal("adopt_touch", "adopt.c",
            "mftd_work_touch(w, c->part_dir);", "", DURABLE),
    journal("dormant_touch", "dormant.c",
            "mftd_work_touch(w, dir);", "",
            (*ORDER, "parts_of_the_lost")),
    journal("swept_sync", "recover.c",
            "if (mftd_work_sync(w) < 0 || mftd_work_commit(w) < 0)",
            "if (mftd_work_commit(w) < 0)",
            (*ORDER, "parts_of_the_lost")),
    journal("part_end_sync", "session.c",
            "	mftd_work_sync(j->work);\n	mftd_journal_try_held(j);",
            "	mftd_journal_try_held(j);",
            (*ORDER, "part_end_before_a_checkpoint")),
    journal("session_end_sync", "session.c",
            "if (r > 0 && mftd_work_sync(j->work) == 0)", "if (r > 0)",
            (*ORDER, "session_end_before_a_checkpoint")),
    journal("reaped_sync", "upkeep.c",
            "	if (r > 0)\n		mftd_work_sync(j->work);\n", "",
            (*ORDER, "expired_before_a_checkpoint")),
    journal("touched_too_many", "work.c",
            "	if (w->n_dirs == MFTD_WORK_DIRS_MAX)\n"
            "		mftd_work_sync(w);\n", "",
            (*ORDER, "more_directories_than_are_noted")),
    journal("touched_without_descriptor", "work.c",
            "		sync_dir(w, dir);\n", "",
            (*ORDER, "directory_without_a_descriptor")),
    journal("remove_touch", "names.c",
            "mftd_work_touch(w, c->from.dir);\n"
            "		mftd_change_record(w, c, MFTD_RECORD_REMOVE",
            "mftd_change_record(w, c, MFTD_RECORD_REMOVE", DURABLE),
    journal("rmdir_touch", "names.c",
            "mftd_work_touch(w, c->from.dir);\n"
            "	mftd_change_record(w, c, MFTD_RECORD_RMDIR",
            "mftd_change_record(w, c, MFTD_RECORD_RMDIR", DURABLE),
    journal("mkdir_touch", "names.c",
            "mftd_work_touch(w, c->from.dir);\n	r = settle_in(w, c);",
            "r = settle_in(w, c);", DURABLE),
    journal("mkdir_own_touch", "names.c", "mftd_work_touch(w, fd);", "",
            DURABLE),
    journal("link_touch", "links.c", "mftd_work_touch(w, c->to.dir);", "",
            DURABLE),
    journal("symlink_touch", "links.c", "mftd_work_touch(w, c->from.dir);",
            "", DURABLE),
    journal("aside_touch", "parts.c", "mftd_work_touch(w, w->vol->aside);",
            "", DURABLE),
    journal("set_aside_touch", "parts.c", "mftd_work_touch(w, dir);", "",
            DURABLE),

    Mutation("part_sync", "mftd/sftp/syncer.c",
             "job->data_err = mftd_sync_data(job->fd);", "job->data_err = 0;",
             PART),
    Mutation("deposit_sync", "mftd/outbound/folder.c",
             "r = mftd_sync_all(p->fd);", "r = 0;",
             (*DEPOSIT, "durable_before_publish")),
    Mutation("deposit_entry_sync", "mftd/outbound/folder.c",
             "r = mftd_layout_part_sync(s->parts, p->key, p->base);",
             "r = 0;", (*DEPOSIT, "durable_before_publish")),
    Mutation("deposit_write_back", "mftd/outbound/copy.c",
             "r = mftd_sync_start(to, (int64_t)at, (int64_t)n);", "r = 0;",
             (*DEPOSIT, "written_back_meanwhile")),
    Mutation("fetch_ends_at_one", "mftd/outbound/fetch.c",
             "return f->refused || err == -ENOSPC",
             "return err == -ENOSPC",
             (*FETCH, "goes_on_behind_what_is_refused")),
    Mutation("fetch_write_back", "mftd/outbound/fetch_read.c",
             "r = mftd_sync_start(rd->fd, (int64_t)rd->done, (int64_t)len);",
             "r = 0;", (*FETCH, "written_back_meanwhile")),
    Mutation("deposit_not_again", "mftd/outbound/deposit.c",
             "dp->lost = r = mftd_folder_settle",
             "r = mftd_folder_settle", (*DEPOSIT, "input_output_error")),
    Mutation("part_write_back", "mftd/sftp/part.c",
             "int r = mftd_sync_start(p->fd, (int64_t)off, (int64_t)len);",
             "int r = 0;", WRITTEN),
    Mutation("part_entry_sync", "mftd/sftp/syncer.c",
             "if (job->data_err == 0 && job->parts_fd >= 0)", "if (false)",
             PART),
    Mutation("moved_part_entry", "mftd/sftp/part.c",
             "	p->entry_durable = false;\n	durable = p->durable;",
             "	durable = p->durable;", PART),
    journal("part_dir_sync", "layout.c",
            "r = mftd_sync_dir(parts_fd, path);", "r = 0;", PART),
    journal("part_name_sync", "layout.c",
            "r = mftd_sync_dir(parts_fd, key);", "r = 0;", PART),
    journal("part_key_sync", "layout.c",
            'r = mftd_sync_dir(parts_fd, ".");', "r = 0;", PART),
    Mutation("part_failed_sync", "mftd/sftp/syncer.c",
             "job->data_err = mftd_sync_data(job->fd);",
             "job->data_err = 0; (void)mftd_sync_data(job->fd);", SESSION),
    Mutation("part_failed_write_back", "mftd/sftp/close.c",
             "(void)mftd_sftp_part_write_back(op->part, 0, 0);",
             "(void)mftd_sync_start(op->part->fd, 0, 0);", SESSION),

    # what journal is told to be durable of an upload: what the sync found
    told("later_bytes", "sync.c", "mftd_sftp_sync_tell(s, p, y->contig)",
         "mftd_sftp_sync_tell(s, p, p->contig)"),
    told("whole_size", "sync.c", "y->contig = p->contig;",
         "y->contig = p->size;"),
    told("cut_meanwhile", "sync.c", "return y->cuts == p->cuts ? ",
         "return true ? "),
    told("rewritten_meanwhile", "part.c",
         "p->cuts++; /* a sync under way says nothing of these bytes */", ";"),
    told("truncated_meanwhile", "part.c",
         "		p->contig = size;\n		p->cuts++;",
         "		p->contig = size;",
         ("tests/unit/sftp/test_pipeline",)),
    told("not_begun", "sync.c", "if (!s->fatal && p->err == 0 && ",
         "if (p->err == 0 && "),
    told("fsync_untold", "close.c",
         "if (err == 0 && op->part->durable < op->part->contig)",
         "if (false)"),
    told("behind_a_gap", "part.c", "if (p->guarded && off > p->contig)",
         "if (false)", ("tests/unit/sftp/test_table",)),
    told("moved_meanwhile", "sync.c", "if (!same)", "if (!same && false)"),
    told("failed_sync", "sync.c",
         "	if (y->job.data_err < 0)\n		return y->job.data_err;", ""),
    told("failed_entry", "sync.c",
         "	if (y->job.entry_err < 0)\n		return y->job.entry_err;",
         ""),
    told("after_a_failed_one", "sync.c", "if (!s->fatal && p->err == 0 && ",
         "if (!s->fatal && "),
    told("last_after_a_failed_one", "sync.c", "if (p->lost || ", "if ("),
    told("lost_by_a_sync", "sync.c", "p->lost |= y->job.data_err < 0;", ""),
    told("last_failed", "sync.c",
         "if (job.data_err == 0 && job.entry_err == 0)",
         "if (job.entry_err == 0)"),
    told("last_entry_failed", "sync.c",
         "if (job.data_err == 0 && job.entry_err == 0)",
         "if (job.data_err == 0)"),
    told("last_whole_size", "sync.c",
         "(void)mftd_sftp_sync_tell(s, p, p->contig);",
         "(void)mftd_sftp_sync_tell(s, p, p->size);"),
    told("last_not_synced", "sync.c",
         "	mftd_syncer_run(&job);\n	if", "	if"),
    told("not_heard_back", "sync.c",
         "r == -ENOBUFS && bytes > p->durable", "r == -ENOBUFS"),
    told("base", "sync.c", ".base = p->shown", ".base = 0"),
    told("entry_durable_at_once", "sync.c",
         "p->entry_durable ? -1 : s->env.parts_fd", "-1"),
    told("two_at_once", "syncer.c", "if (!is_running(y, job->part))",
         "if (true)"),
    told("not_taken_back", "part.c",
         "if (off < p->durable && (r = mftd_sftp_sync_tell(s, p, off)) < 0)",
         "if (r = 0, false)"),
    told("not_taken_back_and_goes_on", "part.c",
         "if (off < p->durable && (r = mftd_sftp_sync_tell(s, p, off)) < 0)",
         "if (off < p->durable && "
         "(r = mftd_sftp_sync_tell(s, p, off)) < 0 && false)"),
    told("not_cut", "part.c",
         "if (size < p->durable && (r = mftd_sftp_sync_tell(s, p, size)) < 0)",
         "if (r = 0, false)"),
    told("not_cut_and_goes_on", "part.c",
         "if (size < p->durable && (r = mftd_sftp_sync_tell(s, p, size)) < 0)",
         "if (size < p->durable && "
         "(r = mftd_sftp_sync_tell(s, p, size)) < 0 && false)"),
    told("gap", "part.c", "		mftd_sftp_ahead_add(&p->ahead, off, off + len);",
         "		p->contig = off + len;"),
    told("grown", "part.c", "	if (p->contig > size) {", "	if (true) {"),
    told("not_counted_back", "part.c", "	if (p->contig > size) {",
         "	if (false) {"),
    told("cut_ahead", "part.c", "mftd_sftp_ahead_cut(&p->ahead, size);", ""),
    told("cut_base", "part.c", "	if (size < p->shown)\n		p->shown = size;",
         ""),
    told("moved_more", "part.c", "return mftd_sftp_sync_tell(s, p, durable);",
         "return mftd_sftp_sync_tell(s, p, p->contig);"),
    told("write_back_lost", "part.c", "	p->lost = true;\n", ""),
    told("overwritten_above_durable", "part.c",
         "	if (off < p->contig)\n		p->cuts++;",
         "	if (off < p->durable)\n		p->cuts++;"),
    told("written_first", "part.c",
         "	if (off < p->durable && (r = mftd_sftp_sync_tell(s, p, off)) < 0)\n"
         "		return r;\n"
         "	r = mftd_fd_pwrite_full(p->fd, data, len, (int64_t)off);\n",
         "	r = mftd_fd_pwrite_full(p->fd, data, len, (int64_t)off);\n"
         "	if (off < p->durable && mftd_sftp_sync_tell(s, p, off) < 0)\n"
         "		return -EIO;\n"),
    told("answer_of_fsync", "close.c",
         "	if (err == 0)\n		err = mftd_sftp_op_ask(",
         "	err = mftd_sftp_op_ask("),
    told("gap_of_one", "ahead.c", "a->at[0].from <= contig",
         "a->at[0].from <= contig + 1", AHEAD),
    told("gap_of_one_behind", "ahead.c", "a->at[end].from <= to",
         "a->at[end].from <= to + 1", AHEAD),
    told("gap_of_one_before", "ahead.c", "a->at[i].to < from",
         "a->at[i].to + 1 < from", AHEAD),
    told("cut_range", "ahead.c", "		a->at[a->n - 1].to = size;",
         "		;", AHEAD),
    told("base_contig", "base.c", "	p->base_size = (uint64_t)st.st_size;",
         "	p->base_size = p->contig = (uint64_t)st.st_size;"),
    told("base_counted", "base.c", "p->contig += (uint64_t)n;",
         "p->contig = p->base_size;"),
    told("base_cut_meanwhile", "base.c",
         "	if (n == 0 && left > 0)\n		n = -EIO;",
         "	if (n == 0 && left > 0)\n		p->contig = p->base_size;"),
    told("base_shown", "base.c", "	p->shown = (uint64_t)st.st_size;\n", ""),

    # the catalog's snapshot
    Mutation("snapshot_sync", "mftd/catalog/sqlite.c",
             "PRAGMA synchronous = FULL;", "PRAGMA synchronous = OFF;",
             SNAPSHOT),
    Mutation("snapshot_dir_sync", "mftd/catalog/store.c",
             "return mftd_sync_parent(AT_FDCWD, path);", "return 0;",
             SNAPSHOT),

    # a failed sync is the end
    journal("failed_last_head", "journal.c",
            "j->work->failed = mftd_stream_end(j->stream);",
            "(void)mftd_stream_end(j->stream);", ERRORS),
    journal("failed_commit", "stream.c",
            "	if (r < 0) {\n		s->failed = true;\n		return r;",
            "	if (r < 0) {\n		return 0;", ERRORS),
    journal("failed_touched_sync", "work.c",
            "fail(w, -MFTD_E_SYNC);", "", ERRORS),
    journal("failed_account_sync", "session.c",
            "if (r == -MFTD_E_SYNC)", "if (false)", ERRORS),

    # what is refused was not done
    journal("out_link_stays", "publish.c",
            "if (unlinkat(w->vol->out, c->receipt, 0) < 0 && errno != ENOENT)",
            "if (unlinkat(w->vol->out, c->receipt, 0) < 0 && false)", ERRORS),
    journal("mkdir_not_undone", "names.c",
            "else if (unlinkat(c->from.dir, c->from.base, AT_REMOVEDIR) < 0)",
            "else if (false)", LOOKS, long=True),
    journal("symlink_not_undone", "links.c",
            "else if (unlinkat(c->from.dir, c->from.base, 0) < 0)",
            "else if (false)", LOOKS, long=True),
    journal("rename_taken_back", "names.c",
            "mftd_change_record(w, c, MFTD_RECORD_RENAME, m->to, m->from);",
            "", ERRORS),

    # recovery looks and notes
    journal("recovery_publishes", "decide.c",
            "r = mftd_parts_set_aside(\n"
            "			    w, p.part_dir, rec->part, rec->id, why);",
            "r = mftd_rename(p.part_dir, rec->part, p.final_dir, p.base);",
            DIES),
    journal("recovers_the_living", "recover.c",
            "r = lock = mftd_stream_lock(dir, true);",
            "r = 0; lock = -1;", GOES_ON),
    journal("seal_missing", "recover.c", "mftd_work_seal(w, &rec);", "",
            (FAULTS, "killed")),
    journal("half_rename_abandoned", "decide.c",
            "} else if (r == 0 && !p.final && p.aside) {",
            "} else if (r == 0) {", DIES),

    journal("damage_sealed", "recover.c",
            "r = check_damage(dir, stream, reader);", "r = 0;",
            (JOURNAL + "test_recover",)),
    journal("damage_by_head", "damage.c",
            "	went(l, h.head.seq);\n", "", (JOURNAL + "test_damage",)),
    journal("damage_behind_last", "damage.c",
            "if (use == MFTD_HEAD_LAST && h.head.seq < l->read)", "if (false)",
            (JOURNAL + "test_damage",)),
    journal("damage_without_head", "damage.c",
            "if (mftd_head_read(dir, &use, &h) < 0 ||",
            "if (mftd_head_read(dir, &use, &h) < 0)\n		return NULL;\n"
            "	if (", (JOURNAL + "test_damage",)),
    journal("damage_behind_a_bad_header", "damage.c",
            "		went(l, l->read + 1);\n", "",
            (JOURNAL + "test_damage",)),
    journal("sum_without_header", "segment.c",
            "	crc = mftd_crc32c(crc, rec, REC_CRC);",
            "	crc = mftd_crc32c(0, rec, REC_CRC);",
            (JOURNAL + "test_damage",)),
    journal("damage_by_segment", "damage.c",
            "		went(l, s.before.head.seq);\n", "		(void)0;\n",
            (JOURNAL + "test_damage",)),
    journal("damage_by_record", "damage.c",
            "	went(l, mftd_entry_durable(&e));\n", "",
            (JOURNAL + "test_damage",)),
    journal("place_in_commit", "stream.c",
            ".place = (uint32_t)(s->seq - s->committed),", ".place = 0,",
            (JOURNAL + "test_damage",)),

    journal("found_part_touch", "decide.c",
            "		mftd_work_touch(w, p->part_dir);\n", "",
            (*RECOVER, "half_a_rename_is_durable")),
    journal("found_out_touch", "decide.c",
            "			return -errno;\n"
            "		mftd_work_touch(w, w->vol->out);\n	}\n"
            "	if (p->final_dir",
            "			return -errno;\n	}\n	if (p->final_dir",
            (*RECOVER, "published_is_durable")),
    journal("not_found_out_touch", "decide.c",
            "		mftd_work_touch(w, w->vol->out);\n	}\n"
            "	out->abandoned++", "	}\n	out->abandoned++",
            (*RECOVER, "abandoned_is_durable")),
    journal("found_final_touch", "decide.c",
            "	if (p->final_dir >= 0)\n"
            "		mftd_work_touch(w, p->final_dir);", "", DURABLE),
    journal("dormant_record", "dormant.c",
            "	r = mftd_work_record(w);\n	if (r == 0)\n		r = mftd_rename",
            "	r = mftd_rename", (JOURNAL + "test_recover",)),

    # what is old goes, and a power cut leaves all of it or none
    journal("segments_unannounced", "retain.c",
            "return mftd_work_commit(w);", "return 0;",
            (*RETAIN, "what_goes_is_told_first")),
    journal("dropped_segment_sync", "retain.c",
            "r = w->failed = mftd_sync_all(dir);", "",
            (*RETAIN, "segments_go_one_by_one")),
    journal("dropped_stream_sync", "retain.c",
            "r = w->failed = mftd_sync_all(node_dir);", "r = 0;",
            (*RETAIN, "stream_loses_its_name_first")),

    # the proof in aside, and who may take it away
    journal("others_proof_doomed", "parts.c",
            "if (w->doom_all || mftd_id_of(part, w->incarnation) ||",
            "if (true ||", (JOURNAL + "test_recover",)),
    journal("proof_gone_early", "work.c",
            "	mftd_work_record(w);\n"
            "	while (w->failed == 0 && w->n_doomed > 0)\n"
            "		unlinkat(w->vol->aside, w->doomed[--w->n_doomed], 0);\n",
            "	while (w->failed == 0 && w->n_doomed > 0)\n"
            "		unlinkat(w->vol->aside, w->doomed[--w->n_doomed], 0);\n"
            "	mftd_work_record(w);\n", KILLED),
    journal("dormant_stays_aside", "parts.c",
            "		!mftd_layout_is_dormant(name, &bytes)))\n		return 0;",
            "		true))\n		return 0;", DIES),

    # how far the catalog lags
    journal("lag_of_the_recovered", "forward.c",
            "add_lag(&feed->progress, feed->seq, records, since_us);",
            "(void)feed;",
            lag("all_streams_count")),
    journal("lag_unread", "forward.c",
            "feed->progress.done = feed->progress.noted = seq;",
            "feed->progress.noted = seq;", lag("after_a_restart")),
    journal("lag_unread_at_takeover", "forward.c",
            "feed->progress.done = feed->progress.noted = seq;",
            "feed->progress.noted = seq;",
            lag("on_the_node_that_takes_over"), long=True),
    journal("lag_beyond_the_end", "forward.c",
            " &&\n	    seq <= feed->seq)", ")",
            lag("without_what_was_written_down")),
    journal("lag_not_noted", "upkeep.c",
            "		mftd_forwarder_note(j->forwarder);\n", "",
            lag("after_a_restart")),
    journal("lag_not_noted_at_the_end", "journal.c",
            "	mftd_forwarder_note(j->forwarder);\n", "",
            lag("after_a_restart"), long=True),
    journal("lag_noted_anew", "forward.c",
            "return p->noted == p->done;", "return false;",
            lag("after_a_restart"), long=True),
    journal("lag_forgotten", "forward.c",
            "	if (p != NULL) /* less than we thought, if it forgot some */\n"
            "		p->done = msg->after;\n", "	(void)p;\n",
            lag("word_of_the_catalog"), long=True),
    journal("lag_time_of_what_was_sent", "forward.c",
            "	if (e->seq == p->done + 1) {",
            "	if (e->seq == 0) {",
            lag("time_of_what_was_sent"), long=True),
    journal("lag_not_looked_for", "journal.c",
            "	if (lags(j))\n		mftd_forwarder_look(j->forwarder);\n", "",
            lag("own_stream")),
    journal("lag_of_what_was_dropped", "forward.c",
            "	if (r == -ENOENT || r == -MFTD_E_CORRUPT) {\n"
            "		mftd_reader_close(reader);",
            "	if (false) {\n		mftd_reader_close(reader);",
            lag("of_what_was_dropped"), long=True),
    journal("lag_begins_late", "journal.c",
            "	mftd_forwarder_grown(j->forwarder);\n"
            "	tell_if_lag_changed(j);\n",
            "	mftd_forwarder_grown(j->forwarder);\n", lag("told_at_once"),
            long=True),
    journal("lag_ends_late", "journal.c",
            "	mftd_forwarder_forwarded(j->forwarder, m);\n"
            "	tell_if_lag_changed(j);\n",
            "	mftd_forwarder_forwarded(j->forwarder, m);\n",
            lag("told_at_once")),
    journal("lag_told_each_time", "journal.c",
            "	    (!lags || mftd_clock_ms() - j->told_ms >= TICK_MS))\n",
            "	    true)\n", lag("told_rarely"), long=True),
    journal("streams_of_two_volumes", "stream.c",
            "place << STARTS_BITS | n", "n", (JOURNAL + "test_stream",)),

    # parts
    journal("exclusive_not_so", "publish.c",
            "if (r == 0 && m->noreplace)", "if (false)", GOES_ON),
    journal("adopted_unrecorded", "adopt.c",
            "mftd_work_part(w, &c->mark);", "", GOES_ON),
    journal("published_part_dormant", "dormant.c",
            "|| has_two_names(dir, part))", ")",
            (JOURNAL + "test_dormant",)),
    journal("whole_part_dormant", "dormant.c",
            "mark->durable - 1", "mark->durable", KILLED),

    # what goes where the configuration has nobody waits
    Mutation("unknown_not_put_back", "mftd/outbound/job.c",
             "const char *why = mftd_unknown(q, d);", "const char *why = NULL;",
             ("tests/unit/outbound/test_known",)),
    Mutation("unknown_for_ever", "mftd/outbound/outbound.c",
             "	mftd_unknown_forget(q);\n", "",
             ("tests/unit/outbound/test_known",)),

    # what an objects file may not say
    Mutation("apply_never_comes", "mftd/catalog/route_time.c",
             "closed, now_us, &at) < 0)", "closed, now_us, &at) < -1000)",
             ("tests/unit/catalog/test_objects",)),
    Mutation("apply_temp_in_place", "mftd/catalog/handling_file.c",
             "is_same_folder(at->temp_directory, r->directory))",
             "strcmp(at->temp_directory, r->directory) == 0)",
             ("tests/unit/catalog/test_handling",)),
    Mutation("apply_algorithms", "mftd/catalog/algorithms.c",
             "if (n == len && strncmp", "if (strncmp",
             ("tests/unit/ssh/test_algorithms",)),
    Mutation("apply_name_of_no_file", "mftd/catalog/template.c",
             "	    mftd_template_make(template, &plain, out, sizeof(out)) < 0)",
             "	    false)", ("tests/unit/catalog/test_naming",)),
    Mutation("apply_host", "mftd/catalog/check_host.c",
             "strchr(\"-.\", text[0]) != NULL", "text[0] == '.'",
             ("tests/unit/catalog/test_objects",)),

    # a login before the first snapshot waits
    Mutation("auth_refuses_early", "mftd/inbound/auth.c",
             "if (a->objects == NULL && left > 0 &&", "if (false &&",
             ("tests/unit/inbound/test_auth",)),
    Mutation("auth_holds_two", "mftd/inbound/held.c",
             "	if (find(h, c) != NULL)\n", "	if (0)\n",
             ("tests/unit/inbound/test_auth",)),

    # locks that others cannot take
    Mutation("lock_for_others", "mftd/base/lock.c",
             "((st.st_mode & 077) == 0 || fchmod(fd, 0600) == 0)", "1",
             ("tests/unit/base/test_lock",)),

    # names do not reach a terminal as they are
    Mutation("text_directions", "mftd/base/text.c",
             "		{ 0x202a, 0x202e }, /* embeddings and overrides */\n", "",
             ("tests/unit/base/test_text",)),
    Mutation("text_overlong", "mftd/base/text.c", "v < least[n]", "least[n] < 0",
             ("tests/unit/base/test_text",)),

    # hooks name a file as the partner has it
    Mutation("hook_without_number", "mftd/catalog/event.c",
             "failed ? 0 : (uint32_t)row[20].i", "0",
             ("tests/unit/catalog/test_catalog",
              "name_is_the_one_at_the_partner")),

    # a person's wishes
    Mutation("wish_compares", "mftd/catalog/person.c",
             "WHERE id = $1 AND state = $2", "WHERE id = $1 AND $2 <> ''",
             ("tests/unit/catalog/test_catalog",
              "wish_that_came_too_late_changes_nothing")),
    Mutation("wish_noted", "mftd/catalog/person.c",
             "return r < 0 ? r : note(c, ch);",
             "return r < 0 || ch->due_us == 0 ? r : note(c, ch);",
             ("tests/unit/catalog/test_catalog", "wish_moves_and_is_noted")),
    Mutation("wish_in_publishing", "mftd/outbound/delivery.c",
             "	ROW(PUBLISHING, DOUBT, IN_DOUBT, END),\n",
             "	ROW(PUBLISHING, DOUBT, IN_DOUBT, END),\n"
             "	ROW(PUBLISHING, CANCEL, CANCELLED, END),\n",
             ("tests/unit/outbound/test_delivery",)),

    # what hooks are told of partners
    catalog("partner_back_again", "partner_sql.c",
            "THEN o.state <> 'closed' ELSE", "THEN true ELSE",
            "stopped_and_back_once"),
    catalog("partner_refused_untold", "partner_sql.c",
            " OR o.fault <> $7 END", " END", "away_then_refused"),
    catalog("partner_back_twice", "partner_sql.c",
            "CAST(o.since_us AS TEXT)", "CAST($8 AS TEXT)",
            "stopped_and_back_once"),
    catalog("partner_told_unasked", "partner_sql.c",
            "w.event = k.kind", "true",
            "unwanted_is_not_written"),
    catalog("partner_told_of_no_step", "partner_sql.c",
            "(o.state IS NULL OR o.state IN ($5, $6))", "$5 IS NOT NULL",
            "stale_owner_tells_nobody"),
    catalog("partner_of_any_queue", "hook_sql.c",
            '"p.queue = e.queue AND p."', '"p."', "filters_take_partners"),

    # sources are found when their deliveries have ended, and links go at once
    catalog("source_looked_at_each_time", "source.c",
            '"WHERE volume = $1 AND source_due = 1 AND "',
            '"WHERE volume = $1 AND "', "sources_that_wait_cost_nothing"),
    catalog("source_not_due_again", "person.c", '"ELSE temp_try END, due = 1 "',
            '"ELSE temp_try END "', "ended_once_more"),
    catalog("source_not_due_by_name", "targets.c",
            "behind = '', due = excluded.due, ", "behind = '', ",
            "ended_once_more"),
    Mutation("links_with_pauses", "mftd/catalog/worker.c",
             "if (p->more && p->reachable", "if (false && p->reachable",
             ("tests/unit/catalog/test_worker", "links_go_without_a_pause")),

    # runs of hooks
    hook("hook_jitter", "retry.c",
         " + (int64_t)(random % 1000) * (ms / 2) / 1000", ""),
    hook("hook_tries", "retry.c", "run->tries >= tries_max", "false"),
    hook("hook_own_fault", "retry.c", "err == -ECANCELED", "false"),
    catalog("hook_not_due", "hook_sql.c", '"x.due_us <= $5 ORDER BY',
            '"$5 > 0 ORDER BY', "run_goes_its_way"),
    catalog("hook_ended_twice", "hook_sql.c",
            "\"state = 'RUNNING' RETURNING event\"",
            '"true RETURNING event"', "run_goes_its_way"),

    # a temporary name of a convention: what cannot be told proves nothing
    Mutation("foreign_is_unknown", "mftd/outbound/delivery.c",
             "is_foreign(e, a) ? TEMP_GONE : TEMP_UNKNOWN", "TEMP_UNKNOWN",
             ("tests/unit/outbound/test_delivery",)),
    Mutation("unknown_is_foreign", "mftd/outbound/delivery.c",
             "is_foreign(e, a) ? TEMP_GONE : TEMP_UNKNOWN", "TEMP_GONE",
             ("tests/unit/outbound/test_delivery",)),

    # a coordinator's end: what comes back, and whose wish was whose
    Mutation("rebirth_settled", "mftd/node/parent.c",
             "			p->services[i].settled = false;\n", "			;\n",
             (*PARENT, "next_coordinator_hears_what_came_back")),
    Mutation("rebirth_wish_kept", "mftd/node/parent.c",
             "		p->services[i].ref = 0;\n", "",
             (*PARENT, "old_wishes_are_not_answered")),
    Mutation("stop_makes_a_service", "mftd/node/service.c",
             "	if (s == NULL && set->role == MFTD_ROLE_STOPPED) {",
             "	if (false) {", (*PARENT, "what_never_started_is_stopped")),
    # versions of one name
    versions("queued_before", "claim.c", 'QUEUED_BEFORE ", "', '""',
             "due_times_do_not_count"),
    versions("waiting_before", "claim.c", 'WAITING_BEFORE ", "', '""',
             "one_that_waits_is_not_passed"),
    versions("on_its_way", "claim.c", "'PUBLISHING', ", "",
             "one_is_on_its_way"),
    versions("in_doubt", "claim.c", ", 'IN_DOUBT') LIMIT 1", ") LIMIT 1",
             "one_is_on_its_way"),
    versions("names_compared", "claim.c", "AND b.name = d.name ", "",
             "other_places_are_apart"),
    versions("older_one_overwrites", "claim.c",
             "d.if_exists = 'overwrite' OR ", "",
             "older_one_does_not_overwrite"),
    versions("older_one_overwrites_an_accounts", "claim.c",
             "substr(d.partner, 1, 1) = '@'", "false",
             "older_one_does_not_overwrite_an_accounts"),
    versions("repetition_sent", "claim.c", "THEN 'skip' ELSE",
             "THEN 'fail' ELSE", "repetition_looks_for_the_first_one"),
    versions("other_bytes_skipped", "claim.c", "OR b.sha256 = d.sha256",
             "OR true", "other_bytes_are_no_repetition"),
    versions("missed", "versions.c",
             "AND b.state NOT IN (\" MFTD_VERSIONS_ENDED \") ", "",
             "looking_finds_what_was_missed"),
    versions("ended", "sqlite.c", "			r = let_go(s, go, one);",
             "			r = 0;", "what_has_ended_lets_go"),
    versions("not_on_its_way", "sqlite.c", ", \" MFTD_VERSIONS_TURN", "\"",
             "older_one_goes_before_one_that_waits"),
    versions("person_lets_go", "person.c",
             "		r = mftd_versions_go(c, ch->delivery);\n",
             "		r = 0;\n", "a_person_lets_go"),
    versions("renamed", "targets.c", "name_key = excluded.name_key, ", "",
             "renaming_makes_versions"),

    # a partner that says it did what it did not do
    Mutation("rename_pretended", "mftd/outbound/publish.c",
             "if (!it->temp_attrs.exists) {", "if (true) {",
             ("tests/unit/outbound/test_deliver",)),

    # found files
    Mutation("found_in_no_version", "mftd/catalog/found_sql.c",
             '"found.ctime_ns <> excluded.ctime_ns "', '"1 = 0 "',
             (*FOUND, "is_found_once")),
    Mutation("found_by_old_objects", "mftd/catalog/found_sql.c",
             '"UPDATE config SET version = version WHERE version = $1 AND ',
             '"UPDATE config SET version = version WHERE $1 > 0 AND ',
             (*FOUND, "not_of_objects_that_have_changed")),
    Mutation("found_with_any_number", "mftd/catalog/found_sql.c",
             '"route_sequence.last = excluded.last - 1 "', '"1 = 1 "',
             (*FOUND, "numbers_are_given_once")),
    Mutation("found_and_abandoned", "mftd/catalog/found.c",
             '*written = strcmp(row[0].p, "PUBLISHED") == 0;',
             "*written = true;",
             (*FOUND, "what_is_abandoned_never_comes")),
    Mutation("look_takes_at_once", "mftd/outbound/sight.c",
             "return now_ms - now->since_ms >= stable_ms ? MFTD_SIGHT_TAKE",
             "return stable_ms > 0 ? MFTD_SIGHT_TAKE",
             ("tests/unit/outbound/test_look",)),
    Mutation("look_takes_what_changed", "mftd/outbound/sight.c",
             "if (before == NULL || !mftd_version_equal(&now->v, &before->v))",
             "if (before == NULL)", ("tests/unit/outbound/test_look",)),
    stage("stage_above_not_durable",
          "	return mftd_sync_parent(s->root, path);\n", "	return 0;\n"),
    stage("stage_entry_not_durable",
          "	r = mftd_sync_all(s->dir);\n	if (r < 0)\n",
          "	if (r < 0)\n"),
    stage("stage_file_not_durable", "	int r = mftd_sync_all(fd);\n",
          "	int r = 0;\n"),
    stage("stage_out_not_durable",
          "	return r == 0 ? mftd_sync_all(s->out) : r;\n",
          "	return r;\n"),
    stage("stage_drop_not_in_order", "	r = mftd_sync_all(s->out);\n", ""),

    # half a rename, and a consumer that took the file
    half("links", "delivery.c", "a->links == 1 &&", "a->links < 3 &&",
         DELIVERY),
    half("reader", "delivery.c", "a->atime == mftd_delivery_atime(mtime)",
         "a->atime > 0", DELIVERY),
    half("before_settled", "delivery.c",
         "v = e->settled ? MFTD_VERDICT_IN_DOUBT",
         "v = true ? MFTD_VERDICT_IN_DOUBT", DELIVERY),
    half("blind", "traces.c", "other->blind = !kept;",
         "other->blind = false;", (*HALF, "test_blind")),
    half("unanswered", "deliver.c", "it->unanswered = it->evidence;",
         "it->unanswered = false;", (*HALF, "test_hangs_half")),
    half("refused", "delivery.c", "(e->refused && e->temp.links > 1)",
         "false", DELIVERY),
    half("seen", "publish.c", "it->seen |= !e.skipped &&",
         "it->seen |= false &&", (*HALF, "test_seen_before")),
    half("traced", "publish.c", "r = mftd_batch_trace(b, chosen);", "r = 0;",
         (*HALF, "test_not_begun")),
    half("atime_set", "send.c",
         "mftd_delivery_atime(mtime), &it->dated);\n	if (r == 0)",
         "mtime, &it->dated);\n	if (r == 0)", (*HALF, "test_not_begun")),
    half("older_than_mtime", "delivery.c",
         "return mtime > 0 ? mtime - 1 : 0;", "return mtime;", DELIVERY),
    half("trigger", "trigger.c",
         "replaces(it) || mftd_remote_can_replace(b->remote);",
         "replaces(it);", ("tests/unit/outbound/test_trigger",
                           "test_killed_in_rename")),
    Mutation("resend_goes_on", "mftd/catalog/person.c",
             "AND $3 = 'QUEUED' THEN 0 ", "AND $3 = 'QUEUED' THEN 3 ",
             ("tests/unit/catalog/test_catalog",
              "wish_to_resend_begins_anew")),

    # the shares of partners
    Mutation("places_shared", "mftd/outbound/job.c",
             "return left > own ? (left - own) / 2 : 0;", "return left;",
             ("tests/unit/outbound/test_job",)),
    Mutation("first_place", "mftd/outbound/job.c",
             "if (own == 0 && left == 1)", "if (false)",
             ("tests/unit/outbound/test_job",)),
    Mutation("published_shared", "mftd/outbound/job.c",
             "mftd_jobs_room(MFTD_JOBS_MAX, q->n_jobs, own) == 0",
             "false", ("tests/unit/outbound/test_job",)),

    # places: whose they are, and what they are called
    Mutation("place_without_inbound", "mftd/node/service.c",
             "		    in->wanted != MFTD_ROLE_STOPPED &&\n", "", SERVICE),
    Mutation("place_before_inbound", "mftd/node/service.c",
             "		    in->now != MFTD_ROLE_STOPPED)", "		    true)",
             SERVICE),
    Mutation("place_outlives_inbound", "mftd/node/service.c",
             "	    !place_gone(p))", "	    false)", SERVICE),
    Mutation("place_proven_gone", "mftd/node/service.c",
             "		    (s->lock_fd >= 0 || s->proving))",
             "		    s->lock_fd >= 0)", SERVICE),
    Mutation("place_of_a_stopped_node", "mftd/node/places.c",
             "	    in->state.role == MFTD_ROLE_STOPPED)", "	    false)",
             PLACES),
    Mutation("place_needed_by_nobody", "mftd/node/places.c",
             "!co->backlog.node_needed || ", "", PLACES),
    Mutation("place_stale", "mftd/node/places.c",
             "s->out_known && s->out.stale ?", "false ?", PLACES),
    Mutation("controller_is_pacemakers", "mftd/node/places.c",
             "!co->w->conf->cluster && ", "", PLACES),
    Mutation("place_and_queue", "mftd/catalog/route_place.c",
             "	if (r->queue != NULL)\n", "	if (false)\n",
             ("tests/unit/catalog/test_objects",)),
    Mutation("place_on_the_wire", "mftd/cluster/wire.c",
             "(text[0] == '\\0' || mftd_place_valid(text))", "true",
             ("tests/unit/cluster/test_wire",)),
    Mutation("place_in_a_snapshot", "mftd/cluster/table_snap.c",
             " &&\n	    !mftd_place_valid(out))", ")",
             ("tests/unit/cluster/test_table",)),
    Mutation("place_needed_in_hand", "mftd/catalog/backlog.c",
             "WAITS(MFTD_DB_IN_HAND)", "",
             ("tests/unit/catalog/test_catalog", "place_is_needed")),

    # what a delivery's rows say, and when
    Mutation("renamed_unwritten", "mftd/outbound/deliver.c",
             "if (answer.err[it - b->items] == 0)", "if (true)",
             ("tests/unit/outbound/test_batch",)),
    Mutation("sum_with_publish", "mftd/outbound/step.c",
             "(s->event == MFTD_EVENT_SENT || s->event == MFTD_EVENT_PUBLISH)",
             "s->event == MFTD_EVENT_SENT",
             ("tests/unit/outbound/test_outbound", "test_sums_up")),
    Mutation("number_sent_alone", "mftd/outbound/deliver.c",
             "at->if_exists == MFTD_IF_EXISTS_NUMBER ||", "",
             ("tests/unit/outbound/test_outbound",
              "test_stale_before_publishing")),

    # a partner that answers a READ with more than was asked for
    Mutation("data_fits", "mftd/outbound/remote.c",
             "if (len > left || len > d->size)", "if (len > left)",
             ("tests/unit/outbound/test_fetch",
              "answers_with_too_much")),

    # files fetched from a partner
    Mutation("fetch_at_first_sight", "mftd/outbound/listing.c",
             "return e->look != e->first && now_ms",
             "return now_ms",
             (*FETCH, "brings_what_is_stable")),
    Mutation("fetch_listed_as_stable", "mftd/outbound/listing.c",
             "if (e->size != size || e->mtime != mtime) {", "if (false) {",
             TIDY),
    Mutation("fetch_forgets_nothing", "mftd/outbound/listing.c",
             "e->mtime = INT64_MIN; /* no file's */", "", TIDY),
    Mutation("fetch_of_another_version", "mftd/outbound/fetch_read.c",
             "attrs.size != size ||", "false ||",
             (*FETCH, "changed_before_it_is_read")),
    Mutation("tidy_of_another_version", "mftd/outbound/tidy.c",
             "	if (!is_it(t, &t->source))\n		return MFTD_TIDY_DONE;\n",
             "	if (!t->source.exists)\n		return MFTD_TIDY_DONE;\n",
             TIDY),
    Mutation("tidy_without_proof", "mftd/outbound/tidy.c",
             "return fresh ? MFTD_TIDY_REMOVE : prove(t, MFTD_TIDY_REMOVE);",
             "return MFTD_TIDY_REMOVE;", TIDY),
    Mutation("tidy_before_it_is_delivered", "mftd/catalog/pull.c",
             "d.receipt = p.receipt AND d.state <> 'DONE') \"",
             "d.receipt = p.receipt AND d.state = 'QUEUED') \"",
             (*FOUND, "is_wished_once_delivered")),
    Mutation("pull_done_is_remembered", "mftd/catalog/pull.c",
             "	if (r <= 0 || !done)\n", "	if (r <= 0 || done)\n",
             (*FOUND, "done_is_forgotten_by_the_next")),

    # the role's word, which agents read while it is written
    Mutation("lock_word_taken_away_first", "mftd/base/lock.c",
             "	size_t len = strlen(text);\n	int r = mftd_fd_pwrite_full(",
             "	size_t len = strlen(text);\n"
             "	int r = ftruncate(fd, 0) < 0 ? -1 : mftd_fd_pwrite_full(",
             ("tests/unit/base/test_lock", "word_is_replaced_in_place")),

    # the agents
    Mutation("storage_red_at_once", "agents/verdict.c",
             "now_s - v->since_s >= confirm_s", "true",
             (*VERDICT, "confirmed_late_enough")),
    Mutation("storage_red_without_another", "agents/verdict.c",
             "v->color = green > 0 ?", "v->color = green != 0 ?",
             (*VERDICT, "confirmed_late_enough")),
    Mutation("storage_red_for_good", "agents/verdict.c",
             "	if (v->color == MFTD_COLOR_RED)\n		return true;\n",
             "	if (v->color == MFTD_COLOR_RED)\n		return false;\n",
             (*VERDICT, "never_all")),
    Mutation("storage_clock_back", "agents/verdict.c",
             "|| v->since_s > now_s", "",
             (*VERDICT, "clock_goes_back")),
    Mutation("storage_memory_half_read", "agents/verdict.c",
             "text[end] != '\\0' ||", "", (*VERDICT, "remembered")),
    Mutation("check_account_fails_service", "agents/check.c",
             "strstr(out, \"Permission denied\") != NULL", "false",
             ("tests/unit/agents/test_check", "what_sftp_means")),
    Mutation("check_storage_fails_service", "agents/check.c",
             "return storage ? MFTD_OCF_DEGRADED :", "return false ? 0 :",
             ("tests/unit/agents/test_check", "codes")),
    Mutation("memory_of_anybody", "ocf/memory.c",
             "|| st.st_uid != geteuid()", "", (*MEMORY, "not_ours")),
    Mutation("memory_of_a_link", "ocf/memory.c",
             "flags | O_CLOEXEC | O_NOFOLLOW |", "flags | O_CLOEXEC |",
             (*MEMORY, "not_ours")),
    Mutation("memory_leads_away", "ocf/memory.c",
             "instance[at] = '_';", "at++;", (*MEMORY, "names")),
    Mutation("memory_leaves_the_longer", "ocf/memory.c",
             "n = pwrite(fd, line, sizeof(line), 0);\n"
             "	if (n != (ssize_t)sizeof(line))",
             "n = pwrite(fd, line, len, 0);\n	if (n != (ssize_t)len)",
             (*MEMORY, "there_and_back")),
]
