/* Vectors of windows: `size[, advance, offset], lateness` | `gap, lateness` | `range` |
 * `count[, every]`.  What a window holds is read as its list. */
#include <glib.h>
#include <stdlib.h>

#include "base/arena.h"
#include "signal/signal.h"
#include "vectors/vectors.h"

struct run {
	struct vec *v;
	const char *name;
	struct signal_spec spec;
	struct cells *cells;
	uint32_t root;
	struct arena *arena;
	const json_t *fired;
	size_t	 fired_n, late_n;
};

static int64_t num(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static int by_value(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

/* The same numbers in any order: ours is of time. */
static bool holds(struct run *r, const json_t *values, int64_t clock)
{
	struct value list = signal_read(&r->spec, r->cells, r->root, STR("list"), clock,
	    r->arena);
	size_t n = json_array_size(values);
	double *want = g_new(double, n + 1), *got = g_new(double, n + 1);
	bool same = list.tag == VALUE_LIST ? list.list->n == n : n == 0;

	for (size_t i = 0; same && i < n; i++) {
		want[i] = json_number_value(json_array_get(values, i));
		got[i] = list.list->v[i].d;
	}
	if (same) {
		qsort(want, n, sizeof(*want), by_value);
		qsort(got, n, sizeof(*got), by_value);
	}
	for (size_t i = 0; same && i < n; i++)
		same = want[i] == got[i];
	g_free(want);
	g_free(got);
	arena_reset(r->arena);
	return same;
}

static void run_begin(struct run *r, struct vec *v, const json_t *vector)
{
	r->v = v;
	r->name = json_string_value(json_object_get(vector, "name"));
	r->name = r->name ? r->name : "?";
	r->spec.min_count = 1;
	r->spec.aggregates = AGG_LIST;
	r->cells = cells_new();
	r->root = signal_new(&r->spec, r->cells);
	r->arena = arena_new(0);
}

static void run_end(struct run *r)
{
	cells_free(r->cells);
	arena_free(r->arena);
}

/* The window that ended at `clock` is the next of those expected. */
static void closed(struct run *r, int64_t clock, size_t event)
{
	const json_t *f = json_array_get(r->fired, r->fired_n);
	int64_t end = json_object_get(f, "last") ?
	    num(f, "last") + r->spec.over_ms + 1 : num(f, "end");

	signal_advance(&r->spec, r->cells, r->root, clock);
	if (!signal_count(&r->spec, r->cells, r->root, clock))
		return;			/* an empty one: nothing fires */
	vec_check(r->v, f && end == clock && num(f, "after_event") == (int64_t)event &&
	    holds(r, json_object_get(f, "values"), clock),
	    "%s: window %zu, closed at %lld after event %zu", r->name, r->fired_n,
	    (long long)clock, event);
	r->fired_n++;
}

static void close_until(struct run *r, int64_t from, int64_t to, size_t event)
{
	for (;;) {
		int64_t at = signal_next_change(&r->spec, r->cells, r->root, from);

		if (at > to)
			break;
		closed(r, at, event);
		from = at;
	}
	signal_advance(&r->spec, r->cells, r->root, to);
}

static void still_open(struct run *r, const json_t *open)
{
	const json_t *o;
	size_t i;

	json_array_foreach(open, i, o) {
		int64_t end = json_object_get(o, "last") ?
		    num(o, "last") + r->spec.over_ms + 1 : num(o, "end");

		signal_advance(&r->spec, r->cells, r->root, end);
		vec_check(r->v, holds(r, json_object_get(o, "values"), end),
		    "%s: still open %zu", r->name, i);
	}
}

static void timed(struct run *r, const json_t *vector)
{
	const json_t *expect = json_object_get(vector, "expect"), *e;
	const json_t *late = json_object_get(expect, "late_dropped");
	int64_t greatest = INT64_MIN, mark = INT64_MIN;
	size_t i;

	r->fired = json_object_get(expect, "fired");
	json_array_foreach(json_object_get(vector, "events"), i, e) {
		struct sample x = {.x = json_number_value(json_object_get(e, "v"))};
		int64_t t = num(e, "t"), before = mark;

		if (signal_add(&r->spec, r->cells, r->root, t, &x, mark) == SIGNAL_LATE) {
			const json_t *l = json_array_get(late, r->late_n++);

			vec_check(r->v, l && num(l, "index") == (int64_t)i,
			    "%s: event %zu is late", r->name, i);
		}
		greatest = MAX(greatest, t);
		mark = greatest - r->spec.lateness_ms;
		close_until(r, before, mark, i);
	}
	vec_check(r->v, r->fired_n == json_array_size(r->fired), "%s: %zu windows closed",
	    r->name, r->fired_n);
	vec_check(r->v, r->late_n == json_array_size(late), "%s: %zu late", r->name,
	    r->late_n);
	if (json_object_get(expect, "watermark"))
		vec_check(r->v, mark == num(expect, "watermark"), "%s: watermark",
		    r->name);
	still_open(r, json_object_get(expect, "still_open"));
}

static void ranged(struct run *r, const json_t *vector)
{
	const json_t *expect = json_object_get(vector, "expect"), *e;
	size_t i;

	json_array_foreach(json_object_get(vector, "events"), i, e) {
		struct sample x = {.x = json_number_value(json_object_get(e, "v"))};
		const json_t *want = json_array_get(expect, i);

		signal_add(&r->spec, r->cells, r->root, num(e, "t"), &x, INT64_MIN);
		vec_check(r->v, holds(r, json_object_get(want, "values"),
		    num(want, "at")), "%s: at event %zu", r->name, i);
	}
}

static void counted(struct run *r, const json_t *vector, int64_t every)
{
	const json_t *expect = json_object_get(vector, "expect"), *e;
	const json_t *events = json_object_get(vector, "values");
	size_t i, k = 0;

	events = events ? events : json_object_get(vector, "events");
	json_array_foreach(events, i, e) {
		struct sample x = {.x = json_number_value(
		    json_is_object(e) ? json_object_get(e, "v") : e)};

		signal_add(&r->spec, r->cells, r->root, (int64_t)i, &x, INT64_MIN);
		if (i + 1 < r->spec.last_n || (i + 1 - r->spec.last_n) % (size_t)every)
			continue;
		vec_check(r->v, holds(r, json_array_get(expect, k), 0), "%s: window %zu",
		    r->name, k);
		k++;
	}
	vec_check(r->v, k == json_array_size(expect), "%s: %zu windows", r->name, k);
}

void vec_window(struct vec *v, const json_t *vector)
{
	const json_t *p = json_object_get(vector, "params");
	const char *name = json_string_value(json_object_get(vector, "name"));
	struct run r = {.spec = {.lateness_ms = num(p, "lateness")}};
	int64_t advance = num(p, "advance"), every = num(p, "every");

	if (json_object_get(p, "size")) {
		r.spec.over_ms = num(p, "size");
		r.spec.offset_ms = num(p, "offset");
		r.spec.every_ms = advance;
		r.spec.window = advance && advance != r.spec.over_ms ? WINDOW_HOPPING :
		    WINDOW_TUMBLING;
	} else if (json_object_get(p, "gap")) {
		r.spec.over_ms = num(p, "gap");
		r.spec.window = WINDOW_SESSION;
	} else if (json_object_get(p, "range")) {
		r.spec.over_ms = num(p, "range");
		r.spec.window = WINDOW_SLIDING;
		r.spec.exact = true;
	} else if (json_object_get(p, "count")) {
		r.spec.last_n = (uint32_t)num(p, "count");
		r.spec.window = WINDOW_COUNT;
	} else {
		vec_skip(v, "%s", name ? name : "?");
		return;
	}
	run_begin(&r, v, vector);
	if (r.spec.window == WINDOW_COUNT)
		counted(&r, vector, every ? every : r.spec.last_n);
	else if (r.spec.window == WINDOW_SLIDING)
		ranged(&r, vector);
	else
		timed(&r, vector);
	run_end(&r);
}
