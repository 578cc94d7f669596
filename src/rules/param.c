/* Parameters of pipelines: definitions, checks, and filling in of defaults.
 *
 * One function, param_check(), decides what a parameter accepts, whether the value
 * stands in a rule file or arrives with a run. */
#include "rules/pipeline_read.h"

#include <math.h>

#include "base/json.h"
#include "rules/keys.h"

static const char *const type_names[] = {
	[PARAM_ANY] = "any", [PARAM_STRING] = "string", [PARAM_INT] = "int",
	[PARAM_DOUBLE] = "double", [PARAM_BOOL] = "bool", [PARAM_LIST] = "list",
	[PARAM_MAP] = "map",
};

/* Converts int to double and back where nothing is lost. */
static bool fit_type(enum param_type type, struct value *v)
{
	switch (type) {
	case PARAM_STRING:
		return v->tag == VALUE_STRING;
	case PARAM_INT:
		if (v->tag == VALUE_DOUBLE && v->d == floor(v->d) &&
		    fabs(v->d) < 9007199254740992.0)
			*v = value_int((int64_t)v->d);
		return v->tag == VALUE_INT;
	case PARAM_DOUBLE:
		if (v->tag == VALUE_INT)
			*v = value_double((double)v->i);
		return v->tag == VALUE_DOUBLE;
	case PARAM_BOOL:
		return v->tag == VALUE_BOOL;
	case PARAM_LIST:
		return v->tag == VALUE_LIST;
	case PARAM_MAP:
		return v->tag == VALUE_MAP;
	case PARAM_ANY:
		break;
	}
	return true;
}

static uint32_t code_points(struct value v)
{
	struct str s = value_as_str(v);
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.len; i++)
		n += ((uint8_t)s.p[i] & 0xc0) != 0x80;
	return n;
}

/* What min and max bound: the number, or the length; NAN: nothing. */
static double measure(struct value v)
{
	double d;

	if (v.tag == VALUE_STRING)
		return code_points(v);
	if (v.tag == VALUE_LIST)
		return v.list->n;
	if (v.tag == VALUE_MAP)
		return v.map->n;
	return v.tag != VALUE_BOOL && value_number(v, &d) ? d : NAN;
}

static bool fit_bounds(const struct param *p, struct value v, struct err *err)
{
	bool sized = v.tag == VALUE_STRING || v.tag == VALUE_LIST || v.tag == VALUE_MAP;
	double d = measure(v);

	if (p->has_min && d < p->min)
		return err_set(err, ERR_USAGE,
		    "parameter '%.*s': %s%.17g is below the least, %.17g",
		    STR_ARG(p->name), sized ? "length " : "", d, p->min);
	if (p->has_max && d > p->max)
		return err_set(err, ERR_USAGE,
		    "parameter '%.*s': %s%.17g is above the greatest,"
		    " %.17g",
		    STR_ARG(p->name), sized ? "length " : "", d, p->max);
	return true;
}

static bool fit_words(const struct param *p, struct value v, struct err *err)
{
	GString *s;

	if (p->words.tag != VALUE_LIST)
		return true;
	for (uint32_t i = 0; i < p->words.list->n; i++)
		if (value_equal(p->words.list->v[i], v))
			return true;
	s = g_string_new(NULL);
	value_print(v, s);
	g_string_append(s, " is none of ");
	for (uint32_t i = 0; i < p->words.list->n && i < 10; i++) {
		g_string_append(s, i ? ", " : "");
		value_print(p->words.list->v[i], s);
	}
	err_set(err, ERR_USAGE, "parameter '%.*s': %s", STR_ARG(p->name), s->str);
	g_string_free(s, true);
	return false;
}

static bool fit_pattern(const struct param *p, const struct zones *zones, struct value v,
    struct arena *arena, struct err *err)
{
	struct eval ev = {.vars = &v, .arena = arena, .zones = zones};
	struct value ok;

	if (!p->pattern || v.tag != VALUE_STRING)
		return true;
	ok = expr_eval(p->pattern, &ev);
	if (ok.tag == VALUE_BOOL && ok.i)
		return true;
	return err_set(err, ERR_USAGE, "parameter '%.*s': '%.*s' does not match '%.*s'",
	    STR_ARG(p->name), STR_ARG(value_as_str(v)), STR_ARG(p->pattern_text));
}

