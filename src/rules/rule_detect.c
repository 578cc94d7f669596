/* `detect` and `baseline` of a signal: which detector, its parameters, what it compares
 * with.
 *
 * The detectors and their parameters are a table of the signal floor (detect.c): what is
 * read here, what the reference says and what "did you mean" knows comes from there.
 *
 *	detect: adwin                             all parameters as they are by default
 *	detect: {cusum: {expected_run: 10000}}    one detector and its parameters
 *	baseline: {n: 20000, mean: 0.05}          given; NAME: an entry of the champion's;
 *	                                          {learn: 500}: the first 500 samples
 */
#include "rules/rule_detect.h"

#include <math.h>

#include "base/json.h"
#include "signal/baseline_read.h"

#define RUN_DEFAULT 10000.0	/* of those whose limit is derived */
#define RUN_MIN 10.0
#define RUN_MAX 1e9
#define LEARN_MAX 10000000

/* ---- numbers of a map ---- */

static bool read_word(struct reading *rd, const struct yaml *key, const struct yaml *y,
    const char *words, double *ret)
{
	struct str v[8];
	uint32_t n = 0;
	struct diag *d;

	for (const char *p = words, *end; *p && n < 8; p = *end ? end + 1 : end) {
		end = strchrnul(p, '|');
		v[n++] = (struct str){p, (uint32_t)(end - p)};
		if (y->kind == YAML_SCALAR && str_is(y->scalar, v[n - 1])) {
			*ret = n - 1;
			return true;
		}
	}
	d = BAD(rd->ld, y, "'%.*s' must be one of %s", STR_ARG(key->scalar), words);
	if (y->kind == YAML_SCALAR)
		load_near(rd->ld, d, y->scalar, v, n);
	return false;
}

/* A number within bounds; whole with 0 and 1 alone is a boolean. */
void rule_par(struct reading *rd, const struct yaml *key, const struct yaml *y,
    const struct detect_par *par, double *ret)
{
	bool yes = par->whole && par->min == 0 && par->max == 1 && !par->words, b;
	double d;

	if (par->words) {
		read_word(rd, key, y, par->words, ret);
	} else if (yes && y->kind == YAML_SCALAR && !y->quoted && yaml_bool(y, &b)) {
		*ret = b;
	} else if (yes) {
		BAD(rd->ld, y, "'%.*s' must be true or false", STR_ARG(key->scalar));
	} else if (y->kind != YAML_SCALAR || y->quoted || !yaml_double(y, &d) ||
	    !isfinite(d) || (par->whole && d != floor(d))) {
		BAD(rd->ld, y, "'%.*s' must be a %snumber", STR_ARG(key->scalar),
		    par->whole ? "whole " : "");
	} else if (d < par->min || d > par->max) {
		BAD(rd->ld, y, "'%.*s' must be between %.15g and %.15g, not %.15g",
		    STR_ARG(key->scalar), par->min, par->max, d);
	} else {
		*ret = d;
	}
}

/* ---- detect ---- */

static void tell_kind(struct reading *rd, const struct yaml *at, struct str word)
{
	uint32_t n;
	const struct detect_def *defs = detect_defs(&n);
	struct str *v = ARENA_ARRAY(rd->ld->tree, struct str, n);
	struct diag *d = BAD(rd->ld, at, "there is no detector '%.*s'", STR_ARG(word));

	for (uint32_t i = 0; i < n; i++)
		v[i] = str_of(defs[i].name);
	load_near(rd->ld, d, word, v, n);
}

static void tell_par(struct reading *rd, const struct detect_def *def,
    const struct yaml *key)
{
	struct str v[DETECT_PARS + 2];
	uint32_t n = 0;
	struct diag *d = BAD(rd->ld, key, "detector '%s' has no parameter '%.*s'",
	    def->name, STR_ARG(key->scalar));

	for (; n < DETECT_PARS && def->par[n].name; n++)
		v[n] = str_of(def->par[n].name);
	v[n++] = STR("mode");
	v[n++] = STR("expected_run");
	load_near(rd->ld, d, key->scalar, v, n);
}

static void read_run(struct reading *rd, const struct detect_def *def,
    const struct yaml *key, const struct yaml *y, double *ret)
{
	static const struct detect_par par = { "expected_run", NULL, 0, RUN_MIN, RUN_MAX,
		NULL, false };

	if (!def->run)
		BAD(rd->ld, key,
		    "detector '%s' has no limit for 'expected_run': set '%s'", def->name,
		    def->own);
	else
		rule_par(rd, key, y, &par, ret);
}

