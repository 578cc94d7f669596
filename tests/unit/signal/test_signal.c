/* Windows against oracles that keep every sample and look at all of them, over
 * random streams with late, equal and future times; and what a key's state costs,
 * survives and forgets. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "signal/signal.h"

#define ALL (AGG_COUNT | AGG_SUM | AGG_AVG | AGG_MIN | AGG_MAX | AGG_LAST)
#define SAMPLES 3000

static const char *const aggregates[] = {"count", "sum", "avg", "min", "max", "last"};

struct point {
	int64_t	 t;
	double	 v;
};
struct stream {			/* what was taken, in order of arrival */
	struct point v[SAMPLES];
	unsigned n;
	int64_t	 greatest;
};
struct want {
	unsigned n;
	double	 sum, min, max, last;
	int64_t	 last_t;
};

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

static uint64_t rng;

static uint32_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 16);
}

static void want_take(struct want *w, struct point x)
{
	if (w->n == 0 || x.t >= w->last_t) {
		w->last_t = x.t;
		w->last = x.v;
	}
	w->min = w->n == 0 ? x.v : MIN(w->min, x.v);
	w->max = w->n == 0 ? x.v : MAX(w->max, x.v);
	w->sum += x.v;
	w->n++;
}

static bool close_to(double a, double b)
{
	return fabs(a - b) <= 1e-9 * MAX(1, MAX(fabs(a), fabs(b)));
}

static void compare(const struct signal_spec *s, const struct cells *c, uint32_t root,
    const struct want *w, int64_t clock)
{
	const double want[] = {w->n, w->sum, w->sum / w->n, w->min, w->max, w->last};

	assert_int_equal(signal_count(s, c, root, clock), w->n);
	for (unsigned i = 0; i < G_N_ELEMENTS(aggregates); i++) {
		struct value v = read_at(s, c, root, str_of(aggregates[i]), clock);
		double d;

		if (w->n < s->min_count) {
			assert_true(value_is_no_data(v));
			continue;
		}
		assert_true(value_number(v, &d));
		if (!close_to(d, want[i]))
			fail_msg(
			    "%s is %.17g, expected %.17g", aggregates[i], d, want[i]);
	}
}

static GPtrArray *base;		/* shards as they were at the last reload, turn 1 */

static struct str bytes(const GByteArray *b)
{
	return (struct str){(const char *)b->data, b->len};
}

static void save_base(const struct cells *c)
{
	g_clear_pointer(&base, g_ptr_array_unref);
	base = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
	for (uint32_t i = 0; c && i < cells_shards(c); i++) {
		GByteArray *b = g_byte_array_new();

		cells_encode_shard(c, i, b);
		g_ptr_array_add(base, b);
	}
}

/* Kill and restart: everything through shards, or through what was stored at the last
 * reload and one delta. */
static struct cells *reload(struct cells *c, bool by_delta)
{
	struct cells *r = cells_new();
	GByteArray *delta = g_byte_array_new();

	cells_encode_dirty(c, delta);
	if (!by_delta)
		save_base(c);
	for (uint32_t i = 0; i < base->len; i++)
		assert_true(cells_load_shard(r, i, 1, bytes(base->pdata[i])));
	if (by_delta)
		assert_true(cells_load_delta(r, 2, bytes(delta)));
	cells_loaded(r);
	g_byte_array_unref(delta);
	cells_free(c);
	save_base(r);
	return r;
}

static struct cells *fresh(void)
{
	save_base(NULL);
	return cells_new();
}

static double a_value(void)
{
	return (next() % 4 ? 0.0 : 1e6) + (double)(int32_t)next() / 65536.0;
}

static struct want sliding_oracle(const struct signal_spec *s, const struct stream *in,
    int64_t clock)
{
	int64_t t = MAX(in->greatest, clock), p = s->over_ms < 60 ? 1 : s->over_ms / 60;
	struct want w = {0};

	for (unsigned i = 0; i < in->n; i++) {
		int64_t at = in->v[i].t, end = (at - ((at % p) + p) % p) + p;

		if (s->exact ? at > t - s->over_ms : end > t - s->over_ms)
			want_take(&w, in->v[i]);
	}
	return w;
}

