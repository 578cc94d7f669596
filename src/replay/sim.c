/* Virtual time, and what is fed into it.
 *
 * Invariants
 *   (1) world_input() is called in sim_step() and nowhere else.
 *   (2) Time moves only in move_to(), and only when nothing is left to do at the
 *       instant that it leaves.
 *   (3) The effects of an input are gone with the next one: what is needed later is
 *       copied by sim_fold().
 */
#include "base/json.h"
#include "replay/replay.h"
#include "replay/sim_priv.h"

#define INSTANT_MAX 2000000	/* inputs at one instant: more never comes to rest */
#define FUTURE_MS (INT64_MAX / 4)	/* from a file: no event is too far ahead */

static const struct str instance = { "virtual", 7 }, epoch = { "0", 1 };

struct sim *sim_new(const struct sim_options *o)
{
	struct sim *s = g_new0(struct sim, 1);

	s->o = *o;
	s->o.rules = ruleset_ref(o->rules);
	s->o.source = o->source ? o->source : 1;
	s->w = world_new();
	s->arena = arena_new(0);
	s->msg = arena_new(0);
	s->tick = o->tick_ms;
	s->began = o->wall_ms;
	s->offset = o->wall_ms == TIME_NONE ? 0 : o->wall_ms - o->tick_ms;
	s->later = g_sequence_new(NULL);
	g_queue_init(&s->events);
	s->runs = g_ptr_array_new_with_free_func(sim_virtual_free);
	s->view = g_array_new(FALSE, FALSE, sizeof(struct sim_run));
	s->kept = g_ptr_array_new_with_free_func(sim_kept_free);
	s->sources = g_array_new(FALSE, FALSE, sizeof(uint32_t));
	return s;
}

static void later_clear(struct sim *s)
{
	GSequenceIter *i;

	while (!g_sequence_is_empty(s->later)) {
		i = g_sequence_get_begin_iter(s->later);
		sim_later_free(g_sequence_get(i));
		g_sequence_remove(i);
	}
}

void sim_free(struct sim *s)
{
	gpointer p;

	if (!s)
		return;
	later_clear(s);
	g_sequence_free(s->later);
	while ((p = g_queue_pop_head(&s->events)))
		g_free(p);
	g_ptr_array_free(s->runs, TRUE);
	g_array_free(s->view, TRUE);
	g_ptr_array_free(s->kept, TRUE);
	g_array_free(s->sources, TRUE);
	world_free(s->w);
	ruleset_unref(s->o.rules);
	arena_free(s->arena);
	arena_free(s->msg);
	g_free(s);
}

struct world *sim_world(struct sim *s)
{
	return s->w;
}

int64_t sim_wall(const struct sim *s)
{
	return s->tick + s->offset;
}

int64_t sim_tick(const struct sim *s)
{
	return s->tick;
}

uint64_t sim_inputs(const struct sim *s)
{
	return s->inputs;
}

uint64_t sim_events(const struct sim *s)
{
	return s->events_n;
}

int64_t sim_began(const struct sim *s)
{
	return s->began;
}

bool sim_over(const struct sim *s)
{
	return s->over;
}

/* ---- inputs ---- */

static bool left_something(const struct effects *fx)
{
	return fx->decided.decisions_n || fx->decided.dues_n || fx->runs_n ||
	    fx->outbox_n || fx->ops_n || fx->pipelines_n || fx->answers_n ||
	    fx->models_n || fx->steps_n || fx->decided.rules_n;
}

/* Invariant (1). */
static void sim_step(struct sim *s, struct input *in)
{
	arena_reset(s->arena);
	effects_init(&s->fx, s->arena);
	world_input(s->w, in, &s->fx);
	s->inputs++;
	if (s->o.on_turn && (in->kind == INPUT_EVENT || left_something(&s->fx)))
		s->o.on_turn(s->o.ctx, in, &s->fx);
}

void sim_give(struct sim *s, struct input *in)
{
	in->wall_ms = sim_wall(s);
	in->tick_ms = s->tick;
	sim_step(s, in);
	sim_fold(s, &s->fx);
}

