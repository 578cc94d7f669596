/* What a rule did not fire at: due times of its schedule, or events of the journal.
 *
 *	due times of its schedule in the span ─► without those that fired (the tables) ─►
 *	the command, with the input up to which the tables were read
 *
 *	events of the journal in the span, by a child, which leaves out those that fired
 *	(retrainctl backfill --state) ─► the command with the events themselves
 *
 * The newest minutes are left out of a schedule: they are still its own. */
#include <string.h>

#include "api/priv.h"
#include "base/json.h"
#include "base/option.h"
#include "base/time.h"

#define LIMIT 100		/* due times of one request, unless it says more */
#define LIMIT_MAX 1000
#define OWN_MS 120000		/* and the rule's jitter */

static bool when(struct call *c, const char *name, int64_t now, int64_t *ret)
{
	struct str text = call_str(c, name);
	int64_t ago;

	if (time_parse(text, ret, NULL))
		return true;
	if (duration_parse(text, &ago)) {
		*ret = now - ago;
		return true;
	}
	call_error(c, 422, "'%s': expected RFC 3339, or how long ago", name);
	return false;
}

/* Did it fire already, and does that count?  fired: [{due, state}]. */
static bool done(const json_t *fired, int64_t due, const char *reprocess)
{
	size_t i;
	json_t *row;

	json_array_foreach(fired, i, row) {
		const char *state = json_string_value(json_object_get(row, "state"));
		bool bad = state && (strcmp(state, "failed") == 0 ||
		    strcmp(state, "aborted") == 0);

		if (json_integer_value(json_object_get(row, "due")) == due &&
		    !(bad && strcmp(reprocess, "failed") == 0))
			return true;
	}
	return false;
}

struct filling {
	int64_t		 from, to, limit;
	const char	*reprocess;
	json_t		*fired, *due;	/* due: milliseconds */
	uint32_t	 already;
	bool		 more;		/* than the limit */
};

/* Of any of its schedules. */
static int64_t jitter_max(const struct rule *r)
{
	int64_t max = 0;

	for (uint32_t i = 0; i < r->schedules_n; i++)
		max = MAX(max, r->schedules[i].jitter_ms);
	return max;
}

static void collect(const struct rule *r, struct filling *f)
{
	int64_t at = f->from - 1;

	for (;;) {
		at = rule_due_next(r, at);
		if (at == INT64_MAX || at >= f->to)
			return;
		if (strcmp(f->reprocess, "all") != 0 &&
		    done(f->fired, at, f->reprocess)) {
			f->already++;
			continue;
		}
		f->more = (int64_t)json_array_size(f->due) >= f->limit;
		if (f->more)
			return;
		json_array_append_new(f->due, json_integer(at));
	}
}

static void answer_dry(struct call *c, const struct filling *f)
{
	GString *s = g_string_new(NULL);
	size_t i;
	json_t *v;

	json_open(s, '{');
	json_key(s, "rule"), json_cstr(s, c->vars[0]);
	json_key(s, "dry_run"), json_bool(s, true);
	json_key(s, "due");
	json_open(s, '[');
	json_array_foreach(f->due, i, v)
		json_time(s, json_integer_value(v));
	json_close(s, ']');
	json_key(s, "already_fired"), json_i64(s, f->already);
	json_key(s, "more"), json_bool(s, f->more);
	json_close(s, '}');
	call_take(c, 200, s);
}

static void fill(struct call *c, const struct rule *r, json_t *read)
{
	struct turn_status st;
	struct filling f = { .fired = json_object_get(read, "fired"),
		.limit = json_integer_value(json_object_get(c->body, "limit")) };
	struct str how = call_str(c, "reprocess");
	json_t *params;
	char *text;

	turn_status(c->api->p.turn, &st);
	f.reprocess = how.len ? how.p : "none";
	f.limit = f.limit > 0 ? MIN(f.limit, LIMIT_MAX) : LIMIT;
	if (!when(c, "from", st.wall_ms, &f.from) || !when(c, "to", st.wall_ms, &f.to))
		return;
	f.to = MIN(f.to, st.wall_ms - OWN_MS - jitter_max(r));
	f.due = json_array();
	collect(r, &f);
	if (call_true(c, "dry_run")) {
		answer_dry(c, &f);
		json_decref(f.due);
		return;
	}
	params = json_pack("{s:o, s:O}", "due", f.due, "as_of",
	    json_object_get(read, "as_of"));
	text = json_dumps(params, JSON_COMPACT);
	call_command(c, &(struct command){ .kind = COMMAND_BACKFILL,
	    .target = str_of(c->vars[0]), .params = str_of(text) });
	free(text);
	json_decref(params);
}

