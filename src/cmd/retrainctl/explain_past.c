/* Explaining out of the recorded past.
 *
 *	at a time	the snapshot before it, the journal up to it, the rule evaluated
 *			from the state that is reached
 *	an event	the blocks that hold its id, from the last one back; each rule is
 *			asked before the event is decided, and joined with what came of it
 *	not sent yet	the newest state, and then the same with the event as it would
 *			come over http */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "cmd/retrainctl/history.h"
#include "replay/consider.h"
#include "replay/replay.h"

struct explaining {
	struct history	 h;
	const char	*event;		/* id; NULL: none is looked for */
	struct str	 rule;
	int64_t		 at;		/* stop before the first turn after it */
	int64_t		 wall, tick;	/* of the last turn that was replayed */
	struct consider	*consider;	/* the event is being decided */
	GString		*json;		/* what was found */
};

static bool on_before(void *arg, struct journal *j, const struct journal_input *in)
{
	struct explaining *e = arg;

	if (e->json->len || in->turn->wall_ms > e->at)
		return false;
	if (e->event && in->in->kind == INPUT_EVENT &&
	    str_is(in->in->event->id, str_of(e->event)))
		e->consider = consider_new(journal_world(j), in->in->event,
		    in->turn->wall_ms, in->turn->tick_ms);
	return true;
}

static bool on_after(void *arg, struct journal *j, const struct journal_input *in,
    struct err *err)
{
	struct explaining *e = arg;

	(void)j, (void)err;
	e->wall = in->turn->wall_ms;
	e->tick = in->turn->tick_ms;
	if (e->consider)
		consider_json(e->consider, in->fx, in->decisions, e->rule, e->json);
	consider_free(e->consider);
	e->consider = NULL;
	return true;
}

static struct recall *recall_of(struct explaining *e)
{
	const struct recall_options o = { .past = e->h.past,
		.catalog = &e->h.config->catalog,
		.host = { .ctx = e, .before = on_before, .after = on_after,
			.fetch = history_fetch }, .fetch_ctx = &e->h };

	return recall_new(&o);
}

/* Up to that turn; false: *err. */
static bool reach(struct explaining *e, struct recall *r, const struct past_snap *snap,
    uint64_t turn, struct err *err)
{
	e->wall = snap->wall_ms;
	e->tick = snap->tick_ms;
	return recall_load(r, snap, err) && recall_run(r, turn, err) != JOURNAL_FAILED;
}

/* {"span":..} joined with what was found, printed. */
static int show(struct ctl *c, const struct explaining *e)
{
	GString *span = g_string_new(NULL);
	json_t *j = json_loadb(e->json->str, e->json->len, JSON_ALLOW_NUL, NULL);

	history_span_json(&e->h, span);
	json_object_set_new(j, "span", json_loads(span->str, 0, NULL));
	explain_print(c, j);
	json_decref(j);
	g_string_free(span, TRUE);
	return CTL_OK;
}

static int failed(const struct explaining *e, const struct err *err)
{
	GString *span = g_string_new(NULL);

	history_span_text(&e->h, span);
	fprintf(stderr, "retrainctl explain: %s (the journal covers %s)\n", err->msg,
	    span->str);
	g_string_free(span, TRUE);
	return err->code == ERR_IO ? CTL_USAGE : CTL_NO;
}

static int at_time(struct ctl *c, struct explaining *e, const char *key)
{
	struct past_snap snap;
	struct err err = { 0 };
	struct recall *r;
	int64_t at = MIN(e->at, history_now());
	bool ok;

	if (!history_snap(&e->h, "explain", e->at, &snap))
		return CTL_NO;
	r = recall_of(e);
	ok = reach(e, r, &snap, UINT64_MAX, &err) && replay_explain(recall_world(r),
	    e->rule, str_of(key ? key : ""), MAX(at, e->wall),
	    e->tick + MAX(at - e->wall, 0), e->json, &err);
	recall_free(r);
	return ok ? show(c, e) : failed(e, &err);
}

/* Of a log only positions may be kept: no block has the id, and all are replayed. */
static bool in_no_block(struct explaining *e, struct err *err)
{
	struct past_snap snap;
	struct recall *r;
	bool ok;

	if (!history_may_fetch(&e->h))
		return err_set(err, ERR_NOT_FOUND, "no event '%s' is in the journal",
		    e->event);
	r = recall_of(e);
	ok = past_snap(e->h.past, e->h.span.turn0, INT64_MAX, &snap, err) &&
	    reach(e, r, &snap, UINT64_MAX, err);
	recall_free(r);
	return ok && (e->json->len || err_set(err, ERR_NOT_FOUND,
	    "no event '%s' is in the journal", e->event));
}

