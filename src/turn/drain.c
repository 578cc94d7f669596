/* What came in becomes inputs: commands, rule sets, reports, source states, messages,
 * deadlines; each journalled and stepped one by one.
 *
 * Identity (promise G1): Kafka and the run source by position, in the source itself;
 * mqtt and http with an event id by hash in `seen`, tested here together with the open
 * commit; a command by the key its client made before the first send. */
#include <string.h>

#include "base/check.h"
#include "base/codec.h"
#include "io/log.h"
#include "io/metrics.h"
#include "turn/turn_priv.h"

static const struct str command_source = { "command", 7 };

void turn_journal(struct turn *t, struct input *in)
{
	in->wall_ms = t->head.wall_ms;
	in->tick_ms = t->head.tick_ms;
	g_byte_array_set_size(t->frame, 0);
	input_encode(in, t->frame);
	store_put_frame(t->p.store, JOURNAL_FULL, 'i',
	    (struct str){ (const char *)t->frame->data, t->frame->len });
}

/* Commands. */

static char *own(struct str s)
{
	return s.len ? g_strndup(s.p, s.len) : NULL;
}

static void own_str(struct str *s)
{
	s->p = own(*s);
}

static void free_command(struct queued_command *q)
{
	struct str *v[] = { &q->c.actor, &q->c.target, &q->c.key, &q->c.params,
			    &q->c.reason };

	for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
		g_free((char *)(uintptr_t)v[i]->p);
	g_free(q);
}

void turn_command(struct turn *t, const struct command *c, const uint8_t key[16],
    turn_answer_f answer, void *ctx)
{
	struct queued_command *q = g_new0(struct queued_command, 1);
	struct waiting w = { .answer = answer, .ctx = ctx, .token = ++t->token };

	q->c = *c;
	q->c.token = w.token;
	own_str(&q->c.actor), own_str(&q->c.target), own_str(&q->c.key);
	own_str(&q->c.params), own_str(&q->c.reason);
	if (key) {
		q->has_key = true;
		memcpy(q->key, key, 16);
	}
	g_array_append_val(t->waiting, w);
	g_queue_push_tail(&t->commands, q);
	loop_stay_awake(t->p.loop);
}

static struct waiting *waiting_of(struct turn *t, uint64_t token)
{
	for (unsigned i = 0; i < t->waiting->len; i++) {
		struct waiting *w = &g_array_index(t->waiting, struct waiting, i);
		if (w->token == token)
			return w;
	}
	return NULL;
}

/* Answers made by this input; the audit row keeps what a repeat gets. */
static void take_answers(struct turn *t, uint32_t from, const struct command *c,
			 uint64_t seq)
{
	for (uint32_t i = from; i < t->fx.answers_n; i++) {
		struct answer *a = &t->fx.answers[i];
		struct waiting *w = waiting_of(t, a->token);
		struct str kept =
		    arena_printf(t->arena, "%d %.*s", a->status, STR_ARG(a->json));
		if (w) {
			w->answered = true;
			w->status = a->status;
			w->json = own(a->json);
		}
		store_put_audit(t->p.store, t->head.wall_ms, seq, c->actor,
				str_of(command_name(c->kind)), c->target,
				c->params.len ? c->params : c->reason, kept);
	}
}

static void step_command(struct turn *t, struct queued_command *q)
{
	struct input in = { .kind = INPUT_COMMAND, .command = &q->c };
	uint32_t answers = t->fx.answers_n;
	uint64_t seq;

	if (q->has_key && store_has_seen(t->p.store, command_source, q->key, &seq)) {
		struct waiting *w = waiting_of(t, q->c.token);
		CHECK(w != NULL);
		w->repeat = true;
		w->seq = seq;
		t->at_once = true;	/* the answer comes after what is open by then */
		return;
	}
	turn_journal(t, &in);
	seq = turn_step(t, &in);
	if (q->has_key)
		store_put_seen(t->p.store, command_source, q->key, t->head.tick_ms, seq);
	take_answers(t, answers, &q->c, seq);
	t->at_once = true;
}

