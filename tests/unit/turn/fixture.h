/* A turn over a real store in a temporary directory and a real world, with sources
 * that are scripts and clocks that the test sets.
 *
 * tx.log tells, in order, what the turn did to the fake sources:
 *	k<2 resumed at 2   k.start   k+0 lent message 0   k=7 accepted as the 7th input
 *	since settle()   k=7r a repeat of it   k!not_json refused   k.ack   k.nack
 *	k.pause   k.resume
 * At each ack the database file is read through a second connection: what is being
 * acknowledged must be in it (promise G2).
 *
 * turns(n) runs the loop's hook; nothing sleeps.  A fake kafka or http source lends
 * each message once and goes back to its stored position when it is opened again (http
 * has none: its client sends again); the fake mqtt lends again what was not acked. */
#ifndef TESTS_UNIT_TURN_FIXTURE_H
#define TESTS_UNIT_TURN_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <glib.h>
#include <sqlite3.h>

#include "store/store.h"
#include "turn/turn_priv.h"

#define UNUSED __attribute__((unused))
#define WALL INT64_C(1772323200000)	/* 2026-03-01T00:00:00Z */
#define FAKES 4

struct fake {
	struct source	 base;		/* first */
	const char	*letter;
	GPtrArray	*script;	/* char *: bodies */
	const char	*type;		/* content type */
	unsigned	 next, cut, acked;
	unsigned	 released;	/* lent bytes up to this one are gone */
	char		*lent[8192];	/* copies that release() destroys */
	unsigned	 lent_n;
	unsigned	 per_read;	/* 0: all that fit */
	bool		 paused;
	uint64_t	 accepted;	/* newest seq */
};

static struct tx {
	char		*dir;
	struct loop	*loop;
	struct store	*store;
	struct exec	*exec;
	struct turn	*turn;
	struct source	*run;
	struct fake	 fakes[FAKES];
	struct clock_now now;
	GString		*log, *answers;
	int64_t		 reserve;
	unsigned	 broken, idle, ready;
	uint64_t	 base;		/* newest seq at the first settle() */
} tx;

static UNUSED const struct store_options tx_options = { .keep_ms = 86400000,
	.keep_bytes = 1 << 30, .keep_decisions_ms = 86400000 };

/* ---- the database, as another program sees it ---- */

/* First column of every row, joined by commas. */
static UNUSED const char *q(const char *sql)
{
	static char out[4096];
	char *path = g_build_filename(tx.dir, "retraind.db", NULL);
	sqlite3 *db;
	sqlite3_stmt *st = NULL;

	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL),
	    SQLITE_OK);
	if (sqlite3_prepare_v2(db, sql, -1, &st, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(db));
	out[0] = '\0';
	while (sqlite3_step(st) == SQLITE_ROW) {
		const char *v = (const char *)sqlite3_column_text(st, 0);

		g_strlcat(out, out[0] ? "," : "", sizeof(out));
		g_strlcat(out, v ? v : "NULL", sizeof(out));
	}
	sqlite3_finalize(st);
	sqlite3_close(db);
	g_free(path);
	return out;
}

static UNUSED int64_t qn(const char *sql)
{
	return strtoll(q(sql), NULL, 10);
}

#define EXPECT_SQL(sql, want) assert_string_equal(q(sql), want)

static UNUSED void expect_log(const char *want)
{
	assert_string_equal(tx.log->str, want);
	g_string_truncate(tx.log, 0);
}

/* ---- fake sources ---- */

static struct fake *fake_of(struct source *s)
{
	return (struct fake *)(void *)s;
}

static void note(struct source *s, const char *what)
{
	g_string_append_printf(tx.log, "%s%s ", fake_of(s)->letter, what);
}

static void fake_resume(struct source *s, struct str part, struct str position)
{
	struct fake *f = fake_of(s);
	char number[24];

	assert_true(str_is(part, STR("p")));
	snprintf(number, sizeof(number), "%.*s", STR_ARG(position));
	f->next = f->cut = f->acked = f->released = (unsigned)strtoul(number, NULL, 10);
	g_string_append_printf(tx.log, "%s<%s ", f->letter, number);
}

static void fake_start(struct source *s)
{
	note(s, ".start");
	turn_on_state(tx.turn, s, (struct str){ 0 }, SOURCE_UP);
	turn_on_state(tx.turn, s, (struct str){ 0 }, SOURCE_CAUGHT_UP);
	turn_on_ready(tx.turn, s);
}

