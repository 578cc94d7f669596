/* Vectors of detectors: {"detector", "params", "stream", "drift_at",
 * "warning_onsets_at", "state_after_index"}; after a drift the next sample meets a new
 * state.  Parameters have the names of the papers' libraries, or ours. */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "signal/detect.h"
#include "signal/detect_priv.h"
#include "vectors.h"

#define LIST_MAX 100000

static const struct { const char *detector, *theirs, *ours; } aliases[] = {
	{ "cusum", "threshold", "h" }, { "cusum", "k", "slack" },
	{ "ewma", "alpha", "lambda" }, { "ewma", "threshold", "L" },
	{ "shewhart", "threshold", "k" }, { "page_hinkley", "lambda", "threshold" },
	{ "ddm", "warning_threshold", "warning" }, { "ddm", "drift_threshold", "drift" },
	{ "ddm", "min_instances", "warm_start" },
	{ "hddm_a", "two_sided_test", "two_sided" },
	{ "hddm_w", "two_sided_test", "two_sided" },
	{ "hddm_w", "lambda_val", "lambda" },
	{ "fhddm", "confidence_level", "confidence" },
	{ "fhddm", "sliding_window_size", "window" },
	{ "adwin", "grace_period", "grace" },
	{ "adwin", "min_window_length", "min_window" },
	{ "ks", "window_size", "window" }, { "ks", "stat_size", "recent" },
	{ "binomial", "N", "window" }, { "bernoulli_cusum", "h", "H" },
};
struct lists {
	uint32_t *drift, *warn, drifts, warns;
};

/* "ks_window (all of ...)" is ks; the textbook's chart is ewma. */
static const struct detect_def *kind_of(const char *name)
{
	struct str s = { name, (uint32_t)strcspn(name, " (") };

	if (str_is(s, STR("ks_window")))
		s = STR("ks");
	else if (str_is(s, STR("ewma_chart")))
		s = STR("ewma");
	else if (str_is(s, STR("binomial_window")))
		s = STR("binomial");
	return detect_def(s);
}

/* What is no number parameter: true if it was understood. */
static bool other_param(struct detect_spec *s, const char *key, const json_t *j)
{
	const char *text = json_string_value(j);
	bool charts = s->def->needs == NEEDS_SD;

	if (strcmp(key, "note") == 0)
		return true;
	if (strcmp(key, "expected_run") == 0 || strcmp(key, "target_arl0") == 0)
		return vec_number(j, &s->run);
	if (strcmp(key, "mode") == 0)
		return text && (detect_set_mode(s, str_of(text)));
	if (strcmp(key, "on_drift") == 0 && text) {
		s->keep_new = strstr(text, "drop") != NULL;
		return s->keep_new || strstr(text, "reset") != NULL;
	}
	if (charts && (strcmp(key, "min_instances") == 0 || strcmp(key, "warmup") == 0)) {
		double n = json_number_value(j);

		s->learn = n >= 2 && n <= 1e6 ? (uint32_t)n : 0;
		s->learn_tests = strcmp(key, "min_instances") == 0;
		return s->learn > 1;
	}
	return false;
}

static const char *ours(const struct detect_def *d, const char *key)
{
	for (size_t i = 0; i < G_N_ELEMENTS(aliases); i++)
		if (strcmp(aliases[i].detector, d->name) == 0 &&
		    strcmp(aliases[i].theirs, key) == 0)
			return aliases[i].ours;
	return key;
}

static bool spec_of(struct vec *v, struct detect_spec *s, const json_t *e)
{
	const json_t *params = json_object_get(e, "params");
	const char *key, *name = json_string_value(json_object_get(e, "detector"));
	const struct detect_def *def = name ? kind_of(name) : NULL;
	char err[200];
	json_t *j;
	double x;

	if (!def) {
		vec_skip(v, "detector %s", name ? name : "without a name");
		return false;
	}
	detect_spec_init(s, def);
	s->no_floor = true;
	if (detect_par(def, STR("standardize")) >= 0)
		s->p[detect_par(def, STR("standardize"))] = 0;
	if (def->needs == NEEDS_SD) {
		s->learn = def->kind == DETECT_EWMA ? 100 : 30;
		s->learn_tests = def->kind != DETECT_EWMA;
	}
	json_object_foreach((json_t *)(uintptr_t)params, key, j) {
		int at = detect_par(def, str_of(ours(def, key)));

		if (at >= 0 && vec_number(j, &x)) {
			s->p[at] = x;
		} else if (!other_param(s, key, j)) {
			vec_skip(v, "%s: parameter %s", def->name, key);
			return false;
		}
	}
	if (detect_finish(s, s->run, err, sizeof err))
		return true;
	vec_check(v, false, "%s: %s", def->name, err);
	return false;
}

