/* What the tests of decide share: a rule set from text, events through the real
 * decoder, virtual time, and a flow that admits everything unless told otherwise.
 *
 * Every decision row becomes a line of fx.log:
 *	OUTCOME RULE[/KEY][ by SUPPRESSOR][ xCOUNT]
 * Wall time is START + tick unless a test moves fx.wall_off. */
#ifndef TESTS_DECIDE_FIXTURE_H
#define TESTS_DECIDE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/arena.h"
#include "base/cells.h"
#include "base/json.h"
#include "base/time.h"
#include "decide/decide.h"

#define START INT64_C(1772323200000)	/* 2026-03-01T00:00:00Z */
#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

struct fx {
	struct cells	*cells;
	struct decide	*d;
	struct ruleset	*rules;
	struct arena	*arena;		/* of the input being decided */
	struct decided	 out;
	GString		*log;
	GString		*why;		/* reasons, one per line */
	GString		*dues;		/* "offset outcome" of due rows, one per line */
	char		*trace;		/* of the last row */
	char		*params;	/* of the last emission, JSON */
	int64_t		 tick, wall_off;
	uint64_t	 seq, runs;
	enum suppressor	 refuse;	/* flow's answer to every emission */
	bool		 due_names;	/* dues begin with "[SCHEDULE] " */
	bool		 cuts;		/* tell decide of each created run */
};

static inline const struct catalog *fx_catalog(void)
{
	static const struct option none[] = {{.name = NULL}};
	static const struct catalog_kind process = {
	    CATALOG_EXECUTOR, "process", "", none, 0, NULL};
	static const struct catalog_kind kafka = {
	    CATALOG_SOURCE, "kafka", "", none, 0, NULL};
	static const struct catalog_kind *kinds[] = {&process, &kafka};
	static struct catalog_instance instances[] = {
		{CATALOG_EXECUTOR, 1, {"local", 5}, &process, {NULL, 0}, NULL},
		{CATALOG_SOURCE, 1, {"plant", 5}, &kafka, {NULL, 0}, NULL},
	};
	static const struct catalog c = {kinds, 2, instances, 2, true};

	return &c;
}

#define FX_PIPELINES "\npipelines:\n" \
	"  - name: train\n" \
	"    params: {model: {default: none}, n: {default: 0}}\n" \
	"    steps: [{name: t, command: [\"true\"]}]\n"

static inline struct ruleset *fx_rules(const char *yaml)
{
	g_autofree char *all = g_strconcat(yaml, FX_PIPELINES, NULL);
	struct rule_text text = { .name = STR("r.yaml"), .dir = STR("/srv/rules"),
		.bytes = str_of(all) };
	struct text one = { text.name, text.bytes };
	struct diags *diags = diags_new(&one, 1);
	struct ruleset *rs = ruleset_build(&text, 1, fx_catalog(), diags);
	GString *msg = g_string_new(NULL);

	diags_render(diags, msg);
	if (!rs)
		fail_msg("%s", msg->str);
	g_string_free(msg, TRUE);
	diags_free(diags);
	return rs;
}

static inline void fx_row(struct fx *f, const struct decision_row *r)
{
	g_string_append_printf(f->log, "%s %.*s", outcome_name(r->outcome),
	    STR_ARG(r->rule));
	if (r->key.len)
		g_string_append_printf(f->log, "/%.*s", STR_ARG(r->key));
	if (r->by)
		g_string_append_printf(f->log, " by %s", suppressor_name(r->by));
	if (r->count > 1)
		g_string_append_printf(f->log, " x%u", r->count);
	g_string_append_c(f->log, '\n');
	g_string_append_printf(f->why, "%.*s\n", STR_ARG(r->reason));
	g_free(f->trace);
	f->trace = g_strndup(r->trace.p, r->trace.len);
}

static inline void fx_admit(struct fx *f, const struct emission *em)
{
	struct verdict v = { 0 };
	GString *p = g_string_new(NULL);

	value_to_json(em->params, f->arena, p);
	g_free(f->params);
	f->params = g_string_free(p, FALSE);
	v.by = f->refuse;
	if (v.by) {
		v.numbers = STR("1/1 running");
	} else if (!em->observe) {
		v.run = ++f->runs;
		v.run_id = arena_printf(f->arena, "train-%d", (int)f->runs);
	}
	if (v.run && f->cuts)
		decide_run_created(f->d, em->rule->pipeline->name, em->key, v.run);
	decide_settle(f->d, em, &v);
}

static inline void fx_begin(struct fx *f, struct input *in)
{
	in->tick_ms = f->tick;
	in->wall_ms = START + f->tick + f->wall_off;
	f->out = (struct decided){ 0 };
	decide_begin(f->d, in, ++f->seq, f->arena, &f->out);
}

static inline void fx_end(struct fx *f)
{
	struct emission em;

	while (decide_next(f->d, &em))
		fx_admit(f, &em);
	for (uint32_t i = 0; i < f->out.decisions_n; i++)
		fx_row(f, &f->out.decisions[i]);
	for (uint32_t i = 0; i < f->out.dues_n; i++) {
		const struct due_row *r = &f->out.dues[i];

		if (f->due_names)
			g_string_append_printf(f->dues, "[%.*s] ", STR_ARG(r->schedule));
		g_string_append_printf(f->dues, "%" G_GINT64_FORMAT " %.*s\n",
		    (r->due_ms - START) / SECOND, STR_ARG(r->outcome));
	}
	arena_reset(f->arena);
}

static inline void fx_input(struct fx *f, struct input in)
{
	fx_begin(f, &in);
	fx_end(f);
}