static bool fake_read(struct source *s, struct batch *b, uint32_t max)
{
	struct fake *f = fake_of(s);
	unsigned n = 0;

	if (f->paused)
		return false;
	while (f->next < f->script->len && n < max && b->n < b->cap &&
	    (!f->per_read || n < f->per_read)) {
		const char *body = g_ptr_array_index(f->script, f->next);
		char *copy = f->lent[f->lent_n++] = g_strdup(body);

		b->v[b->n++] = (struct message){ .source = s->id, .origin = s->name,
			.part = STR("p"), .topic = STR("topic"), .pos = f->next,
			.time_ms = tx.now.wall_ms, .body = str_of(copy),
			.content_type = str_of(f->type), .token = f->next };
		if (strlen(body) < 400)
			g_string_append_printf(tx.log, "%s+%u ", f->letter, f->next);
		f->next++;
		n++;
	}
	return f->next < f->script->len;
}

static void fake_release(struct source *s)
{
	struct fake *f = fake_of(s);

	for (unsigned i = 0; i < f->lent_n; i++) {
		memset(f->lent[i], 'X', strlen(f->lent[i]));
		g_free(f->lent[i]);
	}
	f->lent_n = 0;
	f->released = f->next;
}

static void fake_cut(struct source *s, source_cut_f put, void *ctx)
{
	struct fake *f = fake_of(s);
	char number[24];

	if (f->cut == f->next)
		return;
	f->cut = f->next;
	snprintf(number, sizeof(number), "%u", f->cut);
	put(ctx, STR("p"), str_of(number));
}

static void fake_refuse(struct source *s, uint64_t token, enum event_refusal why,
    struct str text)
{
	(void)text;
	assert_true(token >= fake_of(s)->acked && token < fake_of(s)->next);
	g_string_append_printf(tx.log, "%s!%s ", fake_of(s)->letter,
	    event_refusal_name(why));
}

static void fake_accept(struct source *s, uint64_t token, uint64_t seq, bool repeat)
{
	struct fake *f = fake_of(s);

	assert_true(token >= f->acked && token < f->next);
	if (f->script->len < 100)
		g_string_append_printf(tx.log, "%s=%llu%s ", f->letter,
		    (unsigned long long)(seq - tx.base), repeat ? "r" : "");
	if (seq > f->accepted)
		f->accepted = seq;
}

/* Promise G2: what is acknowledged is in the file. */
static void fake_ack(struct source *s, struct committed c)
{
	struct fake *f = fake_of(s);
	char *sql = g_strdup_printf("SELECT position FROM pos WHERE part='p' AND source="
	    "(SELECT id FROM source WHERE name='%s')", f->letter);

	assert_true(c.commit > 0);
	if (f->cut > 0)
		assert_int_equal(qn(sql), f->next);
	assert_true((uint64_t)qn("SELECT max(seq0+n-1) FROM turn") >= f->accepted);
	if (f->acked < f->next)
		note(s, ".ack");
	f->acked = f->next;
	g_free(sql);
}

static void fake_nack(struct source *s)
{
	note(s, ".nack");
}

static void fake_pause(struct source *s, bool on)
{
	assert_true(on != fake_of(s)->paused);
	fake_of(s)->paused = on;
	note(s, on ? ".pause" : ".resume");
	if (!on)
		turn_on_ready(tx.turn, s);
}

static void fake_status(const struct source *s, struct source_status *out)
{
	(void)s;
	*out = (struct source_status){ .connected = true, .lag = -1 };
}

static UNUSED const struct option no_options[] = { { .name = NULL } };
static const struct catalog_kind
	kafka_kind = { CATALOG_SOURCE, "kafka", "", no_options, 0, NULL },
	mqtt_kind = { CATALOG_SOURCE, "mqtt", "", no_options, 0, NULL },
	http_kind = { CATALOG_SOURCE, "http", "", no_options, 0, NULL };
#define FAKE_CALLS .resume = fake_resume, .start = fake_start, .read = fake_read, \
	.release = fake_release, .cut = fake_cut, .refuse = fake_refuse, \
	.accept = fake_accept, .ack = fake_ack, .nack = fake_nack, .pause = fake_pause, \
	.status = fake_status
static const struct source_impl fake_kafka = { .kind = &kafka_kind,
	.journal = JOURNAL_REF, FAKE_CALLS };
