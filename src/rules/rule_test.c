/* `test` of a signal: which test, its parameters, its windows.
 *
 * The tests are a table of the signal floor (test.c).
 *
 *	test: psi                                  parameters as they are by default
 *	test: {psi: {alpha: 0.001, floor: 0.1}}    one test and its parameters
 *	tumbling: 1h | over: 1h | last: 500        windows one after another
 */
#include "rules/rule_test.h"

#include <string.h>

#include "rules/rule_detect.h"
#include "signal/test.h"

static const struct detect_par alpha_par = { "alpha", "false alarms per window", .001,
	1e-9, .5, NULL, false };
static const struct detect_par floor_par = { "floor", "the least limit", .1, 0, 1e6,
	NULL, false };
static const struct detect_par run_par = { "expected_run",
	"samples until a false alarm: alpha is a window's samples over this", 0, 10, 1e9,
	NULL, false };

static bool has_floor(const struct test_def *def)
{
	return def->kind != TEST_CHI2 && def->kind != TEST_KS;
}

static void tell_kind(struct reading *rd, const struct yaml *at, struct str word)
{
	uint32_t n;
	const struct test_def *defs = test_defs(&n);
	struct str *v = ARENA_ARRAY(rd->ld->tree, struct str, n);
	struct diag *d = BAD(rd->ld, at, "there is no test '%.*s'", STR_ARG(word));

	for (uint32_t i = 0; i < n; i++)
		v[i] = str_of(defs[i].name);
	load_near(rd->ld, d, word, v, n);
}

static void read_pars(struct reading *rd, const struct yaml *map, struct test_spec *t)
{
	struct str known[] = { STR("alpha"), STR("expected_run"), STR("floor") };

	for (uint32_t i = 0; i < map->n; i++) {
		const struct yaml *key = map->pairs[i].key, *y = map->pairs[i].value;
		struct diag *d;

		if (yaml_is_null(y))
			continue;
		if (str_is(key->scalar, known[0])) {
			rule_par(rd, key, y, &alpha_par, &t->alpha);
		} else if (str_is(key->scalar, known[1])) {
			rule_par(rd, key, y, &run_par, &t->run);
		} else if (has_floor(t->def) && str_is(key->scalar, known[2])) {
			rule_par(rd, key, y, &floor_par, &t->floor);
		} else {
			d = BAD(rd->ld, key, "test '%s' has no parameter '%.*s'",
			    t->def->name, STR_ARG(key->scalar));
			load_near(rd->ld, d, key->scalar, known,
			    has_floor(t->def) ? 3 : 2);
		}
	}
	if (load_get(map, "expected_run") && load_get(map, "alpha"))
		BAD(rd->ld, load_key(map, "expected_run"),
		    "'expected_run' derives 'alpha', which is given already");
}

static void read_test(struct reading *rd, const struct yaml *y, struct rule_signal *s)
{
	const struct yaml *kind = y, *pars = NULL;
	const struct test_def *def;
	struct test_spec *t;

	if (y->kind == YAML_MAP && y->n == 1) {
		kind = y->pairs[0].key;
		pars = y->pairs[0].value;
	}
	if (kind->kind != YAML_SCALAR) {
		BAD(rd->ld, y, "'test' must be the name of a test, or a map of one with"
		    " its parameters, as {psi: {alpha: 0.001}}");
		return;
	}
	def = test_def(kind->scalar);
	if (!def) {
		tell_kind(rd, kind, kind->scalar);
		return;
	}
	t = ARENA_NEW(rd->ld->keep, struct test_spec);
	test_spec_init(t, def);
	if (pars && pars->kind == YAML_MAP)
		read_pars(rd, pars, t);
	else if (pars && !yaml_is_null(pars))
		BAD(rd->ld, pars, "the parameters of '%s' must be a map", def->name);
	s->spec.test = t;
}

/* Separate windows: one that is judged again with few new samples raises false alarms
 * in proportion. */
static void read_windows(struct reading *rd, const struct yaml *map,
    struct signal_spec *spec)
{
	static const char *const foreign[] = { "since", "session", "resolution" };

	for (size_t i = 0; i < G_N_ELEMENTS(foreign); i++)
		if (load_get(map, foreign[i]))
			BAD(rd->ld, load_key(map, foreign[i]),
			    "a test has windows of 'over', 'tumbling' or 'last', not"
			    " '%s'", foreign[i]);
	if (spec->window == WINDOW_HOPPING && spec->every_ms != spec->over_ms)
		BAD(rd->ld, load_get(map, "every"),
		    "windows of a test are separate: 'every' must be the window, which"
		    " is its default");
	if (spec->window == WINDOW_HOPPING || spec->window == WINDOW_SLIDING) {
		spec->window = WINDOW_TUMBLING;
		spec->every_ms = 0;
	}
}

