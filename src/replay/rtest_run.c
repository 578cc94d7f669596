/* Running a rule test: its steps, one after the other, in virtual time.  A step that
 * cannot be done ends the test; an expectation that is not met does not. */
#include <stdarg.h>

#include "base/json.h"
#include "base/time.h"
#include "replay/feed.h"
#include "replay/rtest_priv.h"

void rtest_fail(struct rtest_state *st, const struct yaml *at, const char *fmt, ...)
{
	const struct text *t = diags_text(st->d, at->at.text);
	unsigned line, col;
	va_list ap;

	text_locate(t, at->at.off, &line, &col);
	g_string_append_printf(st->out->text, "%.*s:%u:%u: ", STR_ARG(t->name), line,
	    col);
	va_start(ap, fmt);
	g_string_append_vprintf(st->out->text, fmt, ap);
	va_end(ap);
	g_string_append_c(st->out->text, '\n');
	st->out->failures++;
}

static void stop(struct rtest_state *st, const struct yaml *at, const struct err *err)
{
	rtest_fail(st, at, "%s", err->msg);
	st->stopped = true;
}

/* ---- what the world says ---- */

static void on_turn(void *ctx, const struct input *in, const struct effects *fx)
{
	struct rtest_state *st = ctx;
	guint from = st->got->len;

	for (uint32_t i = 0; i < fx->decided.decisions_n; i++) {
		const struct decision_row *d = &fx->decided.decisions[i];
		struct rgot *g = ARENA_NEW(st->a, struct rgot);

		*g = (struct rgot){ .at_ms = in->wall_ms, .outcome = d->outcome,
			.by = d->by, .count = d->count, .id = d->id,
			.rule = arena_str(st->a, d->rule),
			.key = arena_str(st->a, d->key),
			.event = arena_str(st->a, d->event_id),
			.run = arena_str(st->a, d->run_id),
			.reason = arena_str(st->a, d->reason) };
		g_ptr_array_add(st->got, g);
	}
	for (uint32_t i = 0; i < fx->runs_n; i++)
		for (guint k = from; k < st->got->len; k++) {
			struct rgot *g = st->got->pdata[k];

			if (g->id == fx->runs[i].decision)
				g->params = arena_str(st->a, fx->runs[i].params);
		}
}

static bool plan(void *ctx, const struct run_row *row, struct sim_plan *ret)
{
	const struct rtest_state *st = ctx;

	for (uint32_t i = 0; i < st->t->runs_n; i++)
		if (str_is(st->t->runs[i].pipeline, row->pipeline)) {
			*ret = st->t->runs[i].plan;
			return true;
		}
	return false;
}

/* ---- events ---- */

static int64_t event_time(const struct rtest_state *st, const struct rfeed *f)
{
	int64_t ms = 0;

	if (!f->time.len)
		return sim_wall(st->s);
	if (f->time.p[0] == '-' || f->time.p[0] == '+') {
		rtest_signed(f->time, &ms);
		return ms + (ms < 0 ? sim_wall(st->s) : st->t->start_ms);
	}
	time_parse(f->time, &ms, NULL);
	return ms;
}

static void put_event(struct rtest_state *st, const struct rfeed *f,
    const struct feed_at *at, GString *j)
{
	const struct yaml *attr = f->attributes;

	g_string_truncate(j, 0);
	json_open(j, '{');
	json_key(j, "specversion"), json_cstr(j, "1.0");
	st->events++;
	json_key(j, "id");
	if (f->id.len && at->n > 1)
		g_string_append_printf(j, "\"%.*s-%u\"", STR_ARG(f->id), at->i + 1);
	else if (f->id.len)
		json_str(j, f->id);
	else
		g_string_append_printf(j, "\"event-%" G_GUINT64_FORMAT "\"", st->events);
	json_key(j, "source"), json_str(j, f->source);
	json_key(j, "type"), json_str(j, f->type);
	if (f->subject.len)
		json_key(j, "subject"), json_str(j, f->subject);
	json_key(j, "time"), json_time(j, event_time(st, f));
	for (uint32_t i = 0; attr && i < attr->n; i++) {
		json_key_str(j, attr->pairs[i].key->scalar);
		yaml_to_json(attr->pairs[i].value, j);
	}
	if (f->data)
		json_key(j, "data"), feed_json(f->data, at, j);
	json_close(j, '}');
}

/* False: the test is over. */
static bool give(struct rtest_state *st, const struct yaml *at, struct str body,
    const char *which, uint64_t line)
{
	const struct sim_item item = { .message = { .origin = STR("test"), .pos = -1,
		.body = body, .content_type = STR("application/cloudevents+json") } };
	GString *why = g_string_new(NULL);
	enum event_refusal refusal = EVENT_OK;
	struct err err = { 0 };

	if (!sim_give_item(st->s, &item, &refusal, why, &err))
		stop(st, at, &err);
	else if (refusal != EVENT_OK) {
		rtest_fail(st, at, "%s %" G_GUINT64_FORMAT " is refused: %s: %s", which,
		    line, event_refusal_name(refusal), why->str);
		st->stopped = true;
	}
	g_string_free(why, TRUE);
	return !st->stopped;
}

