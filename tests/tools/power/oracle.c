/* Puts commits and knows what they leave.  Per commit: two turns, a journal frame, two
 * decisions, two seen rows, one outbox row, one run that begins, one that starts and
 * one that ends, a position, every fifth time an audit row; cells by one of several
 * moves, so that deltas, whole dirty shards, tombstones and rolled shards all occur. */
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <zstd.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/codec.h"
#include "power/oracle.h"

#define KIND 200
#define WALL INT64_C(1772336400000)
#define TEXT 80
#define PARTS 4

static int64_t wall_of(uint64_t commit)
{
	return WALL + (int64_t)commit * 1000;
}

/* The text that commit n leaves in its k-th row of one kind. */
static void text_of(const struct oracle *o, char kind, uint64_t n, unsigned k,
    char ret[TEXT])
{
	snprintf(ret, TEXT, "%c %llu %u %016llx", kind, (unsigned long long)n, k,
	    (unsigned long long)o->salt[n]);
}

static void h16_of(const struct oracle *o, uint64_t n, unsigned k, uint8_t ret[16])
{
	struct dice d = { o->salt[n] + k + 1 };
	uint64_t a[2] = { dice_next(&d), dice_next(&d) };

	memcpy(ret, a, 16);
}

static void fill(uint8_t *to, uint32_t n, uint64_t value)
{
	struct dice d = { value };

	for (uint32_t i = 0; i < n; i += 8) {
		uint64_t x = dice_next(&d);
		memcpy(to + i, &x, MIN(n - i, 8));
	}
}

void oracle_clear(struct oracle *o)
{
	memset(&o->sure, 0, sizeof(o->sure));
	o->open = false;
}

static void touch_key(struct key *k, struct dice *d, struct cells *c)
{
	k->value = dice_next(d);
	fill(cells_touch(c, k->id), k->bytes, k->value);
}

static void resize_key(struct key *k, struct dice *d, struct cells *c, uint32_t bytes)
{
	k->value = dice_next(d);
	k->bytes = bytes;
	fill(cells_resize(c, k->id, bytes), bytes, k->value);
}

static void add_key(struct key *k, struct dice *d, struct cells *c, uint32_t bytes)
{
	k->id = cells_add(c, KIND, bytes);
	k->bytes = bytes;
	touch_key(k, d, c);
}

static void drop_key(struct key *k, struct cells *c)
{
	cells_drop(c, k->id);
	*k = (struct key){ 0 };
}

static void move(struct model *m, struct dice *d, struct cells *c, unsigned weight)
{
	struct key *k = &m->keys[dice_below(d, KEYS)];
	uint32_t bytes = (uint32_t)dice_below(d, dice_below(d, 50) ? 200 : CELL_MAX);

	if (!k->id)
		add_key(k, d, c, bytes);
	else if (dice_below(d, 100) < weight)
		drop_key(k, c);
	else if (dice_below(d, 4) == 0)
		resize_key(k, d, c, bytes);
	else
		touch_key(k, d, c);
}

static void put_cells(struct model *m, struct dice *d, struct cells *c)
{
	uint64_t kind = dice_below(d, 20), n = 0;
	unsigned weight = 20;		/* per cent of moves on a cell that drop it */

	if (kind < 13)
		n = 1 + dice_below(d, 12);
	else if (kind < 16)
		n = 100 + dice_below(d, 300);	/* most shards are dirty */
	else if (kind < 18)
		n = 60, weight = 90;
	while (n--)
		move(m, d, c, weight);
}

/* The run of commit n as it is after commit `now`. */
static struct run_row run_of(const struct oracle *o, uint64_t n, uint64_t now, char *name)
{
	enum run_state s = n == now ? RUN_PENDING :
	    n + 1 == now ? RUN_RUNNING : RUN_COMPLETED;

	text_of(o, 'r', n, 0, name);
	return (struct run_row){ .id = n, .name = str_of(name), .pipeline = STR("p"),
		.state = s, .outcome = s == RUN_COMPLETED ? RUN_NONE : 0,
		.created_ms = wall_of(n),
		.started_ms = s == RUN_PENDING ? 0 : wall_of(n + 1),
		.finished_ms = s == RUN_COMPLETED ? wall_of(n + 2) : 0 };
}

