/* What a rule starts: its pipeline, the parameters, the model.
 *
 * champion and candidate are facts of the model, whose name must be known before any
 * condition is asked: the rule's `model`, or the pipeline's under the rule's params.
 * So the parameters that the pipeline's model reads may hold nothing but constants and
 * what the event itself says. */
#include "rules/build.h"

#include "base/json.h"
#include "base/zone.h"
#include "rules/pipeline_read.h"

#define BEFORE_FACTS (NAME_EVENT | NAME_KEY | NAME_VARS)
#define ALL_NAMES (NAME_KEY | NAME_VARS | NAME_NOW | NAME_LAST | NAME_MODEL | \
	NAME_EVENTS | NAME_SIGNALS)

static struct pipeline_entry *find(struct reading *rd, struct str name)
{
	guint at = GPOINTER_TO_UINT(scope_find(rd->b, rd->b->by_name, rd->file, name));

	return at ? &rd->b->pipelines[at - 1] : NULL;
}

/* The pipelines that this file may name, as it may name them. */
static uint32_t known_pipelines(struct reading *rd, struct str **ret)
{
	uint32_t n = 0;

	*ret = ARENA_ARRAY(rd->ld->tree, struct str, rd->b->pipelines_n);
	for (uint32_t i = 0; i < rd->b->pipelines_n; i++) {
		struct str s = rd->b->pipelines[i].name;
		const char *slash = s.len ? memrchr(s.p, '/', s.len) : NULL;

		if (slash) {
			s.len -= (uint32_t)(slash - s.p) + 1;
			s.p = slash + 1;
		}
		if (s.len && find(rd, s) == &rd->b->pipelines[i])
			(*ret)[n++] = s;
	}
	return n;
}

static void find_pipeline(struct reading *rd, const struct yaml *at, struct str name)
{
	struct pipeline_entry *e = find(rd, name);
	struct str *known;
	struct diag *d;
	uint32_t n;

	if (e) {
		rd->r->pipeline = e->pipeline;
		return;
	}
	n = known_pipelines(rd, &known);
	if (memchr(name.p, '/', name.len))
		d = BAD(rd->ld, at,
		    "there is no pipeline '%.*s': a name without '/' means one of the"
		    " own directory, or of shared/; no other can be named",
		    STR_ARG(name));
	else
		d = BAD(rd->ld, at, "there is no pipeline '%.*s'", STR_ARG(name));
	load_near(rd->ld, d, name, known, n);
}

static const struct param *param_of(const struct pipeline *p, struct str name)
{
	for (uint32_t i = 0; i < p->params_n; i++)
		if (str_is(p->params[i].name, name))
			return &p->params[i];
	return NULL;
}

static void tell_unknown(struct reading *rd, const struct yaml *key)
{
	const struct pipeline *p = rd->r->pipeline;
	struct str *known = ARENA_ARRAY(rd->ld->tree, struct str, p->params_n);
	struct diag *d = BAD(rd->ld, key, "pipeline '%.*s' has no parameter '%.*s'",
	    STR_ARG(p->name), STR_ARG(key->scalar));

	for (uint32_t i = 0; i < p->params_n; i++)
		known[i] = p->params[i].name;
	load_near(rd->ld, d, key->scalar, known, p->params_n);
}

static bool constant(const struct tmpl *t)
{
	if (t->kind == TMPL_PROG)
		return false;
	for (uint32_t i = 0; i < t->n; i++)
		if (!constant(&t->items[i]))
			return false;
	return true;
}

/* A parameter whose value is known now is checked now. */
static void check_constant(struct reading *rd, const struct param *param,
    const struct yaml *y, const struct tmpl *t)
{
	struct err err = {0};
	struct value v;

	if (!constant(t))
		return;
	v = t->kind == TMPL_CONST ? t->value : load_value(y, rd->ld->tree);
	if (!param_check(param, rd->r->pipeline->zones, &v, rd->ld->tree, &err))
		BAD(rd->ld, y, "%s", err.msg);
}

static void read_field(void *ctx, const struct prog *p)
{
	rule_reads(ctx, p);
}

