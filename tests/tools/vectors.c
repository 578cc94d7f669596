/* Runs files of test vectors in the formats of tests/vectors:
 *
 *	build/tests/vectors FILE...
 *
 * Streams stand in the vector, in the file's key `streams`, or in a streams.json
 * beside it.  Prints each failure by name, `skipped NAME` for kinds and fields that it
 * does not know, and closes with `N passed, N failed, N skipped`; exit 1 if any failed
 * or nothing passed. */
#include <glib.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vectors/vectors.h"

static void __attribute__((format(printf, 3, 0)))
say(struct vec *v, const char *how, const char *fmt, va_list ap)
{
	printf("%s%s: ", how, v->file);
	vprintf(fmt, ap);
}

void vec_check(struct vec *v, bool ok, const char *fmt, ...)
{
	va_list ap;

	if (ok) {
		v->passed++;
		return;
	}
	v->failed++;
	va_start(ap, fmt);
	say(v, "FAILED ", fmt, ap);
	va_end(ap);
	printf("\n");
}

void vec_skip(struct vec *v, const char *fmt, ...)
{
	va_list ap;

	v->skipped++;
	va_start(ap, fmt);
	say(v, "skipped ", fmt, ap);
	va_end(ap);
	printf("\n");
}

void vec_near(struct vec *v, double want, double got, double tolerance, const char *fmt,
    ...)
{
	va_list ap;

	if (want == got || (isnan(want) && isnan(got)) ||
	    fabs(want - got) <= tolerance * fmax(1e-300, fabs(want)) ||
	    (fabs(want) < 1e-12 && fabs(got) < 1e-9)) {
		v->passed++;
		return;
	}
	v->failed++;
	va_start(ap, fmt);
	say(v, "FAILED ", fmt, ap);
	va_end(ap);
	printf(": %.17g, expected %.17g\n", got, want);
}

void vec_indexes(struct vec *v, const json_t *want, const uint32_t *got, uint32_t n,
    const char *fmt, ...)
{
	bool same = json_array_size(want) == n;
	va_list ap;

	for (uint32_t i = 0; same && i < n; i++)
		same = json_number_value(json_array_get(want, i)) == got[i];
	if (same) {
		v->passed++;
		return;
	}
	v->failed++;
	va_start(ap, fmt);
	say(v, "FAILED ", fmt, ap);
	va_end(ap);
	printf(": [");
	for (uint32_t i = 0; i < n; i++)
		printf("%s%u", i ? ", " : "", got[i]);
	printf("], expected ");
	json_dumpf(want, stdout, 0);
	printf("\n");
}

bool vec_number(const json_t *j, double *ret)
{
	const char *s = json_string_value(j);

	if (json_is_number(j))
		*ret = json_number_value(j);
	else if (json_is_boolean(j))
		*ret = json_is_true(j);
	else if (s && strcmp(s, "Infinity") == 0)
		*ret = INFINITY;
	else if (s && strcmp(s, "-Infinity") == 0)
		*ret = -INFINITY;
	else if (s && strcmp(s, "NaN") == 0)
		*ret = NAN;
	else
		return false;
	return true;
}

double *vec_stream(struct vec *v, const json_t *s, uint32_t *n)
{
	double *x;

	if (json_is_string(s)) {
		const char *name = json_string_value(s);

		s = json_object_get(json_object_get(v->all, "streams"), name);
		if (!s)
			s = json_object_get(v->streams, name);
	}
	if (json_is_object(s))
		s = json_object_get(s, "data");
	if (!json_is_array(s))
		return NULL;
	*n = (uint32_t)json_array_size(s);
	x = g_new(double, *n + 1);
	for (uint32_t i = 0; i < *n; i++)
		if (!vec_number(json_array_get(s, i), &x[i]))
			x[i] = NAN;
	return x;
}

