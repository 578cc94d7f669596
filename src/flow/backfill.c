/* A backfill: its due times are checked here and decided by decide, one after the other,
 * in the same input. */
#include "base/json.h"
#include "flow/engine.h"

#define BACKFILL_MAX 1000	/* due times of one command */

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

bool command_backfill(struct world *w, const struct command *cmd)
{
	struct value p = value_from_json(cmd->params, w->arena), due, as_of;
	int64_t v[BACKFILL_MAX];
	struct err err = { 0 };

	due = p.tag == VALUE_MAP ? value_member(p, STR("due"), w->arena) :
	    (struct value){ 0 };
	as_of = p.tag == VALUE_MAP ? value_member(p, STR("as_of"), w->arena) :
	    (struct value){ 0 };
	if (due.tag != VALUE_LIST || due.list->n > BACKFILL_MAX ||
	    as_of.tag != VALUE_INT || as_of.i < 0 || !numbers(&due, v)) {
		answer_error(w, cmd, 422, "expected 'as_of' and up to %d ascending 'due'"
		    " times", BACKFILL_MAX);
		return false;
	}
	if (decide_backfill(w->decide, cmd->target, (uint64_t)as_of.i, v, due.list->n,
	    &err))
		return true;
	answer_error(w, cmd, err.code == ERR_NOT_FOUND ? 404 :
	    err.code == ERR_CONFLICT ? 409 : 422, "%s", err.msg);
	return false;
}

/* What came of it: decisions from `from` on, in the order of the due times. */
void command_backfilled(struct world *w, const struct command *cmd, uint32_t from)
{
	const struct decided *d = &w->fx->decided;
	GString *json = answer_begin("rule", cmd->target);
	int64_t fired = 0;

	json_key(json, "decisions");
	json_open(json, '[');
	for (uint32_t i = from; i < d->decisions_n; i++) {
		const struct decision_row *r = &d->decisions[i];

		fired += r->outcome == OUTCOME_FIRED;
		json_open(json, '{');
		json_key(json, "id"), json_i64(json, (int64_t)r->id);
		json_key(json, "due"), json_time(json, r->due_ms);
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
	json_close(json, ']');
	json_key(json, "fired"), json_i64(json, fired);
	answer_ok(w, cmd, json);
}
