/* What readers ask, as JSON.  Every connection here is read-only and every question is
 * cut after two seconds, so that no page can hold the writer's log.
 *
 * To add a question: a kind in query.h, a function here, a row in `questions`.
 * Text is bound, never pasted; filters that are not given are "?N IS NULL OR". */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "store/query.h"
#include "store/store_priv.h"

#define LIMIT_DEFAULT 100
#define LIMIT_MAX 1000
#define CUT_US 2000000

struct reader_db {
	sqlite3		*db;
	gint64		 until;
};

static int on_progress(void *arg)
{
	return g_get_monotonic_time() > ((struct reader_db *)arg)->until;
}

struct reader_db *reader_open(const char *path, struct err *err)
{
	struct reader_db *r = g_new0(struct reader_db, 1);

	if (sqlite3_open_v2(path, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX,
			    NULL) != SQLITE_OK) {
		err_set(err, ERR_IO, "'%s': %s", path, sqlite3_errmsg(r->db));
		reader_close(r);
		return NULL;
	}
	sqlite3_busy_timeout(r->db, 1000);
	sqlite3_progress_handler(r->db, 10000, on_progress, r);
	return r;
}

void reader_close(struct reader_db *r)
{
	if (!r)
		return;
	sqlite3_close(r->db);
	g_free(r);
}

void query_free(struct query *q)
{
	if (!q)
		return;
	g_free(q->id), g_free(q->rule), g_free(q->pipeline), g_free(q->key),
	    g_free(q->state);
	g_free(q->outcome), g_free(q->event), g_free(q->model);
	g_free(q);
}

/* Columns as members: the name's suffix says the type (":j" JSON, ":t" time in ms,
 * ":b" bool, ":n" text or null); plain: by the column's own type. */
static void column_json(sqlite3_stmt *st, int i, GString *out)
{
	const char *name = sqlite3_column_name(st, i), *colon = strchr(name, ':');
	int type = sqlite3_column_type(st, i);
	const char *text =
	    type == SQLITE_NULL ? NULL : (const char *)sqlite3_column_text(st, i);

	json_key_str(out, (struct str){ name, (uint32_t)(colon ? (size_t)(colon - name) :
	    strlen(name)) });
	if (type == SQLITE_NULL)
		json_nil(out);
	else if (colon && colon[1] == 'j')
		json_raw(out, str_of(text));
	else if (colon && colon[1] == 't')
		json_time(out, sqlite3_column_int64(st, i));
	else if (colon && colon[1] == 'b')
		json_bool(out, sqlite3_column_int(st, i) != 0);
	else if (type == SQLITE_INTEGER)
		json_i64(out, sqlite3_column_int64(st, i));
	else
		json_str(out,
			 (struct str) { text, (uint32_t)sqlite3_column_bytes(st, i) });
}

static void row_json(sqlite3_stmt *st, GString *out)
{
	for (int i = 0; i < sqlite3_column_count(st); i++)
		column_json(st, i, out);
}

static bool ended(struct reader_db *r, sqlite3_stmt *st, int rc, struct err *err)
{
	sqlite3_finalize(st);
	if (rc == SQLITE_DONE)
		return true;
	if (rc == SQLITE_INTERRUPT)
		return err_set(err, ERR_LIMIT,
			       "the question took longer than 2 s: narrow it");
	return err_set(err, ERR_IO, "%s", sqlite3_errmsg(r->db));
}

static sqlite3_stmt *prepare(struct reader_db *r, const char *sql)
{
	sqlite3_stmt *st = NULL;

	sqlite3_prepare_v2(r->db, sql, -1, &st, NULL);
	return st;
}

static void bind_z(sqlite3_stmt *st, int i, const char *z)
{
	if (z && *z)
		sqlite3_bind_text(st, i, z, -1, SQLITE_STATIC);
}

static void bind_n(sqlite3_stmt *st, int i, int64_t n)
{
	if (n)
		sqlite3_bind_int64(st, i, n);
}

static int64_t limit_of(const struct query *q)
{
	return !q->limit ? LIMIT_DEFAULT : q->limit > LIMIT_MAX ? LIMIT_MAX : q->limit;
}

/* An array of every row. */
static bool list(struct reader_db *r, sqlite3_stmt *st, GString *out, struct err *err)
{
	int rc;

	json_open(out, '[');
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		json_open(out, '{');
		row_json(st, out);
		json_close(out, '}');
	}
	json_close(out, ']');
	return ended(r, st, rc, err);
}

