/* A backfill: its due times or events are checked here and decided by decide, one after
 * the other, in the same input.  All that an event says is in the command, so that the
 * journal needs no other one to decide it again. */
#include "base/json.h"
#include "flow/engine.h"

#define BACKFILL_MAX 1000	/* due times or events of one command */
#define DEPTH_MAX 512		/* an event was accepted once */

static bool numbers(const struct value *list, int64_t *ret)
{
	int64_t last = INT64_MIN;

	for (uint32_t i = 0; i < list->list->n; i++) {
		const struct value *v = &list->list->v[i];

		if (v->tag != VALUE_INT || v->i <= last)
			return false;
		ret[i] = last = v->i;
	}
	return true;
}

static bool due_times(struct world *w, const struct command *cmd, uint64_t as_of,
    const struct value *due, struct err *err)
{
	int64_t v[BACKFILL_MAX];

	if (due->list->n > BACKFILL_MAX || !numbers(due, v))
		return err_set(err, ERR_USAGE, "expected up to %d ascending 'due' times",
		    BACKFILL_MAX);
	return decide_backfill(w->decide, cmd->target, as_of, v, due->list->n, err);
}

/* ---- events ---- */

static void take(void *arg, struct event *e)
{
	struct backfill_event *to = arg;

	to->event = e;
}

static void fired_keys(struct world *w, struct value of, struct backfill_event *to)
{
	struct value keys = value_member(of, STR("fired"), w->arena);
	struct str *v;

	if (keys.tag != VALUE_LIST)
		return;
	v = ARENA_ARRAY(w->arena, struct str, keys.list->n);
	for (uint32_t i = 0; i < keys.list->n; i++)
		if (keys.list->v[i].tag == VALUE_STRING)
			v[to->fired_n++] = value_as_str(keys.list->v[i]);
	to->fired = v;
}

static bool one_event(struct world *w, struct value of, struct backfill_event *ret)
{
	const struct event_limits limits = { .bytes = INT32_MAX, .depth = DEPTH_MAX,
		.max_future_ms = INT64_MAX / 2 };
	struct value source = value_member(of, STR("source"), w->arena);
	struct value retained = value_member(of, STR("retained"), w->arena);
	struct message m = { .pos = -1, .body = map_text(w, of, "event"),
		.part = map_text(w, of, "part"),
		.content_type = STR("application/cloudevents+json"),
		.retained = retained.tag == VALUE_BOOL && retained.i };
	uint32_t at = 0;

	if (source.tag != VALUE_INT || source.i < 0 || source.i > UINT32_MAX)
		return false;
	m.source = (uint32_t)source.i;
	fired_keys(w, of, ret);
	return event_decode(&m, NULL, &w->rules->plan, &limits, w->arena, take, ret, &at,
	    NULL) == EVENT_OK && ret->event;
}

static bool events(struct world *w, const struct command *cmd, uint64_t as_of,
    const struct value *list, struct err *err)
{
	struct backfill_event *v = ARENA_ARRAY(w->arena, struct backfill_event,
	    list->list->n);

	if (list->list->n > BACKFILL_MAX)
		return err_set(err, ERR_USAGE, "expected up to %d 'events'",
		    BACKFILL_MAX);
	for (uint32_t i = 0; i < list->list->n; i++) {
		v[i] = (struct backfill_event){ 0 };
		if (list->list->v[i].tag != VALUE_MAP ||
		    !one_event(w, list->list->v[i], &v[i]))
			return err_set(err, ERR_USAGE, "'events': number %u is no event"
			    " with its source", i + 1);
	}
	return decide_backfill_events(w->decide, cmd->target, as_of, v, list->list->n,
	    err);
}

bool command_backfill(struct world *w, const struct command *cmd)
{
	struct value p = value_from_json(cmd->params, w->arena), due, of, as_of;
	struct err err = { 0 };
	bool ok = false;

	if (p.tag != VALUE_MAP)
		p = value_map_of(NULL, NULL, 0, w->arena);
	due = value_member(p, STR("due"), w->arena);
	of = value_member(p, STR("events"), w->arena);
	as_of = value_member(p, STR("as_of"), w->arena);
	if (as_of.tag != VALUE_INT || as_of.i < 0 ||
	    (due.tag == VALUE_LIST) == (of.tag == VALUE_LIST))
		err_set(&err, ERR_USAGE, "expected 'as_of', and 'due' times or 'events'");
	else if (due.tag == VALUE_LIST)
		ok = due_times(w, cmd, (uint64_t)as_of.i, &due, &err);
	else
		ok = events(w, cmd, (uint64_t)as_of.i, &of, &err);
	if (!ok)
		answer_error(w, cmd, err.code == ERR_NOT_FOUND ? 404 :
		    err.code == ERR_CONFLICT ? 409 : 422, "%s", err.msg);
	return ok;
}

/* ---- the answer ---- */

static void put_decision(const struct decision_row *r, GString *json)
{
	json_open(json, '{');
	json_key(json, "id"), json_i64(json, (int64_t)r->id);
	if (r->due_ms) {
		json_key(json, "due"), json_time(json, r->due_ms);
	} else {
		json_key(json, "event"), json_str(json, r->event_id);
		json_key(json, "key"), json_str(json, r->key);
	}
	json_key(json, "outcome"), json_cstr(json, outcome_name(r->outcome));
	json_key(json, "suppressor");
	json_cstr(json, r->by ? suppressor_name(r->by) : NULL);
	json_key(json, "run");
	if (r->run_id.len)
		json_str(json, r->run_id);
	else
		json_nil(json);
	json_close(json, '}');
}

/* What the caller left out, as it said. */
static void put_left_out(struct world *w, const struct command *cmd, GString *json)
{
	static const char *const names[] = { "already_fired", "more", "next", "unread" };
	struct value p = value_from_json(cmd->params, w->arena);

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		struct value v = value_member(p, str_of(names[i]), w->arena);

		if (v.tag == VALUE_ABSENT)
			continue;
		json_key(json, names[i]);
		value_to_json(v, w->arena, json);
	}
}

/* What came of it, in the order of the due times or events.  Of what was suppressed more
 * than a minute's rows, only the count is there. */
void command_backfilled(struct world *w, const struct command *cmd, uint32_t from,
    const uint64_t *suppressed)
{
	const struct decided *d = &w->fx->decided;
	GString *json = answer_begin("rule", cmd->target);
	int64_t fired = 0;

	json_key(json, "decisions");
	json_open(json, '[');
	for (uint32_t i = from; i < d->decisions_n; i++) {
		fired += d->decisions[i].outcome == OUTCOME_FIRED;
		put_decision(&d->decisions[i], json);
	}
	json_close(json, ']');
	json_key(json, "fired"), json_i64(json, fired);
	put_left_out(w, cmd, json);
	json_key(json, "suppressed");
	json_open(json, '{');
	for (enum suppressor s = SUPP_NONE + 1; s < SUPP_MAX; s++)
		if (d->suppressed[s] > suppressed[s]) {
			json_key(json, suppressor_name(s));
			json_i64(json, (int64_t)(d->suppressed[s] - suppressed[s]));
		}
	json_close(json, '}');
	answer_ok(w, cmd, json);
}