void drain_commands(struct turn *t)
{
	struct queued_command *q;

	while ((q = g_queue_pop_head(&t->commands))) {
		/* The strings must outlive the commit: effects may point to them. */
		struct str *v[] = { &q->c.actor, &q->c.target, &q->c.key, &q->c.params,
			&q->c.reason };
		struct queued_command copy = *q;
		struct str *w[] = { &copy.c.actor, &copy.c.target, &copy.c.key,
				    &copy.c.params, &copy.c.reason };
		for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
			*w[i] = arena_str(t->arena, *v[i]);
		free_command(q);
		step_command(t, &copy);
	}
}

/* Rule sets. */

void turn_reload(struct turn *t, struct ruleset *rs, turn_answer_f answer, void *ctx)
{
	struct queued_reload *q = g_new0(struct queued_reload, 1);

	*q = (struct queued_reload){ rs, answer, ctx };
	g_queue_push_tail(&t->reloads, q);
	loop_stay_awake(t->p.loop);
}

void drain_reloads(struct turn *t)
{
	struct queued_reload *q;

	while ((q = g_queue_pop_head(&t->reloads))) {
		struct input in = { .kind = INPUT_RULESET, .ruleset = q->rs };
		struct waiting w = { .answer = q->answer,
				     .ctx = q->ctx,
				     .token = ++t->token,
				     .answered = true,
				     .status = 200 };
		turn_journal(t, &in);
		store_put_ruleset(t->p.store, q->rs->hash, q->rs->packed,
				  t->head.wall_ms);
		turn_step(t, &in);
		t->without_rules = false;
		w.json = g_strdup_printf("{\"ok\":true,\"rules\":%u,\"pipelines\":%u}",
					 q->rs->rules_n, q->rs->pipelines_n);
		g_array_append_val(t->waiting, w);
		ruleset_unref(q->rs);
		t->at_once = true;
		g_free(q);
	}
}

/* Reports. */

void turn_on_report(void *arg, const struct report *r)
{
	struct turn *t = arg;
	struct queued_report *q = g_new0(struct queued_report, 1);

	q->r = *r;
	own_str(&q->r.key), own_str(&q->r.native_id), own_str(&q->r.native_state);
	own_str(&q->r.reason), own_str(&q->r.outputs), own_str(&q->r.metrics);
	own_str(&q->r.artifacts), own_str(&q->r.code);
	own_str(&q->r.environment);
	g_queue_push_tail(&t->reports, q);
	loop_stay_awake(t->p.loop);
}

static void free_report(struct queued_report *q)
{
	struct str *v[] = { &q->r.key, &q->r.native_id, &q->r.native_state, &q->r.reason,
		&q->r.outputs, &q->r.metrics, &q->r.artifacts, &q->r.code,
		&q->r.environment };

	for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
		g_free((char *)(uintptr_t)v[i]->p);
	g_free(q);
}

void drain_reports(struct turn *t)
{
	struct queued_report *q;

	while ((q = g_queue_pop_head(&t->reports))) {
		struct report r = q->r;
		struct str *v[] = { &r.key,     &r.native_id, &r.native_state, &r.reason,
				    &r.outputs, &r.metrics,   &r.artifacts,
				    &r.code,    &r.environment };
		struct input in = { .kind = INPUT_REPORT, .report = &r };
		for (unsigned i = 0; i < G_N_ELEMENTS(v); i++)
			*v[i] = arena_str(t->arena, *v[i]);
		free_report(q);
		if (!t->ready) {
			bool live =
			    r.state == REPORT_RUNNING || r.state == REPORT_PENDING;
			t->recovery.attached += live;
			t->recovery.ended += r.state >= REPORT_COMPLETED;
			t->recovery.lost += r.state == REPORT_ABSENT;
		}
		turn_journal(t, &in);
		turn_step(t, &in);
		t->at_once = true;
	}
}

/* Source states. */