/* ---- what is inside ---- */

struct field { const char *name; double value; };

/* The learned baseline, under both names that are used for it. */
static void state_learned(const struct detect_spec *s, const void *state,
    struct field *f)
{
	const struct learned *l = (const void *)((const struct head *)state + 1);
	bool frozen = l->n == s->learn;
	double sd = frozen ? sqrt(l->m2 / (double)(l->n - 1)) : (double)NAN;

	f[0] = (struct field){ "ref", frozen ? l->mean : (double)NAN };
	f[1] = (struct field){ "sigma", sd };
	f[2] = (struct field){ "mu0", f[0].value };
	f[3] = (struct field){ "sigma0", sd };
}

static void state_chart(const struct detect_spec *s, const void *state, struct field *f)
{
	const struct head *h = state;
	const struct learned *l = (const void *)(h + 1);
	const struct cusum *c = (const void *)(l + 1);
	const struct ewma *e = (const void *)(l + 1);

	state_learned(s, state, f);
	if (s->def->kind == DETECT_CUSUM) {
		f[4] = (struct field){ "s_plus", c->up };
		f[5] = (struct field){ "s_minus", c->down };
	} else if (s->def->kind == DETECT_EWMA) {
		f[4] = (struct field){ "i", (double)h->n };
		f[5] = (struct field){ "z", h->n ? e->z : l->mean };
	}
}

static void state_ph(const struct page_hinkley *p, struct field *f)
{
	f[0] = (struct field){ "mean", p->mean };
	f[1] = (struct field){ "sum_up", p->up };
	f[2] = (struct field){ "min_up", p->up_min };
	f[3] = (struct field){ "sum_down", p->down };
	f[4] = (struct field){ "max_down", p->down_max };
}

static void state_adwin(const struct adwin *a, struct field *f)
{
	f[0] = (struct field){ "width", (double)a->width };
	f[1] = (struct field){ "total", a->total };
	f[2] = (struct field){ "m2", a->m2 };
	f[3] = (struct field){ "buckets", a->buckets };
}

static void state_ddm(const struct head *h, const struct ddm *d, struct field *f)
{
	f[0] = (struct field){ "p", d->p };
	f[1] = (struct field){ "p_min", h->ready ? d->p_min : (double)INFINITY };
	f[2] = (struct field){ "s_min", h->ready ? d->s_min : (double)INFINITY };
}

static void state_fields(const struct detect_spec *s, const void *state, struct field *f)
{
	const struct head *h = state;
	struct detect_view view;

	switch (s->def->kind) {
	case DETECT_CUSUM:
	case DETECT_EWMA:
	case DETECT_SHEWHART:
		state_chart(s, state, f);
		break;
	case DETECT_PAGE_HINKLEY:
		state_ph((const void *)(h + 1), f);
		break;
	case DETECT_ADWIN:
		state_adwin((const void *)(h + 1), f);
		break;
	case DETECT_DDM:
		state_ddm(h, (const void *)(h + 1), f);
		break;
	default:
		break;
	}
	detect_read(s, state, NULL, 0, &view);
	f[7] = (struct field){ "n", (double)view.n };
}

static void check_rows(struct vec *v, const struct detect_spec *s, const struct adwin *a,
    const json_t *want, const char *at)
{
	const char *p = (const char *)(a + 1);
	size_t step = 8 + ((size_t)s->p[2] + 1) * sizeof(struct adwin_bucket);
	uint32_t got[64] = { 0 };

	for (uint32_t i = 0; i < a->rows; i++)
		memcpy(&got[i], p + i * step, sizeof *got);
	vec_indexes(v, want, got, a->rows, "%s rows", at);
}

