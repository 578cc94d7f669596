/* Every aggregate over every kind of window against an oracle that keeps all samples;
 * text samples; sessions, hopping windows and days of a zone against their definition. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <math.h>

#include "base/arena.h"
#include "base/time.h"
#include "base/zone.h"
#include "signal/signal.h"

#define ALL (AGG_LIST * 2 - 1)
#define POINTS 600

struct point {
	int64_t	 t;
	double	 x;
};
struct stream {
	struct point v[POINTS];
	unsigned n;
};

static uint64_t rng;
static struct arena *arena;

static uint32_t next(void)
{
	rng ^= rng << 13;
	rng ^= rng >> 7;
	rng ^= rng << 17;
	return (uint32_t)(rng >> 16);
}

static bool near(double a, double b, double rel)
{
	return fabs(a - b) <= rel * MAX(1e-3, MAX(fabs(a), fabs(b)));
}

static double get(const struct signal_spec *s, const struct cells *c, uint32_t root,
    const char *what, int64_t clock)
{
	struct value v = signal_read(s, c, root, str_of(what), clock, arena);
	double d;

	if (v.tag == VALUE_ERROR && value_is_no_data(v))
		return (double)NAN;
	assert_true(value_number(v, &d));
	return d;
}

static double quantile(const struct signal_spec *s, const struct cells *c, uint32_t root,
    double q, int64_t clock)
{
	size_t used = arena_used(arena);
	struct value arg = value_double(q), v = signal_call(s, c, root, STR("quantile"),
	    &arg, 1, clock, arena);
	double d;

	assert_true(value_number(v, &d));
	/* A map asks a thousand times in one evaluation. */
	assert_int_equal(arena_used(arena), used);
	return d;
}