static void read_least(struct reading *rd, const struct yaml *map,
    struct signal_spec *spec)
{
	struct test_spec *t = (struct test_spec *)(uintptr_t)spec->test;
	const struct yaml *y = load_get(map, "min_count");

	if (y && spec->min_count < t->min_n)
		BAD(rd->ld, y, "test '%s' needs %u samples at least", t->def->name,
		    t->min_n);
	else if (y)
		t->min_n = spec->min_count;
	else
		spec->min_count = t->min_n;
	if (spec->last_n && spec->last_n < t->min_n)
		BAD(rd->ld, load_get(map, "last"),
		    "test '%s' needs windows of %u samples at least", t->def->name,
		    t->min_n);
}

void rule_test(struct reading *rd, const struct yaml *map, struct rule_signal *s)
{
	const struct yaml *base = load_get(map, "baseline");

	if (load_get(map, "detect")) {
		BAD(rd->ld, load_key(map, "test"),
		    "a signal has 'detect' or 'test', not both");
		return;
	}
	s->spec.kind = SIGNAL_TEST;
	if (!load_get(map, "value"))
		BAD(rd->ld, map, "a test needs 'value': the sample's number or category,"
		    " or the counts of a histogram");
	read_test(rd, load_get(map, "test"), s);
	read_windows(rd, map, &s->spec);
	if (s->spec.test)
		read_least(rd, map, &s->spec);
	if (base)
		rule_baseline(rd, base, s);
	if (s->learn)
		BAD(rd->ld, base, "a test does not learn its baseline: give it, or take"
		    " the champion's");
}

void rule_test_seed(struct reading *rd, struct rule_signal *s)
{
	struct test_spec *t = (struct test_spec *)(uintptr_t)s->spec.test;

	(void)rd;
	if (t)
		memcpy(&t->seed, s->spec.hash, sizeof t->seed);
}

/* ---- once the model is known ---- */

static const char *needs(const struct test_def *def)
{
	switch (def->kind) {
	case TEST_KS:
		return "'values', or 'counts' of numbers";
	case TEST_WASSERSTEIN:
		return "'values', or 'edges', 'counts' and 'sd'";
	case TEST_PSI:
	case TEST_JS:
	case TEST_CHI2:
	case TEST_LINF:
	case TEST_HELLINGER:
		break;
	}
	return "'counts', with 'edges' of numbers or 'categories'";
}

void rule_test_check(struct reading *rd, const struct yaml *map,
    const struct rule_signal *s)
{
	const struct test_spec *t = s->spec.test;
	const struct rule *r = rd->r;
	bool model = r->model || (r->pipeline && r->pipeline->model);
	struct diag *x;

	if (t && s->spec.baseline && !test_can(t, s->spec.baseline))
		BAD(rd->ld, load_get(map, "baseline"), "test '%s' needs %s",
		    t->def->name, needs(t->def));
	if (!t || s->spec.baseline || model || s->learn ||
	    (load_get(map, "baseline") && !s->baseline_name.len))
		return;			/* ... or told already */
	x = BAD(rd->ld, load_key(map, "test"), "test '%s' has no baseline: the rule has"
	    " no model whose champion could bring one", t->def->name);
	diag_hint(rd->ld->diags, x,
	    "give one, as baseline: {n: 900, edges: [1, 2], counts: [300, 500, 100]}");
}

/* ---- the reference ---- */

static void put_bound(GString *md, const struct detect_par *p, bool none)
{
	if (none)
		g_string_append_printf(md, "| `%s` | - | %s |\n", p->name, p->doc);
	else
		g_string_append_printf(md, "| `%s` | %.15g | %s |\n", p->name, p->dflt,
		    p->doc);
}

void rules_tests(GString *md)
{
	uint32_t n;
	const struct test_def *defs = test_defs(&n);

	g_string_append(md, "\n## Tests\n\n`test` is the name of a test, or a map of one"
	    " with its parameters.  `min_count` is at least, and by default, what the"
	    " test needs.\n\n| test | is | samples | baseline |\n|---|---|---|---|\n");
	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(md, "| `%s` | %s | %u | %s |\n", defs[i].name,
		    defs[i].doc, defs[i].min_n, needs(&defs[i]));
	g_string_append(md, "\n| parameter | default | is |\n|---|---|---|\n");
	put_bound(md, &alpha_par, false);
	put_bound(md, &run_par, true);
	put_bound(md, &floor_par, false);
	g_string_append(md, "\n`chi2` and `ks` have no `floor`: they compare p with"
	    " alpha.\n");
}
