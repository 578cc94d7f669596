/* One turn: drain -> step -> commit -> acknowledge -> dispatch.
 *
 * Invariants
 *   (1) world_input() is called here and nowhere else in the daemon, one input at a
 *       time, each with the next seq; what it changed is committed before anything of
 *       it is acknowledged, answered or done.
 *   (2) A turn's arena lives until the commit that covers it has ended; then what it
 *       lent (messages, effects) is gone.  Turns that owe nobody anything may share a
 *       commit; their arena is reset at once.
 *   (3) While a commit is refused ("full") no input is taken; the same commit is tried
 *       again.  After an I/O error the process ends.
 *   (4) Nothing waits inside a turn: a batch closes when nothing more is readable. */
#include <string.h>

#include "base/check.h"
#include "io/log.h"
#include "io/metrics.h"
#include "turn/turn_priv.h"

static void on_timer(void *arg)
{
	(void)arg;		/* waking up runs the hook */
}

static void on_free(void *arg)
{
	struct turn *t = arg;

	loop_stay_awake(t->p.loop);	/* the log is short again */
}

/* Order of inputs: run, http, mqtt, kafka; then by number. */
static int source_rank(const struct source *s)
{
	static const char *const order[] = { "run", "http", "mqtt", "kafka" };

	for (int i = 0; i < (int)G_N_ELEMENTS(order); i++)
		if (strcmp(s->impl->kind->name, order[i]) == 0)
			return i;
	return (int)G_N_ELEMENTS(order);
}

void turn_begin(struct turn *t, const struct clock_now *now)
{
	t->head = (struct turn_head){
		.id = ++t->turn, .seq0 = world_seq(t->world) + 1,
		.wall_ms = now->wall_ms, .tick_ms = now->boot_ms + t->tick_offset,
	};
	memcpy(t->head.ruleset, world_ruleset(t->world)->hash, 32);
	t->read = 0;
}

uint64_t turn_step(struct turn *t, struct input *in)
{
	in->wall_ms = t->head.wall_ms;
	in->tick_ms = t->head.tick_ms;
	world_input(t->world, in, &t->fx);
	t->head.n++;
	return world_seq(t->world);
}

static bool owes(const struct effects *fx)
{
	return fx->decided.decisions_n || fx->decided.dues_n || fx->runs_n ||
	       fx->outbox_n || fx->ops_n || fx->answers_n || fx->forget_n ||
	       fx->pipelines_n;
}

/* Closes the turn: its rows go into the open commit, or it leaves no trace. */
void turn_end(struct turn *t)
{
	if (!t->head.n && !t->read) {
		t->turn--;
		return;
	}
	store_turn(t->p.store, &t->head);
	store_put(t->p.store, &t->fx);
	if (owes(&t->fx))
		t->at_once = true;
}

static bool queues_empty(const struct turn *t)
{
	return g_queue_is_empty((GQueue *)(uintptr_t)&t->commands) &&
	    g_queue_is_empty((GQueue *)(uintptr_t)&t->reports) &&
	    g_queue_is_empty((GQueue *)(uintptr_t)&t->states) &&
	    g_queue_is_empty((GQueue *)(uintptr_t)&t->reloads);
}

/* A source that is not read must know: an mqtt one keeps its connection alive. */
void turn_hold(struct turn *t, bool on)
{
	if (on == t->held)
		return;
	t->held = on;
	for (uint32_t i = 0; i < t->sources_n; i++)
		t->sources[i]->impl->pause(t->sources[i], on);
}

static bool may_read(struct turn *t)
{
	bool low = store_low(t->p.store, t->head.tick_ms);

	if (low != t->low) {
		t->low = low;
		metric_set("store_reading_paused", low, NULL);
		log_warn("%s", low ?
		    "disk full: sources are not read until there is space" :
		    "there is space again: sources are read");
	}
	turn_hold(t, low || world_paused(t->world));
	return !t->held && !t->stopping;
}

/* Each ready source gets its share of what is left, in messages and in time, so that
 * one with a long backlog holds up no other; what one does not use goes to the next. */