static void feed_file(struct rtest_state *st, const struct rstep *s)
{
	struct str rest, line;
	struct err err = { 0 };
	uint64_t n = 0;

	if (!st->h->read(st->h->ctx, s->feed.file, &rest, &err)) {
		stop(st, s->at, &err);
		return;
	}
	while (rest.len) {
		const char *end = memchr(rest.p, '\n', rest.len);
		uint32_t len = end ? (uint32_t)(end - rest.p) : rest.len;

		line = (struct str){ rest.p, len };
		rest.p += len + (end != NULL);
		rest.len -= len + (end != NULL);
		n++;
		if (line.len && !give(st, s->at, line, "line", n))
			return;
	}
}

static void do_feed(struct rtest_state *st, const struct rstep *s)
{
	const struct rfeed *f = &s->feed;
	GString *j;
	struct feed_rng rng;
	struct err err = { 0 };

	if (f->file.len) {
		feed_file(st, s);
		return;
	}
	j = g_string_new(NULL);
	feed_seed(&rng, (uint64_t)f->seed);
	for (uint32_t i = 0; i < f->count && !st->stopped; i++) {
		const struct feed_at at = { &rng, i, (uint32_t)f->count };

		if (f->every_ms && !sim_advance(st->s, f->every_ms, &err)) {
			stop(st, s->at, &err);
			break;
		}
		put_event(st, f, &at, j);
		give(st, s->at, (struct str){ j->str, (uint32_t)j->len }, "event", i + 1);
	}
	g_string_free(j, TRUE);
}

/* ---- runs, models ---- */

static void do_run(struct rtest_state *st, const struct rstep *s)
{
	const struct sim_run *v;
	uint32_t n = sim_runs(st->s, &v);
	GString *open = g_string_new(NULL);
	struct err err = { 0 };

	for (uint32_t i = 0; i < n; i++) {
		if (v[i].planned)
			continue;
		g_string_append_printf(open, "%s%.*s", open->len ? ", " : "; open: ",
		    STR_ARG(v[i].name));
		if (!str_is(v[i].pipeline, s->run.pipeline) ||
		    (s->run.key.len && !str_is(v[i].key, s->run.key)))
			continue;
		sim_run_end(st->s, v[i].id, &s->run.plan);
		if (!sim_advance(st->s, 0, &err))	/* it may end at once */
			stop(st, s->at, &err);
		g_string_free(open, TRUE);
		return;
	}
	rtest_fail(st, s->at, "no run of pipeline '%.*s'%s%.*s is open%s",
	    STR_ARG(s->run.pipeline), s->run.key.len ? " key " : "",
	    STR_ARG(s->run.key), open->str);
	g_string_free(open, TRUE);
}

static void promote(struct rtest_state *st, const struct rmodel *m)
{
	struct err err = { 0 };

	if (!sim_champion(st->s, m->name, m->version, m->metrics, m->baseline, &err))
		stop(st, st->t->at, &err);
}

/* ---- the test ---- */

static void do_step(struct rtest_state *st, const struct rstep *s)
{
	struct err err = { 0 };
	bool ok = true;

	switch (s->kind) {
	case RSTEP_FEED:
	case RSTEP_EVENT:
		do_feed(st, s);
		break;
	case RSTEP_ADVANCE:
		ok = sim_advance(st->s, s->ms, &err);
		break;
	case RSTEP_RESTART:
		ok = sim_restart(st->s, s->ms, &err);
		break;
	case RSTEP_CLOCK:
		ok = sim_wall_step(st->s, s->ms, &err);
		break;
	case RSTEP_RUN:
		do_run(st, s);
		break;
	case RSTEP_SOURCE:
		ok = sim_source(st->s, s->source, &err);
		break;
	case RSTEP_EXPECT:
		st->out->expects++;
		rtest_expect(st, s);
		break;
	}
	if (!ok)
		stop(st, s->at, &err);
}

void rtest_run(const struct rtest *t, const struct diags *d, const struct rtest_host *h,
    struct rtest_result *out)
{
	struct rtest_state st = { .t = t, .d = d, .h = h, .out = out };
	const struct sim_options o = { .rules = h->rules, .catalog = h->catalog,
		.wall_ms = t->start_ms, .tick_ms = t->start_ms, .on_turn = on_turn,
		.plan = plan, .ctx = &st };
	struct err err = { 0 };

	st.a = arena_new(0);
	st.got = g_ptr_array_new();
	st.s = sim_new(&o);
	if (!sim_begin(st.s, NULL, 0, true, &err))
		stop(&st, t->at, &err);
	for (uint32_t i = 0; i < t->models_n && !st.stopped; i++)
		promote(&st, &t->models[i]);
	for (uint32_t i = 0; i < t->steps_n && !st.stopped; i++)
		do_step(&st, &t->steps[i]);
	out->inputs = sim_inputs(st.s);
	out->decisions = st.got->len;
	sim_free(st.s);
	g_ptr_array_free(st.got, TRUE);
	arena_free(st.a);
}