static void source_state(struct sim *s, uint32_t id, enum source_state state)
{
	struct input in = { .kind = INPUT_SOURCE,
		.source = { .source = id, .state = state } };

	sim_give(s, &in);
}

static void source_ready(struct sim *s, uint32_t id)
{
	for (guint i = 0; i < s->sources->len; i++)
		if (g_array_index(s->sources, uint32_t, i) == id)
			return;
	g_array_append_val(s->sources, id);
	source_state(s, id, SOURCE_UP);
	source_state(s, id, SOURCE_CAUGHT_UP);
}

static void give_start(struct sim *s, bool fresh)
{
	const struct start start = { .instance = instance, .epoch = epoch,
		.boot = STR("virtual"), .fingerprint = STR("virtual"), .fresh = fresh };
	struct input in = { .kind = INPUT_START, .start = &start };

	sim_give(s, &in);
}

static void first_inputs(struct sim *s)
{
	give_start(s, true);
	source_ready(s, CATALOG_RUN_ID);
	source_ready(s, s->o.source);
}

bool sim_begin(struct sim *s, struct pipeline **pipelines, uint32_t n, bool fresh,
    struct err *err)
{
	if (!world_load(s->w, s->o.rules, pipelines, n, err))
		return false;
	if (fresh && s->began != TIME_NONE)
		first_inputs(s);
	return true;
}

/* ---- time ---- */

struct fed {			/* events of one message */
	struct sim	*s;
	struct event	**v;
	uint32_t	 n, cap;
};

static void on_event(void *ctx, struct event *e)
{
	struct fed *f = ctx;

	f->v = arena_grow(f->s->msg, f->v, f->n, &f->cap, sizeof(*f->v));
	f->v[f->n++] = e;
}

/* One of our own events is read back. */
static bool own_event(struct sim *s)
{
	static const struct event_limits limits = { 0 };
	char *json = g_queue_pop_head(&s->events);
	const struct message m = { .source = CATALOG_RUN_ID, .origin = STR("run"),
		.part = STR("outbox"), .pos = -1, .time_ms = sim_wall(s),
		.content_type = STR("application/cloudevents+json") };
	struct message own = m;
	struct arena *a = s->msg;
	struct fed f = { .s = s };
	uint32_t at;

	if (!json)
		return false;
	own.body = str_of(json);
	s->msg = f.s->msg = arena_new(0);	/* an event of a file may be on its way */
	if (event_decode(&own, NULL, &s->o.rules->plan, &limits, s->msg, on_event, &f,
	    &at, NULL) == EVENT_OK)
		for (uint32_t i = 0; i < f.n; i++) {
			struct input in = { .kind = INPUT_EVENT, .event = f.v[i] };

			sim_give(s, &in);
		}
	arena_free(s->msg);
	s->msg = a;
	g_free(json);
	return true;
}

static bool endless(const struct sim *s, struct err *err)
{
	char text[TIME_TEXT];

	return err_set(err, ERR_LIMIT, "more than %d inputs at %s: something comes due"
	    " again and again", INSTANT_MAX, time_print(sim_wall(s), text));
}

/* Everything that there is to do now; `due`: deadlines too. */
static bool settle_now(struct sim *s, bool due, struct err *err)
{
	for (uint32_t n = 0; n < INSTANT_MAX; n++) {
		struct input in;

		if (sim_later_do(s) || own_event(s))
			continue;
		if (!due || !world_take_due(s->w, sim_wall(s), s->tick, &in))
			return true;
		sim_give(s, &in);
	}
	return endless(s, err);
}

static int64_t next_tick(const struct sim *s)
{
	int64_t wall, tick;

	world_next_due(s->w, &wall, &tick);
	if (wall != INT64_MAX)
		tick = MIN(tick, wall - s->offset);
	return MIN(tick, sim_later_due(s));
}