static inline void fx_start(struct fx *f)
{
	static const struct start s;

	fx_input(f, (struct input){ .kind = INPUT_START, .start = &s });
}

static inline struct fx fx_new(const char *yaml)
{
	struct fx f = { .cells = cells_new(), .arena = arena_new(0),
		.log = g_string_new(NULL), .why = g_string_new(NULL),
		.dues = g_string_new(NULL), .rules = fx_rules(yaml) };
	struct err err = { 0 };

	f.d = decide_new(f.cells);
	if (!decide_load(f.d, f.rules, &err))
		fail_msg("%s", err.msg);
	fx_start(&f);
	return f;
}

static inline void fx_free(struct fx *f)
{
	decide_free(f->d);
	cells_free(f->cells);
	ruleset_unref(f->rules);
	arena_free(f->arena);
	g_string_free(f->log, TRUE);
	g_string_free(f->why, TRUE);
	g_string_free(f->dues, TRUE);
	g_free(f->trace);
	g_free(f->params);
}

/* Everything in memory is thrown away; the cells go through their encoding. */
static inline void fx_restart(struct fx *f)
{
	struct cells *c = cells_new();
	struct err err = { 0 };
	GByteArray *b = g_byte_array_new();

	for (uint32_t i = 0; i < cells_shards(f->cells); i++) {
		g_byte_array_set_size(b, 0);
		cells_encode_shard(f->cells, i, b);
		assert_true(cells_load_shard(c, i, 1,
		    (struct str){ (char *)b->data, b->len }));
	}
	cells_loaded(c);
	g_byte_array_free(b, TRUE);
	decide_free(f->d);
	cells_free(f->cells);
	f->cells = c;
	f->d = decide_new(c);
	if (!decide_load(f->d, f->rules, &err))
		fail_msg("%s", err.msg);
}

static inline void fx_take(void *ctx, struct event *ev)
{
	struct fx *f = ctx;
	struct input in = { .kind = INPUT_EVENT, .event = ev };
	struct arena *outer = f->arena;

	f->arena = arena_new(0);	/* the event lives in the outer one */
	fx_begin(f, &in);
	fx_end(f);
	arena_free(f->arena);
	f->arena = outer;
}

/* A CloudEvent of source instance 1 through the decoder. */
static inline void fx_event_at(struct fx *f, const char *part, int64_t time_ms,
    const char *type, const char *subject, const char *data)
{
	char when[TIME_TEXT];
	g_autofree char *body = g_strdup_printf("{\"specversion\":\"1.0\",\"id\":\"e%d\","
	    "\"source\":\"/t\",\"type\":\"%s\",\"subject\":\"%s\",\"time\":\"%s\","
	    "\"data\":%s}", (int)f->seq, type, subject, time_print(time_ms, when), data);
	struct message m = { .source = 1, .origin = STR("plant"), .part = str_of(part),
		.topic = STR("t"), .pos = (int64_t)f->seq,
		.time_ms = MAX(time_ms, START + f->tick + f->wall_off),
		.body = str_of(body),
		.content_type = STR("application/cloudevents+json") };
	struct arena *a = arena_new(0);
	uint32_t at;

	assert_int_equal(event_decode(&m, f->rules->formats_n > 1 ? f->rules->formats[1] :
	    NULL, &f->rules->plan, &(struct event_limits){ 0 }, a, fx_take, f, &at, NULL),
	    EVENT_OK);
	arena_free(a);
}

static inline void fx_event(struct fx *f, const char *type, const char *data)
{
	fx_event_at(f, "t/0", START + f->tick + f->wall_off, type, "s", data);
}

/* The next deadline at or before `tick`, decided at its own time; false: none. */
static inline bool fx_due(struct fx *f, int64_t tick)
{
	struct deadline t, w;
	bool has_t = decide_next_due(f->d, DUE_TICK, &t);
	bool has_w = decide_next_due(f->d, DUE_WALL, &w);
	int64_t wall0 = START + f->wall_off, at_w = has_w ? w.at_ms - wall0 : INT64_MAX;
	int64_t at_t = has_t ? t.at_ms : INT64_MAX, at = MIN(at_t, at_w);

	if (at > tick)
		return false;
	f->tick = MAX(f->tick, at);
	fx_input(f, (struct input){ .kind = INPUT_DEADLINE,
	    .deadline = at_t <= at_w ? t : w });
	return true;
}

static inline void fx_advance(struct fx *f, int64_t ms)
{
	int64_t to = f->tick + ms;
	unsigned n = 0;

	while (fx_due(f, to))
		if (++n > 100000)
			fail_msg("deadlines without end");
	f->tick = to;
}

/* The lines since the last call. */
static inline void fx_expect(struct fx *f, const char *lines)
{
	assert_string_equal(f->log->str, lines);
	g_string_truncate(f->log, 0);
}

static inline void fx_source(struct fx *f, enum source_state s)
{
	fx_input(f, (struct input){ .kind = INPUT_SOURCE, .source = { 1, { 0 }, s } });
}

static inline void fx_use(struct fx *f, const char *yaml)
{
	struct ruleset *rs = fx_rules(yaml);

	fx_input(f, (struct input){ .kind = INPUT_RULESET, .ruleset = rs });
	ruleset_unref(f->rules);
	f->rules = rs;
}

static inline struct rule_count fx_count(struct fx *f, const char *rule)
{
	return decide_rule_count(f->d, decide_rule_id(f->d,
	    ruleset_rule(f->rules, str_of(rule))));
}
#endif
