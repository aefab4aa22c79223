/* Part of mftd; see LICENSE. */
#ifndef MFTD_BASE_LIMITS_H
#define MFTD_BASE_LIMITS_H

/*
 * Every bound of the system by name (design: limits and bad input).  Sizes
 * include the NUL where they are of strings.  mftd-limits(7) has a row for
 * each, tests/style/limits sees to that.
 */
#define MFTD_NAME_BYTES 96 /* account, partner, route, queue, node */
#define MFTD_ID_BYTES 96 /* session, part, receipt, delivery id */
#define MFTD_PATH_BYTES 4096 /* a path below an account's root */
#define MFTD_FILE_NAME_BYTES 256 /* one component of it */
#define MFTD_PARENT_KEY_BYTES 96 /* names a directory for parts */
#define MFTD_ADDR_BYTES 96 /* a numeric address with its port */
#define MFTD_REASON_BYTES 256 /* a reason for people */
#define MFTD_SHA256_BYTES 32
#define MFTD_KEY_BYTES 4096 /* a public key blob or line */
#define MFTD_SECRET_BYTES 1024 /* a password */

#define MFTD_NODES_MAX 32
#define MFTD_INCARNATIONS_MAX 128 /* that the group still has to know */
#define MFTD_VOLUMES_MAX 8
#define MFTD_QUEUES_MAX 32
#define MFTD_QUEUE_BYTES 58 /* a queue's name, within that of a session */
#define MFTD_BACKLOG_MAX 1000 /* deliveries of a queue are counted so far */
#define MFTD_LISTEN_MAX 8
#define MFTD_HOST_KEYS_MAX 8
#define MFTD_FOLDERS_MAX 8 /* virtual folders of an account */
#define MFTD_QUOTA_LOCK_MS 1000 /* for another node's use of a count */
#define MFTD_QUOTA_STEP_BYTES (64LL * 1024 * 1024) /* granted ahead */
#define MFTD_QUOTA_RECOUNT_S 86400 /* a count this old is made again */
#define MFTD_FOLDER_PATH_BYTES 512 /* where one lies below the volume */

#define MFTD_MSG_BYTES 65536 /* a message between processes, whole */
#define MFTD_MSG_FDS 16 /* descriptors that one may carry */
#define MFTD_CHAN_QUEUE_MAX 1024 /* messages waiting for one channel */
#define MFTD_SESSIONS_MAX 4096 /* sessions of one node */

#define MFTD_LOGIN_GRACE_S 120 /* accept to login, if not configured */
#define MFTD_LOGIN_TRIES_MAX 6 /* refused attempts, if not configured */
#define MFTD_WAIT_S_MAX 86400 /* idle_timeout_s, keepalive_s */
#define MFTD_STARTUPS_START 128 /* connections without login: then some, */
#define MFTD_STARTUPS_RATE 30 /* of 100 at first, are turned away, */
#define MFTD_STARTUPS_MAX 256 /* and from here on all */
#define MFTD_STARTUPS_SOURCE_MAX 64 /* of them, of one source */
#define MFTD_PROXY_WAITING_MAX 256 /* connections without a whole header */
#define MFTD_PROXY_BYTES 2048 /* a PROXY header, whole */
#define MFTD_PROXY_S 5 /* for it to come */
#define MFTD_NETS_MAX 32 /* networks in one list of mftd.yaml */
#define MFTD_BANS_MAX 1024 /* addresses that the group keeps out */
#define MFTD_BAN_SCORES_MAX 4096 /* sources whose failures a node counts */
#define MFTD_BAN_S_MAX 31536000 /* how long an address may be kept out */
#define MFTD_AUTH_POOL 2 /* password checks at a time (128 MiB each) */
#define MFTD_AUTH_QUEUE_MAX 256 /* password checks that wait */
#define MFTD_SSH_CHANNELS_MAX 10 /* of one connection */

#define MFTD_SFTP_PACKET_BYTES (256 * 1024 + 1024) /* length field's bound */
#define MFTD_SFTP_HANDLES_MAX 256 /* open handles of one session */
#define MFTD_SFTP_PENDING_MAX 1024 /* requests that wait for an answer */
#define MFTD_SFTP_READ_BYTES 261120 /* one READ or WRITE; as OpenSSH's */
#define MFTD_SFTP_OUTPUT_BYTES (2 * 1024 * 1024) /* then input waits */
#define MFTD_SFTP_NAMES_BYTES 65536 /* names in one READDIR answer */
#define MFTD_SFTP_PARTS_SHOWN_MAX 4096 /* unfinished uploads in a listing */
#define MFTD_SFTP_IDS_MAX 1024 /* users or groups asked for at a time */
#define MFTD_SFTP_HASHES_BYTES 65536 /* in one answer of check-file */
#define MFTD_SFTP_WRITEBACK_BYTES (4 * 1024 * 1024) /* between starts */
#define MFTD_PART_EXPIRE_S 604800 /* a cut upload, if not configured */
#define MFTD_PART_EXPIRE_S_MAX 31536000
#define MFTD_SFTP_SYNC_BYTES (8 * 1024 * 1024) /* between syncs of a part */
#define MFTD_SFTP_SYNC_THREADS 4 /* syncs of one session at a time */
#define MFTD_SFTP_SLICED_MAX 16 /* of a channel, that take a whole file */
#define MFTD_SFTP_WAITING_MAX 256 /* requests that let others pass */
#define MFTD_SFTP_WAITING_BYTES (64 * 257 * 1024) /* their bytes */