static void put_rows(const struct oracle *o, uint64_t n, struct store *s,
    struct arena *a)
{
	struct decision_row dec[2];
	struct run_row run[3];
	char text[2][TEXT], name[3][TEXT], out[TEXT];
	struct outbox_row row = { .id = n, .type = STR("t"), .json = { out, 0 } };
	struct effects fx;

	effects_init(&fx, a);
	for (unsigned k = 0; k < 2; k++) {
		text_of(o, 'd', n, k, text[k]);
		dec[k] = (struct decision_row){ .id = 2 * n - 1 + k, .seq = n,
			.rule = STR("r"), .key = str_of(text[k]),
			.time_ms = wall_of(n), .outcome = OUTCOME_FIRED };
	}
	fx.decided.decisions = dec;
	fx.decided.decisions_n = 2;
	for (uint64_t k = 0; k < 3 && k < n; k++)
		run[fx.runs_n++] = run_of(o, n - k, n, name[k]);
	fx.runs = run;
	text_of(o, 'o', n, 0, out);
	row.json = str_of(out);
	fx.outbox = &row;
	fx.outbox_n = 1;
	store_put(s, &fx);
}

static void put_frame(const struct oracle *o, uint64_t n, struct store *s)
{
	static char body[4096];
	size_t pad = o->salt[n] % 3000;

	text_of(o, 'j', n, 0, body);
	fill((uint8_t *)body + TEXT, (uint32_t)pad, o->salt[n]);
	store_put_frame(s, JOURNAL_FULL, 'i',
	    (struct str){ body, TEXT + (uint32_t)pad });
}

void oracle_put(struct oracle *o, struct dice *d, struct store *s, struct cells *c,
    struct arena *a)
{
	uint64_t n = o->sure.commit + 1;
	struct outbox_item *read;
	char text[TEXT];
	uint8_t h[16];

	CHECK(n < COMMITS_MAX);
	o->salt[n] = dice_next(d);
	o->next = o->sure;
	o->next.commit = n;
	o->open = true;
	for (unsigned k = 0; k < 2; k++) {
		store_turn(s, &(struct turn_head){ .id = 2 * n - 1 + k, .seq0 = n,
			.n = k + 1, .wall_ms = wall_of(n), .tick_ms = wall_of(n) });
		h16_of(o, n, k, h);
		store_put_seen(s, STR("m"), h, wall_of(n), n);
	}
	put_frame(o, n, s);
	put_rows(o, n, s, a);
	text_of(o, 'p', n, 0, text);
	store_put_position(s, STR("k"),
	    arena_printf(a, "%u", (unsigned)(n % PARTS)), str_of(text));
	if (n % 5 == 0) {
		text_of(o, 'a', n, 0, text);
		store_put_audit(s, wall_of(n), n, STR("w"), STR("v"), STR(""), STR(""),
		    str_of(text));
	}
	store_put_meta(s, "mark", arena_printf(a, "%llu", (unsigned long long)n));
	store_outbox(s, n > 5 ? n - 5 : 0, 1, a, &read);	/* it may be trimmed */
	put_cells(&o->next, d, c);
}

void oracle_acknowledged(struct oracle *o)
{
	memcpy(&o->sure, &o->next, sizeof(o->sure));
	o->open = false;
}

/* frame(zblob): the text at the head of a journal row's one frame; its padding too is
 * looked at. */
static void sql_frame(sqlite3_context *ctx, int n, sqlite3_value **arg)
{
	static char plain[8192];
	size_t len = ZSTD_decompress(plain, sizeof(plain), sqlite3_value_blob(arg[0]),
	    (size_t)sqlite3_value_bytes(arg[0]));
	struct reader r;
	struct str body;
	uint8_t want[4096];
	unsigned long long salt = 0;

	(void)n;
	if (ZSTD_isError(len))
		return;
	r = reader_of((struct str){ plain, (uint32_t)len });
	if (get_u8(&r) != 'i')
		return;
	body = get_str(&r);
	if (!reader_done(&r) || body.len < TEXT || body.len > TEXT + 3000 ||
	    sscanf(body.p, "j %*u 0 %16llx", &salt) != 1)
		return;
	fill(want, body.len - TEXT, salt);
	if (memcmp(want, body.p + TEXT, body.len - TEXT) == 0)
		sqlite3_result_text(ctx, body.p, -1, SQLITE_TRANSIENT);
}