/* True: the parameter that bounds false alarms is given. */
static bool read_pars(struct reading *rd, const struct yaml *map, struct detect_spec *s,
    double *run)
{
	bool own = false;

	for (uint32_t i = 0; i < map->n; i++) {
		const struct yaml *key = map->pairs[i].key, *y = map->pairs[i].value;
		int at = detect_par(s->def, key->scalar);

		own |= str_is(key->scalar, str_of(s->def->own)) && !yaml_is_null(y);
		if (yaml_is_null(y))
			continue;
		if (at >= 0)
			rule_par(rd, key, y, &s->def->par[at], &s->p[at]);
		else if (str_is(key->scalar, STR("expected_run")))
			read_run(rd, s->def, key, y, run);
		else if (!str_is(key->scalar, STR("mode")))
			tell_par(rd, s->def, key);
		else if (y->kind != YAML_SCALAR || !detect_set_mode(s, y->scalar))
			BAD(rd->ld, y, "detector '%s' has no mode '%.*s'", s->def->name,
			    STR_ARG(y->kind == YAML_SCALAR ? y->scalar : STR("")));
	}
	if (own && *run > 0)
		BAD(rd->ld, load_key(map, "expected_run"),
		    "'expected_run' derives '%s', which is given already", s->def->own);
	return own;
}

static void read_detect(struct reading *rd, const struct yaml *y, struct rule_signal *s)
{
	const struct yaml *kind = y, *pars = NULL;
	const struct detect_def *def;
	struct detect_spec *spec;
	double run = 0;
	char why[200];
	bool own = false;
	uint32_t errors = diags_errors(rd->ld->diags);

	if (y->kind == YAML_MAP && y->n == 1) {
		kind = y->pairs[0].key;
		pars = y->pairs[0].value;
	}
	if (kind->kind != YAML_SCALAR) {
		BAD(rd->ld, y, "'detect' must be the name of a detector, or a map of one"
		    " with its parameters, as {cusum: {expected_run: 10000}}");
		return;
	}
	def = detect_def(kind->scalar);
	if (!def || def->hidden) {
		tell_kind(rd, kind, kind->scalar);
		return;
	}
	spec = ARENA_NEW(rd->ld->keep, struct detect_spec);
	detect_spec_init(spec, def);
	if (pars && !yaml_is_null(pars) && pars->kind != YAML_MAP)
		BAD(rd->ld, pars, "the parameters of '%s' must be a map", def->name);
	else if (pars && pars->kind == YAML_MAP)
		own = read_pars(rd, pars, spec, &run);
	if (run == 0 && !own && (def->kind == DETECT_CUSUM || def->kind == DETECT_EWMA))
		run = RUN_DEFAULT;
	if (diags_errors(rd->ld->diags) == errors &&
	    !detect_finish(spec, run, why, sizeof why))
		BAD(rd->ld, kind, "%s", why);
	s->spec.detect = spec;
}

/* ---- baseline ---- */

static void read_learn(struct reading *rd, const struct yaml *y, struct rule_signal *s)
{
	static const struct detect_par par = { "learn", NULL, 0, BASELINE_LEARN_MIN,
		LEARN_MAX, NULL, true };
	double n = 0;

	if (y->n > 1) {
		BAD(rd->ld, y, "'learn' stands alone: a baseline is learned or given");
		return;
	}
	rule_par(rd, y->pairs[0].key, y->pairs[0].value, &par, &n);
	s->learn = (uint32_t)n;
}

static void read_inline(struct reading *rd, const struct yaml *y, struct rule_signal *s)
{
	struct baseline *b = ARENA_NEW(rd->ld->keep, struct baseline);
	const char *member;
	struct err err = {0};

	if (baseline_read(load_value(y, rd->ld->keep), rd->ld->keep, b, &member, &err))
		s->spec.baseline = b;
	else
		BAD(rd->ld, member ? load_key(y, member) : y, "baseline: %s", err.msg);
}

void rule_baseline(struct reading *rd, const struct yaml *y, struct rule_signal *s)
{
	if (y->kind == YAML_SCALAR && y->scalar.len)
		s->baseline_name = load_keep(rd->ld, y->scalar);
	else if (y->kind == YAML_MAP && load_get(y, "learn"))
		read_learn(rd, y, s);
	else if (y->kind == YAML_MAP)
		read_inline(rd, y, s);
	else
		BAD(rd->ld, y, "'baseline' must be a map of what is known, {learn: N}, or"
		    " the name of an entry of the champion's baseline");
}

