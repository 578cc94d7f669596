/* How one source's messages become events: presets and `map:`.
 *
 * A map is one CEL program per attribute.  What the programs read of the body is a
 * slot plan of its own, so that a mapped message is scanned, not parsed, unless a
 * program reads the whole body.  An attribute without a program keeps its default;
 * one that evaluates to null too.  Anything else that is not of its type refuses
 * the message: a wrong map must be seen, not guessed around.
 *
 * To add an attribute: enum map_attr, map_names[], and a row in apply().
 */
#include "event/event.h"

#include "base/arena.h"
#include "base/time.h"
#include "base/yaml.h"
#include "event/decode.h"
#include "expr/expr.h"

enum map_attr { MAP_ID, MAP_SOURCE, MAP_TYPE, MAP_SUBJECT, MAP_TIME, MAP_DATA, MAP_N };

/* ORDER map_attr */
static const struct str map_names[MAP_N] = {
	{"id", 2}, {"source", 6}, {"type", 4}, {"subject", 7}, {"time", 4}, {"data", 4},
};

enum map_var { VAR_TOPIC, VAR_KEY, VAR_HEADERS, VAR_TIME, VAR_N };

/* ORDER map_var, then the body */
static const struct str env_names[VAR_N + 1] = {
	{"topic", 5}, {"key", 3}, {"headers", 7}, {"time", 4}, {"body", 4},
};
static const enum expr_type env_types[VAR_N + 1] = {
	EXPR_STRING, EXPR_STRING, EXPR_MAP, EXPR_TIMESTAMP, EXPR_DYN,
};

struct event_format {
	enum event_preset preset;
	bool		 has_map;
	struct prog	*prog[MAP_N];
	struct plan body; /* "data" and its members: what the programs read */
	const struct zones *zones;
};

enum event_preset format_preset(const struct event_format *f)
{
	return f ? f->preset : PRESET_CLOUDEVENTS;
}

bool format_has_map(const struct event_format *f)
{
	return f && f->has_map;
}

static bool resolve(void *ctx, const struct str *path, uint32_t n, struct expr_ref *ret)
{
	struct event_format *f = ctx;
	struct str seg[PLAN_SEGMENTS_MAX] = {STR("data")};

	for (uint32_t i = 0; i < VAR_N; i++) {
		if (str_is(path[0], env_names[i])) {
			*ret = (struct expr_ref){EXPR_VAR, i, 1};
			return true;
		}
	}
	if (!str_is(path[0], STR("body")))
		return false;
	n = MIN(n, PLAN_SEGMENTS_MAX);
	for (uint32_t i = 1; i < n; i++)
		seg[i] = path[i];
	*ret = (struct expr_ref){EXPR_FIELD, plan_add(&f->body, seg, n), n};
	return ret->input != UINT32_MAX;
}

static bool compile(struct event_format *f, const struct expr_env *env,
    const struct yaml_pair *pair, struct arena *arena, struct diags *diags)
{
	struct str key = pair->key->scalar, near;
	struct expr_source src = {.text = pair->value->scalar, .node = pair->value};
	struct diag *at;

	for (unsigned i = 0; i < MAP_N; i++) {
		if (!str_is(key, map_names[i]))
			continue;
		if (pair->value->kind != YAML_SCALAR) {
			diag_add(diags, SEV_ERROR, pair->value->at,
			    "'%.*s' must be an expression", STR_ARG(key));
			return false;
		}
		f->prog[i] = expr_compile(env, &src, EXPR_DYN, arena, diags);
		return f->prog[i] != NULL;
	}
	at = diag_add(diags, SEV_ERROR, pair->key->at,
	    "unknown attribute '%.*s', expected"
	    " id, source, type, subject, time or data",
	    STR_ARG(key));
	near = nearest_word(key, map_names, MAP_N);
	if (at && near.len)
		diag_hint(diags, at, "did you mean '%.*s'", STR_ARG(near));
	return false;
}

static bool build_map(struct event_format *f, const struct yaml *map, struct zones *zones,
    struct arena *arena, struct diags *diags)
{
	struct expr_env env = {.resolve = resolve, .ctx = f, .names = env_names,
		.types = env_types, .names_n = G_N_ELEMENTS(env_names), .zones = zones};
	bool ok = true;

	plan_init(&f->body, arena);
	if (map && map->kind != YAML_MAP) {
		diag_add(diags, SEV_ERROR, map->at, "'map' must be a map of attributes");
		return false;
	}
	for (uint32_t i = 0; map && i < map->n; i++)
		ok &= compile(f, &env, &map->pairs[i], arena, diags);
	plan_finish(&f->body);
	f->has_map = map && map->n;
	if (f->has_map && f->preset == PRESET_ALERTMANAGER) {
		diag_add(diags, SEV_ERROR, map->at,
		    "'map' does not go with the format alertmanager");
		return false;
	}
	return ok;
}

struct event_format *event_format_build(struct str preset, const struct yaml *map,
    struct zones *zones, struct arena *arena, struct diags *diags)
{
	/* ORDER event_preset, from 1 */
	static const struct str names[] = {
		{"cloudevents", 11}, {"json", 4}, {"alertmanager", 12},
	};
	struct event_format *f = ARENA_NEW(arena, struct event_format);
	struct span at = map ? map->at : (struct span){0, 0, 0};
	struct diag *diag;
	struct str near;

