/* Frames to inputs, inputs to the world.
 *
 * Invariants
 *   (1) Every input of a block is decided, each with the seq that its turn's header
 *       gives it; a block that does not begin where the world stands, or does not end
 *       where its headers say, is an error: nothing is skipped silently.
 *   (2) Effects live for one turn, as in the daemon.
 *   (3) Bytes that were accepted once are accepted again: limits are the largest that
 *       a configuration allows. */
#include "replay/journal.h"

#include <string.h>

#include "base/arena.h"
#include "base/check.h"

#define DEPTH_MAX 512		/* limits.depth, docs/config-reference.md */

struct journal {
	struct journal_host host;
	struct world	*world;
	struct arena	*arena;		/* of the turn */
	struct effects	 fx;
	struct arena	*scratch;	/* of a block's frames */
	/* the block */
	const struct journal_turn *turns, *turn;	/* turn: of the last input */
	uint32_t	 turns_n, next;	/* next: the turn after it */
	struct err	*err;
	enum journal_result result;
};

struct journal *journal_new(const struct journal_host *host)
{
	struct journal *j = g_new0(struct journal, 1);

	j->host = *host;
	j->arena = arena_new(0);
	j->scratch = arena_new(0);
	effects_init(&j->fx, j->arena);
	return j;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	world_free(j->world);
	arena_free(j->arena);
	arena_free(j->scratch);
	g_free(j);
}

struct world *journal_world(struct journal *j)
{
	return j->world;
}

static void copy_cells(const struct cells *from, struct cells *to)
{
	GByteArray *bytes = g_byte_array_new();

	for (uint32_t i = 0; i < cells_shards(from); i++) {
		g_byte_array_set_size(bytes, 0);
		cells_encode_shard(from, i, bytes);
		CHECK(cells_load_shard(to, i, 1,
		    (struct str){ (const char *)bytes->data, bytes->len }));
	}
	cells_loaded(to);
	g_byte_array_free(bytes, TRUE);
}

bool journal_load(struct journal *j, const struct cells *cells, const uint8_t hash[32],
    struct err *err)
{
	struct ruleset *rs = j->host.ruleset(j->host.ctx, hash, err);
	struct arena *a = arena_new(0);
	struct world *w = NULL;
	struct pipeline **v = NULL;
	uint32_t n = 0;
	bool ok = rs && j->host.pipelines(j->host.ctx, a, &v, &n, err);

	if (ok) {
		w = world_new();
		copy_cells(cells, world_cells(w));
		ok = world_load(w, rs, v, n, err);
	}
	arena_free(a);
	ruleset_unref(rs);
	if (!ok) {
		world_free(w);
		return false;
	}
	world_free(j->world);
	j->world = w;
	return true;
}

/* ---- one input ---- */

static bool failed(struct journal *j)
{
	j->result = JOURNAL_FAILED;
	return false;
}

/* The turn of the next input. */
static bool enter_turn(struct journal *j)
{
	uint64_t seq = world_seq(j->world) + 1;

	if (j->turn && seq < j->turn->seq0 + j->turn->n)
		return true;
	while (j->next < j->turns_n && j->turns[j->next].n == 0)
		j->next++;
	if (j->next == j->turns_n || j->turns[j->next].seq0 != seq) {
		err_set(j->err, ERR_CORRUPT, "the journal does not go on from input %llu",
		    (unsigned long long)(seq - 1));
		return failed(j);
	}
	j->turn = &j->turns[j->next++];
	arena_reset(j->arena);
	effects_init(&j->fx, j->arena);
	return true;
}

static bool step(struct journal *j, struct input *in)
{
	struct journal_input at = { .in = in, .turn = j->turn, .fx = &j->fx,
		.seq = world_seq(j->world) + 1, .decisions = j->fx.decided.decisions_n };

	in->wall_ms = j->turn->wall_ms;
	in->tick_ms = j->turn->tick_ms;
	if (j->host.before && !j->host.before(j->host.ctx, j, &at)) {
		j->result = JOURNAL_STOPPED;
		return false;
	}
	world_input(j->world, in, &j->fx);
	return !j->host.after || j->host.after(j->host.ctx, j, &at, j->err) || failed(j);
}

/* What a process does before its first input. */
static bool restart(struct journal *j)
{
	return journal_load(j, world_cells(j->world), j->turn->ruleset, j->err) ||
	    failed(j);
}

