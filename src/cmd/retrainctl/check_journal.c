/* Lint from data: the checked rules, tried on the events that the journal keeps.
 *
 *	each recorded message ─► the rules in virtual time ─► each rule that takes the
 *	event is explained ─► what its condition's parts were, which fields were there
 *
 * Warned of, each with its numbers
 *	a field that none of the events had which the rule took
 *	a part of a condition that was never true, or never false, with the range of what
 *	it compares: a threshold outside of it decides nothing
 *	a condition that was never true
 *	two rules that always fire together
 *	samples of a detector that depend on one another, or on the hour of the week
 *
 * Only what was seen often enough is warned of: EVENTS_MIN events, FIRINGS_MIN
 * firings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/time.h"
#include "cmd/retrainctl/check_journal.h"
#include "cmd/retrainctl/history.h"
#include "event/frame.h"
#include "replay/replay.h"
#include "replay/sim.h"
#include "signal/correlation.h"

#define EVENTS_MIN 20
#define FIRINGS_MIN 3
#define EXPLAINED 2000		/* of one rule in full; then one in EXPLAIN_EACH */
#define EXPLAIN_EACH 16
#define LEAVES_MAX 32
#define STREAMS_MAX 1000	/* of one signal: keys whose samples are looked at */

struct leaf {			/* a part of a condition */
	char		*text;
	uint64_t	 yes, no;
	double		 min, max;	/* of its left operand */
	bool		 number;
};
struct seen_rule {
	uint64_t	 events, explained, yes;
	struct leaf	 leaf[LEAVES_MAX];
	unsigned	 leaves;
	uint64_t	*field;		/* by plan: how many events had it */
	GArray		*fired;		/* uint64_t: seqs of emissions */
	GHashTable	**streams;	/* by signal: key -> struct correlation */
};
struct trying {
	struct ruleset	*rs;
	const struct config *config;
	struct sim	*sim;
	struct seen_rule *rule;		/* by index */
	struct arena	*arena;		/* of one event */
	uint64_t	 events, without;
	int64_t		 first_ms, last_ms;
};

/* ---- watching ---- */

static struct value part(struct value of, const char *name, struct arena *a)
{
	return of.tag == VALUE_MAP ? value_member(of, str_of(name), a) :
	    (struct value){ 0 };
}

static struct str part_text(struct value of, const char *name, struct arena *a)
{
	struct value v = part(of, name, a);

	return v.tag == VALUE_STRING ? value_as_str(v) : (struct str){ 0 };
}

static struct leaf *leaf_of(struct seen_rule *r, struct str name)
{
	for (unsigned i = 0; i < r->leaves; i++)
		if (str_is(str_of(r->leaf[i].text), name))
			return &r->leaf[i];
	if (r->leaves == LEAVES_MAX)
		return NULL;
	r->leaf[r->leaves] = (struct leaf){ .text = g_strndup(name.p, name.len),
		.min = INFINITY, .max = -INFINITY };
	return &r->leaf[r->leaves++];
}

static void see_row(struct seen_rule *r, struct value row, struct arena *a)
{
	struct value is_leaf = part(row, "leaf", a);
	struct str value = part_text(row, "value", a), left = part_text(row, "left", a);
	struct leaf *l;
	char *end, number[64];
	double x;

	if (is_leaf.tag != VALUE_BOOL || !is_leaf.i)
		return;
	l = leaf_of(r, part_text(row, "text", a));
	if (!l)
		return;
	l->yes += str_is(value, STR("true"));
	l->no += str_is(value, STR("false"));
	if (!left.len || left.len >= sizeof(number))
		return;
	memcpy(number, left.p, left.len);
	number[left.len] = '\0';
	x = g_ascii_strtod(number, &end);
	if (*end || !isfinite(x))
		return;
	l->number = true;
	l->min = MIN(l->min, x);
	l->max = MAX(l->max, x);
}

/* The condition as it stands after the event. */
static void see_condition(struct trying *t, const struct considered *v,
    struct seen_rule *r)
{
	GString *json = g_string_new(NULL);
	struct err err = { 0 };
	struct value when, rows;