static void drain_sources(struct turn *t)
{
	uint32_t budget[] = { TURN_INPUTS, TURN_SLOW_INPUTS }, ready[] = { 0, 0 };
	int64_t end = clock_mono_us() + TURN_US;
	bool more = false;

	for (uint32_t i = 0; i < t->sources_n; i++)
		if (t->sources[i]->ready)
			ready[t->sources[i]->impl->commit_at_once]++;
	for (uint32_t i = 0; i < t->sources_n; i++) {
		struct source *s = t->sources[i];
		bool slow = s->impl->commit_at_once;
		int64_t now = clock_mono_us();

		if (!s->ready)
			continue;
		/* one that became ready meanwhile is read in the next turn */
		if (ready[slow] > 0)
			budget[slow] -= drain_source(t, i, budget[slow] / ready[slow],
			    now + (end - now) / (ready[0] + ready[1]));
		ready[slow] -= ready[slow] > 0;
		more = more || s->ready;
	}
	if (more)
		loop_stay_awake(t->p.loop);
}

bool turn_clock_waits(const struct turn *t, const struct clock_now *now)
{
	return now->boot_ms < t->clock_ok_boot &&
	    now->wall_ms < store_meta(t->p.store)->last_wall_ms;
}

/* Milliseconds until the world's next deadline, the open commit or the next look at
 * the disk; a minute at most, where the kernel does not tell that wall was set. */
static int64_t next_wake(const struct turn *t, const struct clock_now *now)
{
	int64_t wall, tick, after = 60000;

	if (t->full)
		return RETRY_MS;
	world_next_due(t->world, &wall, &tick);
	if (wall != INT64_MAX)
		after = MIN(after, wall - now->wall_ms);
	if (turn_clock_waits(t, now)) {
		after = MAX(after, RETRY_MS);
		after = MIN(after, t->clock_ok_boot - now->boot_ms);
	}
	if (tick != INT64_MAX)
		after = MIN(after, tick - (now->boot_ms + t->tick_offset));
	if (store_open_commit(t->p.store))
		after = MIN(after, t->open_since_ms + COMMIT_MS - now->boot_ms);
	if (t->low)
		after = MIN(after, RETRY_MS);
	return MAX(after, 0);
}

static void one_turn(struct turn *t)
{
	struct clock_now now = t->p.clock();
	int64_t began = clock_mono_us();

	turn_begin(t, &now);
	drain_commands(t);
	drain_reloads(t);
	drain_reports(t);
	drain_states(t);
	if (may_read(t))
		drain_sources(t);
	if (!t->stopping)
		drain_deadlines(t, TURN_INPUTS);
	turn_end(t);
	if (t->head.n || t->read)
		metric_observe("turn_duration_seconds",
			       (double)(clock_mono_us() - began) / 1e6, NULL);
	if (store_open_commit(t->p.store) && t->open_since_ms < 0)
		t->open_since_ms = now.boot_ms;
	if (commit_due(t, now.boot_ms))
		commit_run(t);
	else {			/* its rows are copied, and it owes nobody */
		if (!store_open_commit(t->p.store))
			commit_answers(t);	/* a repeat of something long committed */
		arena_reset(t->arena);
		effects_init(&t->fx, t->arena);
	}
	for (uint32_t i = 0; i < t->sources_n; i++)
		t->sources[i]->impl->release(t->sources[i]);
}

/* True: over.  A full disk does not keep the process: what is not stored was not
 * acknowledged, and is read again by the next one. */
static bool finish(struct turn *t)
{
	void (*idle)(void *) = t->on_idle;

	if (!t->stopping || !idle || (!t->full && !queues_empty(t)))
		return false;
	if (!t->full && store_open_commit(t->p.store))
		commit_run(t);
	if (t->broken)
		return true;
	if (t->full) {
		log_warn("stopping with the disk full: the last commit is dropped, "
			 "nothing of it was acknowledged");
		for (uint32_t i = 0; i < t->sources_n; i++)
			t->sources[i]->impl->nack(t->sources[i]);
	}
	t->on_idle = NULL;
	idle(t->on_idle_ctx);
	return true;
}

void turn_run(struct turn *t)
{
	struct clock_now now;

	if (!t->recovered || t->broken)
		return;
	if (store_must_wait(t->p.store))
		return;		/* on_free() wakes us */
	now = t->p.clock();
	if (t->full && (now.boot_ms >= t->retry_boot || t->stopping))
		commit_run(t);
	if (!t->full && !t->broken)
		one_turn(t);
	if (t->broken || finish(t))
		return;
	if (!t->full && !queues_empty(t))
		loop_stay_awake(t->p.loop);
	now = t->p.clock();
	io_watch_after(t->timer, next_wake(t, &now));
}