/* `calm`: one sample in so many comes after a long silence. */
static void sliding(struct signal_spec s, int64_t step, unsigned calm)
{
	static struct stream in;
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c), other = signal_new(&s, c);
	int64_t now = -3 * s.over_ms, clock = INT64_MIN;

	in.n = 0;
	in.greatest = INT64_MIN;
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct point x = {0, a_value()};
		int64_t p = s.over_ms < 60 ? 1 : s.over_ms / 60, end, seen;
		struct want w;

		now += next() % calm ? next() % (uint32_t)step
				     : next() % (uint32_t)(2 * s.over_ms);
		x.t = now -
		    (next() % 3 ? 0 : next() % (uint32_t)(s.over_ms + s.over_ms / 10));
		end = s.exact ? x.t : (x.t - ((x.t % p) + p) % p) + p;
		seen = MAX(in.greatest, clock);
		if (add_at(&s, c, root, x.t, x.v, INT64_MIN) == SIGNAL_LATE) {
			assert_true(end <= seen - s.over_ms);
		} else {
			in.v[in.n++] = x;
			in.greatest = MAX(in.greatest, x.t);
		}
		add_at(&s, c, other, x.t, 1, INT64_MIN);
		w = sliding_oracle(&s, &in, clock);
		compare(&s, c, root, &w, clock);
		if (next() % 8 == 0) {
			int64_t change = signal_next_change(&s, c, root, clock);
			struct want before = w;

			if (before.n == 0) {
				assert_int_equal(change, INT64_MAX);
				continue;
			}
			assert_true(change > MAX(clock, in.greatest));
			w = sliding_oracle(&s, &in, change - 1);
			assert_int_equal(w.n, before.n);
			w = sliding_oracle(&s, &in, change);
			assert_true(w.n < before.n);
			compare(&s, c, root, &w, change);
			clock = change - next() % 2;
			signal_advance(&s, c, root, clock);
		}
		if (next() % 64 == 0)
			c = reload(c, next() % 2);
	}
	signal_free(c, root);
	signal_free(c, other);
	assert_int_equal(cells_count(c), 0);
	cells_free(c);
}

static void sliding_panes_match_the_oracle(void **state)
{
	static const int64_t over[] = {6000, 60, 59, 1, 100, 3600000, 86400000};

	(void)state;
	rng = 42;
	for (unsigned i = 0; i < G_N_ELEMENTS(over); i++)
		sliding((struct signal_spec){.window = WINDOW_SLIDING, .over_ms = over[i],
		    .min_count = 1 + i % 3, .aggregates = ALL}, MAX(over[i] / 20, 2), 50);
}

static void exact_windows_match_the_oracle(void **state)
{
	(void)state;
	rng = 43;
	sliding((struct signal_spec){.window = WINDOW_SLIDING,
		    .over_ms = 60000,
		    .exact = true,
		    .min_count = 2,
		    .aggregates = ALL},
	    100, 50);
	/* more than one chunk of samples */
	sliding((struct signal_spec){.window = WINDOW_SLIDING,
		    .over_ms = 60000,
		    .exact = true,
		    .min_count = 1,
		    .aggregates = ALL},
	    40, 2500);
}

static void exact_windows_are_capped(void **state)
{
	struct signal_spec s = {.window = WINDOW_SLIDING, .over_ms = 1000, .exact = true,
		.max_samples = 3, .min_count = 1, .aggregates = ALL};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);

	(void)state;
	for (int64_t t = 0; t < 3; t++)
		assert_int_equal(add_at(&s, c, root, t, 1, 0), SIGNAL_TAKEN);
	assert_int_equal(add_at(&s, c, root, 3, 1, 0), SIGNAL_FULL);
	assert_int_equal(add_at(&s, c, root, 1000, 1, 0), SIGNAL_TAKEN);
	assert_int_equal(signal_count(&s, c, root, 0), 3);
	cells_free(c);
}