static bool step_input(struct journal *j, struct str body)
{
	struct str hash = { 0 };
	struct input in;
	bool ok;

	if (!input_decode(body, j->scratch, &in, &hash, j->err))
		return failed(j);
	if (!enter_turn(j))
		return false;
	if (in.kind == INPUT_START && !restart(j))
		return false;
	if (in.kind == INPUT_RULESET) {
		in.ruleset = j->host.ruleset(j->host.ctx, (const uint8_t *)hash.p,
		    j->err);
		if (!in.ruleset)
			return failed(j);
	}
	ok = step(j, &in);
	if (in.kind == INPUT_RULESET)
		ruleset_unref(in.ruleset);
	return ok;
}

/* ---- messages ---- */

struct events {			/* of one message */
	struct arena	*a;
	struct event	**v;
	uint32_t	 n, cap;
};

static void on_event(void *arg, struct event *e)
{
	struct events *d = arg;

	d->v = arena_grow(d->a, d->v, d->n, &d->cap, sizeof(*d->v));
	d->v[d->n++] = e;
}

static bool is_skipped(const struct frame_message *f, uint32_t i)
{
	for (uint32_t k = 0; k < f->skipped_n; k++)
		if (f->skipped[k] == i)
			return true;
	return false;
}

static bool decode(struct journal *j, const struct message *m, struct events *d)
{
	const struct event_limits limits = { .bytes = INT32_MAX, .depth = DEPTH_MAX };
	const struct ruleset *rs = world_ruleset(j->world);
	const struct event_format *f =
	    m->source < rs->formats_n ? rs->formats[m->source] : NULL;
	enum event_refusal r;
	uint32_t at = 0;

	r = event_decode(m, f, &rs->plan, &limits, d->a, on_event, d, &at, NULL);
	if (r == EVENT_OK)
		return true;
	err_set(j->err, ERR_CORRUPT, "a message of %.*s at position %lld is refused now"
	    " (%s): it was accepted then", STR_ARG(m->part), (long long)m->pos,
	    event_refusal_name(r));
	return failed(j);
}

static bool fetch(struct journal *j, const struct frame_message *f, struct message *m)
{
	if (f->mode == JOURNAL_FULL)
		return true;
	if (f->mode == JOURNAL_REF && j->host.fetch)
		return j->host.fetch(j->host.ctx, m, j->scratch, j->err) || failed(j);
	err_set(j->err, ERR_NOT_FOUND, "the journal keeps %s of the message of %.*s at"
	    " position %lld, not its bytes", f->mode == JOURNAL_REF ? "the position" :
	    "only the arrival", STR_ARG(m->part), (long long)m->pos);
	return failed(j);
}

/* Between two events of one message the turn may change no more than the daemon's did:
 * never.  So its events live as long as the turn. */
static bool step_message(struct journal *j, const struct frame_message *f,
    struct message m)
{
	struct events d = { 0 };

	if (!enter_turn(j))
		return false;
	m.origin = j->host.origin(j->host.ctx, m.source);
	d.a = j->arena;
	if (!fetch(j, f, &m) || !decode(j, &m, &d))
		return false;
	for (uint32_t i = 0; i < d.n; i++) {
		struct input in = { .kind = INPUT_EVENT, .event = d.v[i] };

		if (!is_skipped(f, i) && !step(j, &in))
			return false;
	}
	return true;
}

static bool step_frame(struct journal *j, char kind, struct str body)
{
	struct frame_message f = { 0 };

	if (kind == 'i')
		return step_input(j, body);
	if (!frame_get_message(kind, body, j->scratch, &f, j->err))
		return failed(j);
	for (uint32_t i = 0; i < f.n; i++) {
		struct message m = f.m;

		m.pos = f.m.pos + i;
		if (!step_message(j, &f, m))
			return false;
	}
	return true;
}

enum journal_result journal_block(struct journal *j, const struct journal_turn *turns,
    uint32_t n, struct str frames, struct err *err)
{
	struct reader r = reader_of(frames);
	struct str body;
	char kind;

	CHECK(j->world != NULL);
	j->turns = turns;
	j->turns_n = n;
	j->next = 0;
	j->turn = NULL;
	j->err = err;
	j->result = JOURNAL_DONE;
	arena_reset(j->scratch);
	while (j->result == JOURNAL_DONE && frame_next(&r, &kind, &body))
		step_frame(j, kind, body);
	if (j->result == JOURNAL_DONE && !reader_done(&r)) {
		err_set(err, ERR_CORRUPT, "a journal block ends within a frame");
		failed(j);
	}
	while (j->next < n && turns[j->next].n == 0)
		j->next++;
	if (j->result == JOURNAL_DONE && (j->next < n || (j->turn &&
	    world_seq(j->world) + 1 != j->turn->seq0 + j->turn->n))) {
		err_set(err, ERR_CORRUPT, "a journal block has fewer inputs than its"
		    " turns");
		failed(j);
	}
	return j->result;
}