static void read_params(struct reading *rd, const struct yaml *y)
{
	struct tmpl *t = &rd->r->params;
	struct names *nm = &rd->names;
	const struct pipeline *p = rd->r->pipeline;

	if (y->kind != YAML_MAP) {
		BAD(rd->ld, y, "'params' must be a map");
		return;
	}
	*t = (struct tmpl){.kind = TMPL_MAP, .n = y->n, .at = y->at};
	t->keys = ARENA_ARRAY(rd->ld->keep, struct str, y->n);
	t->items = ARENA_ARRAY(rd->ld->keep, struct tmpl, y->n);
	nm->where = "params";
	nm->allowed = rule_names(rd, ALL_NAMES);
	for (uint32_t i = 0; i < y->n; i++) {
		const struct yaml *key = y->pairs[i].key;
		const struct param *param = p ? param_of(p, key->scalar) : NULL;

		nm->seen = 0;
		names_rule(nm);
		t->keys[i] = load_keep(rd->ld, key->scalar);
		if (p && !param)
			tell_unknown(rd, key);
		if (!names_tmpl(nm, y->pairs[i].value, false, &t->items[i]))
			continue;
		rd->seen |= nm->seen;
		if (param)
			check_constant(rd, param, y->pairs[i].value, &t->items[i]);
		if (param && param->in_model && !rd->r->model &&
		    (nm->seen & ~(unsigned)BEFORE_FACTS))
			nm->no_model = "the model's name depends on a parameter that is "
				       "known at the"
				       " firing only";
	}
	tmpl_each_prog(t, read_field, rd);
}

static void check_given(struct reading *rd, const struct yaml *at,
    const struct yaml *params)
{
	const struct pipeline *p = rd->r->pipeline;

	for (uint32_t i = 0; p && i < p->params_n; i++)
		if (p->params[i].required &&
		    !(params && yaml_get(params, p->params[i].name)))
			BAD(rd->ld, at, "pipeline '%.*s' needs parameter '%.*s'",
			    STR_ARG(p->name), STR_ARG(p->params[i].name));
}

static void read_model(struct reading *rd)
{
	struct names *nm = &rd->names;

	if (rd->k.model) {
		nm->where = "model";
		nm->allowed = rule_names(rd, NAME_KEY | NAME_VARS);
		nm->allowed &= ~(unsigned)NAME_SELECTORS;
		nm->seen = 0;
		names_rule(nm);
		rd->r->model = names_template(nm, rd->k.model);
		rd->seen |= nm->seen;
	} else if (rd->r->pipeline && !rd->r->pipeline->model) {
		nm->no_model = "neither the rule nor its pipeline has a 'model'";
	}
}

void rule_run(struct reading *rd)
{
	const struct yaml *y = rd->k.run;
	struct run_keys k = {0};
	unsigned before;
	uint32_t errors = diags_errors(rd->ld->diags);

	if (!y) {
		BAD(rd->ld, rd->map,
		    "the rule starts nothing: expected 'run' with a pipeline");
		return;
	}
	if (y->kind == YAML_SEQ) {
		BAD(rd->ld, y,
		    "'run' must be the name of a pipeline, or {pipeline: NAME, params: "
		    "{}}");
		return;
	}
	if (y->kind == YAML_MAP)
		options_read(run_options, y, &k, rd->ld->tree, rd->ld->diags);
	else
		k.pipeline = y->scalar;
	if (k.pipeline.len == 0 && diags_errors(rd->ld->diags) == errors)
		BAD(rd->ld, y, "'run' names no pipeline");
	if (k.pipeline.len)
		find_pipeline(rd, y->kind == YAML_MAP ? yaml_get(y, STR("pipeline")) : y,
		    k.pipeline);
	read_model(rd);
	before = rd->seen;
	rd->seen = 0;
	errors = diags_errors(rd->ld->diags);
	if (k.params)
		read_params(rd, k.params);
	if ((rd->seen & NAME_MODEL) && rd->names.no_model && rd->r->pipeline &&
	    rd->r->pipeline->model && diags_errors(rd->ld->diags) == errors)
		BAD(rd->ld, k.params, "a parameter reads the champion, but %s",
		    rd->names.no_model);
	rd->seen |= before;
	check_given(rd, y, k.params);
}