bool param_check(const struct param *p, const struct zones *zones, struct value *v,
    struct arena *arena, struct err *err)
{
	if (v->tag == VALUE_NULL && !p->required && p->fallback.tag == VALUE_NULL)
		return true;
	if (!fit_type(p->type, v))
		return err_set(err, ERR_USAGE, "parameter '%.*s': expected %s, found %s",
		    STR_ARG(p->name), type_names[p->type], value_type_name(*v));
	return fit_bounds(p, *v, err) && fit_words(p, *v, err) &&
	    fit_pattern(p, zones, *v, arena, err);
}

/* `value` is the only name in a pattern's program. */
static bool resolve_value(void *ctx, const struct str *path, uint32_t n,
    struct expr_ref *ret)
{
	(void)ctx;
	(void)n;
	*ret = (struct expr_ref){EXPR_VAR, 0, 1};
	return str_is(path[0], STR("value"));
}

static void read_pattern(struct load *ld, const struct yaml *at, struct str pattern,
    struct param *p)
{
	struct str name = STR("value");
	struct expr_env env = {.resolve = resolve_value, .names = &name, .names_n = 1};
	GString *text = g_string_new(NULL);
	struct text one;
	struct diags *own;
	struct expr_source src = {0};

	json_str(text, pattern);	/* JSON's escapes are CEL's */
	g_string_prepend(text, "value.matches(");
	g_string_append_c(text, ')');
	src.text = arena_str(ld->keep, (struct str){text->str, (uint32_t)text->len});
	g_string_free(text, true);
	one = (struct text){STR("pattern"), src.text};
	src.at = (struct span){0, 0, src.text.len};
	own = diags_new(&one, 1);
	p->pattern_text = load_keep(ld, pattern);
	p->pattern = expr_compile(&env, &src, EXPR_BOOL, ld->keep, own);
	if (!p->pattern)
		BAD(ld, at, "bad pattern '%.*s': %.*s", STR_ARG(pattern),
		    STR_ARG(diags_at(own, 0)->msg));
	diags_free(own);
}

static bool read_bound(struct load *ld, const struct yaml *y, const char *name,
    double *ret)
{
	if (!y)
		return false;
	if (yaml_double(y, ret))
		return true;
	BAD(ld, y, "'%s' must be a number", name);
	return false;
}

static void read_default(struct load *ld, const struct yaml *y, struct param *p)
{
	struct err err = {0};

	p->required = y == NULL;
	if (!y)
		return;
	if (y->kind == YAML_SCALAR && y->scalar.len &&
	    memmem(y->scalar.p, y->scalar.len, "${", 2))
		BAD(ld, y, "a default is constant: ${} belongs into the rule's 'params'");
	p->fallback = load_value(y, ld->keep);
	if (!param_check(p, ld->zones, &p->fallback, ld->keep, &err))
		BAD(ld, y, "the default does not fit: %s", err.msg);
}

static void read_definition(struct load *ld, const struct yaml *map, struct param *p)
{
	struct param_keys k;
	struct err err = {0};

	options_read(param_options, map, &k, ld->tree, ld->diags);
	p->type = (enum param_type)k.type;
	p->description = load_keep(ld, k.description);
	p->has_min = read_bound(ld, k.min, "min", &p->min);
	p->has_max = read_bound(ld, k.max, "max", &p->max);
	if (p->has_min && p->has_max && p->min > p->max)
		BAD(ld, k.max, "'max' is less than 'min'");
	if ((p->has_min || p->has_max) && (p->type == PARAM_BOOL || p->type == PARAM_MAP))
		BAD(ld, k.min ? k.min : k.max, "a %s has no bounds", type_names[p->type]);
	if (k.pattern.len)
		read_pattern(ld, yaml_get(map, STR("pattern")), k.pattern, p);
	if (k.words && k.words->kind != YAML_SEQ)
		BAD(ld, k.words, "'words' must be a list of the allowed values");
	for (uint32_t i = 0; k.words && k.words->kind == YAML_SEQ && i < k.words->n;
	     i++) {
		struct value v = load_value(k.words->items[i], ld->keep);

		if (!param_check(p, ld->zones, &v, ld->keep, &err))
			BAD(ld, k.words->items[i], "%s", err.msg);
	}
	if (k.words && k.words->kind == YAML_SEQ)
		p->words = load_value(k.words, ld->keep);
	read_default(ld, yaml_get(map, STR("default")), p);
}