static void on_read(struct call *c, const struct err *err, struct str json)
{
	struct turn *t;
	const struct rule *r;
	json_t *read;

	if (err) {
		call_err(c, err);
		return;
	}
	if (!c->req || !(t = call_turn(c)))
		return;
	r = ruleset_rule(world_ruleset(turn_world(t)), str_of(c->vars[0]));
	if (!r || r->kind != RULE_SCHEDULE) {
		call_error(c, r ? 422 : 404, r ? "rule '%s' has no schedule: only due"
		    " times"
		    " can be backfilled" : "no rule '%s'", c->vars[0]);
		return;
	}
	read = json_loadb(json.p, json.len, 0, NULL);
	fill(c, r, json_array_get(read, 0));
	json_decref(read);
}

/* ---- events ---- */

/* Its list has what the command takes; a dry run tells what they are. */
static void on_found(struct call *c, struct str json)
{
	json_t *found, *list;
	char *text;

	if (!c->req)
		return;
	found = json_loadb(json.p, json.len, JSON_ALLOW_NUL, NULL);
	list = json_object_get(found, "events");
	if (call_true(c, "dry_run") || !json_array_size(list)) {
		json_object_del(found, "events");
		if (call_true(c, "dry_run")) {
			json_object_set_new(found, "dry_run", json_true());
		} else {
			json_object_del(found, "would");
			json_object_set_new(found, "fired", json_integer(0));
			json_object_set_new(found, "decisions", json_array());
		}
		text = json_dumps(found, JSON_COMPACT);
		call_json(c, 200, str_of(text));
	} else {
		json_object_del(found, "would");
		text = json_dumps(found, JSON_COMPACT);
		call_command(c, &(struct command){ .kind = COMMAND_BACKFILL,
		    .target = str_of(c->vars[0]), .params = str_of(text) });
	}
	free(text);
	json_decref(found);
}

static void backfill_events(struct call *c)
{
	static const char *const names[] = { "from", "to", "reprocess" };
	const char *args[12] = { "backfill" };
	unsigned n = 1;
	json_t *limit = json_object_get(c->body, "limit");
	char *v[G_N_ELEMENTS(names) + 1] = { NULL };

	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (call_str(c, names[i]).len)
			args[n++] = v[i] = g_strdup_printf("--%s=%s", names[i],
			    call_str(c, names[i]).p);
	if (limit)
		args[n++] = v[G_N_ELEMENTS(names)] = g_strdup_printf("--limit=%lld",
		    (long long)json_integer_value(limit));
	args[n++] = "--";
	args[n++] = c->vars[0];
	call_child_then(c, args, (struct str){ 0 }, on_found);
	for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
		g_free(v[i]);
}

void on_backfill(struct call *c)
{
	struct turn *t = call_turn(c);
	const struct rule *r;
	struct query *q;
	struct str how;

	if (!t)
		return;
	if (!call_body(c))
		return;
	how = call_str(c, "reprocess");
	if (how.len && !str_is(how, STR("none")) && !str_is(how, STR("failed")) &&
	    !str_is(how, STR("all"))) {
		call_error(c, 422, "'reprocess': expected none, failed or all");
		return;
	}
	r = ruleset_rule(world_ruleset(turn_world(t)), str_of(c->vars[0]));
	if (r && r->kind == RULE_SIGNAL) {
		call_error(c, 422, "rule '%s' has windows of samples, which an event of"
		    " the past can't be put into: try it with backtest", c->vars[0]);
		return;
	}
	if (r && r->join) {
		call_error(c, 422, "rule '%s' joins several events: try it with backtest",
		    c->vars[0]);
		return;
	}
	if (r && r->kind == RULE_EVENT) {
		backfill_events(c);
		return;
	}
	q = g_new0(struct query, 1);
	q->kind = QUERY_FIRED_DUES;
	q->rule = g_strdup(c->vars[0]);
	call_read(c, q, NULL, on_read);
}