/* One table: rows (number, text) in order, without a gap, the last of them the
 * commit's; the first may be gone as far as retention lets it. */
struct table {
	const char	*name, *sql;
	char		 kind;
	unsigned	 per;		/* rows of a commit */
	unsigned	 every;		/* in every N-th commit */
	uint64_t	 keep;		/* commits that retention leaves alone */
};
static const struct table tables[] = {
	{ "turn", "SELECT id, wall FROM turn ORDER BY id", 't', 2, 1, 300 },
	{ "journal", "SELECT turn1/2, frame(zblob) FROM journal WHERE turn1=turn0+1"
	  " ORDER BY turn0", 'j', 1, 1, 300 },
	{ "seen", "SELECT 2*seq-1+(row_number() OVER (PARTITION BY seq)-1), hex(h16)"
	  " FROM (SELECT * FROM seen ORDER BY seq, hex(h16)) ORDER BY 1", 's', 2, 1,
	  200 },
	{ "decision", "SELECT id, key FROM decision WHERE seq=(id+1)/2 ORDER BY id",
	  'd', 2, 1, 300 },
	{ "run", "SELECT id, name||state FROM run ORDER BY id", 'r', 1, 1, COMMITS_MAX },
	{ "outbox", "SELECT id, json FROM outbox ORDER BY id", 'o', 1, 1, 300 },
	{ "audit", "SELECT seq/5, answer FROM audit ORDER BY seq", 'a', 1, 5,
	  COMMITS_MAX },
};

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void want_seen(const struct oracle *o, uint64_t n, unsigned k, char *ret)
{
	char both[2][TEXT];
	uint8_t h[16];

	for (unsigned i = 0; i < 2; i++) {
		h16_of(o, n, i, h);
		for (unsigned b = 0; b < 16; b++)
			snprintf(both[i] + 2 * b, 3, "%02X", h[b]);
	}
	qsort(both, 2, TEXT, by_text);
	g_strlcpy(ret, both[k], TEXT);
}

static void want_text(const struct oracle *o, const struct table *t, uint64_t number,
    uint64_t now, char ret[2 * TEXT])
{
	uint64_t n = (number + t->per - 1) / t->per * t->every;
	unsigned k = (unsigned)((number - 1) % t->per);

	if (t->kind == 't')
		snprintf(ret, TEXT, "%lld", (long long)wall_of(n));
	else if (t->kind == 's')
		want_seen(o, n, k, ret);
	else
		text_of(o, t->kind, n, k, ret);
	if (t->kind == 'r')
		g_strlcat(ret, n == now ? "pending" : n + 1 == now ? "running" :
		    "completed", 2 * TEXT);
}

static bool check_table(const struct oracle *o, const struct table *t, sqlite3 *db,
    uint64_t now, GString *why)
{
	sqlite3_stmt *st = NULL;
	uint64_t last = 0, first = 0, end = now / t->every * t->per, need;
	char want[2 * TEXT];
	bool ok = sqlite3_prepare_v2(db, t->sql, -1, &st, NULL) == SQLITE_OK;
	int rc = SQLITE_ERROR;

	while (ok && (rc = sqlite3_step(st)) == SQLITE_ROW) {
		uint64_t number = (uint64_t)sqlite3_column_int64(st, 0);

		first = first ? first : number;
		ok = number >= 1 && number <= end && (!last || number == last + 1);
		last = number;
		if (ok)
			want_text(o, t, number, now, want);
		ok = ok && g_strcmp0((const char *)sqlite3_column_text(st, 1), want) == 0;
	}
	need = now / t->every > t->keep ? end - t->keep * t->per + 1 : 1;
	if (!ok || rc != SQLITE_DONE || last != end || (end && first > need)) {
		g_string_append_printf(why, "table %s: rows %llu to %llu of %llu: %s; ",
		    t->name, (unsigned long long)first, (unsigned long long)last,
		    (unsigned long long)end, ok ? sqlite3_errmsg(db) : "a wrong row");
		ok = false;
	}
	sqlite3_finalize(st);
	return ok;
}