	if (replay_explain(sim_world(t->sim), v->rule->name, v->key, sim_wall(t->sim),
	    sim_tick(t->sim), json, &err)) {
		when = part(value_from_json((struct str){ json->str,
		    (uint32_t)json->len }, t->arena), "when", t->arena);
		rows = part(when, "rows", t->arena);
		r->explained++;
		r->yes += str_is(part_text(when, "value", t->arena), STR("true"));
		for (uint32_t i = 0; rows.tag == VALUE_LIST && i < rows.list->n; i++)
			see_row(r, rows.list->v[i], t->arena);
	}
	g_string_free(json, TRUE);
}

static void see_sample(struct trying *t, const struct considered *v,
    struct seen_rule *r, uint32_t signal, const struct event *e)
{
	const struct prog *value = v->rule->signals[signal].value;
	struct eval ev = { .fields = e->field, .arena = t->arena,
		.zones = t->rs->zones };
	GHashTable *h = r->streams[signal];
	struct correlation *c;
	struct value x;
	char *key;

	if (!value || !expr_fields_only(value))
		return;
	x = expr_eval(value, &ev);
	if (x.tag != VALUE_DOUBLE && x.tag != VALUE_INT && x.tag != VALUE_BOOL)
		return;
	if (!h)
		h = r->streams[signal] = g_hash_table_new_full(g_str_hash, g_str_equal,
		    g_free, g_free);
	key = g_strndup(v->key.p ? v->key.p : "", v->key.len);
	c = g_hash_table_lookup(h, key);
	if (!c && g_hash_table_size(h) < STREAMS_MAX)
		g_hash_table_insert(h, g_strdup(key), c = g_new0(struct correlation, 1));
	g_free(key);
	if (c)
		correlation_add(c, e->time_ms, x.tag == VALUE_DOUBLE ? x.d :
		    (double)x.i);
}

static void see_event(struct trying *t, const struct event *e)
{
	struct considered *v;
	uint32_t n;

	arena_reset(t->arena);
	n = decide_consider(world_decide_mut(sim_world(t->sim)), e, sim_wall(t->sim),
	    sim_tick(t->sim), t->arena, &v);
	for (uint32_t i = 0; i < n; i++) {
		struct seen_rule *r = &t->rule[v[i].rule->index];

		if (!v[i].matched || v[i].keys != 1)
			continue;
		for (uint32_t f = 0; f < t->rs->plan.n; f++)
			r->field[f] += e->field[f].tag != VALUE_ABSENT;
		if (r->events++ < EXPLAINED || r->events % EXPLAIN_EACH == 0)
			see_condition(t, &v[i], r);
		for (uint32_t s = 0; s < v[i].rule->signals_n; s++)
			if (v[i].rule->signals[s].spec.kind == SIGNAL_DETECT)
				see_sample(t, &v[i], r, s, e);
	}
}

static void on_turn(void *ctx, const struct input *in, const struct effects *fx)
{
	struct trying *t = ctx;

	for (uint32_t i = 0; i < fx->decided.decisions_n; i++) {
		const struct decision_row *d = &fx->decided.decisions[i];
		const struct rule *r = ruleset_rule(t->rs, d->rule);

		if (r && (d->outcome == OUTCOME_FIRED || d->outcome == OUTCOME_OBSERVED))
			g_array_append_val(t->rule[r->index].fired, d->seq);
	}
	if (in->kind == INPUT_EVENT && in->event->via != CATALOG_RUN_ID)
		see_event(t, in->event);
}

/* What a firing starts completes at once, and changes no champion. */
static bool plan(void *ctx, const struct run_row *r, struct sim_plan *ret)
{
	(void)ctx, (void)r;
	*ret = (struct sim_plan){ .state = RUN_COMPLETED, .outcome = RUN_NONE };
	return true;
}

/* ---- feeding ---- */

static bool feed_frame(struct trying *t, char kind, struct str body, struct arena *a,
    struct err *err)
{
	const struct event_format *format;
	enum event_refusal refused;
	struct frame_message f;

	if (kind == 'i')
		return true;
	if (!frame_get_message(kind, body, a, &f, err))
		return false;
	if (f.m.source == CATALOG_RUN_ID || f.mode != JOURNAL_FULL) {
		t->without += f.mode != JOURNAL_FULL ? f.n : 0;
		return true;
	}
	format = f.m.source < t->rs->formats_n ? t->rs->formats[f.m.source] : NULL;
	f.m.origin = STR("journal");
	t->events++;
	return sim_message(t->sim, &f.m, format, &refused, NULL, err);
}