#define MFTD_JOBS_MAX 2048 /* deliveries of one queue in hand */
#define MFTD_CLAIMED_MAX 1024 /* of them, not yet in PUBLISHING */
#define MFTD_CLAIM_PARTNER_MAX 256 /* of one partner, claimed at a time */
#define MFTD_DELIVER_BATCH_MAX 128 /* deliveries of one deliver at a time */
#define MFTD_DELIVER_BATCH_BYTES (8LL * 1024 * 1024) /* of several */
#define MFTD_STEPS_MAX 512 /* rows of deliveries written at once */
#define MFTD_LANES 2 /* times that, beside one another (PostgreSQL) */
#define MFTD_TEMP_SUFFIX_BYTES 32 /* temp_suffix of a route */
#define MFTD_TEMP_DIRECTORY_BYTES 512 /* its temp_directory */
#define MFTD_TRIGGER_BYTES 256 /* its trigger, or trigger_line */
#define MFTD_NUMBER_MAX 999 /* in a name where the plain one exists */
#define MFTD_RESUME_BYTES (16 * 1024 * 1024) /* a smaller file starts over */
#define MFTD_RESUME_BACK_BYTES (4 * 1024 * 1024) /* then sent again */
#define MFTD_RESUME_READ_BYTES (1024 * 1024) /* compared before these */
#define MFTD_COUNT_MAX 100000 /* deliveries in one state that are counted */
#define MFTD_REMOTE_SUM_BYTES (256 * 1024 * 1024) /* hashed by a partner */
#define MFTD_TRACE_NAMES_MAX 65536 /* of a partner's directory, listed */
#define MFTD_DELIVERS_MAX 16 /* deliver processes of one queue */
#define MFTD_DELIVERS_SILENT_MAX 32 /* more, whose partners do not answer */
#define MFTD_RUNNERS_MAX 48 /* both together */
#define MFTD_SILENT_MS 5000 /* so long a partner has not answered one */
#define MFTD_HUNG_JOBS_MAX 16 /* claimed of a partner that hangs */
#define MFTD_CONNECTIONS_MAX 8 /* of them, to one partner */
#define MFTD_DELIVERS_PARTNER_MAX 4 /* to a partner, if not given */
#define MFTD_RETRY_TRIES 100 /* of a delivery, if not given */
#define MFTD_RETRY_TRIES_MAX 10000
#define MFTD_RETRY_HOURS 24 /* from the first of them, if not given */
#define MFTD_RETRY_HOURS_MAX 8760
#define MFTD_TRIES_KEPT 32 /* the last ones of a delivery, as rows */
#define MFTD_LOOKS_MAX 4 /* processes of a queue that look into folders */
#define MFTD_LOOK_FILES_MAX 100000 /* of one folder, seen by one look */
#define MFTD_PARTNER_CALLS_MAX 3 /* in vain, in a row: then it is stopped */
#define MFTD_FETCHES_MAX 32 /* routes of a queue that fetch */
#define MFTD_FETCH_NAMES_MAX 65536 /* files of a partner's folder */
#define MFTD_FETCH_ASK_MAX 64 /* of them, asked about at a time */
#define MFTD_FETCH_READS 32 /* READs under way to one file */
#define MFTD_FETCH_MARK_BYTES (64 * 1024 * 1024) /* to the next mark */
#define MFTD_FETCH_TIDY_AGAIN_S 60 /* what failed afterwards at the partner */
#define MFTD_PROBES_MAX 2 /* delivers that look whether one is back */

#define MFTD_HOOKS_MAX 256 /* configured */
#define MFTD_HOOK_FILTERS_MAX 256 /* routes, accounts, partners of one */
#define MFTD_HOOK_ARGS_MAX 64 /* its program and arguments */
#define MFTD_HOOK_TEXT_BYTES 1024 /* one of these, an URL, an address */
#define MFTD_HOOK_S_MAX 3600 /* how long one run may take */
#define MFTD_HOOK_GRACE_MS 2000 /* for what runs when the queue moves */
#define MFTD_HOOK_TRIES_MAX 100 /* of one run */
#define MFTD_HOOK_RUNS_MAX 16 /* at a time */
#define MFTD_HOOK_RUNS_ONE_MAX 4 /* of them, of one hook */
#define MFTD_EVENT_ID_BYTES 224
#define MFTD_EVENTS_SPREAD_MAX 512 /* whose runs are made at a time */
#define MFTD_EVENT_KEEP_S 2592000 /* an event, once its runs have ended */

#define MFTD_CONTROL_REQUEST_BYTES 65536
#define MFTD_CONTROL_CLIENTS_MAX 64

#define MFTD_RECORD_BYTES 16384 /* a journal record, whole */
#define MFTD_SOURCE_LOOKS_MAX 512 /* ended deliveries looked at for that */
#define MFTD_AWAY_BACK_MAX 1000 /* that follow to a volume at a time */
#define MFTD_DISPOSALS_MAX 32 /* sources archived or deleted at a time */
#define MFTD_DISPOSE_AGAIN_S 10 /* then another node may do it */
#define MFTD_DISPOSE_WAIT_S 3600 /* for other routes of a folder, at most */
#define MFTD_DISPOSE_ERROR_S 60 /* after an error it is tried again */
#define MFTD_ARCHIVE_NAMES_MAX 1000 /* of one name in a folder of it */
#define MFTD_JOURNAL_KEEP_DAYS 90 /* a record, if not configured */
#define MFTD_JOURNAL_KEEP_DAYS_MAX 36500
#define MFTD_GROUP_MESSAGE_BYTES 8192 /* a CPG message */
#define MFTD_GROUP_QUEUE_MAX 4096 /* CPG messages not yet delivered */

#endif