void rule_detect(struct reading *rd, const struct yaml *map, struct rule_signal *s)
{
	static const char *const foreign[] = { "over", "tumbling", "last", "since",
		"session", "every", "min_count", "resolution", "max_samples", "timezone",
		"offset" };
	const struct yaml *detect = load_get(map, "detect");
	const struct yaml *base = load_get(map, "baseline");

	s->spec.kind = SIGNAL_DETECT;
	for (size_t i = 0; i < G_N_ELEMENTS(foreign); i++)
		if (load_get(map, foreign[i]))
			BAD(rd->ld, load_key(map, foreign[i]),
			    "'%s' belongs to windows: a detector takes each sample, one"
			    " after the other", foreign[i]);
	if (!load_get(map, "value"))
		BAD(rd->ld, map, "a detector needs 'value': the sample's number");
	read_detect(rd, detect, s);
	if (base)
		rule_baseline(rd, base, s);
	if (s->spec.detect && s->learn && detect_wants_baseline(s->spec.detect)) {
		struct detect_spec *learns = ARENA_NEW(rd->ld->keep, struct detect_spec);

		*learns = *s->spec.detect;
		learns->learn = s->learn;
		s->spec.learns = learns;
	}
}

/* ---- once the model is known ---- */

void rule_detect_check(struct reading *rd, const struct yaml *map,
    const struct rule_signal *s)
{
	const struct detect_spec *d = s->spec.detect;
	const struct baseline *b = s->spec.baseline;
	const struct rule *r = rd->r;
	bool model = r->model || (r->pipeline && r->pipeline->model);
	struct diag *x;

	if (d && (s->learn || b || s->baseline_name.len) && !detect_wants_baseline(d))
		BAD(rd->ld, load_key(map, "baseline"),
		    "detector '%s' compares with no baseline as it is set", d->def->name);
	if (!d || !detect_wants_baseline(d) || s->learn)
		return;
	if (b && !b->has_mean)
		BAD(rd->ld, load_get(map, "baseline"), "detector '%s' needs 'mean'",
		    d->def->name);
	else if (b && d->def->needs == NEEDS_SD && !b->has_sd)
		BAD(rd->ld, load_get(map, "baseline"), "detector '%s' needs 'sd'",
		    d->def->name);
	if (b || model || (load_get(map, "baseline") && !s->baseline_name.len))
		return;			/* ... or told already */
	x = BAD(rd->ld, load_key(map, "detect"), "detector '%s' has no baseline: the rule"
	    " has no model whose champion could bring one", d->def->name);
	diag_hint(rd->ld->diags, x, "give one, as baseline: {n: 20000, mean: 0.05, sd:"
	    " 0.2}, or learn it: baseline: {learn: 1000}");
}

void rule_detect_hash(struct reading *rd, const struct yaml *map, GString *json)
{
	const struct yaml *test = load_get(map, "test");
	const struct yaml *base = load_get(map, "baseline");
	const struct rule *r = rd->r;

	/* Re-arming follows the rule's runs, the baseline its model. */
	json_key(json, "rule"), json_str(json, r->uid);
	json_key(json, test ? "test" : "detect");
	load_canonical(test ? test : load_get(map, "detect"), json);
	if (base)
		json_key(json, "baseline"), load_canonical(base, json);
	if (r->model)
		json_key(json, "of"), json_str(json, expr_text(r->model));
	else if (r->pipeline && r->pipeline->model)
		json_key(json, "of"), json_str(json, expr_text(r->pipeline->model));
}

/* ---- the reference ---- */

static void put_par(GString *md, const struct detect_par *p)
{
	g_string_append_printf(md, "| `%s` | ", p->name);
	if (p->words)
		g_string_append_printf(md, "`%.*s`", (int)strcspn(p->words, "|"),
		    p->words);
	else if (isnan(p->dflt))
		g_string_append(md, strstr(p->doc, "default") ? "-" : "required");
	else if (p->whole && p->min == 0 && p->max == 1)
		g_string_append(md, p->dflt != 0 ? "true" : "false");
	else
		g_string_append_printf(md, "%.15g", p->dflt);
	g_string_append_printf(md, " | %s |\n", p->doc);
}

void rules_detectors(GString *md)
{
	uint32_t n;
	const struct detect_def *defs = detect_defs(&n);

	g_string_append(md, "\n## Detectors\n\n`detect` is the name of a detector, or a"
	    " map of one with its parameters.  Each has `mode` (`up`, `down`, `both`)"
	    " where its formula allows it.\n");
	for (uint32_t i = 0; i < n; i++) {
		const struct detect_def *d = &defs[i];

		g_string_append_printf(md, "\n### %s\n\n%s%s.", d->name,
		    d->bits ? "On 0 and 1: " : "", d->doc);
		if (d->run)
			g_string_append_printf(md, "  `expected_run` derives `%s`.",
			    d->own);
		g_string_append(md, "\n\n| parameter | default | is |\n|---|---|---|\n");
		for (unsigned k = 0; k < DETECT_PARS && d->par[k].name; k++)
			put_par(md, &d->par[k]);
	}
}
