/* Why a rule fired, or did not.
 *
 *	decision given ──► its trace
 *	event given ─────► the trace of the decision on it; else, where it is the last
 *	                   event of the key, evaluated again, else out of the journal
 *	at given ────────► out of the journal (child.c)
 *	else ────────────► the decision on the key's last event; where that event decided
 *	                   nothing, evaluated again from the state as it is */
#include <string.h>

#include "api/priv.h"
#include "replay/replay.h"

#define COVERED "covered are decisions (get decisions) and the last event of a key"

/* The newest decision of that rule, key and event: its id. */
static char *find_decision(struct reader_db *db, const struct query *q, struct err *err)
{
	struct query list = *q;
	GString *s = g_string_new(NULL);
	char *id = NULL;
	json_t *rows = NULL;

	list.kind = QUERY_DECISIONS;
	list.limit = 1;
	if (query_run(db, &list, s, err))
		rows = json_loadb(s->str, s->len, JSON_ALLOW_NUL, NULL);
	if (json_array_size(rows))
		id = g_strdup_printf("%lld", (long long)json_integer_value(
		    json_object_get(json_array_get(rows, 0), "id")));
	else if (!err->code)
		err_set(err, ERR_NOT_FOUND, "rule '%s' has no decision on event '%s': "
		    COVERED, q->rule, q->event);
	json_decref(rows);
	g_string_free(s, TRUE);
	return id;
}

static void fill(json_t *trace, const char *name, json_t *row, const char *column)
{
	json_t *v = json_object_get(row, column);

	if (!json_object_get(trace, name) && v && !json_is_null(v))
		json_object_set(trace, name, v);
}

/* The row's trace, with what was known only after it was written. */
static bool trace_of(json_t *row, const struct query *q, GString *out, struct err *err)
{
	json_t *trace = json_object_get(row, "trace");
	const char *rule = json_string_value(json_object_get(row, "rule"));
	char *text;

	if (q->rule && rule && strcmp(q->rule, rule) != 0)
		return err_set(err, ERR_NOT_FOUND,
		    "decision %s is of rule '%s', not of '%s'",
		    q->id, rule, q->rule);
	if (!json_is_object(trace))
		return err_set(err, ERR_NOT_FOUND, "decision %s has no trace any more: "
		    COVERED, q->id);
	fill(trace, "decision", row, "id");
	fill(trace, "run", row, "run");
	text = json_dumps(trace, JSON_COMPACT);
	g_string_append(out, text);
	free(text);
	return true;
}

static bool explain_run(struct reader_db *db, const struct query *q, GString *out,
    struct err *err)
{
	struct query one = { .kind = QUERY_DECISION, .rule = q->rule };
	GString *s = g_string_new(NULL);
	json_t *row = NULL;
	bool ok;

	one.id = q->id ? g_strdup(q->id) : find_decision(db, q, err);
	ok = one.id && query_run(db, &one, s, err);
	if (ok) {
		row = json_loadb(s->str, s->len, JSON_ALLOW_NUL, NULL);
		ok = trace_of(row, &one, out, err);
	}
	json_decref(row);
	g_free(one.id);
	g_string_free(s, TRUE);
	return ok;
}

/* From the state as it is; `event`: only if that was the key's last one. */
static void again(struct call *c, const char *event, const struct err *not_found)
{
	const char *rule = call_arg(c, "rule"), *key = call_arg(c, "key"), *id;
	struct turn *t = call_turn(c);
	GString *s = g_string_new(NULL);
	struct turn_status st;
	struct err err = { 0 };
	json_t *trace = NULL, *last;

	if (t) {
		turn_status(t, &st);
		if (replay_explain(turn_world(t), str_of(rule), str_of(key ? key : ""),
		    st.wall_ms, st.tick_ms, s, &err))
			trace = json_loadb(s->str, s->len, JSON_ALLOW_NUL, NULL);
		last = json_object_get(trace, "event");
		id = json_string_value(json_object_get(last, "id"));
		if (event && (err.code || !id || strcmp(id, event) != 0))
			explain_past(c);
		else if (err.code)
			call_err(c, not_found ? not_found : &err);
		else
			call_json(c, 200, (struct str){ s->str, (uint32_t)s->len });
	}
	json_decref(trace);
	g_string_free(s, TRUE);
}

/* Id of the key's last event; NULL: none is kept, or what is asked for is unknown. */
static char *last_event(struct call *c)
{
	const char *key = call_arg(c, "key");
	GString *s = g_string_new(NULL);
	struct turn_status st;
	struct err err = { 0 };
	char *id = NULL;

	if (call_turn(c)) {
		turn_status(call_turn(c), &st);
		if (replay_explain(turn_world(call_turn(c)), str_of(call_arg(c, "rule")),
		    str_of(key ? key : ""), st.wall_ms, st.tick_ms, s, &err)) {
			json_t *trace = json_loadb(s->str, s->len, JSON_ALLOW_NUL, NULL);
			id = g_strdup(json_string_value(json_object_get(
			    json_object_get(trace, "event"), "id")));
			json_decref(trace);
		}
	}
	g_string_free(s, TRUE);
	return id;
}

static void on_explained(struct call *c, const struct err *err, struct str json)
{
	const char *event = c->req ? call_arg(c, "event") : NULL;

	if (!err)
		call_json(c, 200, json);
	else if (err->code == ERR_NOT_FOUND && !(c->req && call_arg(c, "decision")))
		again(c, event, event ? err : NULL);
	else
		call_err(c, err);
}

void on_explain(struct call *c)
{
	const char *decision = call_arg(c, "decision"), *rule = call_arg(c, "rule");
	struct query *q;

	if (!rule && !decision && !call_arg(c, "event")) {
		call_error(c, 400, "expected 'rule', 'event' or 'decision'");
		return;
	}
	if (call_arg(c, "at") || (!rule && !decision)) {
		explain_past(c);
		return;
	}
	if (decision && strspn(decision, "0123456789") != strlen(decision)) {
		call_error(c, 400, "parameter 'decision': expected a number");
		return;
	}
	q = g_new0(struct query, 1);
	if (!call_filters(c, q)) {
		query_free(q);
		return;
	}
	q->id = g_strdup(decision);
	if (!decision && !q->event && !(q->event = last_event(c))) {
		query_free(q);
		again(c, NULL, NULL);
		return;
	}
	call_read(c, q, explain_run, on_explained);
}