static void hook(void *arg)
{
	turn_run(arg);
}

struct turn *turn_new(const struct turn_parts *p)
{
	struct turn *t = g_new0(struct turn, 1);

	t->p = *p;
	g_queue_init(&t->commands);
	g_queue_init(&t->reports);
	g_queue_init(&t->states);
	g_queue_init(&t->reloads);
	t->waiting = g_array_new(FALSE, TRUE, sizeof(struct waiting));
	t->feed = g_ptr_array_new_with_free_func(g_free);
	t->batch = g_new0(struct message, BATCH);
	t->sum = g_checksum_new(G_CHECKSUM_SHA256);
	t->frame = g_byte_array_new();
	t->why = g_string_new(NULL);
	t->arena = arena_new(0);
	effects_init(&t->fx, t->arena);
	t->timer = loop_timer(p->loop, on_timer, t);
	t->clock_set = loop_clock_set(p->loop, on_timer, t);
	t->turn = store_meta(p->store)->last_turn;
	t->open_since_ms = -1;
	store_attach(p->store, p->loop, p->checkpointer, on_free, t);
	loop_before_sleep(p->loop, hook, t);
	return t;
}

void turn_free(struct turn *t)
{
	if (!t)
		return;
	loop_drop_hook(t->p.loop, t);
	store_attach(t->p.store, t->p.loop, NULL, NULL, NULL);
	io_watch_free(t->timer);
	io_watch_free(t->clock_set);
	drain_free(t);
	world_free(t->world);
	arena_free(t->arena);
	g_array_free(t->waiting, TRUE);
	g_ptr_array_free(t->feed, TRUE);
	g_byte_array_free(t->frame, TRUE);
	g_string_free(t->why, TRUE);
	g_checksum_free(t->sum);
	g_free(t->batch);
	g_free(t->sources);
	g_free(t->counts);
	g_free(t);
}

static uint64_t *counter(const char *source, const char *outcome)
{
	return metric_counter("events_total", "source", source, "outcome", outcome, NULL);
}

void turn_add_source(struct turn *t, struct source *s)
{
	uint32_t at = t->sources_n;
	char *name = g_strndup(s->name.p, s->name.len);

	t->sources = g_renew(struct source *, t->sources, t->sources_n + 1);
	t->counts = g_renew(struct source_count, t->counts, t->sources_n + 1);
	while (at > 0 && (source_rank(t->sources[at - 1]) > source_rank(s) ||
			  (source_rank(t->sources[at - 1]) == source_rank(s) &&
			   t->sources[at - 1]->id > s->id))) {
		t->sources[at] = t->sources[at - 1];
		t->counts[at] = t->counts[at - 1];
		at--;
	}
	t->sources[at] = s;
	t->counts[at].accepted = counter(name, "accepted");
	t->counts[at].quarantined = counter(name, "quarantined");
	t->counts[at].duplicate = counter(name, "duplicate");
	t->counts[at].repeats = 0;
	t->counts[at].by_key = strcmp(s->impl->kind->name, "http") == 0;
	t->counts[at].by_id = t->counts[at].by_key ||
	    strcmp(s->impl->kind->name, "mqtt") == 0;
	t->sources_n++;
	g_free(name);
}

void turn_on_ready(void *arg, struct source *s)
{
	struct turn *t = arg;

	s->ready = true;
	loop_stay_awake(t->p.loop);
}

void turn_stop(struct turn *t, void (*on_idle)(void *), void *ctx)
{
	t->stopping = true;
	t->on_idle = on_idle;
	t->on_idle_ctx = ctx;
	loop_stay_awake(t->p.loop);
}

struct world *turn_world(struct turn *t)
{
	return t->world;
}

uint32_t turn_sources(struct turn *t, struct source ***ret)
{
	*ret = t->sources;
	return t->sources_n;
}

void turn_listen(struct turn *t, void (*on_event)(void *, struct str), void *ctx)
{
	t->on_event = on_event;
	t->on_event_ctx = ctx;
}
