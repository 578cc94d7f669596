/* Windows against tests/vectors/window_vectors.json: exact sliding, tumbling with
 * lateness and offset, count.  Of the file only `time_difference` (Kafka Streams'
 * windows, which are not ours) is left out. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

#include "signal/signal.h"

#define ALL (AGG_COUNT | AGG_SUM | AGG_AVG | AGG_MIN | AGG_MAX | AGG_LAST)

static json_t *file;

static enum signal_fate add_at(const struct signal_spec *s, struct cells *c,
    uint32_t root, int64_t t, double x, int64_t watermark)
{
	return signal_add(s, c, root, t, &(struct sample){.x = x}, watermark);
}

static struct value read_at(const struct signal_spec *s, const struct cells *c,
    uint32_t root, struct str what, int64_t clock)
{
	return signal_read(s, c, root, what, clock, NULL);
}

static int64_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static double read_double(const struct signal_spec *s, const struct cells *c,
    uint32_t root, const char *what, int64_t clock)
{
	struct value v = read_at(s, c, root, str_of(what), clock);

	if (v.tag == VALUE_INT)
		return (double)v.i;
	assert_int_equal(v.tag, VALUE_DOUBLE);
	return v.d;
}

/* The window holds these values, the newest last. */
static void expect_values(const struct signal_spec *s, const struct cells *c,
    uint32_t root, const json_t *values, int64_t clock)
{
	size_t n = json_array_size(values);
	double sum = 0, min = INFINITY, max = -INFINITY, last = 0;

	for (size_t i = 0; i < n; i++) {
		last = json_number_value(json_array_get(values, i));
		sum += last;
		min = MIN(min, last);
		max = MAX(max, last);
	}
	assert_int_equal(signal_count(s, c, root, clock), n);
	assert_true(read_double(s, c, root, "count", clock) == (double)n);
	assert_true(read_double(s, c, root, "sum", clock) == sum);
	assert_true(read_double(s, c, root, "avg", clock) == sum / (double)n);
	assert_true(read_double(s, c, root, "min", clock) == min);
	assert_true(read_double(s, c, root, "max", clock) == max);
}

/* Moves the clock as decide does: deadline by deadline.  Windows that close on the
 * way are compared with what is expected after event `i`. */
static size_t close_windows(const struct signal_spec *s, struct cells *c, uint32_t root,
    int64_t from, int64_t to, const json_t *fired, size_t k, size_t i)
{
	for (;;) {
		int64_t end = signal_next_change(s, c, root, from);
		const json_t *f = json_array_get(fired, k);

		if (end > to)
			break;
		assert_int_equal(num(f, "after_event"), i);
		assert_int_equal(num(f, "end"), end);
		signal_advance(s, c, root, end);
		expect_values(s, c, root, json_object_get(f, "values"), end);
		from = end;
		k++;
	}
	signal_advance(s, c, root, to);
	return k;
}

static void tumbling(const json_t *vector)
{
	const json_t *params = json_object_get(vector, "params"), *e;
	const json_t *expect = json_object_get(vector, "expect");
	const json_t *fired = json_object_get(expect, "fired");
	const json_t *dropped = json_object_get(expect, "late_dropped");
	const json_t *open = json_object_get(expect, "still_open");
	struct signal_spec s = {.window = WINDOW_TUMBLING,
	    .over_ms = num(params, "size"),
	    .offset_ms = num(params, "offset"),
	    .lateness_ms = num(params, "lateness"),
	    .min_count = 1,
	    .aggregates = ALL};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	int64_t greatest = INT64_MIN, watermark = INT64_MIN;
	size_t i, k = 0, late = 0;

	json_array_foreach(json_object_get(vector, "events"), i, e) {
		int64_t t = num(e, "t"), before = watermark;
		enum signal_fate fate = add_at(&s, c, root, t,
		    json_number_value(json_object_get(e, "v")), watermark);

		if (fate == SIGNAL_LATE) {
			assert_int_equal(
			    num(json_array_get(dropped, late++), "index"), i);
			continue;
		}
		assert_int_equal(fate, SIGNAL_TAKEN);
		greatest = MAX(greatest, t);
		watermark = greatest - s.lateness_ms;
		k = close_windows(&s, c, root, before, watermark, fired, k, i);
		if (k == 0)	/* nothing to read before the first one closes */
			assert_true(value_is_no_data(read_at(&s, c, root, STR("sum"),
			    watermark)));
	}
	assert_int_equal(k, json_array_size(fired));
	assert_int_equal(late, json_array_size(dropped));
	assert_int_equal(watermark, num(expect, "watermark"));
	json_array_foreach(open, i, e) {
		signal_advance(&s, c, root, num(e, "end"));
		expect_values(&s, c, root, json_object_get(e, "values"), num(e, "end"));
	}
	cells_free(c);
}