static void count_windows_match_the_oracle(void **state)
{
	static const uint32_t sizes[] = {1, 7, 1000, 1001};

	(void)state;
	rng = 44;
	for (unsigned k = 0; k < G_N_ELEMENTS(sizes); k++) {
		struct signal_spec s = {.window = WINDOW_COUNT, .last_n = sizes[k],
			.min_count = 1, .aggregates = ALL};
		struct cells *c = fresh();
		uint32_t root = signal_new(&s, c);
		static double v[SAMPLES];

		for (unsigned i = 0; i < SAMPLES; i++) {
			struct want w = {0};

			v[i] = a_value();
			add_at(&s, c, root, next() % 1000, v[i], INT64_MAX);
			for (unsigned j = i + 1 > sizes[k] ? i + 1 - sizes[k] : 0; j <= i;
			     j++)
				want_take(&w, (struct point){0, v[j]});
			if (next() % 4 == 0)
				compare(&s, c, root, &w, 0);
			if (next() % 64 == 0)
				c = reload(c, next() % 2);
		}
		signal_free(c, root);
		assert_int_equal(cells_count(c), 0);
		cells_free(c);
	}
}

/* The newest window that ended at or before the clock. */
static struct want tumbling_oracle(const struct signal_spec *s, const struct stream *in,
    int64_t clock)
{
	struct want w = {0};

	for (unsigned i = 0; i < in->n; i++) {
		int64_t r = ((in->v[i].t - s->offset_ms) % s->over_ms + s->over_ms) %
		    s->over_ms, end = in->v[i].t - r + s->over_ms;

		if (clock != INT64_MIN && end <= clock && end > clock - s->over_ms)
			want_take(&w, in->v[i]);
	}
	return w;
}

static void tumbling_windows_match_the_oracle(void **state)
{
	static struct stream in;
	struct signal_spec s = {.window = WINDOW_TUMBLING,
	    .over_ms = 1000,
	    .offset_ms = -300,
	    .lateness_ms = 2500,
	    .min_count = 2,
	    .aggregates = ALL};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);
	int64_t now = -20000, watermark = INT64_MIN;

	(void)state;
	rng = 45;
	in.greatest = INT64_MIN;
	for (unsigned i = 0; i < SAMPLES; i++) {
		struct point x = {0, a_value()};
		int64_t r, end;
		struct want w;

		now += next() % 40 ? next() % 200 : next() % 5000;
		x.t = now - next() % 4000;
		r = ((x.t + 300) % 1000 + 1000) % 1000;
		end = x.t - r + 1000;
		if (end <= watermark) {
			assert_int_equal(add_at(&s, c, root, x.t, x.v, watermark),
			    SIGNAL_LATE);
		} else {
			assert_int_equal(add_at(&s, c, root, x.t, x.v, watermark),
			    SIGNAL_TAKEN);
			in.v[in.n++] = x;
			in.greatest = MAX(in.greatest, x.t);
		}
		watermark = MAX(watermark, in.greatest - s.lateness_ms);
		signal_advance(&s, c, root, watermark);
		w = tumbling_oracle(&s, &in, watermark);
		compare(&s, c, root, &w, watermark);
		if (next() % 64 == 0)
			c = reload(c, next() % 2);
	}
	cells_free(c);
}

/* A partition far ahead of the others opens windows that cannot close yet. */
static void open_windows_are_bounded(void **state)
{
	struct signal_spec s = {.window = WINDOW_TUMBLING, .over_ms = 10, .min_count = 1,
	    .aggregates = ALL};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);
	int64_t t = 0;

	(void)state;
	while (add_at(&s, c, root, t, 1, INT64_MIN) == SIGNAL_TAKEN)
		t += 10;
	assert_in_range(t, 2000, 10000);
	assert_in_range(cells_bytes(c, root), 1, CELL_MAX);
	assert_int_equal(add_at(&s, c, root, 5, 1, INT64_MIN), SIGNAL_TAKEN);
	assert_int_equal(
	    add_at(&s, c, root, INT64_C(1) << 50, 1, INT64_MIN), SIGNAL_FULL);
	assert_int_equal(value_ms(read_at(&s, c, root, STR("age"), t)), 10);
	signal_advance(&s, c, root, t);
	compare(&s, c, root, &(struct want){1, 1, 1, 1, 1, 0}, t);
	assert_int_equal(add_at(&s, c, root, t, 1, INT64_MIN), SIGNAL_TAKEN);
	cells_free(c);
}

