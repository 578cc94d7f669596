/* What people see of a rule and its keys, and explaining a key as it is now.
 *
 * Nothing here changes state; the turn's members of struct decide are set for the call
 * and put back.
 */
#include "base/json.h"
#include "base/time.h"
#include "decide/priv.h"

static struct keyed *shown_key(const struct decide *d, const struct rule_state *rs,
    struct str key)
{
	uint8_t owner[OWNER_BYTES];

	owner_of_id(rs->id, owner);
	return keyed_find(d, CELL_KEY, owner, key);
}

/* The state that says most: firing before holding before pending before inactive. */
static enum machine_state rule_state_of(const struct decide *d,
    const struct rule_state *rs, int64_t *ret_since, enum suppressor *ret_by)
{
	static const int rank[MACHINE_STATE_MAX] = { 0, 1, 3, 2 };
	enum machine_state best = MACHINE_INACTIVE;

	*ret_since = TIME_NONE;
	*ret_by = SUPP_NONE;
	for (guint i = 0; i < rs->keys->len; i++) {
		const struct key_cell *k = key_get(d, g_ptr_array_index(rs->keys, i));
		bool same = k->m.state == best;

		if (rank[k->m.state] < rank[best])
			continue;
		if (!same || *ret_since == TIME_NONE || k->since_ms < *ret_since)
			*ret_since = k->since_ms;
		if (!same)
			*ret_by = SUPP_NONE;
		if (k->m.owed && k->blocked)
			*ret_by = (enum suppressor)k->blocked;
		best = (enum machine_state)k->m.state;
	}
	return best;
}

void decide_rule_json(const struct decide *d, const struct rule *r, GString *out)
{
	const struct rule_state *rs = d->by_rule[r->index];
	enum suppressor by;
	int64_t since;
	enum machine_state s = rule_state_of(d, rs, &since, &by);
	uint64_t last = 0;
	const char *state;

	for (guint i = 0; i < rs->keys->len; i++) {
		const struct key_cell *k = key_get(d, g_ptr_array_index(rs->keys, i));

		last = MAX(last, k->decision);
	}
	if (rule_off(d, rs))
		state = rule_get(d, rs)->paused ? "paused" : "disabled";
	else
		state = r->kind == RULE_SIGNAL ? machine_state_name(s) : "active";
	json_open(out, '{');
	json_key(out, "state");
	json_cstr(out, state);
	json_key(out, "since");
	json_time(out, r->kind == RULE_SIGNAL ? since : TIME_NONE);
	json_key(out, "keys");
	json_i64(out, rs->keys->len);
	json_key(out, "last_decision");
	if (last)
		json_i64(out, (int64_t)last);
	else
		json_nil(out);
	json_key(out, "suppressed_by");
	json_cstr(out, by ? suppressor_name(by) : NULL);
	if (schedule_at(rs) != INT64_MAX) {
		json_key(out, "next");
		json_time(out, schedule_at(rs));
	}
	json_close(out, '}');
}

static int cmp_key(const void *a, const void *b)
{
	const struct keyed *x = *(struct keyed *const *)a, *y = *(struct keyed *const *)b;

	return str_cmp(x->key, y->key);
}

static int64_t shown_clock(const struct decide *d, const struct rule_state *rs,
    int64_t tick_ms)
{
	int64_t c = rs->rule->kind == RULE_SIGNAL ? clock_at(d, rs, tick_ms) : 0;

	return c == TIME_NONE ? 0 : c;
}

static void put_key(const struct decide *d, const struct rule_state *rs,
    struct keyed *k, int64_t clock, GString *out)
{
	const struct key_cell *c = key_get(d, k);