	f->preset = preset.len ? 0 : PRESET_CLOUDEVENTS;
	f->zones = zones;
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (str_is(preset, names[i]))
			f->preset = i + 1;
	if (!f->preset) {
		diag = diag_add(diags, SEV_ERROR, at, "unknown format '%.*s', expected"
		    " cloudevents, json or alertmanager", STR_ARG(preset));
		near = nearest_word(preset, names, G_N_ELEMENTS(names));
		if (diag && near.len)
			diag_hint(diags, diag, "did you mean '%.*s'", STR_ARG(near));
	}
	return build_map(f, map, zones, arena, diags) && f->preset ? f : NULL;
}

static struct value headers_value(const struct message *m, struct arena *arena)
{
	struct value *k = ARENA_ARRAY(arena, struct value, m->headers_n);
	struct value *v = ARENA_ARRAY(arena, struct value, m->headers_n);
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->headers_n; i++) {
		const struct header *h = &m->headers[i];

		if (!g_utf8_validate_len(h->name.p ? h->name.p : "", h->name.len, NULL) ||
		    !g_utf8_validate_len(
			h->value.p ? h->value.p : "", h->value.len, NULL))
			continue;	/* a CEL string is UTF-8 */
		k[n] = value_str(h->name);
		v[n++] = value_str(h->value);
	}
	return value_map_of(k, v, n, arena);
}

static bool text_of(struct value v, struct arena *arena, struct str *ret)
{
	switch (v.tag) {
	case VALUE_NULL:
		return true;
	case VALUE_STRING:
		*ret = (struct str){v.s, v.len};
		return true;
	case VALUE_INT:
		*ret = arena_printf(arena, "%" G_GINT64_FORMAT, v.i);
		return true;
	default:
		return false;
	}
}

static bool time_of(struct decode *d, struct event *e, struct value v)
{
	if (v.tag == VALUE_STRING)
		return decode_time(d, e, (struct str){v.s, v.len});
	if (v.tag == VALUE_TIMESTAMP)
		e->time_ms = value_ms(v);
	else if (v.tag == VALUE_INT)
		e->time_ms = v.i;
	else if (v.tag != VALUE_NULL)
		return decode_refuse(d, EVENT_MAP_ERROR, 0,
		    "map: 'time' is of type %s, expected"
		    " a timestamp, RFC 3339 text or milliseconds",
		    value_type_name(v));
	return decode_time(d, e, (struct str){NULL, 0});
}

static struct str json_of(struct value v, struct arena *arena)
{
	GString *s;
	struct str r;

	if (v.tag == VALUE_RAW)
		return (struct str){v.s, v.len};
	s = g_string_new(NULL);
	value_to_json(v, arena, s);
	r = arena_str(arena, (struct str){s->str, (uint32_t)s->len});
	g_string_free(s, true);
	return r;
}

static bool apply(struct decode *d, struct event *e, enum map_attr i, struct value v)
{
	struct str *to[] = {&e->id, &e->source, &e->type, &e->subject};

	if (v.tag == VALUE_ERROR) {
		if (d->why) {
			g_string_append_printf(
			    d->why, "map: '%.*s': ", STR_ARG(map_names[i]));
			expr_error_print(d->format->prog[i], v, d->why);
		}
		d->refusal = EVENT_MAP_ERROR;
		return false;
	}
	if (i == MAP_TIME)
		return time_of(d, e, v);
	if (i == MAP_DATA) {
		e->data = e->body = json_of(v, d->arena);
		return true;
	}
	if (!text_of(v, d->arena, to[i]) || (v.tag != VALUE_NULL && !to[i]->len))
		return decode_refuse(d, EVENT_MAP_ERROR, 0,
		    "map: '%.*s' is %s, expected a"
		    " string that is not empty",
		    STR_ARG(map_names[i]),
		    v.tag == VALUE_STRING ? "empty" : value_type_name(v));
	e->has_id |= i == MAP_ID && v.tag != VALUE_NULL;
	return true;
}

bool format_map(struct decode *d)
{
	const struct event_format *f = d->format;
	const struct message *m = d->m;
	struct value vars[VAR_N] = {
	    [VAR_TOPIC] = value_str(m->topic),
	    [VAR_KEY] = value_str(m->key),
	    [VAR_HEADERS] = headers_value(m, d->arena),
	    [VAR_TIME] = value_time_ms(m->time_ms),
	};
	struct eval eval = {.vars = vars, .arena = d->arena, .zones = f->zones};
	struct event *e = decode_add(d);
	struct scan s;

	if (!e)
		return false;
	decode_defaults(d, e);
	e->data = e->body = m->body;
	if (!scan_init(&s, m->body, d->limits, d->arena) || !scan_slots(&s, &f->body) ||
	    !scan_value(&s, plan_data(&f->body)) || !scan_end(&s))
		return decode_scan_failed(d, &s);
	eval.fields = s.field;
	if (!decode_time(d, e, (struct str){NULL, 0}))
		return false;
	for (enum map_attr i = 0; i < MAP_N; i++)
		if (f->prog[i] && !apply(d, e, i, expr_eval(f->prog[i], &eval)))
			return false;
	return decode_fill(d, e);
}