static const struct source_impl fake_mqtt = { .kind = &mqtt_kind,
	.journal = JOURNAL_FULL, .commit_at_once = true, FAKE_CALLS };
static const struct source_impl fake_http = { .kind = &http_kind,
	.journal = JOURNAL_FULL, .commit_at_once = true, FAKE_CALLS };

/* Ids: k 1, j 2 (both kafka), m 3, h 4. */
static const struct catalog *tx_catalog(void)
{
	static const struct catalog_kind *kinds[] = { &kafka_kind, &mqtt_kind,
		&http_kind };
	static struct catalog_instance v[] = {
		{ CATALOG_SOURCE, 1, { "k", 1 }, &kafka_kind, { NULL, 0 }, NULL },
		{ CATALOG_SOURCE, 2, { "j", 1 }, &kafka_kind, { NULL, 0 }, NULL },
		{ CATALOG_SOURCE, 3, { "m", 1 }, &mqtt_kind, { NULL, 0 }, NULL },
		{ CATALOG_SOURCE, 4, { "h", 1 }, &http_kind, { NULL, 0 }, NULL },
	};
	static const struct catalog c = { kinds, 3, v, 4, false };

	return &c;
}

static UNUSED struct fake *fake(const char *letter)
{
	for (unsigned i = 0; i < FAKES; i++)
		if (strcmp(tx.fakes[i].letter, letter) == 0)
			return &tx.fakes[i];
	fail_msg("no source %s", letter);
	return NULL;
}

/* A source gets one more message, bytes as they are. */
static UNUSED void give(const char *letter, const char *body)
{
	struct fake *f = fake(letter);

	g_ptr_array_add(f->script, g_strdup(body));
	if (tx.turn && !f->paused)
		turn_on_ready(tx.turn, &f->base);
}

/* A CloudEvent of type `type` with this id. */
static UNUSED void give_event(const char *letter, const char *type, const char *id)
{
	char *body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"%s\",\"source\":"
	    "\"/t\",\"type\":\"%s\",\"data\":{\"v\":1}}", id, type);

	give(letter, body);
	g_free(body);
}

/* ---- rules, answers ---- */

static UNUSED struct ruleset *rules_of(const char *yaml)
{
	const struct rule_text text = { .name = STR("rules/t.yaml"),
		.dir = STR("/srv/rules"), .bytes = str_of(yaml) };
	const struct text named = { text.name, text.bytes };
	struct diags *d = diags_new(&named, 1);
	struct ruleset *rs = ruleset_build(&text, 1, tx_catalog(), d);
	GString *s = g_string_new(NULL);

	diags_render(d, s);
	if (!rs)
		fail_msg("%s", s->str);
	g_string_free(s, TRUE);
	diags_free(d);
	return rs;
}

static UNUSED void on_answer(void *ctx, int status, struct str json)
{
	g_string_append_printf(tx.answers, "%s %d %.*s\n", (const char *)ctx, status,
	    STR_ARG(json));
}

static UNUSED void command(const char *name, enum command_kind kind, const char *target,
    const char *key)
{
	struct command c = { .kind = kind, .actor = STR("uid 0"),
		.target = str_of(target) };
	uint8_t k[16] = { 0 };

	if (key)
		memcpy(k, key, MIN(strlen(key), 16));
	turn_command(tx.turn, &c, key ? k : NULL, on_answer, (void *)(uintptr_t)name);
}

static UNUSED void expect_answers(const char *want)
{
	assert_string_equal(tx.answers->str, want);
	g_string_truncate(tx.answers, 0);
}

/* ---- the parts ---- */

static struct clock_now tx_clock(void)
{
	return tx.now;
}

static void on_broken(void *ctx, const struct err *err)
{
	(void)ctx;
	(void)err;
	tx.broken++;
}

static void on_ready(void *ctx)
{
	(void)ctx;
	tx.ready++;
}

static UNUSED void on_idle(void *ctx)
{
	(void)ctx;
	tx.idle++;
}

static void on_report(void *ctx, const struct report *r)
{
	(void)ctx;
	turn_on_report(tx.turn, r);
}