static bool feed_block(struct trying *t, const struct past_block *b, struct arena *a,
    struct err *err)
{
	struct reader r = reader_of(b->frames);
	struct str body;
	char kind;
	bool ok = b->wall_ms <= sim_wall(t->sim) || sim_until(t->sim, b->wall_ms, err);

	while (ok && frame_next(&r, &kind, &body))
		ok = feed_frame(t, kind, body, a, err);
	return ok;
}

static bool feed(struct trying *t, struct past *past, struct err *err)
{
	struct arena *a = arena_new(0);
	struct past_block b;
	uint64_t turn = 0;
	bool any = true, ok = true;

	while (ok && any) {
		arena_reset(a);
		ok = past_block(past, turn, a, &b, &any, err);
		if (!ok || !any)
			break;
		turn = b.turn1;
		t->last_ms = b.wall_ms;
		if (!t->sim) {
			t->first_ms = b.wall_ms;
			t->sim = sim_new(&(struct sim_options){ .rules = t->rs,
			    .catalog = &t->config->catalog, .wall_ms = b.wall_ms,
			    .tick_ms = 1, .on_turn = on_turn, .plan = plan, .ctx = t });
			ok = sim_begin(t->sim, NULL, 0, true, err);
		}
		ok = ok && feed_block(t, &b, a, err);
	}
	arena_free(a);
	return ok;
}

/* ---- warning ---- */

static void warn_field(struct trying *t, const struct rule *r, const struct prog *p,
    bool *told, struct diags *d)
{
	const struct expr_ref *refs;
	uint32_t n = p ? expr_inputs(p, &refs) : 0;

	for (uint32_t i = 0; i < n; i++) {
		const struct path *path = &t->rs->plan.v[refs[i].input];
		GString *s;

		if (refs[i].space != EXPR_FIELD || told[refs[i].input] ||
		    t->rule[r->index].field[refs[i].input])
			continue;
		told[refs[i].input] = true;
		s = g_string_new(NULL);
		for (uint32_t k = 0; k < path->n; k++)
			g_string_append_printf(s, "%s%.*s", k ? "." : "",
			    STR_ARG(path->seg[k]));
		diag_add(d, SEV_WARNING, r->at, "rule '%.*s' reads %s, which none of the"
		    " %llu events had that it took", STR_ARG(r->name), s->str,
		    (unsigned long long)t->rule[r->index].events);
		g_string_free(s, TRUE);
	}
}

static void warn_fields(struct trying *t, const struct rule *r, struct diags *d)
{
	bool *told = g_new0(bool, t->rs->plan.n + 1);

	warn_field(t, r, r->when, told, d);
	warn_field(t, r, r->recover, told, d);
	warn_field(t, r, r->dedupe_key, told, d);
	for (uint32_t i = 0; i < r->signals_n; i++)
		warn_field(t, r, r->signals[i].value, told, d);
	g_free(told);
}

static void warn_leaves(const struct rule *r, const struct seen_rule *s, double days,
    struct diags *d)
{
	bool told = false;

	for (unsigned i = 0; i < s->leaves; i++) {
		const struct leaf *l = &s->leaf[i];
		char range[80] = "";

		if (l->yes + l->no < EVENTS_MIN || (l->yes && l->no))
			continue;
		if (l->number)
			g_snprintf(range, sizeof(range), ": it was between %.6g and %.6g",
			    l->min, l->max);
		diag_add(d, SEV_WARNING, r->at, "rule '%.*s': '%s' was %s in %llu"
		    " evaluations over %.1f days%s", STR_ARG(r->name), l->text,
		    l->yes ? "always true" : "never true",
		    (unsigned long long)(l->yes + l->no), days, range);
		told = told || !l->yes;
	}
	if (!told && r->when && !s->yes && s->explained >= EVENTS_MIN)
		diag_add(d, SEV_WARNING, r->at, "rule '%.*s': its condition was never"
		    " true"
		    " in %llu evaluations over %.1f days", STR_ARG(r->name),
		    (unsigned long long)s->explained, days);
}

static void warn_twins(struct trying *t, struct diags *d)
{
	for (uint32_t i = 0; i < t->rs->rules_n; i++)
		for (uint32_t k = i + 1; k < t->rs->rules_n; k++) {
			const GArray *a = t->rule[i].fired, *b = t->rule[k].fired;
			const struct rule *r = &t->rs->rules[k];

			if (a->len < FIRINGS_MIN || a->len != b->len ||
			    memcmp(a->data, b->data, a->len * sizeof(uint64_t)) != 0)
				continue;
			diag_add(d, SEV_WARNING, r->at, "rules '%.*s' and '%.*s' always"
			    " fire together (%u times)",
			    STR_ARG(t->rs->rules[i].name), STR_ARG(r->name), a->len);
		}
}