static void check_state(struct vec *v, const struct detect_spec *s, const void *state,
    const json_t *want, const char *at)
{
	struct field f[8] = { { NULL, 0 } };
	const char *key;
	json_t *j;
	double x;

	state_fields(s, state, f);
	json_object_foreach((json_t *)(uintptr_t)want, key, j) {
		unsigned i = 0;

		if (strcmp(key, "index") == 0)
			continue;
		if (strcmp(key, "rows") == 0 && s->def->kind == DETECT_ADWIN) {
			const struct head *h = state;

			check_rows(v, s, (const void *)(h + 1), j, at);
			continue;
		}
		while (i < 8 && (!f[i].name || strcmp(f[i].name, key) != 0))
			i++;
		if (i == 8)
			vec_skip(v, "%s: field %s", at, key);
		else if (json_is_null(j))
			vec_check(v, isnan(f[i].value), "%s %s is known", at, key);
		else if (vec_number(j, &x))
			vec_near(v, x, f[i].value, 1e-9, "%s %s", at, key);
	}
}

static void check_states(struct vec *v, const struct detect_spec *s, const void *state,
    const json_t *states, uint32_t index, const char *name)
{
	size_t i;
	json_t *e;

	json_array_foreach((json_t *)(uintptr_t)states, i, e) {
		char at[200];

		if (json_integer_value(json_object_get(e, "index")) != index)
			continue;
		g_snprintf(at, sizeof at, "%s after %u", name, index);
		check_state(v, s, state, e, at);
	}
}

/* ---- a run ---- */

static void after_drift(const struct detect_spec *s, void *state)
{
	if (s->keep_new)
		detect_clear(state);
	else
		detect_repin(state, DETECT_STATE_MAX);
}

static void run(struct vec *v, const struct detect_spec *s, const json_t *e,
    const double *x, uint32_t n, struct lists *l)
{
	const char *name = json_string_value(json_object_get(e, "stream"));
	char at[160];
	uint64_t *memory = g_new0(uint64_t, DETECT_STATE_MAX / 8);
	const struct head *h = (const struct head *)memory;
	const json_t *states = json_object_get(e, "state_after_index");
	bool warned = false, fired = false;

	g_snprintf(at, sizeof at, "%s %s", s->def->name, name ? name : "inline");
	for (uint32_t i = 0; i < n; i++) {
		if (fired)
			after_drift(s, memory);
		g_assert(detect_room(s, memory) <= DETECT_STATE_MAX);
		(void)detect_feed(s, memory, NULL, 0, x[i]);
		fired = h->drift;
		if (fired && l->drifts < LIST_MAX)
			l->drift[l->drifts++] = i;
		if (h->warn && !warned && l->warns < LIST_MAX)
			l->warn[l->warns++] = i;
		warned = h->warn;
		check_states(v, s, memory, states, i, at);
	}
	vec_indexes(v, json_object_get(e, "drift_at"), l->drift, l->drifts, "%s drift_at",
	    at);
	if (json_object_get(e, "warning_onsets_at"))
		vec_indexes(v, json_object_get(e, "warning_onsets_at"), l->warn, l->warns,
		    "%s warning_onsets_at", at);
	g_free(memory);
}

static void unknown_fields(struct vec *v, const json_t *e)
{
	static const char *const known[] = { "detector", "params", "stream", "drift_at",
		"warning_onsets_at", "state_after_index", "agrees_with", "note", "name" };
	const char *key;
	json_t *j;

	json_object_foreach((json_t *)(uintptr_t)e, key, j) {
		size_t i = 0;

		while (i < G_N_ELEMENTS(known) && strcmp(known[i], key) != 0)
			i++;
		if (i == G_N_ELEMENTS(known))
			vec_skip(v, "detector field %s", key);
	}
}

void vec_detector(struct vec *v, const json_t *e)
{
	struct detect_spec s;
	struct lists l = { .drifts = 0 };
	uint32_t n = 0;
	double *x;

	if (!spec_of(v, &s, e))
		return;
	unknown_fields(v, e);
	x = vec_stream(v, json_object_get(e, "stream"), &n);
	if (!x) {
		vec_skip(v, "%s: stream %s", s.def->name,
		    json_string_value(json_object_get(e, "stream")));
		return;
	}
	l.drift = g_new(uint32_t, LIST_MAX);
	l.warn = g_new(uint32_t, LIST_MAX);
	run(v, &s, e, x, n, &l);
	g_free(l.drift);
	g_free(l.warn);
	g_free(x);
}