/* Invariant (2).  What is due at `tick` itself is left. */
static bool move_to(struct sim *s, int64_t tick, struct err *err)
{
	while (s->tick < tick) {
		int64_t next;

		if (!settle_now(s, true, err))
			return false;
		next = next_tick(s);
		if (next >= tick)
			break;
		s->tick = MAX(s->tick, next);
	}
	s->tick = MAX(s->tick, tick);
	return true;
}

bool sim_until(struct sim *s, int64_t wall_ms, struct err *err)
{
	return move_to(s, wall_ms - s->offset, err) && settle_now(s, true, err);
}

bool sim_advance(struct sim *s, int64_t ms, struct err *err)
{
	return move_to(s, s->tick + ms, err) && settle_now(s, true, err);
}

bool sim_wall_step(struct sim *s, int64_t by_ms, struct err *err)
{
	if (!settle_now(s, true, err))
		return false;
	s->offset += by_ms;
	return settle_now(s, true, err);
}

/* ---- feeding ---- */

/* Time begins with the first event, unless it was said when. */
static void begin_at(struct sim *s, int64_t wall_ms)
{
	s->began = wall_ms;
	s->tick = wall_ms;
	s->offset = 0;
	first_inputs(s);
}

static bool event_at(struct sim *s, struct event *ev, int64_t at, struct err *err)
{
	struct input in = { .kind = INPUT_EVENT, .event = ev };

	if (s->o.skip_before_ms && at < s->o.skip_before_ms)
		return true;
	if (s->o.stop_after_ms && at > s->o.stop_after_ms) {
		s->over = true;
		return true;
	}
	if (s->began == TIME_NONE)
		begin_at(s, at);
	if (ev->via)
		source_ready(s, ev->via);
	if (!move_to(s, at - s->offset, err) || !settle_now(s, false, err))
		return false;
	sim_give(s, &in);
	s->events_n++;
	return settle_now(s, true, err);
}

bool sim_event(struct sim *s, struct event *ev, struct err *err)
{
	return event_at(s, ev, ev->time_ms, err);
}

static bool skipped(const struct sim_item *item, uint32_t i)
{
	for (uint32_t k = 0; k < item->skipped_n; k++)
		if (item->skipped[k] == i)
			return true;
	return false;
}

/* From a file nothing is too far ahead; what arrived at a known time may be. */
bool sim_give_item(struct sim *s, const struct sim_item *item, enum event_refusal *ret,
    GString *why, struct err *err)
{
	const struct ruleset *rs = s->o.rules;
	const struct event_format *format = item->format;
	struct message m = item->message;
	bool arrived = m.time_ms > 0;
	const struct event_limits limits = { .max_future_ms = arrived ? 0 : FUTURE_MS };
	struct fed f = { .s = s };
	uint32_t at = 0;

	arena_reset(s->msg);
	if (!format && m.source && m.source < rs->formats_n)
		format = rs->formats[m.source];
	m.source = m.source ? m.source : s->o.source;
	m.time_ms = arrived ? m.time_ms : sim_wall(s);
	*ret = event_decode(&m, format, &rs->plan, &limits, s->msg, on_event, &f, &at,
	    why);
	for (uint32_t i = 0; *ret == EVENT_OK && i < f.n; i++)
		if (!skipped(item, i) && !event_at(s, f.v[i],
		    arrived ? m.time_ms : f.v[i]->time_ms, err))
			return false;
	return true;
}

bool sim_message(struct sim *s, const struct message *m,
    const struct event_format *format, enum event_refusal *ret, GString *why,
    struct err *err)
{
	struct sim_item item = { .message = *m, .format = format };

	item.message.time_ms = 0;
	return sim_give_item(s, &item, ret, why, err);
}

bool sim_command(struct sim *s, const struct command *cmd, struct err *err)
{
	struct input in = { .kind = INPUT_COMMAND, .command = cmd };

	if (!settle_now(s, false, err))
		return false;
	sim_give(s, &in);
	for (uint32_t i = 0; i < s->fx.answers_n; i++)
		if (!s->fx.answers[i].ok)
			return err_set(err, ERR_CONFLICT, "%.*s",
			    STR_ARG(s->fx.answers[i].json));
	return settle_now(s, true, err);
}