static void since_counts_cuts_and_settles(void **state)
{
	struct signal_spec s = {
	    .window = WINDOW_SINCE, .min_count = 1, .aggregates = ALL};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);

	(void)state;
	assert_true(value_is_no_data(read_at(&s, c, root, STR("sum"), 0)));
	add_at(&s, c, root, 10, 5, INT64_MAX);
	add_at(&s, c, root, 20, 3, INT64_MAX);
	compare(&s, c, root, &(struct want){2, 8, 3, 5, 3, 0}, 0);
	signal_cut(&s, c, root, 71);
	assert_int_equal(signal_count(&s, c, root, 0), 0);
	add_at(&s, c, root, 30, 100, INT64_MAX);
	signal_cut(&s, c, root, 72);
	add_at(&s, c, root, 15, 1, INT64_MAX);
	c = reload(c, true);
	signal_settle(&s, c, root, 71, true);	/* failed: its share counts again */
	compare(&s, c, root, &(struct want){3, 9, 1, 5, 3, 0}, 0);
	signal_settle(&s, c, root, 72, false);	/* completed: gone */
	signal_settle(&s, c, root, 72, true);	/* a repeat does nothing */
	compare(&s, c, root, &(struct want){3, 9, 1, 5, 3, 0}, 0);
	assert_int_equal(signal_next_change(&s, c, root, 0), INT64_MAX);
	signal_free(c, root);
	assert_int_equal(cells_count(c), 0);
	cells_free(c);
}

static void age_is_by_the_clock_and_outlives_the_window(void **state)
{
	struct signal_spec s = {.window = WINDOW_SLIDING,
	    .over_ms = 60000,
	    .min_count = 30,
	    .aggregates = AGG_AGE | AGG_AVG};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);
	int64_t clock = 5000, hour = 3600000;

	(void)state;
	assert_true(value_is_no_data(read_at(&s, c, root, STR("age"), 0)));
	add_at(&s, c, root, 5000, 1, INT64_MIN);
	assert_int_equal(value_ms(read_at(&s, c, root, STR("age"), 4000)), 0);
	assert_int_equal(
	    value_ms(read_at(&s, c, root, STR("age"), 9000000)), 8995000);
	assert_int_equal(signal_next_change(&s, c, root, clock), 6000);
	while (clock < 5000 + hour)
		clock = signal_next_change(&s, c, root, clock);
	assert_int_equal(clock, 5000 + hour);
	assert_int_equal(read_at(&s, c, root, STR("median"), 0).tag, VALUE_ABSENT);
	cells_free(c);
}

static void what_is_no_number_or_no_time_is_invalid(void **state)
{
	static const enum signal_window windows[] = {WINDOW_SLIDING, WINDOW_TUMBLING,
		WINDOW_COUNT, WINDOW_SINCE};

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(windows); i++) {
		struct signal_spec s = {.window = windows[i],
		    .over_ms = 1000,
		    .last_n = 3,
		    .min_count = 1,
		    .aggregates = ALL};
		struct cells *c = fresh();
		uint32_t root = signal_new(&s, c);

		assert_int_equal(add_at(&s, c, root, 1, NAN, 0), SIGNAL_INVALID);
		assert_int_equal(
		    add_at(&s, c, root, 1, -INFINITY, 0), SIGNAL_INVALID);
		assert_int_equal(
		    add_at(&s, c, root, INT64_MIN, 1, 0), SIGNAL_INVALID);
		assert_int_equal(
		    add_at(&s, c, root, INT64_MAX, 1, 0), SIGNAL_INVALID);
		assert_int_equal(signal_count(&s, c, root, 0), 0);
		cells_free(c);
	}
}

/* A rule set that reads one aggregate more keeps the window: the new aggregate is
 * unknown until panes from before are gone, the old ones go on. */