static void add_fakes(void)
{
	static const struct source_impl *const impls[FAKES] = { &fake_kafka, &fake_kafka,
		&fake_mqtt, &fake_http };
	static const char *const letters[FAKES] = { "k", "j", "m", "h" };

	for (unsigned i = 0; i < FAKES; i++) {
		struct fake *f = &tx.fakes[i];

		f->base = (struct source){ .magic = SOURCE_MAGIC, .impl = impls[i],
			.id = i + 1, .name = str_of(letters[i]),
			.journal = impls[i]->journal };
		f->letter = letters[i];
		f->type = "application/cloudevents+json";
		if (!f->script)
			f->script = g_ptr_array_new_with_free_func(g_free);
		/* kafka starts where it is told to; mqtt's broker sends again */
		f->next = impls[i] == &fake_kafka ? 0 : f->acked;
		f->cut = f->released = f->acked = f->next;
		f->paused = false;
		turn_add_source(tx.turn, &f->base);
	}
}

static UNUSED void open_turn(void)
{
	struct err err = { 0 };
	struct store_options o = tx_options;
	struct exec_host eh = { .state_dir = tx.dir, .instance = "i",
		.on_report = on_report };
	struct source_host sh = { .config_dir = "/", .state_dir = tx.dir, .instance = "i",
		.on_ready = turn_on_ready, .on_state = turn_on_state };
	struct turn_parts p = { .catalog = tx_catalog(), .instance = "inst",
		.epoch = "epoch", .fingerprint = "fp", .clock = tx_clock,
		.on_broken = on_broken, .on_ready = on_ready, .clock_wait_ms = 60000 };

	o.reserve_bytes = tx.reserve;
	p.loop = eh.loop = sh.loop = tx.loop = loop_new();
	tx.store = p.store = sh.store = store_open(tx.dir, &o, &err);
	if (!tx.store)
		fail_msg("%s", err.msg);
	tx.exec = p.exec = exec_new(&eh);
	tx.turn = sh.ctx = turn_new(&p);
	tx.run = source_run.open(&sh, STR("run"), NULL, &err);
	turn_add_source(tx.turn, tx.run);
	add_fakes();
}

/* yaml NULL: no rule files, the last good set. */
static UNUSED void start(const char *yaml)
{
	struct err err = { 0 };

	open_turn();
	if (!turn_recover(tx.turn, yaml ? rules_of(yaml) : NULL, &err))
		fail_msg("%s", err.msg);
}

/* As kill -9 would: what is not committed is gone. */
static UNUSED void kill_turn(void)
{
	for (unsigned i = 0; i < FAKES; i++)
		fake_release(&tx.fakes[i].base);
	source_run.close(tx.run);
	turn_free(tx.turn);
	tx.turn = NULL;
	exec_free(tx.exec);
	store_close(tx.store);
	loop_free(tx.loop);
}

static UNUSED void restart(const char *yaml)
{
	kill_turn();
	start(yaml);
}

static UNUSED void turns(unsigned n)
{
	while (n-- > 0)
		turn_run(tx.turn);
}

/* Time passes on both clocks, then the hook runs. */
static UNUSED void after(int64_t ms)
{
	tx.now.wall_ms += ms;
	tx.now.boot_ms += ms;
	turn_run(tx.turn);
}

/* The turns of the start are over and committed; the log begins here. */
static UNUSED void settle(void)
{
	turns(3);
	after(COMMIT_MS);
	assert_false(store_open_commit(tx.store));
	if (!tx.base)
		tx.base = world_seq(turn_world(tx.turn));
	g_string_truncate(tx.log, 0);
}

static UNUSED int tx_setup(void **state)
{
	(void)state;
	memset(&tx, 0, sizeof(tx));
	tx.dir = g_dir_make_tmp("retraind-turn-XXXXXX", NULL);
	tx.log = g_string_new(NULL);
	tx.answers = g_string_new(NULL);
	tx.now = (struct clock_now){ WALL, 5000000 };
	return 0;
}

static UNUSED void remove_tree(const char *dir)
{
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d))) {
		char *p = g_build_filename(dir, name, NULL);

		unlink(p);
		g_free(p);
	}
	if (d)
		g_dir_close(d);
	rmdir(dir);
}

static UNUSED int tx_teardown(void **state)
{
	(void)state;
	if (tx.turn)
		kill_turn();
	for (unsigned i = 0; i < FAKES; i++)
		if (tx.fakes[i].script)
			g_ptr_array_free(tx.fakes[i].script, TRUE);
	g_string_free(tx.log, TRUE);
	g_string_free(tx.answers, TRUE);
	remove_tree(tx.dir);
	g_free(tx.dir);
	return 0;
}
#define TEST(f) cmocka_unit_test_setup_teardown(f, tx_setup, tx_teardown)
#endif