static void exact_sliding(const json_t *vector)
{
	const json_t *params = json_object_get(vector, "params"), *e;
	struct signal_spec s = {.window = WINDOW_SLIDING, .exact = true, .min_count = 1,
		.over_ms = num(params, "range"), .aggregates = ALL};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	size_t i;

	json_array_foreach(json_object_get(vector, "events"), i, e) {
		const json_t *want = json_array_get(json_object_get(vector, "expect"), i);

		assert_int_equal(add_at(&s, c, root, num(e, "t"),
		    json_number_value(json_object_get(e, "v")), INT64_MIN), SIGNAL_TAKEN);
		expect_values(
		    &s, c, root, json_object_get(want, "values"), num(want, "at"));
		assert_true(read_double(&s, c, root, "last", num(e, "t")) ==
		    json_number_value(json_object_get(e, "v")));
	}
	cells_free(c);
}

/* Ours is the newest N at any time: at each Nth sample that is the vector's list. */
static void count(const json_t *vector)
{
	uint32_t n = (uint32_t)num(json_object_get(vector, "params"), "count");
	struct signal_spec s = {.window = WINDOW_COUNT, .last_n = n, .min_count = n,
		.aggregates = ALL};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	const json_t *v;
	size_t i;

	json_array_foreach(json_object_get(vector, "values"), i, v) {
		add_at(&s, c, root, 1000, json_number_value(v), INT64_MIN);
		if (i + 1 < n)
			assert_true(
			    value_is_no_data(read_at(&s, c, root, STR("avg"), 0)));
		if ((i + 1) % n == 0)
			expect_values(&s, c, root, json_array_get(
			    json_object_get(vector, "expect"), (i + 1) / n - 1), 0);
	}
	cells_free(c);
}

static void run_all(const char *param, void (*test)(const json_t *), unsigned at_least)
{
	const json_t *v;
	unsigned n = 0;
	size_t i;

	json_array_foreach(json_object_get(file, "vectors"), i, v) {
		if (!json_object_get(json_object_get(v, "params"), param))
			continue;
		test(v);
		n++;
	}
	assert_true(n >= at_least);
}

static void tumbling_windows_close_at_the_watermark(void **state)
{
	(void)state;
	run_all("size", tumbling, 3);
}

static void exact_windows_are_open_on_the_left(void **state)
{
	(void)state;
	run_all("range", exact_sliding, 1);
}

static void count_windows_hold_the_newest(void **state)
{
	(void)state;
	run_all("count", count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tumbling_windows_close_at_the_watermark),
		cmocka_unit_test(exact_windows_are_open_on_the_left),
		cmocka_unit_test(count_windows_hold_the_newest),
	};
	json_error_t err;
	int failed;

	file = json_load_file("tests/vectors/window_vectors.json", 0, &err);
	if (!file) {
		print_error("window_vectors.json: %s\n", err.text);
		return 1;
	}
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	json_decref(file);
	return failed;
}