void turn_on_state(void *arg, struct source *s, struct str part, enum source_state state)
{
	struct turn *t = arg;
	struct queued_state *q = g_new0(struct queued_state, 1);

	q->c = (struct source_change){ .source = s->id, .part = part, .state = state };
	own_str(&q->c.part);
	g_queue_push_tail(&t->states, q);
	loop_stay_awake(t->p.loop);
}

void drain_states(struct turn *t)
{
	struct queued_state *q;

	while ((q = g_queue_pop_head(&t->states))) {
		struct input in = { .kind = INPUT_SOURCE, .source = q->c };
		in.source.part = arena_str(t->arena, q->c.part);
		g_free((char *)(uintptr_t)q->c.part.p);
		g_free(q);
		turn_journal(t, &in);
		turn_step(t, &in);
	}
}

/* Messages. */

struct decoded {		/* the events of one message */
	struct turn	*t;
	struct event	**v;
	uint32_t	 n, cap;
};

static void on_event(void *arg, struct event *e)
{
	struct decoded *d = arg;

	d->v = arena_grow(d->t->arena, d->v, d->n, &d->cap, sizeof(*d->v));
	d->v[d->n++] = e;
}

/* First 128 bits of SHA-256 over our source, what names the event there, and its id. */
static void identity(GChecksum *sum, const struct source *s, struct str space,
    struct str id, uint32_t index, uint8_t ret[16])
{
	uint8_t all[32];
	gsize n = sizeof(all);
	const struct str parts[] = { s->name, space, id };

	g_checksum_reset(sum);
	for (unsigned i = 0; i < G_N_ELEMENTS(parts); i++) {
		uint32_t len = parts[i].len;
		g_checksum_update(sum, (const guchar *)&len, sizeof(len));
		if (len)
			g_checksum_update(sum, (const guchar *)parts[i].p, (gssize)len);
	}
	g_checksum_update(sum, (const guchar *)&index, sizeof(index));
	g_checksum_get_digest(sum, all, &n);
	memcpy(ret, all, 16);
}

/* Which identity this event has beyond its position; false: none. */
static bool has_identity(struct turn *t, uint32_t i, const struct message *m,
    const struct event *e, uint32_t index, uint8_t ret[16])
{
	const struct source *s = t->sources[i];

	if (t->counts[i].by_key && m->key.len)	/* of the whole request */
		identity(t->sum, s, STR("idempotency-key"), m->key, index, ret);
	else if (t->counts[i].by_id && e->has_id)
		identity(t->sum, s, e->source, e->id, 0, ret);
	else
		return false;
	return true;
}

static void show(struct turn *t, const struct event *e)
{
	GString *s;

	if (!t->on_event)
		return;
	s = g_string_new(NULL);
	event_to_json(e, s);
	g_ptr_array_add(t->feed, g_string_free(s, FALSE));
}

static void refuse(struct turn *t, uint32_t i, const struct message *m,
    enum event_refusal why, GString *text)
{
	struct source *s = t->sources[i];
	struct str w = { text->str, (uint32_t)text->len };

	store_put_quarantine(t->p.store, m, s->name, event_refusal_name(why), w,
			     t->head.wall_ms);
	(*t->counts[i].quarantined)++;
	char *name = g_strndup(s->name.p, s->name.len);
	metric_add("quarantined_total", 1, "source", name, "reason",
		   event_refusal_name(why), NULL);
	log_warn("source '%s': message at %.*s:%lld quarantined: %s: %.*s", name,
	    STR_ARG(m->part), (long long)m->pos, event_refusal_name(why), STR_ARG(w));
	g_free(name);
	s->impl->refuse(s, m->token, why, w);
}