static int by_value(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static int by_time(const void *pa, const void *pb)
{
	const struct point *a = pa, *b = pb;

	return (a->t > b->t) - (a->t < b->t);
}

/* v: what should be in the window; times differ. */
static void compare(const struct signal_spec *s, const struct cells *c, uint32_t root,
    struct point *v, unsigned n, int64_t clock)
{
	double mean = 0, m2 = 0, x[POINTS], trues = 0;
	unsigned different = n > 0;
	struct value list;

	assert_int_equal(signal_count(s, c, root, clock), n);
	if (n == 0) {
		assert_true(isnan(get(s, c, root, "avg", clock)));
		return;
	}
	qsort(v, n, sizeof(*v), by_time);
	for (unsigned i = 0; i < n; i++) {
		x[i] = v[i].x;
		mean += x[i] / n;
		trues += x[i] != 0;
	}
	for (unsigned i = 0; i < n; i++)
		m2 += (x[i] - mean) * (x[i] - mean);
	qsort(x, n, sizeof(*x), by_value);
	for (unsigned i = 1; i < n; i++)
		different += x[i] != x[i - 1];
	assert_true(near(get(s, c, root, "avg", clock), mean, 1e-9));
	assert_true(get(s, c, root, "min", clock) == x[0]);
	assert_true(get(s, c, root, "max", clock) == x[n - 1]);
	if (n > 1)
		assert_true(near(get(s, c, root, "stddev", clock), sqrt(m2 / (n - 1)),
		    1e-9));
	else
		assert_true(isnan(get(s, c, root, "stddev", clock)));
	assert_true(get(s, c, root, "first", clock) == v[0].x);
	assert_true(get(s, c, root, "last", clock) == v[n - 1].x);
	assert_true(get(s, c, root, "delta", clock) == v[n - 1].x - v[0].x);
	if (n > 1)
		assert_true(near(get(s, c, root, "rate", clock), (v[n - 1].x - v[0].x) *
		    1000 / (double)(v[n - 1].t - v[0].t), 1e-9));
	else
		assert_true(isnan(get(s, c, root, "rate", clock)));
	assert_true(near(get(s, c, root, "ratio", clock), trues / n, 1e-12));
	assert_true(different <= 256 ?
	    get(s, c, root, "distinct", clock) == different :
	    near(get(s, c, root, "distinct", clock), different, 4 * 0.0163));
	for (double q = 0; q <= 1; q += 0.25) {
		double want = x[(unsigned)floor(q * (n - 1))];

		assert_true(fabs(quantile(s, c, root, q, clock) - want) <=
		    0.01 * fabs(want) * 1.000001);
	}
	list = signal_read(s, c, root, STR("list"), clock, arena);
	assert_int_equal(list.tag, VALUE_LIST);
	assert_int_equal(list.list->n, n);
	for (unsigned i = 0; i < n; i++)
		assert_true(list.list->v[i].d == v[i].x);
	arena_reset(arena);
}

static double a_value(void)
{
	return next() % 5 == 0 ? 0 : ((double)next() - 2e9) / 1e6;
}

/* Whether a sample at t is in the window at the clock. */
typedef bool (*inside_f)(const struct signal_spec *, int64_t t, int64_t clock,
    int64_t greatest);

static bool in_sliding(const struct signal_spec *s, int64_t t, int64_t clock,
    int64_t greatest)
{
	int64_t now = MAX(clock, greatest), p = s->over_ms / 60;

	return s->exact ? t > now - s->over_ms : (t / p + 1) * p > now - s->over_ms;
}

static bool in_hop(const struct signal_spec *s, int64_t t, int64_t clock,
    int64_t greatest)
{
	int64_t e = s->every_ms, k = (clock - s->offset_ms - s->over_ms) / e;
	int64_t from = k * e + s->offset_ms;

	(void)greatest;
	return t >= from && t < from + s->over_ms;
}

static bool in_all(const struct signal_spec *s, int64_t t, int64_t clock,
    int64_t greatest)
{
	(void)s, (void)t, (void)clock, (void)greatest;
	return true;
}

/* Samples out of order, the clock behind the newest by the lateness. */
static void run(struct signal_spec s, inside_f inside)
{
	static struct stream in;
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	int64_t now = 10000000, clock = INT64_MIN, greatest = INT64_MIN;

	in.n = 0;
	for (unsigned i = 0; i < POINTS; i++) {
		struct point x = {0, a_value()}, got[POINTS];
		unsigned n = 0;

		now += 5 + (next() % 50 ? next() % 100 : next() % 3000);
		x.t = now - (int64_t)(next() % 4) * 1001 - i % 5;
		for (unsigned j = 0; j < in.n; j++)	/* no two at one time */
			if (in.v[j].t == x.t)
				x.t++, j = (unsigned)-1;
		if (signal_add(&s, c, root, x.t, &(struct sample){.x = x.x}, clock) ==
		    SIGNAL_TAKEN) {
			in.v[in.n++] = x;
			greatest = MAX(greatest, x.t);
		}
		clock = MAX(clock, greatest - 5000);
		if (next() % 3 == 0)
			signal_advance(&s, c, root, clock);
		for (unsigned j = 0; j < in.n; j++)
			if (inside(&s, in.v[j].t, clock, greatest))
				got[n++] = in.v[j];
		compare(&s, c, root, got, n, clock);
	}
	assert_true(in.n > POINTS / 2);
	signal_free(c, root);
	assert_int_equal(cells_count(c), 0);
	cells_free(c);
}

static void every_aggregate_over_sliding_windows(void **state)
{
	(void)state;
	rng = 11;
	run((struct signal_spec){.window = WINDOW_SLIDING, .over_ms = 6000,
	    .min_count = 1, .aggregates = ALL}, in_sliding);
	run((struct signal_spec){.window = WINDOW_SLIDING, .over_ms = 6000, .exact = true,
	    .min_count = 1, .aggregates = ALL}, in_sliding);
}

static void every_aggregate_over_hopping_windows(void **state)
{
	(void)state;
	rng = 12;
	run((struct signal_spec){.window = WINDOW_HOPPING, .over_ms = 4000,
	    .every_ms = 1000, .min_count = 1, .aggregates = ALL}, in_hop);
	run((struct signal_spec){.window = WINDOW_HOPPING, .over_ms = 2500,
	    .every_ms = 1000, .offset_ms = 300, .min_count = 1, .aggregates = ALL},
	    in_hop);
}

static void every_aggregate_since_a_run(void **state)
{
	(void)state;
	rng = 13;
	run((struct signal_spec){.window = WINDOW_SINCE, .min_count = 1,
	    .aggregates = ALL}, in_all);
}

/* What a hopping window read when it ended is what it reads until the next one ends,
 * though later windows still take samples from its time. */
static void a_window_that_ended_does_not_change(void **state)
{
	struct signal_spec s = {.window = WINDOW_HOPPING, .over_ms = 20, .every_ms = 10,
	    .min_count = 1, .aggregates = AGG_SUM};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);

	(void)state;
	signal_add(&s, c, root, 12, &(struct sample){.x = 1}, INT64_MIN);
	signal_add(&s, c, root, 21, &(struct sample){.x = 2}, 12);
	signal_advance(&s, c, root, 21);	/* [0, 20) */
	assert_true(get(&s, c, root, "sum", 21) == 1);
	assert_int_equal(signal_add(&s, c, root, 15, &(struct sample){.x = 4}, 21),
	    SIGNAL_TAKEN);			/* for [10, 30) */
	assert_true(get(&s, c, root, "sum", 21) == 1);
	assert_int_equal(signal_add(&s, c, root, 9, &(struct sample){.x = 8}, 21),
	    SIGNAL_LATE);
	assert_int_equal(signal_next_change(&s, c, root, 21), 30);
	assert_true(get(&s, c, root, "sum", 30) == 7);
	signal_advance(&s, c, root, 30);
	assert_true(get(&s, c, root, "sum", 30) == 7);
	assert_true(get(&s, c, root, "sum", 40) == 2);
	assert_true(isnan(get(&s, c, root, "sum", 50)));
	cells_free(c);
}