bool sim_champion(struct sim *s, struct str model, struct str version, struct str metrics,
    struct str baseline, struct err *err)
{
	GString *j = g_string_new(NULL);
	struct command cmd = { .kind = COMMAND_PROMOTE, .target = model,
		.actor = STR("replay") };
	bool ok;

	json_open(j, '{');
	json_key(j, "version"), json_str(j, version);
	json_key(j, "run"), json_cstr(j, "before");
	json_key(j, "metrics"), json_raw(j, metrics);
	json_key(j, "baseline"), json_raw(j, baseline);
	json_close(j, '}');
	cmd.params = (struct str){ j->str, (uint32_t)j->len };
	ok = sim_command(s, &cmd, err);
	g_string_free(j, TRUE);
	return ok;
}

bool sim_reload(struct sim *s, struct ruleset *rules, struct err *err)
{
	struct input in = { .kind = INPUT_RULESET, .ruleset = rules };
	struct ruleset *old = s->o.rules;

	if (!settle_now(s, true, err))
		return false;
	s->o.rules = ruleset_ref(rules);
	sim_give(s, &in);
	ruleset_unref(old);
	return settle_now(s, true, err);
}

bool sim_source(struct sim *s, enum source_state state, struct err *err)
{
	if (!settle_now(s, true, err))
		return false;
	source_state(s, s->o.source, state);
	return settle_now(s, true, err);
}

/* ---- restart ---- */

static bool copy_cells(const struct sim *s, struct world *to, struct err *err)
{
	const struct cells *from = world_cells(s->w);
	GByteArray *blob = g_byte_array_new();
	bool ok = true;

	for (uint32_t i = 0; ok && i < cells_shards(from); i++) {
		g_byte_array_set_size(blob, 0);
		cells_encode_shard(from, i, blob);
		ok = cells_load_shard(world_cells(to), i, 1, (struct str){
		    (const char *)blob->data, blob->len });
	}
	cells_loaded(world_cells(to));
	g_byte_array_free(blob, TRUE);
	return ok || err_set(err, ERR_CORRUPT, "the state does not load again");
}

static struct pipeline **restore(struct sim *s, uint32_t *n, struct err *err)
{
	struct pipeline **v = ARENA_ARRAY(s->msg, struct pipeline *, s->kept->len + 1);

	for (*n = 0; *n < s->kept->len; (*n)++) {
		const struct kept *k = s->kept->pdata[*n];

		v[*n] = pipeline_restore((struct str){ k->text, k->len }, s->o.catalog,
		    err);
		if (!v[*n])
			return NULL;
	}
	return v;
}

bool sim_restart(struct sim *s, int64_t down_ms, struct err *err)
{
	struct world *w = world_new();
	struct pipeline **pipelines;
	uint32_t n;

	if (!settle_now(s, true, err) || !copy_cells(s, w, err) ||
	    !(pipelines = restore(s, &n, err)) ||
	    !world_load(w, s->o.rules, pipelines, n, err)) {
		world_free(w);
		return false;
	}
	world_free(s->w);
	s->w = w;
	s->tick += down_ms;
	give_start(s, false);
	for (guint i = 0; i < s->sources->len; i++) {
		source_state(s, g_array_index(s->sources, uint32_t, i), SOURCE_UP);
		source_state(s, g_array_index(s->sources, uint32_t, i), SOURCE_CAUGHT_UP);
	}
	arena_reset(s->arena);
	effects_init(&s->fx, s->arena);
	world_ops(s->w, &s->fx);
	sim_fold_ops(s, &s->fx);
	return settle_now(s, true, err);
}

bool sim_explain(struct sim *s, struct str rule, struct str key, GString *json,
    struct err *err)
{
	return replay_explain(s->w, rule, key, sim_wall(s), s->tick, json, err);
}