/* The id may stand in a block without being the event's: then an older one is tried. */
static int one_event(struct ctl *c, struct explaining *e)
{
	uint64_t block = UINT64_MAX;
	struct past_snap snap;
	struct err err = { 0 };
	bool ok = true;

	while (ok && !e->json->len) {
		struct recall *r;

		ok = past_find(e->h.past, str_of(e->event), e->h.span.turn0, block,
		    &block, &err);
		if (ok && !block) {
			ok = in_no_block(e, &err);
			break;
		}
		r = recall_of(e);
		ok = ok && past_snap(e->h.past, block - 1, INT64_MAX, &snap, &err) &&
		    reach(e, r, &snap, block, &err);
		recall_free(r);
	}
	return ok ? show(c, e) : failed(e, &err);
}

int explain_past(struct ctl *c, const char *state, const char *rule, const char *key,
    const char *event, int64_t at_ms)
{
	struct explaining e = { .rule = str_of(rule), .at = at_ms, .event = event };
	int status;

	if (!history_open(c, "explain", state, &e.h, &status))
		return status;
	e.json = g_string_new(NULL);
	status = event ? one_event(c, &e) : at_time(c, &e, key);
	g_string_free(e.json, TRUE);
	history_close(&e.h);
	return status;
}

/* ---- not sent yet ---- */

struct unsent {
	struct explaining *e;
	struct world	*world;
	int64_t		 wall, tick;
	struct effects	 fx;
};

static void on_event(void *arg, struct event *ev)
{
	struct unsent *u = arg;
	struct input in = { .kind = INPUT_EVENT, .wall_ms = u->wall, .tick_ms = u->tick,
		.event = ev };
	struct consider *k;
	uint32_t first = u->fx.decided.decisions_n;

	if (u->e->json->len)		/* of a batch the first */
		return;
	k = consider_new(u->world, ev, u->wall, u->tick);
	world_input(u->world, &in, &u->fx);
	consider_json(k, &u->fx, first, (struct str){ 0 }, u->e->json);
	consider_free(k);
}

/* As the first http source would lend it. */
static struct message message_of(const struct catalog *c, struct str cloudevent)
{
	struct message m = { .part = STR("/api/v1/events"), .pos = -1,
		.topic = STR("/api/v1/events"), .body = cloudevent,
		.content_type = STR("application/cloudevents+json"),
		.time_ms = history_now() };

	for (uint32_t i = 0; i < c->instances_n && !m.source; i++)
		if (c->instances[i].what == CATALOG_SOURCE &&
		    strcmp(c->instances[i].kind->name, "http") == 0) {
			m.source = c->instances[i].id;
			m.origin = c->instances[i].name;
		}
	return m;
}

static bool consider_unsent(struct explaining *e, struct recall *r, struct str cloudevent,
    struct err *err)
{
	struct message m = message_of(&e->h.config->catalog, cloudevent);
	const struct ruleset *rs = world_ruleset(recall_world(r));
	const struct event_limits limits = {
		.bytes = (uint32_t)e->h.config->limits.payload,
		.depth = (uint32_t)e->h.config->limits.depth };
	struct arena *a = arena_new(0);
	struct unsent u = { .e = e, .world = recall_world(r),
		.wall = MAX(m.time_ms, e->wall),
		.tick = e->tick + MAX(m.time_ms - e->wall, 0) };
	GString *why = g_string_new(NULL);
	enum event_refusal refused;
	uint32_t at = 0;

	effects_init(&u.fx, a);
	refused = event_decode(&m,
	    m.source < rs->formats_n ? rs->formats[m.source] : NULL,
	    &rs->plan, &limits, a, on_event, &u, &at, why);
	if (refused != EVENT_OK)
		err_set(err, ERR_SYNTAX, "it would be refused: %s: %s",
		    event_refusal_name(refused), why->str);
	g_string_free(why, TRUE);
	arena_free(a);
	return refused == EVENT_OK;
}

int explain_unsent(struct ctl *c, const char *state, struct str cloudevent)
{
	struct explaining e = { .at = INT64_MAX };
	struct past_snap snap;
	struct err err = { 0 };
	struct recall *r;
	int status;

	if (!history_open(c, "events", state, &e.h, &status))
		return status;
	e.json = g_string_new(NULL);
	r = recall_of(&e);
	status = past_snap(e.h.past, UINT64_MAX, INT64_MAX, &snap, &err) &&
	    reach(&e, r, &snap, UINT64_MAX, &err) &&
	    consider_unsent(&e, r, cloudevent, &err) ? show(c, &e) : failed(&e, &err);
	recall_free(r);
	g_string_free(e.json, TRUE);
	history_close(&e.h);
	return status;
}