static void sessions_end_with_a_pause(void **state)
{
	struct signal_spec s = {.window = WINDOW_SESSION, .over_ms = 10, .min_count = 1,
	    .aggregates = ALL & ~AGG_AGE};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	static const struct { int64_t t; double x; int64_t mark; int fate; } in[] = {
		{100, 1, INT64_MIN, SIGNAL_TAKEN}, {110, 2, 95, SIGNAL_TAKEN}, /* = gap */
		{130, 4, 105, SIGNAL_TAKEN}, {150, 8, 115, SIGNAL_TAKEN},
		{140, 16, 119, SIGNAL_TAKEN},	/* joins 130 and 150 */
		{115, 32, 120, SIGNAL_TAKEN},	/* the clock is not past 110 + 10 */
		{105, 64, 126, SIGNAL_LATE},	/* 115 + 10 is */
		{117, 128, 126, SIGNAL_TAKEN},	/* open itself: a session of its own */
	};

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(in); i++)
		assert_int_equal(signal_add(&s, c, root, in[i].t,
		    &(struct sample){.x = in[i].x}, in[i].mark), in[i].fate);
	assert_true(get(&s, c, root, "sum", 126) == 35);
	assert_true(get(&s, c, root, "first", 126) == 1);
	assert_int_equal(signal_next_change(&s, c, root, 126), 128);
	assert_true(get(&s, c, root, "sum", 128) == 128);
	assert_int_equal(signal_next_change(&s, c, root, 128), 161);
	signal_advance(&s, c, root, 160);
	assert_true(get(&s, c, root, "sum", 160) == 128);
	assert_true(get(&s, c, root, "sum", 161) == 28);
	assert_true(get(&s, c, root, "delta", 161) == 4);
	signal_advance(&s, c, root, 1000000);	/* held */
	assert_true(get(&s, c, root, "sum", 1000000) == 28);
	assert_int_equal(signal_next_change(&s, c, root, 1000000), INT64_MAX);
	signal_free(c, root);
	assert_int_equal(cells_count(c), 0);
	cells_free(c);
}

static int64_t at(const char *text)
{
	int64_t ms;
	int32_t nanos;

	assert_true(time_parse(str_of(text), &ms, &nanos));
	return ms;
}