#define RUN_COLUMNS \
	"name AS id, id AS number, pipeline, rule, key, model, state, outcome, reason," \
	" decision, events AS \"events:j\", params AS \"params:j\", trigger AS " \
	"\"trigger:j\"," \
	" code AS \"code:j\", environment AS \"environment:j\", actor," \
	" abort_requested AS \"abort_requested:b\"," \
	" unverified AS \"unverified:b\", created AS \"created:t\", started AS " \
	"\"started:t\"," \
	" finished AS \"finished:t\", lower(hex(pipeline_hash)) AS pipeline_hash," \
	" lower(hex(ruleset_hash)) AS ruleset_hash," \
	" (SELECT o.name FROM run o WHERE o.id=run.retry_of) AS retry_of "

static bool steps(struct reader_db *r, int64_t run, bool full, GString *out,
		  struct err *err)
{
	sqlite3_stmt *st = prepare(
	    r, full ? "SELECT idx AS \"index\", name, state, reason, attempts, outputs "
		      "AS \"outputs:j\","
		      " metrics AS \"metrics:j\", artifacts AS \"artifacts:j\", started "
		      "AS \"started:t\","
		      " finished AS \"finished:t\" FROM step WHERE run=?1 ORDER BY idx"
		    : "SELECT name, state, reason, attempts, started AS \"started:t\","
		      " finished AS \"finished:t\" FROM step WHERE run=?1 ORDER BY idx");

	sqlite3_bind_int64(st, 1, run);
	json_key(out, "steps");
	if (!list(r, st, out, err))
		return false;
	if (!full)
		return true;
	st = prepare(r, "SELECT (SELECT name FROM step s WHERE s.run=attempt.run AND"
			" s.idx=attempt.step) AS step, attempt, akey AS key, executor, "
			"native_id, native_state,"
			" reason, state, exit_code, started AS \"started:t\", finished "
			"AS \"finished:t\""
			" FROM attempt WHERE run=?1 ORDER BY step, attempt");
	sqlite3_bind_int64(st, 1, run);
	json_key(out, "attempts");
	return list(r, st, out, err);
}

/* Run rows with their steps inside. */
static bool run_rows(struct reader_db *r, sqlite3_stmt *st, bool full, GString *out,
    unsigned *n, struct err *err)
{
	int rc;

	for (*n = 0; (rc = sqlite3_step(st)) == SQLITE_ROW; ++*n) {
		json_open(out, '{');
		row_json(st, out);
		if (!steps(r, sqlite3_column_int64(st, 1), full, out, err)) {
			sqlite3_finalize(st);
			return false;
		}
		json_close(out, '}');
	}
	return ended(r, st, rc, err);
}

static bool q_runs(struct reader_db *r, const struct query *q, GString *out,
		   struct err *err)
{
	sqlite3_stmt *st =
	    prepare(r, "SELECT " RUN_COLUMNS "FROM run WHERE"
		       " (?1 IS NULL OR pipeline=?1) AND (?2 IS NULL OR rule=?2) AND (?3 "
		       "IS NULL OR key=?3)"
		       " AND (?4 IS NULL OR state=?4) AND (?5 IS NULL OR outcome=?5) AND"
		       " (?6 IS NULL OR created>=?6) AND (?7 IS NULL OR created<=?7) AND"
		       " (?8 IS NULL OR run.id<?8) AND (?10 IS NULL OR model=?10)"
		       " ORDER BY run.id DESC LIMIT ?9");
	unsigned n;
	bool ok;

	bind_z(st, 1, q->pipeline), bind_z(st, 2, q->rule), bind_z(st, 3, q->key);
	bind_z(st, 4, q->state), bind_z(st, 5, q->outcome);
	bind_n(st, 6, q->since_ms), bind_n(st, 7, q->until_ms),
	    bind_n(st, 8, (int64_t)q->before);
	bind_n(st, 9, limit_of(q)), bind_z(st, 10, q->model);
	json_open(out, '[');
	ok = run_rows(r, st, false, out, &n, err);
	json_close(out, ']');
	return ok;
}

/* A run is named "fraud-412" or by its number alone. */
static sqlite3_stmt *by_run(struct reader_db *r, const char *select, const char *id)
{
	char *sql = g_strconcat(
	    select, " FROM run WHERE id=?1 AND (?2 IS NULL OR name=?2)", NULL);
	sqlite3_stmt *st = prepare(r, sql);
	const char *dash = strrchr(id, '-');

	sqlite3_bind_int64(st, 1, strtoll(dash ? dash + 1 : id, NULL, 10));
	if (dash)
		sqlite3_bind_text(st, 2, id, -1, SQLITE_STATIC);
	g_free(sql);
	return st;
}