	json_open(out, '{');
	json_key(out, "key");
	json_str(out, k->key);
	json_key(out, "state");
	json_cstr(out, rs->rule->kind == RULE_SIGNAL ?
	    machine_state_name((enum machine_state)c->m.state) : "active");
	json_key(out, "since");
	json_time(out, c->since_ms);
	json_key(out, "episode");
	json_i64(out, (int64_t)c->m.episode);
	json_key(out, "owed");
	json_bool(out, c->m.owed);
	rearm_json(d, k, d->now_wall, d->now_tick, out);
	json_key(out, "suppressed_by");
	json_cstr(out, c->m.owed && c->blocked ? suppressor_name(c->blocked) : NULL);
	json_key(out, "last_decision");
	if (c->decision)
		json_i64(out, (int64_t)c->decision);
	else
		json_nil(out);
	json_key(out, "signals");
	json_open(out, '{');
	for (uint32_t i = 0; i < rs->rule->signals_n; i++) {
		uint32_t root = signal_root(d, k, i);

		json_key_str(out, rs->rule->signals[i].spec.name);
		if (root)
			signal_summary(&rs->rule->signals[i].spec, d->cells, root, clock,
				       out);
		else
			json_nil(out);
	}
	json_close(out, '}');
	json_close(out, '}');
}

void decide_keys_json(const struct decide *d, const struct rule *r, uint32_t limit,
    struct arena *a, int64_t wall_ms, int64_t tick_ms, GString *out)
{
	const struct rule_state *rs = d->by_rule[r->index];
	int64_t clock = shown_clock(d, rs, tick_ms);
	GPtrArray *v = g_ptr_array_new();

	(void)a;
	(void)wall_ms;
	for (guint i = 0; i < rs->keys->len; i++)
		g_ptr_array_add(v, g_ptr_array_index(rs->keys, i));
	g_ptr_array_sort(v, cmp_key);
	json_open(out, '[');
	for (guint i = 0; i < v->len && i < limit; i++)
		put_key(d, rs, g_ptr_array_index(v, i), clock, out);
	json_close(out, ']');
	g_ptr_array_free(v, TRUE);
}

static void explain(struct decide *d, struct rule_state *rs, struct keyed *k,
		    GString *json)
{
	struct outcome_view view = { .again = true, .decision = key_get(d, k)->decision };
	struct check check;
	struct ctx c;
	struct str why, trace;

	if (rs->rule->kind == RULE_SIGNAL) {
		signal_ctx(d, &c, rs, k, shown_clock(d, rs, d->now_tick));
	} else {
		ctx_init(d, &c, rs, k->key);
		if (rs->rule->kind == RULE_SCHEDULE)
			ctx_due(&c, rule_due_prev(rs->rule, d->now_wall + 1));
		else
			ctx_kept(&c, keyed_last(d, k, 0));
		ctx_vars(&c, k, 0, rs->needs);
	}
	suppress_ask(&c, &check, false);
	trace = trace_json(&c, &check, &view, &why);
	g_string_append_len(json, trace.p, trace.len);
}

bool decide_explain(struct decide *d, struct str rule, struct str key, int64_t wall_ms,
    int64_t tick_ms, struct arena *a, GString *json, struct err *err)
{
	struct rule_state *rs = rule_by_name(d, rule);
	struct keyed *k = rs ? shown_key(d, rs, key) : NULL;
	struct arena *arena = d->arena;
	int64_t wall = d->now_wall, tick = d->now_tick;

	if (!rs)
		return err_set(err, ERR_NOT_FOUND, "no rule '%.*s'", STR_ARG(rule));
	if (!k && !key.len && rs->keys->len)
		return err_set(err, ERR_NOT_FOUND,
			       "rule '%.*s' has %u keys: name one of them", STR_ARG(rule),
			       rs->keys->len);
	if (!k)
		return err_set(err, ERR_NOT_FOUND,
		    "rule '%.*s' has no state for key '%.*s': no event of it was taken "
		    "(%u keys are known)", STR_ARG(rule), STR_ARG(key), rs->keys->len);
	CHECK(!d->pending.open);
	d->arena = a;
	d->now_wall = wall_ms;
	d->now_tick = tick_ms;
	explain(d, rs, k, json);
	d->arena = arena;
	d->now_wall = wall;
	d->now_tick = tick;
	return true;
}