/* ---- files ---- */

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static void element(struct vec *v, const json_t *e, size_t i)
{
	const char *name = json_string_value(json_object_get(e, "name"));

	if (json_object_get(e, "detector"))
		vec_detector(v, e);
	else if (json_object_get(e, "fires"))
		vec_bernoulli_fires(v, e);
	else if (json_object_get(e, "params") && json_object_get(e, "expect"))
		vec_window(v, e);
	else
		vec_skip(v, "vectors[%zu] %s", i, name ? name : "");
}

static void elements(struct vec *v, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		element(v, json_array_get(list, i), i);
}

static const struct {
	const char *key;	/* begins so */
	void	 (*run)(struct vec *, const json_t *);
} keys[] = {
	{ "vectors", elements },
	{ "designs", vec_bernoulli_designs },
	{ "histograms", vec_histograms },
	{ "samples", vec_samples },
	{ "special_functions", vec_special },
	{ "state_machine", vec_machine },
	{ "hysteresis", vec_hysteresis },
	{ "levels", vec_levels },
	{ "m_of_n", vec_m_of_n },
	{ "ddsketch", vec_ddsketch },
	{ "hyperloglog", vec_hyperloglog },
};

static void member(struct vec *v, const char *key, const json_t *j)
{
	if (json_is_string(j) || strcmp(key, "streams") == 0)
		return;			/* notes, versions */
	if (json_object_get(j, "data") && strcmp(key, "p2") != 0)
		return;			/* a stream */
	for (size_t i = 0; i < G_N_ELEMENTS(keys); i++)
		if (starts(key, keys[i].key)) {
			keys[i].run(v, j);
			return;
		}
	if (starts(key, "cusum_") || starts(key, "ewma_") || starts(key, "h_for_") ||
	    starts(key, "L_for_"))
		vec_arl(v, key, j);
	else if (key[0] != '_')
		vec_skip(v, "%s", key);
}

/* JSON has no Infinity; those who write vectors do. */
static json_t *load(const char *path)
{
	GString *out = g_string_new(NULL);
	char *text = NULL;
	json_error_t err;
	json_t *j = NULL;
	bool quoted = false;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		goto done;
	for (const char *p = text; *p; p++) {
		if (*p == '\\' && quoted && p[1]) {
			g_string_append_len(out, p++, 2);
			continue;
		}
		quoted ^= *p == '"';
		if (!quoted && (starts(p, "Infinity") || starts(p, "-Infinity") ||
		    starts(p, "NaN"))) {
			size_t n = strspn(p, "-InfityNa");

			g_string_append_printf(out, "\"%.*s\"", (int)n, p);
			p += n - 1;
		} else {
			g_string_append_c(out, *p);
		}
	}
	j = json_loadb(out->str, out->len, 0, &err);
	if (!j)
		printf("FAILED %s: line %d: %s\n", path, err.line, err.text);
done:
	g_free(text);
	g_string_free(out, TRUE);
	return j;
}

static json_t *beside(const char *path)
{
	char *dir = g_path_get_dirname(path);
	char *name = g_build_filename(dir, "streams.json", NULL);
	json_t *j = g_file_test(name, G_FILE_TEST_EXISTS) ? load(name) : NULL;

	g_free(dir);
	g_free(name);
	return j;
}

static void run_file(struct vec *v, const char *path)
{
	json_t *j = load(path), *value;
	char *base = g_path_get_basename(path);
	const char *key;

	if (!j) {
		printf("FAILED %s: cannot be read\n", path);
		v->failed++;
		g_free(base);
		return;
	}
	v->file = base;
	v->all = j;
	v->streams = beside(path);
	if (json_is_array(j))
		vec_psi(v, j);
	else
		json_object_foreach(j, key, value)
			member(v, key, value);
	json_decref(v->streams);
	json_decref(j);
	g_free(base);
}

int main(int argc, char **argv)
{
	struct vec v = { 0 };

	if (argc < 2) {
		fprintf(stderr, "usage: vectors FILE...\n");
		return 2;
	}
	for (int i = 1; i < argc; i++)
		run_file(&v, argv[i]);
	printf("%u passed, %u failed, %u skipped\n", v.passed, v.failed, v.skipped);
	return v.failed > 0 || v.passed == 0;
}