/* The events of one message, as inputs; duplicates are none. */
static void step_events(struct turn *t, uint32_t i, const struct message *m,
    const struct decoded *d)
{
	struct source *s = t->sources[i];
	uint32_t *skipped = ARENA_ARRAY(t->arena, uint32_t, d->n);
	uint32_t skipped_n = 0;
	uint64_t seq = 0;

	for (uint32_t k = 0; k < d->n; k++) {
		struct input in = { .kind = INPUT_EVENT, .event = d->v[k] };
		uint8_t h[16] = { 0 };
		bool known = has_identity(t, i, m, d->v[k], k, h);
		if (known && store_has_seen(t->p.store, s->name, h, &seq)) {
			skipped[skipped_n++] = k;
			t->counts[i].repeats++;
			s->impl->accept(s, m->token, seq, true);
			continue;
		}
		show(t, d->v[k]);
		seq = turn_step(t, &in);
		(*t->counts[i].accepted)++;
		t->counts[i].last_ms = MAX(t->counts[i].last_ms, d->v[k]->time_ms);
		s->impl->accept(s, m->token, seq, false);
		if (known)
			store_put_seen(t->p.store, s->name, h, t->head.tick_ms, seq);
	}
	if (skipped_n < d->n)
		frame_message(t, s->journal, m, skipped, skipped_n);
}

static void step_message(struct turn *t, uint32_t i, const struct message *m)
{
	const struct ruleset *rs = world_ruleset(t->world);
	const struct event_format *f =
	    m->source < rs->formats_n ? rs->formats[m->source] : NULL;
	struct decoded d = { .t = t };
	struct event_limits limits = t->p.limits;
	struct arena_mark mark = arena_mark(t->arena);
	struct effects before = t->fx;
	uint32_t at = 0;
	enum event_refusal r;

	if (t->sources[i]->payload_max)
		limits.bytes = t->sources[i]->payload_max;
	g_string_truncate(t->why, 0);
	r = event_decode(m, f, &rs->plan, &limits, t->arena, on_event, &d, &at,
			 t->why);
	if (r == EVENT_OK)
		step_events(t, i, m, &d);
	else
		refuse(t, i, m, r, t->why);
	/* Most messages leave no effect: their memory is used again while it is warm. */
	if (memcmp(&before, &t->fx, sizeof(before)) == 0)
		arena_rewind(t->arena, mark);
}

uint32_t drain_source(struct turn *t, uint32_t i, uint32_t max, int64_t until_us)
{
	struct source *s = t->sources[i];
	uint32_t used = 0;

	while (used < max) {
		struct batch b = { .v = t->batch, .cap = MIN(max - used, BATCH) };
		bool more;

		s->ready = false;
		more = s->impl->read(s, &b, b.cap);
		s->ready = s->ready || more;	/* it may have called on_ready */
		for (uint32_t k = 0; k < b.n; k++)
			step_message(t, i, &b.v[k]);
		used += b.n;
		if (!s->ready || !b.n || clock_mono_us() > until_us)
			break;
	}
	frame_end_run(t);
	if (used && s->impl->commit_at_once)
		t->at_once = true;
	t->read += used;	/* one that gave no input still moves the position */
	return used;
}

/* Deadlines. */

void drain_deadlines(struct turn *t, uint32_t budget)
{
	const struct clock_now now = { t->head.wall_ms,
		t->head.tick_ms - t->tick_offset };
	int64_t wall = turn_clock_waits(t, &now) ? INT64_MIN : now.wall_ms;
	struct input in;

	while (budget-- > 0 && world_take_due(t->world, wall, t->head.tick_ms, &in)) {
		turn_journal(t, &in);
		turn_step(t, &in);
	}
	if (world_take_due(t->world, wall, t->head.tick_ms, &in))
		loop_stay_awake(t->p.loop);
}

void drain_free(struct turn *t)
{
	gpointer q;

	while ((q = g_queue_pop_head(&t->commands)))
		free_command(q);
	while ((q = g_queue_pop_head(&t->reports)))
		free_report(q);
	while ((q = g_queue_pop_head(&t->states))) {
		g_free((char *)(uintptr_t)((struct queued_state *)q)->c.part.p);
		g_free(q);
	}
	while ((q = g_queue_pop_head(&t->reloads))) {
		ruleset_unref(((struct queued_reload *)q)->rs);
		g_free(q);
	}
	for (unsigned i = 0; i < t->waiting->len; i++)
		g_free(g_array_index(t->waiting, struct waiting, i).json);
}