/* The worst of the keys speaks for the signal. */
static void warn_stream(const struct rule *r, uint32_t signal, GHashTable *streams,
    struct diags *d)
{
	double lag1 = 0, season = 0, x;
	GHashTableIter it;
	gpointer c;

	g_hash_table_iter_init(&it, streams);	/* a maximum: the order does not matter */
	while (g_hash_table_iter_next(&it, NULL, &c)) {
		if (correlation_lag1(c, &x))
			lag1 = MAX(lag1, x);
		if (correlation_season(c, &x))
			season = MAX(season, x);
	}
	if (lag1 > CORRELATION_LAG1)
		diag_add(d, SEV_WARNING, r->at, "rule '%.*s': samples of signal '%.*s'"
		    " follow one another (lag-1 correlation %.2f): the detector will"
		    " alarm"
		    " far more often than it says", STR_ARG(r->name),
		    STR_ARG(r->signals[signal].spec.name), lag1);
	if (season > CORRELATION_SEASON)
		diag_add(d, SEV_WARNING, r->at, "rule '%.*s': the hour of the week"
		    " explains"
		    " %.0f %% of what signal '%.*s' varies: the detector will take it for"
		    " drift", STR_ARG(r->name), season * 100,
		    STR_ARG(r->signals[signal].spec.name));
}

static void warn_all(struct trying *t, struct diags *d)
{
	double days = (double)(t->last_ms - t->first_ms) / 86400000.0;

	for (uint32_t i = 0; i < t->rs->rules_n; i++) {
		const struct rule *r = &t->rs->rules[i];
		struct seen_rule *s = &t->rule[i];

		if (s->events >= EVENTS_MIN) {
			warn_fields(t, r, d);
			warn_leaves(r, s, days, d);
		}
		for (uint32_t k = 0; k < r->signals_n; k++)
			if (s->streams[k])
				warn_stream(r, k, s->streams[k], d);
	}
	warn_twins(t, d);
}

/* ---- the whole ---- */

static void begin(struct trying *t)
{
	t->arena = arena_new(0);
	t->rule = g_new0(struct seen_rule, t->rs->rules_n + 1);
	for (uint32_t i = 0; i < t->rs->rules_n; i++) {
		t->rule[i].field = g_new0(uint64_t, t->rs->plan.n + 1);
		t->rule[i].fired = g_array_new(FALSE, FALSE, sizeof(uint64_t));
		t->rule[i].streams = g_new0(GHashTable *, RULE_SIGNALS_MAX);
	}
}

static void end(struct trying *t)
{
	sim_free(t->sim);
	for (uint32_t i = 0; i < t->rs->rules_n; i++) {
		struct seen_rule *s = &t->rule[i];

		for (unsigned k = 0; k < s->leaves; k++)
			g_free(s->leaf[k].text);
		for (unsigned k = 0; k < RULE_SIGNALS_MAX; k++)
			if (s->streams[k])
				g_hash_table_destroy(s->streams[k]);
		g_free(s->streams);
		g_free(s->field);
		g_array_free(s->fired, TRUE);
	}
	g_free(t->rule);
	arena_free(t->arena);
}

bool check_journal(struct ctl *c, const char *state, struct ruleset *rs, struct diags *d,
    int *ret_exit)
{
	struct trying t = { .rs = rs };
	struct history h;
	struct err err = { 0 };
	bool ok;

	if (!history_open(c, "check", state, &h, ret_exit))
		return false;
	t.config = h.config;
	begin(&t);
	ok = feed(&t, h.past, &err);
	if (ok) {
		warn_all(&t, d);
		fprintf(stderr, "tried on %llu messages of %.1f days\n",
		    (unsigned long long)t.events,
		    (double)(t.last_ms - t.first_ms) / 86400000.0);
		if (t.without)
			fprintf(stderr, "not on %llu messages of which the journal does"
			    " not keep the bytes\n", (unsigned long long)t.without);
	} else {
		fprintf(stderr, "retrainctl check: %s\n", err.msg);
		*ret_exit = CTL_USAGE;
	}
	end(&t);
	history_close(&h);
	return ok;
}