static void one_position(void *ctx, struct str part, struct str position)
{
	g_string_append_printf(ctx, "%.*s=%.*s;", STR_ARG(part), STR_ARG(position));
}

static bool check_positions(const struct oracle *o, struct store *s, uint64_t now,
    GString *why)
{
	GString *got = g_string_new(NULL), *want = g_string_new(NULL);
	struct err err = { 0 };
	char text[TEXT];
	bool ok = store_positions(s, STR("k"), one_position, got, &err);

	for (uint64_t p = 0; p < PARTS; p++) {
		uint64_t n = now - (now + PARTS - p) % PARTS;	/* its last commit */

		if (n == 0 || n > now)
			continue;
		text_of(o, 'p', n, 0, text);
		g_string_append_printf(want, "%llu=%s;", (unsigned long long)p, text);
	}
	ok = ok && g_string_equal(got, want);
	if (!ok)
		g_string_append_printf(why, "positions %s, not %s; ", got->str,
		    want->str);
	g_string_free(got, TRUE);
	g_string_free(want, TRUE);
	return ok;
}

static bool check_cells(const struct model *m, const struct cells *c, GString *why)
{
	static uint8_t want[CELL_MAX];
	uint32_t n = 0, wrong = 0;

	for (uint32_t i = 0; i < KEYS; i++) {
		const struct key *k = &m->keys[i];

		if (!k->id)
			continue;
		n++;
		fill(want, k->bytes, k->value);
		wrong += cells_kind(c, k->id) != KIND ||
		    cells_bytes(c, k->id) != k->bytes ||
		    memcmp(cells_get(c, k->id), want, k->bytes) != 0;
	}
	if (!wrong && cells_count(c) == n)
		return true;
	g_string_append_printf(why, "%u of %u cells are wrong, and %u are there; ", wrong,
	    n, cells_count(c));
	return false;
}

static bool check_sound(sqlite3 *db, GString *why)
{
	sqlite3_stmt *st = NULL;
	const char *said = NULL;
	bool ok;

	if (sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &st, NULL) ==
	    SQLITE_OK && sqlite3_step(st) == SQLITE_ROW)
		said = (const char *)sqlite3_column_text(st, 0);
	ok = g_strcmp0(said, "ok") == 0;
	if (!ok)
		g_string_append_printf(why, "integrity_check: %s; ",
		    said ? said : sqlite3_errmsg(db));
	sqlite3_finalize(st);
	return ok;
}

static bool check_all(const struct oracle *o, const struct model *m, struct store *s,
    const struct cells *c, GString *why)
{
	sqlite3 *db = NULL;
	bool ok = sqlite3_open(store_path(s), &db) == SQLITE_OK &&
	    sqlite3_create_function(db, "frame", 1, SQLITE_UTF8, NULL, sql_frame, NULL,
		NULL) == SQLITE_OK && check_sound(db, why);

	if (ok) {
		ok = check_cells(m, c, why);
		ok = check_positions(o, s, m->commit, why) && ok;
		for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++)
			ok = check_table(o, &tables[i], db, m->commit, why) && ok;
	}
	sqlite3_close(db);
	return ok;
}

bool oracle_check(struct oracle *o, struct store *s, const struct cells *c, GString *why,
    bool *lost)
{
	char mark[32] = "0";
	uint64_t n;
	bool next;

	store_get_meta(s, "mark", mark, sizeof(mark));
	n = g_ascii_strtoull(mark, NULL, 10);
	next = o->open && n == o->next.commit;
	*lost = n < o->sure.commit;
	if (n != o->sure.commit && !next) {
		g_string_append_printf(why, "commit %llu, acknowledged were %llu; ",
		    (unsigned long long)n, (unsigned long long)o->sure.commit);
		return false;
	}
	if (!check_all(o, next ? &o->next : &o->sure, s, c, why))
		return false;
	if (store_meta(s)->last_turn != 2 * n) {
		g_string_append_printf(why, "the last turn is %llu; ",
		    (unsigned long long)store_meta(s)->last_turn);
		return false;
	}
	if (next)
		oracle_acknowledged(o);
	o->open = false;
	return true;
}