static bool q_run(struct reader_db *r, const struct query *q, GString *out,
		  struct err *err)
{
	sqlite3_stmt *st = by_run(r, "SELECT " RUN_COLUMNS, q->id);
	unsigned n;

	if (!run_rows(r, st, true, out, &n, err))
		return false;
	return n ? true : err_set(err, ERR_NOT_FOUND, "no run '%s'", q->id);
}

#define DECISION_COLUMNS \
	"id, rule, key, time AS \"time:t\", outcome, suppressor, event, run_name AS " \
	"run, reason," \
	" due_ms AS \"due:t\", count, seq "

static bool q_decisions(struct reader_db *r, const struct query *q, GString *out,
    struct err *err)
{
	sqlite3_stmt *st = prepare(r, "SELECT " DECISION_COLUMNS "FROM decision WHERE"
				      " (?1 IS NULL OR rule=?1) AND (?2 IS NULL OR "
				      "key=?2) AND (?3 IS NULL OR outcome=?3) AND"
				      " (?4 IS NULL OR event=?4) AND (?5 IS NULL OR "
				      "time>=?5) AND (?6 IS NULL OR time<=?6) AND"
				      " (?7 IS NULL OR id<?7) ORDER BY id DESC LIMIT ?8");

	bind_z(st, 1, q->rule), bind_z(st, 2, q->key), bind_z(st, 3, q->outcome);
	bind_z(st, 4, q->event), bind_n(st, 5, q->since_ms), bind_n(st, 6, q->until_ms);
	bind_n(st, 7, (int64_t)q->before), bind_n(st, 8, limit_of(q));
	return list(r, st, out, err);
}

static bool q_decision(struct reader_db *r, const struct query *q, GString *out,
    struct err *err)
{
	sqlite3_stmt *st = prepare(r, "SELECT " DECISION_COLUMNS ", trace AS \"trace:j\""
	    " FROM decision WHERE id=?1");
	int rc;

	sqlite3_bind_int64(st, 1, strtoll(q->id, NULL, 10));
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		json_open(out, '{');
		row_json(st, out);
		json_close(out, '}');
		rc = sqlite3_step(st);
	}
	if (!ended(r, st, rc, err))
		return false;
	return out->len ? true : err_set(err, ERR_NOT_FOUND, "no decision %s", q->id);
}

static bool q_events(struct reader_db *r, const struct query *q, GString *out,
		     struct err *err)
{
	sqlite3_stmt *st = prepare(r, "SELECT id, type, subject, time AS \"time:t\","
				      " json AS \"event:j\" FROM outbox WHERE (?1 IS "
				      "NULL OR id<?1) ORDER BY id DESC LIMIT ?2");

	bind_n(st, 1, (int64_t)q->before), bind_n(st, 2, limit_of(q));
	return list(r, st, out, err);
}

static bool q_quarantine(struct reader_db *r, const struct query *q, GString *out,
    struct err *err)
{
	sqlite3_stmt *st =
	    prepare(r, "SELECT id, time AS \"time:t\", source, part, position, reason,"
		       " why, bytes, hex(substr(head,1,256)) AS head FROM quarantine"
		       " WHERE (?1 IS NULL OR id<?1) ORDER BY id DESC LIMIT ?2");

	bind_n(st, 1, (int64_t)q->before), bind_n(st, 2, limit_of(q));
	return list(r, st, out, err);
}

static bool q_models(struct reader_db *r, const struct query *q, GString *out,
		     struct err *err)
{
	sqlite3_stmt *st =
	    prepare(r, "SELECT model, version, stage, run, metrics AS \"metrics:j\","
		       " since AS \"since:t\" FROM model WHERE (?1 IS NULL OR model=?1)"
		       " ORDER BY model, since DESC LIMIT ?2");

	bind_z(st, 1, q->model), bind_n(st, 2, limit_of(q));
	return list(r, st, out, err);
}

static bool q_dues(struct reader_db *r, const struct query *q, GString *out,
		   struct err *err)
{
	sqlite3_stmt *st =
	    prepare(r, "SELECT rule.name AS rule, schedule, due_ms AS \"due:t\","
		       " outcome FROM due JOIN rule ON rule.id=due.rule WHERE (?1 IS "
		       "NULL OR rule.name=?1)"
		       " AND (?2 IS NULL OR due_ms>=?2) ORDER BY due_ms DESC LIMIT ?3");