static void a_new_aggregate_keeps_the_window(void **state)
{
	struct signal_spec s = {.window = WINDOW_SLIDING, .over_ms = 6000, .min_count = 1,
		.aggregates = AGG_AVG};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);

	(void)state;
	add_at(&s, c, root, 0, 4, INT64_MIN);
	add_at(&s, c, root, 150, 6, INT64_MIN);
	s.aggregates |= AGG_MAX;
	add_at(&s, c, root, 200, 2, INT64_MIN);
	assert_true(read_at(&s, c, root, STR("avg"), 0).d == 4.0);
	assert_true(value_is_no_data(read_at(&s, c, root, STR("max"), 0)));
	assert_true(value_is_no_data(read_at(&s, c, root, STR("max"), 6199)));
	assert_true(read_at(&s, c, root, STR("max"), 6200).d == 2.0);
	cells_free(c);
}

/* Sums of panes never subtract: a huge value leaves no trace behind it. */
static void a_value_that_left_takes_its_rounding_with_it(void **state)
{
	struct signal_spec s = {.window = WINDOW_SLIDING, .over_ms = 6000, .min_count = 1,
		.aggregates = AGG_SUM};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);

	(void)state;
	add_at(&s, c, root, 0, 1e300, INT64_MIN);
	add_at(&s, c, root, 5000, 0.25, INT64_MIN);
	add_at(&s, c, root, 7000, 0.5, INT64_MIN);
	assert_true(read_at(&s, c, root, STR("sum"), 0).d == 0.75);
	cells_free(c);
}

static void a_key_is_small(void **state)
{
	struct signal_spec tumbling = {.window = WINDOW_TUMBLING, .over_ms = 60000,
		.min_count = 1, .aggregates = AGG_AVG | AGG_COUNT};
	struct signal_spec full = {.window = WINDOW_SLIDING,
	    .over_ms = 60000,
	    .min_count = 1,
	    .aggregates = AGG_AVG | AGG_COUNT | AGG_MAX | AGG_LAST};
	struct cells *c = fresh();
	uint32_t a = signal_new(&tumbling, c), b = signal_new(&full, c);

	(void)state;
	for (int64_t t = 0; t < 600000; t += 100) {
		add_at(&tumbling, c, a, t, 1, t);
		signal_advance(&tumbling, c, a, t);
		add_at(&full, c, b, t, 1, t);
	}
	assert_in_range(cells_bytes(c, a), 1, 100);
	assert_in_range(cells_bytes(c, b), 1, 1640);
	cells_free(c);
}

static void summary_tells_the_window(void **state)
{
	struct signal_spec s = {.window = WINDOW_SLIDING,
	    .over_ms = 6 * 3600000,
	    .min_count = 30,
	    .aggregates = AGG_AVG};
	struct cells *c = fresh();
	uint32_t root = signal_new(&s, c);
	GString *json = g_string_new(NULL);

	(void)state;
	add_at(&s, c, root, 6 * 3600000, 1, INT64_MIN);
	signal_summary(&s, c, root, 0, json);
	assert_string_equal(json->str,
	    "{\"count\":1,\"min_count\":30,\"window\":\"over 6h\","
	    "\"from\":\"1970-01-01T00:00:00.000Z\",\"to\":\"1970-01-01T06:00:00.000Z\"}");
	g_string_free(json, TRUE);
	cells_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sliding_panes_match_the_oracle),
		cmocka_unit_test(exact_windows_match_the_oracle),
		cmocka_unit_test(exact_windows_are_capped),
		cmocka_unit_test(count_windows_match_the_oracle),
		cmocka_unit_test(tumbling_windows_match_the_oracle),
		cmocka_unit_test(open_windows_are_bounded),
		cmocka_unit_test(since_counts_cuts_and_settles),
		cmocka_unit_test(age_is_by_the_clock_and_outlives_the_window),
		cmocka_unit_test(what_is_no_number_or_no_time_is_invalid),
		cmocka_unit_test(a_new_aggregate_keeps_the_window),
		cmocka_unit_test(a_value_that_left_takes_its_rounding_with_it),
		cmocka_unit_test(a_key_is_small),
		cmocka_unit_test(summary_tells_the_window),
	};

	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	g_clear_pointer(&base, g_ptr_array_unref);
	return failed;
}