/* Berlin: 2026-03-29 has 23 hours, 2026-10-25 has 25. */
static void days_follow_the_clocks_of_their_zone(void **state)
{
	struct zones *zones = zones_new();
	struct err err = {0};
	struct signal_spec s = {.window = WINDOW_TUMBLING, .over_ms = 86400000,
	    .zone = zones_get(zones, STR("Europe/Berlin"), &err), .min_count = 1,
	    .aggregates = AGG_COUNT};
	static const char *const days[][2] = {
		{"2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"},
		{"2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"},
		{"2026-07-01T22:00:00Z", "2026-07-02T22:00:00Z"},
	};

	(void)state;
	assert_non_null(s.zone);
	for (unsigned i = 0; i < G_N_ELEMENTS(days); i++) {
		struct cells *c = cells_new();
		uint32_t root = signal_new(&s, c);
		int64_t from = at(days[i][0]), to = at(days[i][1]), n = 0;

		signal_add(&s, c, root, from - 1, &(struct sample){.x = 1}, INT64_MIN);
		for (int64_t t = from; t < to; t += 1800000, n++)
			signal_add(&s, c, root, t, &(struct sample){.x = 1}, INT64_MIN);
		signal_add(&s, c, root, to, &(struct sample){.x = 1}, INT64_MIN);
		assert_int_equal(signal_count(&s, c, root, from), 1);
		assert_int_equal(signal_next_change(&s, c, root, from), to);
		assert_int_equal(signal_count(&s, c, root, to - 1), 1);
		assert_int_equal(signal_count(&s, c, root, to), n);
		cells_free(c);
	}
	/* Half hours: the hour that occurs twice never goes back to an older window. */
	s.over_ms = 1800000;
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	int64_t from = at("2026-10-25T00:00:00Z"), total = 0, end = from;

	for (int64_t t = from; t < from + 3 * 3600000; t += 60000)
		assert_int_equal(signal_add(&s, c, root, t, &(struct sample){.x = 1}, t),
		    SIGNAL_TAKEN);
	while ((end = signal_next_change(&s, c, root, end)) < from + 4 * 3600000)
		total += (int64_t)signal_count(&s, c, root, end);
	assert_int_equal(total, 180);
	cells_free(c);
	zones_free(zones);
}

static void texts_are_for_distinct_and_list(void **state)
{
	struct signal_spec kinds[] = {
		{.window = WINDOW_SLIDING, .over_ms = 6000},
		{.window = WINDOW_COUNT, .last_n = 3},
		{.window = WINDOW_SINCE},
	};

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
		struct signal_spec s = kinds[i];
		struct cells *c = cells_new();
		uint32_t root;
		struct sample text = {.text = STR("b")};
		struct value v;

		s.min_count = 1;
		s.aggregates = AGG_SUM | AGG_COUNT;
		root = signal_new(&s, c);
		assert_int_equal(signal_add(&s, c, root, 1, &text, INT64_MIN),
		    SIGNAL_INVALID);
		s.aggregates |= AGG_DISTINCT | AGG_LIST | AGG_QUANTILE;
		signal_add(&s, c, root, 0, &(struct sample){.x = 7}, INT64_MIN);
		signal_add(&s, c, root, 1, &text, INT64_MIN);
		signal_add(&s, c, root, 2, &(struct sample){.text = STR("a")}, INT64_MIN);
		signal_add(&s, c, root, 3, &text, INT64_MIN);
		assert_true(get(&s, c, root, "distinct", 3) == (i == 1 ? 2 : 3));
		v = signal_read(&s, c, root, STR("list"), 3, arena);
		assert_int_equal(v.list->n, i == 1 ? 3 : 4);
		assert_true(str_is(value_as_str(v.list->v[v.list->n - 2]), STR("a")));
		assert_true(isnan(get(&s, c, root, "sum", 3)));
		signal_free(c, root);
		assert_int_equal(cells_count(c), 0);
		cells_free(c);
	}
}

static void distinct_and_lists_are_bounded(void **state)
{
	struct signal_spec s = {.window = WINDOW_TUMBLING, .over_ms = 100000,
	    .min_count = 1, .aggregates = AGG_DISTINCT | AGG_LIST};
	struct cells *c = cells_new();
	uint32_t root = signal_new(&s, c);
	struct value v;

	(void)state;
	for (int i = 0; i < 20000; i++)
		signal_add(&s, c, root, i, &(struct sample){.x = i % 7000}, INT64_MIN);
	/* 1.04 / sqrt(4096) is one standard deviation */
	assert_true(near(get(&s, c, root, "distinct", 100000), 7000, 4 * 0.0163));
	v = signal_read(&s, c, root, STR("list"), 100000, arena);
	assert_int_equal(v.list->n, 1000);
	assert_true(v.list->v[0].d == 19000 % 7000);
	assert_in_range(cells_total_bytes(c), 1, 25000);
	cells_free(c);
}

static int set_up(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_aggregate_over_sliding_windows),
		cmocka_unit_test(every_aggregate_over_hopping_windows),
		cmocka_unit_test(every_aggregate_since_a_run),
		cmocka_unit_test(a_window_that_ended_does_not_change),
		cmocka_unit_test(sessions_end_with_a_pause),
		cmocka_unit_test(days_follow_the_clocks_of_their_zone),
		cmocka_unit_test(texts_are_for_distinct_and_list),
		cmocka_unit_test(distinct_and_lists_are_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
