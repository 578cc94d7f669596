/* The least that a program can do between a message and a child that runs: consume,
 * commit one row, spawn.
 *
 *	floor PORT DATABASE SHIM CHILD FILE [load]
 *
 * librdkafka's batch call on a wake-up pipe, as the daemon has it; one SQLite row per
 * trigger, WAL and synchronous=FULL, checkpoints left out; posix_spawn of SHIM, which
 * becomes CHILD FILE SENT.  With `load` it reads that topic too and touches each message.
 * Runs until it is killed.
 */
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <poll.h>
#include <spawn.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BATCH 256

static const char *shim, *child, *file;
static sqlite3_stmt *begin, *insert, *commit;
static char *const no_env[] = { NULL };

static void die(const char *what, const char *why)
{
	fprintf(stderr, "floor: %s: %s\n", what, why);
	exit(1);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *st;

	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL))
		die(sql, sqlite3_errmsg(db));
	return st;
}

static void open_database(const char *path)
{
	sqlite3 *db;

	if (sqlite3_open(path, &db) ||
	    sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
		"PRAGMA wal_autocheckpoint=0; CREATE TABLE run (id INTEGER PRIMARY KEY,"
		"offset INTEGER, sent TEXT)", NULL, NULL, NULL))
		die(path, sqlite3_errmsg(db));
	begin = prepare(db, "BEGIN IMMEDIATE");
	insert = prepare(db, "INSERT INTO run (offset, sent) VALUES (?, ?)");
	commit = prepare(db, "COMMIT");
}

static void step(sqlite3_stmt *st)
{
	if (sqlite3_step(st) != SQLITE_DONE)
		die("commit", sqlite3_errmsg(sqlite3_db_handle(st)));
	sqlite3_reset(st);
}

static void trigger(const rd_kafka_message_t *m)
{
	char text[512], *sent, *end;
	char *argv[] = { (char *)shim, (char *)child, (char *)file, NULL, NULL };
	pid_t pid;
	int rc;

	snprintf(text, sizeof(text), "%.*s", (int)m->len, (const char *)m->payload);
	if (!(sent = strstr(text, "\"sent\":\"")) || !(end = strchr(sent += 8, '"')))
		die("trigger", text);
	*end = '\0';
	step(begin);
	sqlite3_bind_int64(insert, 1, m->offset);
	sqlite3_bind_text(insert, 2, sent, -1, SQLITE_STATIC);
	step(insert);
	step(commit);
	argv[3] = sent;
	if ((rc = posix_spawn(&pid, shim, NULL, NULL, argv, no_env)))
		die(shim, strerror(rc));
}

/* The daemon's own settings (kafka_settings.c). */
static const char *const settings[][2] = {
	{ "group.id", "floor" }, { "queued.max.messages.kbytes", "262144" },
	{ "queued.min.messages", "1000000" }, { "receive.message.max.bytes", "67108864" },
	{ "enable.auto.commit", "false" }, { "enable.auto.offset.store", "false" },
	{ "enable.partition.eof", "true" }, { "check.crcs", "true" },
};

static rd_kafka_queue_t *client(const char *port, int wake, bool load)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(2);
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char why[256], brokers[64];
	rd_kafka_queue_t *q;
	rd_kafka_t *rk;

	snprintf(brokers, sizeof(brokers), "127.0.0.1:%s", port);
	rd_kafka_conf_set(conf, "bootstrap.servers", brokers, NULL, 0);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++)
		if (rd_kafka_conf_set(conf, settings[i][0], settings[i][1], why,
		    sizeof(why)))
			die(settings[i][0], why);
	if (!(rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, why, sizeof(why))))
		die("librdkafka", why);
	rd_kafka_poll_set_consumer(rk);
	q = rd_kafka_queue_get_consumer(rk);
	rd_kafka_queue_io_event_enable(q, wake, "1", 1);
	rd_kafka_topic_partition_list_add(list, "trigger", 0)->offset = 0;
	if (load)
		rd_kafka_topic_partition_list_add(list, "load", 0)->offset = 0;
	rd_kafka_assign(rk, list);
	return q;
}

static void take(rd_kafka_message_t *m)
{
	static volatile char touched;

	if (!m->err && strcmp(rd_kafka_topic_name(m->rkt), "trigger") == 0)
		trigger(m);
	else if (!m->err)
		touched = *(char *)m->payload;
	(void)touched;
	rd_kafka_message_destroy(m);
}

int main(int argc, char **argv)
{
	rd_kafka_message_t *v[BATCH];
	rd_kafka_queue_t *q;
	int wake[2];

	if (argc < 6 || pipe2(wake, O_NONBLOCK | O_CLOEXEC))
		return 2;
	open_database(argv[2]);
	shim = argv[3], child = argv[4], file = argv[5];
	q = client(argv[1], wake[1], argc > 6);
	for (;;) {
		ssize_t n = rd_kafka_consume_batch_queue(q, 0, v, BATCH);
		if (n <= 0) {
			struct pollfd p = { wake[0], POLLIN, 0 };
			char sink[64];
			poll(&p, 1, 1000);
			while (read(wake[0], sink, sizeof(sink)) == (ssize_t)sizeof(sink))
				;
		}
		for (ssize_t i = 0; i < n; i++)
			take(v[i]);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
}
