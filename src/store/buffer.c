/* The open commit's buffer: deep copies of everything put since the last commit.
 *
 * Nothing here touches SQL.  The arena is reset after a commit; it is never dropped
 * before, so that a commit refused with "full" can be run again unchanged. */
#include <string.h>

#include "base/codec.h"
#include "store/store_priv.h"

static guint h16_hash(gconstpointer p)
{
	guint h;

	memcpy(&h, p, sizeof(h));	/* it is a hash already */
	return h;
}

static gboolean h16_equal(gconstpointer a, gconstpointer b)
{
	return memcmp(a, b, 16) == 0;
}

void buffer_init(struct store *s)
{
	struct buffer *b = &s->buf;

	b->arena = arena_new(0);
	b->frames = g_byte_array_new();
	b->seen_set = g_hash_table_new(h16_hash, h16_equal);
	effects_init(&b->fx, b->arena);
}

/* After a commit: empty, and the arena's memory is kept for the next one. */
void buffer_clear(struct store *s)
{
	struct buffer *b = &s->buf;
	GByteArray *frames = b->frames;
	GHashTable *set = b->seen_set;
	struct arena *a = b->arena;

	arena_reset(a);
	g_hash_table_remove_all(set);
	g_byte_array_set_size(frames, 0);
	*b = (struct buffer){ .arena = a, .frames = frames, .seen_set = set };
	effects_init(&b->fx, a);
}

#define PUSH(b, v) \
	((b)->v = \
	     arena_grow((b)->arena, (b)->v, (b)->v##_n, &(b)->v##_cap, sizeof(*(b)->v)), \
	 &(b)->v[(b)->v##_n++])
/* Appends `from`'s rows of one kind, then `copy` deep-copies the strings of each. */
#define APPEND(dst, src, v) \
	for (uint32_t i_ = 0; i_ < (src)->v##_n; i_++) { \
		(dst)->v = arena_grow(a, (dst)->v, (dst)->v##_n, &(dst)->v##_cap, \
		    sizeof(*(dst)->v)); \
		(dst)->v[(dst)->v##_n] = (src)->v[i_]; \
		own_##v(a, &(dst)->v[(dst)->v##_n++]); \
	}
#define OWN(x) (r->x = arena_str(a, r->x))

static void own_decisions(struct arena *a, struct decision_row *r)
{
	OWN(rule), OWN(key), OWN(event_id), OWN(run_id), OWN(reason), OWN(trace);
}
static void own_rules(struct arena *a, struct rule_row *r)
{
	OWN(uid), OWN(name);
}
static void own_dues(struct arena *a, struct due_row *r)
{
	OWN(schedule), OWN(outcome);
}
static void own_runs(struct arena *a, struct run_row *r)
{
	OWN(name), OWN(pipeline), OWN(rule), OWN(key), OWN(model), OWN(reason),
	    OWN(params);
	OWN(events), OWN(trigger), OWN(code), OWN(environment), OWN(actor);
}
static void own_steps(struct arena *a, struct step_row *r)
{
	OWN(name), OWN(reason), OWN(outputs), OWN(metrics), OWN(artifacts);
}
static void own_attempts(struct arena *a, struct attempt_row *r)
{
	OWN(key), OWN(executor), OWN(native_id), OWN(native_state), OWN(reason);
}
static void own_models(struct arena *a, struct model_row *r)
{
	OWN(model), OWN(version), OWN(run), OWN(stage), OWN(metrics), OWN(baseline);
}
static void own_outbox(struct arena *a, struct outbox_row *r)
{
	OWN(type), OWN(subject), OWN(json);
}
static void own_pipelines(struct arena *a, struct pipeline_row *r)
{
	OWN(text);
}

void store_put(struct store *s, const struct effects *fx)
{
	struct arena *a = s->buf.arena;
	struct effects *to = &s->buf.fx;

	APPEND(&to->decided, &fx->decided, decisions);
	APPEND(&to->decided, &fx->decided, rules);
	APPEND(&to->decided, &fx->decided, dues);
	APPEND(to, fx, runs);
	APPEND(to, fx, steps);
	APPEND(to, fx, attempts);
	APPEND(to, fx, models);
	APPEND(to, fx, outbox);
	APPEND(to, fx, pipelines);
}

void store_turn(struct store *s, const struct turn_head *h)
{
	*PUSH(&s->buf, turns) = *h;
}

void store_put_frame(struct store *s, enum journal_mode mode, char kind, struct str frame)
{
	if (mode == JOURNAL_OFF)
		return;
	frame_put(s->buf.frames, kind, frame);
}

/* The newest position of a part is the one that counts. */
void store_put_position(struct store *s, struct str source, struct str part,
			struct str position)
{
	struct buffer *b = &s->buf;
	uint32_t id = source_id(s, source);

	for (uint32_t i = b->pos_n; i-- > 0;)
		if (b->pos[i].source == id && str_is(b->pos[i].part, part)) {
			if (b->pos[i].position.len ==
			    position.len) /* in place, no new memory */
				memcpy((char *)(uintptr_t)b->pos[i].position.p,
				       position.p, position.len);
			else
				b->pos[i].position = arena_str(b->arena, position);
			return;
		}
	*PUSH(b, pos) = (struct put_pos){ id, arena_str(b->arena, part),
		arena_str(b->arena, position) };
}

void store_put_quarantine(struct store *s, const struct message *m, struct str source,
    const char *reason, struct str why, int64_t wall_ms)
{
	struct arena *a = s->buf.arena;
	struct str head = { m->body.p, m->body.len < 1024 ? m->body.len : 1024 };

	*PUSH(&s->buf, quarantine) = (struct put_quarantine){
		.source = arena_str(a, source), .part = arena_str(a, m->part),
		.why = arena_str(a, why), .head = arena_str(a, head), .reason = reason,
		.pos = m->pos, .wall = wall_ms, .bytes = m->body.len,
	};
}

void store_put_seen(struct store *s, struct str source, const uint8_t h16[16],
		    int64_t tick_ms, uint64_t seq)
{
	struct put_seen *p = ARENA_NEW(s->buf.arena, struct put_seen);

	*p = (struct put_seen){ source_id(s, source), { 0 }, tick_ms, seq };
	memcpy(p->h16, h16, 16);
	*PUSH(&s->buf, seen) = *p;
	g_hash_table_insert(s->buf.seen_set, p->h16, p);
}

void store_put_ruleset(struct store *s, const uint8_t hash[32], struct str packed,
    int64_t wall_ms)
{
	struct put_ruleset *r = PUSH(&s->buf, rulesets);

	memcpy(r->hash, hash, 32);
	r->packed = arena_str(s->buf.arena, packed);
	r->wall = wall_ms;
}

void store_put_audit(struct store *s, int64_t wall_ms, uint64_t seq, struct str actor,
    struct str verb, struct str target, struct str detail, struct str answer)
{
	struct arena *a = s->buf.arena;

	*PUSH(&s->buf, audit) = (struct put_audit){ wall_ms, seq, arena_str(a, actor),
		arena_str(a, verb), arena_str(a, target), arena_str(a, detail),
		arena_str(a, answer) };
}

void store_put_meta(struct store *s, const char *name, struct str value)
{
	*PUSH(&s->buf, metas) = (struct put_meta){ name, arena_str(s->buf.arena, value) };
}
