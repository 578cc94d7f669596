/* Journal frames of inputs: kind, clocks, then the members in the order of their
 * struct.  An event is never encoded here: its bytes belong to the source's journal.
 * To add a member: append it, and let the reader take an absent one as zero. */
#include "base/arena.h"
#include "base/check.h"
#include "base/codec.h"
#include "flow/world.h"

static void put_start(GByteArray *out, const struct start *s)
{
	put_str(out, s->instance);
	put_str(out, s->epoch);
	put_str(out, s->boot);
	put_str(out, s->fingerprint);
	put_u8(out, s->fresh);
}

static void put_command(GByteArray *out, const struct command *c)
{
	put_u8(out, (uint8_t)c->kind);
	put_u64(out, c->token);
	put_str(out, c->actor);
	put_str(out, c->target);
	put_str(out, c->key);
	put_str(out, c->params);
	put_str(out, c->reason);
	put_u8(out, (uint8_t)((c->force ? 1 : 0) | (c->all ? 2 : 0)));
}

static void put_report(GByteArray *out, const struct report *r)
{
	put_str(out, r->key);
	put_u8(out, (uint8_t)r->op);
	put_u8(out, (uint8_t)r->answer);
	put_u8(out, (uint8_t)r->state);
	put_str(out, r->native_id);
	put_str(out, r->native_state);
	put_str(out, r->reason);
	put_str(out, r->outputs);
	put_str(out, r->metrics);
	put_str(out, r->artifacts);
	put_str(out, r->code);
	put_str(out, r->environment);
	put_i64(out, r->exit_code);
	put_i64(out, r->started_ms);
	put_i64(out, r->finished_ms);
	put_i64(out, r->again_ms);
}

static void put_deadline(GByteArray *out, const struct deadline *d)
{
	put_u8(out, (uint8_t)d->clock);
	put_u8(out, (uint8_t)d->floor);
	put_i64(out, d->at_ms);
	put_u64(out, d->id);
}

void input_encode(const struct input *in, GByteArray *out)
{
	put_u8(out, (uint8_t)in->kind);
	put_i64(out, in->wall_ms);
	put_i64(out, in->tick_ms);
	switch (in->kind) {
	case INPUT_START:
		put_start(out, in->start);
		break;
	case INPUT_COMMAND:
		put_command(out, in->command);
		break;
	case INPUT_REPORT:
		put_report(out, in->report);
		break;
	case INPUT_SOURCE:
		put_u64(out, in->source.source);
		put_str(out, in->source.part);
		put_u8(out, (uint8_t)in->source.state);
		break;
	case INPUT_RULESET:
		put_raw(out, in->ruleset->hash, sizeof(in->ruleset->hash));
		break;
	case INPUT_DEADLINE:
		put_deadline(out, &in->deadline);
		break;
	case INPUT_EVENT:
	default:
		CHECK(in->kind != INPUT_EVENT && "events are journalled by their source");
	}
}

/* A small number in 1..max, or 0..max where zero is allowed; else the frame is bad. */
static unsigned get_enum(struct reader *r, unsigned min, unsigned max)
{
	unsigned v = get_u8(r);

	if (v < min || v > max)
		r->bad = true;
	return v;
}

static const struct start *get_start(struct reader *r, struct arena *arena)
{
	struct start *s = ARENA_NEW(arena, struct start);

	s->instance = get_str(r);
	s->epoch = get_str(r);
	s->boot = get_str(r);
	s->fingerprint = get_str(r);
	s->fresh = get_enum(r, 0, 1);
	return s;
}

static const struct command *get_command(struct reader *r, struct arena *arena)
{
	struct command *c = ARENA_NEW(arena, struct command);
	unsigned flags;

	c->kind = get_enum(r, 1, COMMAND_MAX - 1);
	c->token = get_u64(r);
	c->actor = get_str(r);
	c->target = get_str(r);
	c->key = get_str(r);
	c->params = get_str(r);
	c->reason = get_str(r);
	flags = get_enum(r, 0, 3);
	c->force = flags & 1;
	c->all = flags & 2;
	return c;
}

static const struct report *get_report(struct reader *r, struct arena *arena)
{
	struct report *rep = ARENA_NEW(arena, struct report);
	int64_t code;

	rep->key = get_str(r);
	rep->op = get_enum(r, 0, EXEC_ABORT);
	rep->answer = get_enum(r, 0, REPORT_UNCERTAIN);
	rep->state = get_enum(r, 0, REPORT_FAILED);
	rep->native_id = get_str(r);
	rep->native_state = get_str(r);
	rep->reason = get_str(r);
	rep->outputs = get_str(r);
	rep->metrics = get_str(r);
	rep->artifacts = get_str(r);
	rep->code = get_str(r);
	rep->environment = get_str(r);
	code = get_i64(r);
	if (code < INT32_MIN || code > INT32_MAX)
		r->bad = true;
	rep->exit_code = (int32_t)code;
	rep->started_ms = get_i64(r);
	rep->finished_ms = get_i64(r);
	rep->again_ms = get_i64(r);
	return rep;
}

static void get_body(struct reader *r, struct arena *arena, struct input *in,
    struct str *ret_ruleset)
{
	uint64_t source;

	switch (in->kind) {
	case INPUT_START:
		in->start = get_start(r, arena);
		break;
	case INPUT_COMMAND:
		in->command = get_command(r, arena);
		break;
	case INPUT_REPORT:
		in->report = get_report(r, arena);
		break;
	case INPUT_SOURCE:
		source = get_u64(r);
		if (source > UINT32_MAX)
			r->bad = true;
		in->source.source = (uint32_t)source;
		in->source.part = get_str(r);
		in->source.state = get_enum(r, 1, SOURCE_PART_IDLE);
		break;
	case INPUT_RULESET:
		*ret_ruleset = (struct str){ get_raw(r, 32), 32 };
		break;
	case INPUT_DEADLINE:
		in->deadline.clock = get_enum(r, 1, DUE_WALL);
		in->deadline.floor = get_enum(r, 1, DUE_DECIDE);
		in->deadline.at_ms = get_i64(r);
		in->deadline.id = get_u64(r);
		break;
	case INPUT_EVENT:
	default:
		r->bad = true;
	}
}

bool input_decode(struct str frame, struct arena *arena, struct input *in,
    struct str *ret_ruleset, struct err *err)
{
	struct reader r = reader_of(frame);
	struct input got = { 0 };
	struct str ruleset = { 0 };

	got.kind = get_enum(&r, INPUT_START, INPUT_DEADLINE);
	got.wall_ms = get_i64(&r);
	got.tick_ms = get_i64(&r);
	if (!r.bad)
		get_body(&r, arena, &got, &ruleset);
	if (!reader_done(&r))
		return err_set(err, ERR_CORRUPT, "malformed journal frame of %u bytes",
		    (unsigned)frame.len);
	*in = got;
	*ret_ruleset = ruleset;
	return true;
}
