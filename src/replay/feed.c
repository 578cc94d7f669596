/* Events made of a template.  To add a generator: a row in generators[] with its check
 * (how many numbers) and its function. */
#include <math.h>

#include "base/json.h"
#include "replay/feed.h"

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

void feed_seed(struct feed_rng *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = splitmix(&seed);
}

static uint64_t rotl(uint64_t x, int k)
{
	return (x << k) | (x >> (64 - k));
}

/* [0, 1), 53 bits. */
static double unit(struct feed_rng *r)
{
	uint64_t *s = r->s, got = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotl(s[3], 45);
	return (double)(got >> 11) * 0x1p-53;
}

/* ---- generators ---- */

static double num(const struct yaml *args, uint32_t i)
{
	double v = 0;

	yaml_double(args->kind == YAML_SEQ ? args->items[i] : args, &v);
	return v;
}

static void put_normal(const struct yaml *a, const struct feed_at *at, GString *out)
{
	double u = 1 - unit(at->rng), v = unit(at->rng);

	json_double(out, num(a, 0) + num(a, 1) * sqrt(-2 * log(u)) *
	    cos(2 * 3.14159265358979323846 * v));
}

static void put_uniform(const struct yaml *a, const struct feed_at *at, GString *out)
{
	json_double(out, num(a, 0) + (num(a, 1) - num(a, 0)) * unit(at->rng));
}

static void put_poisson(const struct yaml *a, const struct feed_at *at, GString *out)
{
	double rest = num(a, 0);
	int64_t n = 0;

	while (rest > 0) {
		double limit = exp(-fmin(rest, 30)), p = unit(at->rng);

		for (; p > limit; p *= unit(at->rng))
			n++;
		rest -= 30;
	}
	json_i64(out, n);
}

static void put_bernoulli(const struct yaml *a, const struct feed_at *at, GString *out)
{
	json_i64(out, unit(at->rng) < num(a, 0));
}

static void put_ramp(const struct yaml *a, const struct feed_at *at, GString *out)
{
	double part = at->n > 1 ? (double)at->i / (at->n - 1) : 0;

	json_double(out, num(a, 0) + (num(a, 1) - num(a, 0)) * part);
}

static void put_item(const struct yaml *y, GString *out)
{
	yaml_to_json(y, out);
}

static void put_step(const struct yaml *a, const struct feed_at *at, GString *out)
{
	put_item(a->items[at->i >= num(a, 2)], out);
}

static void put_sequence(const struct yaml *a, const struct feed_at *at, GString *out)
{
	put_item(a->items[at->i % a->n], out);
}

static void put_choice(const struct yaml *a, const struct feed_at *at, GString *out)
{
	put_item(a->items[(uint32_t)(unit(at->rng) * a->n)], out);
}

static const struct generator {
	const char	*name;
	uint32_t	 args;		/* how many; 0: one or more, of any kind */
	uint32_t	 numbers;	/* bits: which of them must be numbers */
	double		 min, max;	/* of the first; equal: no bound */
	void		 (*put)(const struct yaml *, const struct feed_at *, GString *);
	const char	*usage;
} generators[] = {
	{ "normal", 2, 3, 0, 0, put_normal, "[mean, sd]" },
	{ "uniform", 2, 3, 0, 0, put_uniform, "[low, high]" },
	{ "poisson", 1, 1, 0, 1e6, put_poisson, "mean (0 to 1,000,000)" },
	{ "bernoulli", 1, 1, 0, 1, put_bernoulli, "a probability" },
	{ "ramp", 2, 3, 0, 0, put_ramp, "[from, to]" },
	{ "step", 3, 4, 0, 0, put_step, "[before, after, n]" },
	{ "sequence", 0, 0, 0, 0, put_sequence, "a list" },
	{ "choice", 0, 0, 0, 0, put_choice, "a list" },
};

static const struct generator *generator_of(const struct yaml *y)
{
	if (y->kind != YAML_MAP || y->n != 1)
		return NULL;
	for (size_t i = 0; i < G_N_ELEMENTS(generators); i++)
		if (str_is(y->pairs[0].key->scalar, str_of(generators[i].name)))
			return &generators[i];
	return NULL;
}

static bool args_fit(const struct generator *g, const struct yaml *a)
{
	uint32_t n = a->kind == YAML_SEQ ? a->n : 1;
	double v, first = 0;

	if (!g->args)
		return a->kind == YAML_SEQ && n > 0;
	if (n != g->args || (g->args > 1 && a->kind != YAML_SEQ))
		return false;
	for (uint32_t i = 0; i < n; i++) {
		const struct yaml *y = a->kind == YAML_SEQ ? a->items[i] : a;

		if ((g->numbers >> i & 1) && !yaml_double(y, &v))
			return false;
		first = i == 0 && (g->numbers & 1) ? v : first;
	}
	return g->min >= g->max || (first >= g->min && first <= g->max);
}

bool feed_check(const struct yaml *y, struct diags *diags)
{
	const struct generator *g = generator_of(y);
	bool ok = true;

	if (g && !args_fit(g, y->pairs[0].value)) {
		diag_add(diags, SEV_ERROR, y->pairs[0].value->at,
		    "generator '%s': expected %s", g->name, g->usage);
		return false;
	}
	if (g)
		return true;
	for (uint32_t i = 0; y->kind == YAML_MAP && i < y->n; i++)
		ok = feed_check(y->pairs[i].value, diags) && ok;
	for (uint32_t i = 0; y->kind == YAML_SEQ && i < y->n; i++)
		ok = feed_check(y->items[i], diags) && ok;
	return ok;
}

void feed_json(const struct yaml *y, const struct feed_at *at, GString *out)
{
	const struct generator *g = generator_of(y);

	if (g) {
		g->put(y->pairs[0].value, at, out);
	} else if (y->kind == YAML_SCALAR) {
		yaml_to_json(y, out);
	} else if (y->kind == YAML_SEQ) {
		json_open(out, '[');
		for (uint32_t i = 0; i < y->n; i++)
			feed_json(y->items[i], at, out);
		json_close(out, ']');
	} else {
		json_open(out, '{');
		for (uint32_t i = 0; i < y->n; i++) {
			json_key_str(out, y->pairs[i].key->scalar);
			feed_json(y->pairs[i].value, at, out);
		}
		json_close(out, '}');
	}
}
