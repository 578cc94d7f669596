/* Vectors of limits: run lengths of control charts (tolerance 0.01 in h and L, 0.5 %
 * in a run length), and the Bernoulli CUSUM's designs and fires. */
#include <glib.h>
#include <math.h>
#include <string.h>

#include "signal/detect.h"
#include "vectors.h"

static double get(const json_t *o, const char *key)
{
	double x = NAN;

	return vec_number(json_object_get(o, key), &x) ? x : (double)NAN;
}

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* Published run lengths are rounded to two digits. */
static void near_run(struct vec *v, double want, double got, const char *name)
{
	vec_check(v, fabs(want - got) <= .006 + .005 * want, "%s: %.17g, expected %.17g",
	    name, got, want);
}

static void shifts(struct vec *v, const char *key, const json_t *row, double limit,
    size_t at)
{
	bool cusum = strchr(key, 'h') == key || starts(key, "cusum");
	const char *name, *k = strstr(key, "_k");
	double par = get(row, cusum ? "k" : "lambda");
	json_t *j;

	if (isnan(par) && k)
		par = g_ascii_strtod(k + 2, NULL);
	json_object_foreach((json_t *)(uintptr_t)row, name, j) {
		char full[160];
		double shift, got;

		if (!starts(name, "arl_shift_"))
			continue;
		shift = g_ascii_strtod(name + strlen("arl_shift_"), NULL);
		g_snprintf(full, sizeof full, "%s[%zu] %s", key, at, name);
		got = cusum ? arl_cusum(par, limit, shift) : arl_ewma(par, limit, shift);
		near_run(v, json_number_value(j), got, full);
	}
}

static void limits(struct vec *v, const char *key, const json_t *row, size_t at)
{
	double run = get(row, "arl0"), par, got;
	const char *k = strstr(key, "_k");

	if (starts(key, "h_for")) {
		par = k ? g_ascii_strtod(k + 2, NULL) : get(row, "k");
		got = limit_cusum(par, run, true);
		if (!isnan(get(row, "h_siegmund")))
			vec_check(v, fabs(got - get(row, "h_siegmund")) <= 1e-3,
			    "%s[%zu] h_siegmund: %.17g", key, at, got);
		vec_check(v, fabs(got - get(row, "h")) <= .01,
		    "%s[%zu] h: %.17g, expected %.17g", key, at, got, get(row, "h"));
	} else {
		got = limit_ewma(get(row, "lambda"), run, true);
		vec_check(v, fabs(got - get(row, "L")) <= .01,
		    "%s[%zu] L: %.17g, expected %.17g", key, at, got, get(row, "L"));
	}
}

void vec_arl(struct vec *v, const char *key, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		bool h = json_object_get(row, "h") != NULL;

		if (!isnan(get(row, "arl0")))
			limits(v, key, row, i);
		shifts(v, key, row, get(row, h ? "h" : "L"), i);
	}
}

/* ---- Bernoulli CUSUM ---- */

/* Exact, and rounded to one digit. */
static void design_run(struct vec *v, double want, double got, const char *name)
{
	vec_check(v, fabs(got - want) <= .051, "%s run length: %.17g, expected %.17g",
	    name, got, want);
}

void vec_bernoulli_designs(struct vec *v, const json_t *rows)
{
	size_t i;
	json_t *row;

	json_array_foreach((json_t *)(uintptr_t)rows, i, row) {
		double p0 = get(row, "p0"), p1 = get(row, "p1");
		uint32_t m = bernoulli_m(p0, p1), h;
		char name[80];

		g_snprintf(name, sizeof name, "designs[%zu] p0 %g p1 %g", i, p0, p1);
		vec_check(v, m == get(row, "m"), "%s m: %u", name, m);
		m = (uint32_t)get(row, "m");
		h = limit_bernoulli(m, p0, get(row, "target_arl0"));
		vec_check(v, h == get(row, "H"), "%s H: %u", name, h);
		h = (uint32_t)get(row, "H");
		design_run(v, get(row, "arl_at_p0"), arl_bernoulli(m, h, p0), name);
		design_run(v, get(row, "arl_at_p1"), arl_bernoulli(m, h, p1), name);
	}
}

void vec_bernoulli_fires(struct vec *v, const json_t *e)
{
	struct detect_spec s;
	uint64_t state[16] = { 0 };
	uint32_t n = 0, fires = 0, *at;
	double *x = vec_stream(v, json_object_get(e, "stream"), &n);
	const char *name = json_string_value(json_object_get(e, "stream"));
	char err[200];

	detect_spec_init(&s, detect_def(STR("bernoulli_cusum")));
	s.p[detect_par(s.def, STR("m"))] = get(e, "m");
	s.p[detect_par(s.def, STR("H"))] = get(e, "H");
	if (!x || !detect_finish(&s, 0, err, sizeof err)) {
		vec_skip(v, "bernoulli_cusum %s", name ? name : "stream");
		g_free(x);
		return;
	}
	at = g_new(uint32_t, n + 1);
	for (uint32_t i = 0; i < n; i++) {
		struct detect_view view;

		(void)detect_feed(&s, state, NULL, 0, x[i] != 0);
		detect_read(&s, state, NULL, 0, &view);
		if (!view.drift)
			continue;
		at[fires++] = i;
		detect_reset(&s, state, sizeof state);
	}
	vec_indexes(v, json_object_get(e, "fires"), at, fires, "bernoulli_cusum %s fires",
	    name ? name : "inline");
	g_free(at);
	g_free(x);
}