void params_read(struct load *ld, const struct yaml *params, struct pipeline *p)
{
	if (!params)
		return;
	if (params->kind != YAML_MAP || params->n > PARAMS_MAX) {
		BAD(ld, params, "'params' must be a map of at most %d parameters",
		    PARAMS_MAX);
		return;
	}
	p->params = ARENA_ARRAY(ld->keep, struct param, params->n);
	for (uint32_t i = 0; i < params->n; i++) {
		const struct yaml *key = params->pairs[i].key,
				  *value = params->pairs[i].value;
		struct param *one = &p->params[p->params_n++];

		one->name = load_keep(ld, key->scalar);
		one->type = PARAM_ANY;
		if (!load_ident(key->scalar))
			BAD(ld, key,
			    "bad parameter name '%.*s': expected letters, digits and "
			    "'_', so"
			    " that expressions can read params.NAME",
			    STR_ARG(key->scalar));
		if (value->kind == YAML_MAP)
			read_definition(ld, value, one);
		else
			read_default(ld, value, one);
	}
}

static bool refuse_unknown(const struct pipeline *p, const struct value_map *m,
    struct err *err)
{
	struct str *known = g_new0(struct str, p->params_n + 1), near;
	bool ok = true;

	for (uint32_t i = 0; i < p->params_n; i++)
		known[i] = p->params[i].name;
	for (uint32_t i = 0; ok && i < m->n; i++) {
		struct str name = value_as_str(m->keys[i]);
		uint32_t j = 0;

		while (j < p->params_n && !str_is(known[j], name))
			j++;
		if (j < p->params_n)
			continue;
		near = nearest_word(name, known, p->params_n);
		ok = near.len
		    ? err_set(err, ERR_USAGE,
			  "pipeline '%.*s' has no parameter '%.*s', did you mean"
			  " '%.*s'",
			  STR_ARG(p->name), STR_ARG(name), STR_ARG(near))
		    : err_set(err, ERR_USAGE, "pipeline '%.*s' has no parameter '%.*s'",
			  STR_ARG(p->name), STR_ARG(name));
	}
	g_free(known);
	return ok;
}

bool pipeline_params(const struct pipeline *p, struct value given, struct value *ret,
    struct arena *arena, struct err *err)
{
	struct value *keys = ARENA_ARRAY(arena, struct value, p->params_n);
	struct value *values = ARENA_ARRAY(arena, struct value, p->params_n);

	if (given.tag != VALUE_ABSENT && given.tag != VALUE_NULL &&
	    given.tag != VALUE_MAP)
		return err_set(err, ERR_USAGE, "parameters must be a map, found %s",
		    value_type_name(given));
	if (!keys || !values)
		return err_set(err, ERR_LIMIT, "out of memory for this turn");
	if (given.tag == VALUE_MAP && !refuse_unknown(p, given.map, err))
		return false;
	for (uint32_t i = 0; i < p->params_n; i++) {
		const struct param *one = &p->params[i];
		struct value v = {0};

		if (given.tag == VALUE_MAP)
			v = value_member(given, one->name, arena);
		if (v.tag == VALUE_ABSENT && one->required)
			return err_set(err, ERR_USAGE,
			    "pipeline '%.*s' needs parameter '%.*s'", STR_ARG(p->name),
			    STR_ARG(one->name));
		if (v.tag == VALUE_ABSENT)
			v = one->fallback;
		else if (!param_check(one, p->zones, &v, arena, err))
			return false;
		keys[i] = value_str(one->name);
		values[i] = v;
	}
	*ret = value_map_of(keys, values, p->params_n, arena);
	return true;
}

void pipeline_params_json(const struct pipeline *p, GString *out)
{
	struct arena *tmp = arena_new(0);

	json_open(out, '[');
	for (uint32_t i = 0; i < p->params_n; i++) {
		const struct param *one = &p->params[i];

		json_open(out, '{');
		json_key(out, "name"), json_str(out, one->name);
		json_key(out, "type"), json_cstr(out, type_names[one->type]);
		json_key(out, "required"), json_bool(out, one->required);
		if (!one->required)
			json_key(out, "default"), value_to_json(one->fallback, tmp, out);
		if (one->has_min)
			json_key(out, "min"), json_double(out, one->min);
		if (one->has_max)
			json_key(out, "max"), json_double(out, one->max);
		if (one->words.tag == VALUE_LIST)
			json_key(out, "words"), value_to_json(one->words, tmp, out);
		if (one->pattern)
			json_key(out, "pattern"), json_str(out, one->pattern_text);
		json_key(out, "description"), json_str(out, one->description);
		json_close(out, '}');
	}
	json_close(out, ']');
	arena_free(tmp);
}
