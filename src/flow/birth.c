/* What a run is born with: names, parameters, cause, and the names of its steps.  It is
 * written once and never changes, so it is one text; what changes is in cells (live.h).
 * To add a member: in struct birth, and at the same place in put and get; then
 * CELLS_CODEC goes up. */
#include <inttypes.h>

#include "base/codec.h"
#include "base/json.h"
#include "flow/engine.h"

static void birth_put(GByteArray *out, const struct birth *b)
{
	put_str(out, b->name);
	put_str(out, b->pipeline);
	put_str(out, b->rule);
	put_str(out, b->key);
	put_str(out, b->model);
	put_str(out, b->actor);
	put_str(out, b->params);
	put_str(out, b->events);
	put_str(out, b->code);
	put_str(out, b->instance);
	put_str(out, b->epoch);
	put_str(out, b->ruleset_hash);
	put_str(out, b->pipeline_hash);
	put_u64(out, b->decision);
	put_u64(out, b->episode);
	put_u64(out, b->retry_of);
	put_u64(out, b->rule_id);
	put_u8(out, b->depth);
	put_u64(out, b->steps_n);
	for (uint32_t i = 0; i < b->steps_n; i++) {
		put_str(out, b->steps[i]);
		put_str(out, b->executors[i]);
	}
}

static bool birth_get(struct reader *r, struct birth *b)
{
	b->name = get_str(r);
	b->pipeline = get_str(r);
	b->rule = get_str(r);
	b->key = get_str(r);
	b->model = get_str(r);
	b->actor = get_str(r);
	b->params = get_str(r);
	b->events = get_str(r);
	b->code = get_str(r);
	b->instance = get_str(r);
	b->epoch = get_str(r);
	b->ruleset_hash = get_str(r);
	b->pipeline_hash = get_str(r);
	b->decision = get_u64(r);
	b->episode = get_u64(r);
	b->retry_of = get_u64(r);
	b->rule_id = (uint32_t)get_u64(r);
	b->depth = get_u8(r);
	b->steps_n = (uint32_t)get_u64(r);
	if (r->bad || b->steps_n > STEPS_MAX || b->ruleset_hash.len != 32 ||
	    b->pipeline_hash.len != 32)
		return false;
	b->steps = g_new0(struct str, b->steps_n);
	b->executors = g_new0(struct str, b->steps_n);
	for (uint32_t i = 0; i < b->steps_n; i++) {
		b->steps[i] = get_str(r);
		b->executors[i] = get_str(r);
	}
	return reader_done(r);
}

bool birth_read(struct str bytes, struct birth *b)
{
	struct reader r = reader_of(bytes);

	return birth_get(&r, b);
}

static struct str code_json(struct world *w, const struct pipeline *p)
{
	GString *s;

	if (p->repo.len == 0)
		return STR("");
	s = g_string_new(NULL);
	json_open(s, '{');
	json_key(s, "repo");
	json_str(s, p->repo);
	json_key(s, "ref");
	json_str(s, p->ref);
	json_close(s, '}');
	return text_take(w, s);
}

static struct str run_name(struct world *w, const struct pipeline *p, uint64_t id)
{
	struct str s = arena_printf(w->arena, "%.*s-%" PRIu64, STR_ARG(p->name), id);
	char *z = arena_alloc(w->arena, (size_t)s.len + 1);

	memcpy(z, s.p, (size_t)s.len + 1);
	for (uint32_t i = 0; i < s.len; i++)
		if (z[i] == '/')
			z[i] = '_';
	return (struct str){ z, s.len };
}

uint32_t birth_write(struct world *w, const struct order *o, uint64_t id)
{
	struct pipeline *p = o->pipeline;
	GString *params = g_string_new(NULL);
	GByteArray *out = g_byte_array_new();
	uint32_t blob;
	struct birth b = {
		.name = run_name(w, p, id), .pipeline = p->name, .rule = o->rule,
		.key = o->key, .model = o->model, .actor = o->actor,
		.events = o->events.len ? o->events : STR("[]"), .code = code_json(w, p),
		.instance = { w->instance->str, (uint32_t)w->instance->len },
		.epoch = { w->epoch->str, (uint32_t)w->epoch->len },
		.ruleset_hash = { (const char *)w->rules->hash, 32 },
		.pipeline_hash = { (const char *)p->hash, 32 },
		.decision = o->decision, .episode = o->episode, .retry_of = o->retry_of,
		.rule_id = o->rule_id,
		.depth = o->depth < UINT8_MAX ? (uint8_t)(o->depth + 1) : UINT8_MAX,
		.steps = ARENA_ARRAY(w->arena, struct str, p->steps_n),
		.executors = ARENA_ARRAY(w->arena, struct str, p->steps_n),
		.steps_n = p->steps_n,
	};

	for (uint32_t i = 0; i < p->steps_n; i++) {
		b.steps[i] = p->steps[i].name;
		b.executors[i] = p->steps[i].executor;
	}
	value_to_json(o->params, w->arena, params);
	b.params = text_take(w, params);
	birth_put(out, &b);
	blob = blob_put(w->cells, (struct str){ (const char *)out->data, out->len });
	g_byte_array_free(out, TRUE);
	return blob;
}