	bind_z(st, 1, q->rule), bind_n(st, 2, q->since_ms), bind_n(st, 3, limit_of(q));
	return list(r, st, out, err);
}

static bool q_audit(struct reader_db *r, const struct query *q, GString *out,
		    struct err *err)
{
	sqlite3_stmt *st = prepare(
	    r,
	    "SELECT id, time AS \"time:t\", actor, verb, target, detail,"
	    " answer FROM audit WHERE (?1 IS NULL OR id<?1) ORDER BY id DESC LIMIT ?2");

	bind_n(st, 1, (int64_t)q->before), bind_n(st, 2, limit_of(q));
	return list(r, st, out, err);
}

/* One statement: as_of and the rows are of one moment. */
static bool q_fired_dues(struct reader_db *r, const struct query *q, GString *out,
    struct err *err)
{
	sqlite3_stmt *st = prepare(r, "SELECT (SELECT coalesce(max(seq0+n-1),0) FROM"
	    " turn) AS as_of, (SELECT"
	    " coalesce(json_group_array(json_object('due',d.due_ms,"
	    "'state',r.state)),'[]') FROM decision d LEFT JOIN run r ON r.id=d.run WHERE"
	    " d.rule_id IN (SELECT id FROM rule WHERE name=?1) AND d.outcome='fired' AND"
	    " d.due_ms IS NOT NULL) AS \"fired:j\"");

	bind_z(st, 1, q->rule);
	return list(r, st, out, err);
}

/* What COMMAND_RETRY carries, so that the world needs no memory of ended runs. */
static bool q_retry(struct reader_db *r, const struct query *q, GString *out,
		    struct err *err)
{
	sqlite3_stmt *st = by_run(
	    r,
	    "SELECT id AS number, name AS run, pipeline, rule, key, model,"
	    " state, lower(hex(pipeline_hash)) AS pipeline_hash, params AS \"params:j\","
	    " events AS \"events:j\", trigger AS \"trigger:j\", decision",
	    q->id);
	int rc = sqlite3_step(st);
	int64_t run = 0;

	if (rc == SQLITE_ROW) {
		run = sqlite3_column_int64(st, 0);
		json_open(out, '{');
		row_json(st, out);
		rc = sqlite3_step(st);
	}
	if (!ended(r, st, rc, err))
		return false;
	if (!run)
		return err_set(err, ERR_NOT_FOUND, "no run '%s'", q->id);
	st = prepare(
	    r, "SELECT name AS step, outputs AS \"outputs:j\", metrics AS \"metrics:j\""
	       " FROM step WHERE run=?1 AND state='completed' ORDER BY idx");
	sqlite3_bind_int64(st, 1, run);
	json_key(out, "adopt");
	if (!list(r, st, out, err))
		return false;
	json_close(out, '}');
	return true;
}

static bool q_ended(struct reader_db *r, const struct query *q, GString *out,
    struct err *err)
{
	sqlite3_stmt *st = prepare(r, "SELECT akey AS key, attempt.finished AS"
	    " \"finished:t\" FROM attempt JOIN run ON run.id=attempt.run WHERE"
	    " run.finished>=?1 AND attempt.finished IS NOT NULL AND run.name NOT IN"
	    " (SELECT run FROM model WHERE stage='champion' AND run IS NOT NULL)"
	    " ORDER BY attempt.run, attempt.finished");

	sqlite3_bind_int64(st, 1, q->since_ms);
	return list(r, st, out, err);
}

static bool (*const questions[])(struct reader_db *, const struct query *, GString *,
				 struct err *) = {
	[QUERY_RUNS] = q_runs,           [QUERY_RUN] = q_run,
	[QUERY_DECISIONS] = q_decisions, [QUERY_DECISION] = q_decision,
	[QUERY_EVENTS] = q_events,       [QUERY_QUARANTINE] = q_quarantine,
	[QUERY_MODELS] = q_models,       [QUERY_DUES] = q_dues,
	[QUERY_AUDIT] = q_audit,         [QUERY_RETRY] = q_retry,
	[QUERY_ENDED] = q_ended,
	[QUERY_FIRED_DUES] = q_fired_dues,
};

bool query_run(struct reader_db *r, const struct query *q, GString *json, struct err *err)
{
	r->until = g_get_monotonic_time() + CUT_US;
	return questions[q->kind](r, q, json, err);
}
