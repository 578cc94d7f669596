/* Vectors of sketches: DDSketch and HyperLogLog. */
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "signal/sketch.h"
#include "vectors/vectors.h"

/* A list, "A..B", "[..]" as text, or "SplitMix64(SEED): -log(1-u01) xN". */
static double *stream(struct vec *v, const json_t *s, uint32_t *n)
{
	const char *text = json_string_value(s);
	long long a, b, seed;
	int end = 0;
	double *x;

	if (!text)
		return vec_stream(v, s, n);
	if (text[0] == '[') {
		json_t *list = json_loads(text, 0, NULL);

		x = vec_stream(v, list, n);
		json_decref(list);
		return x;
	}
	if (sscanf(text, "SplitMix64(%lld): -log(1-u01) x%lld%n", &seed, &b, &end) == 2 &&
	    !text[end] && b > 0 && b < 10000000) {
		uint64_t state = (uint64_t)seed;

		x = g_new(double, *n = (uint32_t)b);
		for (uint32_t i = 0; i < *n; i++) {
			x[i] = -log(1 - (double)(hash_mix(state) >> 11) * 0x1p-53);
			state += 0x9e3779b97f4a7c15ull;
		}
		return x;
	}
	if (sscanf(text, "%lld..%lld%n", &a, &b, &end) == 2 && !text[end] && b >= a &&
	    b - a < 10000000) {
		x = g_new(double, *n = (uint32_t)(b - a + 1));
		for (uint32_t i = 0; i < *n; i++)
			x[i] = (double)(a + i);
		return x;
	}
	return vec_stream(v, s, n);
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static int by_key(const void *pa, const void *pb)
{
	const struct bin *a = pa, *b = pb;

	return (a->key > b->key) - (a->key < b->key);
}

static void check_bins(struct vec *v, const json_t *e, struct bins *b, const char *name)
{
	const json_t *first = json_object_get(e, "first_bins");
	struct bin pos[32] = { { 0, 0 } };
	uint32_t n[3] = {0, 0, 0}, zero = 0, pos_n = 0;
	bool same = true;

	qsort(b->v, b->n, sizeof(*b->v), by_key);
	for (uint32_t i = 0, j; i < b->n; i = j) {
		int32_t key = b->v[i].key;

		for (j = i; j < b->n && b->v[j].key == key; j++)
			;
		n[key < 0 ? 0 : key == 0 ? 1 : 2]++;
		zero += key == 0 ? j - i : 0;
		if (key > 0 && pos_n < G_N_ELEMENTS(pos))
			pos[pos_n++] = (struct bin){bin_index(key), j - i};
	}
	vec_check(v, n[2] == number(e, "bins_pos"), "ddsketch %s: bins_pos", name);
	vec_check(v, n[0] == number(e, "bins_neg"), "ddsketch %s: bins_neg", name);
	vec_check(v, zero == number(e, "zero"), "ddsketch %s: zero", name);
	for (size_t i = 0; i < json_array_size(first) && i < G_N_ELEMENTS(pos); i++) {
		const json_t *f = json_array_get(first, i);

		same = same && json_number_value(json_array_get(f, 0)) == pos[i].key &&
		    json_number_value(json_array_get(f, 1)) == pos[i].n;
	}
	vec_check(v, same, "ddsketch %s: first_bins", name);
}

static void ddsketch(struct vec *v, const json_t *e)
{
	const char *name = json_string_value(json_object_get(e, "stream"));
	double alpha = number(e, "alpha"), gamma = (1 + alpha) / (1 - alpha), *x;
	struct bins b = {0};
	const char *key;
	json_t *q;
	uint32_t n;

	name = name ? name : "?";
	x = stream(v, json_object_get(e, "stream"), &n);
	if (!x) {
		vec_skip(v, "ddsketch %s", name);
		return;
	}
	b.v = g_new(struct bin, n + 1);
	for (uint32_t i = 0; i < n; i++)
		b.v[b.n++] = (struct bin){bin_key(x[i], log(gamma)), 1};
	vec_near(v, number(e, "gamma"), gamma, 1e-9, "ddsketch %s: gamma", name);
	vec_check(v, n == number(e, "n"), "ddsketch %s: n", name);
	check_bins(v, e, &b, name);
	json_object_foreach(json_object_get(e, "quantiles"), key, q)
		vec_near(v, number(q, "estimate"),
		    bins_quantile(&b, g_ascii_strtod(key, NULL), gamma), 1e-9,
		    "ddsketch %s alpha %g: quantile %s", name, alpha, key);
	g_free(b.v);
	free(x);
}

void vec_ddsketch(struct vec *v, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		ddsketch(v, json_array_get(list, i));
}

static void hyperloglog(struct vec *v, const json_t *e)
{
	unsigned p = (unsigned)number(e, "p");
	uint32_t n = (uint32_t)number(e, "n"), m = 1u << p, zeros = 0, sum = 0;
	const json_t *first = json_object_get(e, "first16");
	uint8_t *r = g_malloc0(m);
	bool same = true;

	for (uint32_t i = 0; i < n; i++)
		hll_add(r, p, hash_mix(i));
	for (uint32_t i = 0; i < m; i++) {
		zeros += r[i] == 0;
		sum += r[i];
	}
	for (size_t i = 0; i < json_array_size(first) && i < m; i++)
		same = same && json_number_value(json_array_get(first, i)) == r[i];
	vec_check(v, zeros == number(e, "zeros"), "hyperloglog p %u n %u: zeros %u", p, n,
	    zeros);
	vec_check(v, sum == number(e, "register_sum"), "hyperloglog p %u n %u: sum %u", p,
	    n, sum);
	vec_check(v, same, "hyperloglog p %u n %u: first16", p, n);
	vec_near(v, number(e, "estimate"), hll_estimate(r, p), 1e-9,
	    "hyperloglog p %u n %u: estimate", p, n);
	g_free(r);
}

void vec_hyperloglog(struct vec *v, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *e = json_array_get(list, i);
		double p = number(e, "p");

		if (p >= 4 && p <= 18 && json_object_get(e, "n"))
			hyperloglog(v, e);
		else
			vec_skip(v, "hyperloglog %zu", i);
	}
}
