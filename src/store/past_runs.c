/* What the tables of runs and models say of the past: how long runs take, which version
 * was champion when, and the rule sets by name.  For backtests, which recompute the
 * decisions but not the runs. */
#include <stdlib.h>

#include "store/past.h"
#include "store/store_priv.h"

static sqlite3_stmt *prepare(struct past *p, const char *sql)
{
	sqlite3_stmt *st = NULL;

	(void)sqlite3_prepare_v2(past_db(p), sql, -1, &st, NULL);
	return st;
}

static bool ended(struct past *p, sqlite3_stmt *st, int rc, const char *what,
    struct err *err)
{
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		err_set(err, ERR_IO, "reading %s: %s", what, sqlite3_errmsg(past_db(p)));
	sqlite3_finalize(st);
	return rc == SQLITE_DONE || rc == SQLITE_ROW;
}

static struct str column(sqlite3_stmt *st, int i, struct arena *a)
{
	const void *v = sqlite3_column_blob(st, i);

	return arena_str(a, (struct str){ v, (uint32_t)sqlite3_column_bytes(st, i) });
}

static int cmp_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

bool past_run_time(struct past *p, struct str pipeline, int64_t *ret_ms, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT finished-created FROM run WHERE pipeline=?1"
	    " AND state='completed' ORDER BY id DESC LIMIT 20");
	int64_t v[20];
	int n = 0, rc;

	sqlite3_bind_text(st, 1, pipeline.p, (int)pipeline.len, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW && n < 20)
		v[n++] = sqlite3_column_int64(st, 0);
	if (n)
		qsort(v, (size_t)n, sizeof(*v), cmp_i64);
	*ret_ms = !n ? -1 : n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2;
	return ended(p, st, rc, "runs", err);
}

/* A version was promoted when its run ended; the champion of now without a run, when it
 * became one. */
bool past_champions(struct past *p, int64_t ms, struct arena *a,
    struct past_champion **ret, uint32_t *ret_n, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT m.model,m.version,m.metrics,m.baseline,"
	    "max(coalesce(r.finished,m.since)) FROM model m"
	    " LEFT JOIN run r ON r.name=m.run WHERE (m.stage='champion' OR"
	    " (m.stage='archived' AND r.outcome='promoted'))"
	    " AND coalesce(r.finished,m.since)<=?1 GROUP BY m.model ORDER BY m.model");
	uint32_t cap = 0;
	int rc;

	*ret = NULL;
	*ret_n = 0;
	sqlite3_bind_int64(st, 1, ms);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		*ret = arena_grow(a, *ret, *ret_n, &cap, sizeof(**ret));
		(*ret)[(*ret_n)++] = (struct past_champion){ column(st, 0, a),
			column(st, 1, a), column(st, 2, a), column(st, 3, a) };
	}
	return ended(p, st, rc, "models", err);
}

bool past_ruleset_named(struct past *p, struct str name, uint8_t hash[32],
    struct err *err)
{
	bool live = str_is(name, STR("live"));
	sqlite3_stmt *st = prepare(p, live ?
	    "SELECT ruleset FROM turn ORDER BY id DESC LIMIT 1" :
	    "SELECT hash FROM ruleset WHERE substr(lower(hex(hash)),1,length(?1))="
	    "lower(?1) LIMIT 2");
	int n = 0, rc;

	if (!live)
		sqlite3_bind_text(st, 1, name.p, (int)name.len, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		if (sqlite3_column_bytes(st, 0) == 32)
			memcpy(hash, sqlite3_column_blob(st, 0), 32);
		n++;
	}
	if (!ended(p, st, rc, "rule sets", err))
		return false;
	if (n > 1)
		return err_set(err, ERR_USAGE, "'@%.*s' is the beginning of several"
		    " rule sets' hashes", STR_ARG(name));
	return n == 1 || err_set(err, ERR_NOT_FOUND, "no rule set '@%.*s' is stored",
	    STR_ARG(name));
}

static bool last_seq(struct past *p, uint64_t *ret, struct err *err)
{
	sqlite3_stmt *st = prepare(p, "SELECT coalesce(max(seq0+n-1),0) FROM turn");
	int rc = sqlite3_step(st);

	*ret = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(st, 0) : 0;
	return ended(p, st, rc, "turns", err);
}

static struct str borrowed(sqlite3_stmt *st, int i)
{
	const void *v = sqlite3_column_blob(st, i);

	return (struct str){ v, (uint32_t)sqlite3_column_bytes(st, i) };
}

/* The input is read first: firings after it that are seen all the same do no harm. */
bool past_firings(struct past *p, struct str rule, uint64_t *ret_as_of,
    void (*each)(void *, const struct past_firing *), void *ctx, struct err *err)
{
	sqlite3_stmt *st;
	int rc;

	if (!last_seq(p, ret_as_of, err))
		return false;
	st = prepare(p, "SELECT d.key,r.events,d.event,r.state FROM decision d LEFT JOIN"
	    " run r ON r.id=d.run WHERE d.outcome='fired' AND d.rule_id IN"
	    " (SELECT id FROM rule WHERE name=?1)");
	sqlite3_bind_text(st, 1, rule.p, (int)rule.len, SQLITE_STATIC);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct past_firing f = { borrowed(st, 0), borrowed(st, 1),
			borrowed(st, 2), borrowed(st, 3) };

		each(ctx, &f);
	}
	return ended(p, st, rc, "decisions", err);
}
