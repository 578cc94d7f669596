/* A signal: which window keeps it, and what is read from it.
 *
 *	over, sliding      panes.c      over, exact    samples.c
 *	tumbling           panes.c      last N         samples.c
 *	since a run        since.c       by sub-key     map.c, of any of these
 *
 * Every kind of window answers with the same `struct totals`; aggregates, min_count
 * and age are decided here.  A value that cannot be told is NO_DATA, never 0.
 *
 * To add an aggregate that sums can give: enum signal_aggregate, names[], a case in
 * signal_read(), and what it needs in the window's totals.
 */
#include <math.h>

#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "signal/window.h"

#define TIME_BOUND (INT64_C(1) << 52)	/* so that window arithmetic cannot overflow */

/* ORDER signal_aggregate's bits */
static const char *const names[] = {"count", "sum", "avg", "min", "max", "last", "age"};

uint32_t signal_aggregate_bit(struct str name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (str_is(name, str_of(names[i])))
			return 1u << i;
	return 0;
}

static bool keeps_samples(const struct signal_spec *spec)
{
	return spec->window == WINDOW_COUNT ||
	    (spec->window == WINDOW_SLIDING && spec->exact);
}

/* Detectors and tests come in here: by spec->kind. */
uint32_t state_new(const struct signal_spec *spec, struct cells *cells)
{
	if (spec->window == WINDOW_SINCE)
		return since_new(cells);
	return keeps_samples(spec) ? samples_new(cells) : panes_new(spec, cells);
}

uint32_t signal_new(const struct signal_spec *spec, struct cells *cells)
{
	return spec->by ? map_new(cells) : state_new(spec, cells);
}

void signal_free(struct cells *cells, uint32_t root)
{
	switch (cells_kind(cells, root)) {
	case CELL_SAMPLES:
		samples_free(cells, root);
		break;
	case CELL_MAP:
		map_free(cells, root);
		break;
	default:
		break;
	}
	cells_drop(cells, root);
}

enum signal_fate signal_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t_ms, const struct sample *s, int64_t watermark)
{
	if (t_ms < -TIME_BOUND || t_ms > TIME_BOUND)
		return SIGNAL_INVALID;
	if (s->text.p || s->counts || !isfinite(s->x))
		return SIGNAL_INVALID;
	if (spec->window == WINDOW_SINCE)
		return since_add(cells, root, t_ms, s->x);
	if (keeps_samples(spec))
		return samples_add(spec, cells, root, t_ms, s->x);
	return panes_add(spec, cells, root, t_ms, s->x, watermark);
}

static void advance(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    int64_t clock_ms)
{
	if (spec->window == WINDOW_SINCE)
		return;
	if (keeps_samples(spec))
		samples_advance(spec, cells, root, clock_ms);
	else
		panes_advance(spec, cells, root, clock_ms);
}

void signal_advance(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    int64_t clock_ms)
{
	uint32_t state;

	if (!spec->by)
		advance(spec, cells, root, clock_ms);
	for (uint32_t i = 0; spec->by && (state = map_state(cells, root, i)); i++)
		advance(spec, cells, state, clock_ms);
}

void signal_cut(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    uint64_t run)
{
	uint32_t state;

	if (spec->kind != SIGNAL_WINDOW || spec->window != WINDOW_SINCE)
		return;
	if (!spec->by)
		since_cut(cells, root, run);
	for (uint32_t i = 0; spec->by && (state = map_state(cells, root, i)); i++)
		since_cut(cells, state, run);
}

void signal_settle(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    uint64_t run, bool merge_back)
{
	uint32_t state;

	if (spec->kind != SIGNAL_WINDOW || spec->window != WINDOW_SINCE)
		return;
	if (!spec->by)
		since_settle(cells, root, run, merge_back);
	for (uint32_t i = 0; spec->by && (state = map_state(cells, root, i)); i++)
		since_settle(cells, state, run, merge_back);
}

static struct totals totals(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	struct totals t = {.from = TIME_NONE, .to = TIME_NONE};

	if (spec->window == WINDOW_SINCE)
		since_totals(cells, root, &t);
	else if (keeps_samples(spec))
		samples_totals(spec, cells, root, clock_ms, &t);
	else
		panes_totals(spec, cells, root, clock_ms, &t);
	return t;
}

static struct value number(double d)
{
	return isfinite(d) ? value_double(d)
			   : value_error(VALUE_NO_DATA, "not known yet");
}

/* Time by the rule's clock since the newest sample; it may stand beside an empty
 * window, which is what it is for. */
static struct value age(const struct cells *cells, uint32_t root, int64_t clock_ms)
{
	const struct window_head *h = cells_get(cells, root);

	if (h->greatest == TIME_NONE)
		return value_error(VALUE_NO_DATA, "no sample yet");
	return value_duration_ms(clock_ms > h->greatest ? clock_ms - h->greatest : 0);
}

struct value signal_read(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, struct str what, int64_t clock_ms, struct arena *arena)
{
	uint32_t bit = signal_aggregate_bit(what);
	struct totals t;

	(void)arena;
	if (bit == 0)
		return (struct value){.tag = VALUE_ABSENT};
	if (bit == AGG_AGE)
		return age(cells, root, clock_ms);
	t = totals(spec, cells, root, clock_ms);
	if (t.n == 0 || t.n < spec->min_count)
		return value_error(VALUE_NO_DATA, "fewer samples than min_count");
	switch ((enum signal_aggregate)bit) {
	case AGG_COUNT:
		return value_int((int64_t)t.n);
	case AGG_SUM:
		return number(t.sum);
	case AGG_AVG:
		return number(t.sum / (double)t.n);
	case AGG_MIN:
		return number(t.min);
	case AGG_MAX:
		return number(t.max);
	default:
		return number(t.last);
	}
}

uint64_t signal_count(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	return totals(spec, cells, root, clock_ms).n;
}

bool signal_has_data(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	uint64_t n = signal_count(spec, cells, root, clock_ms);

	return n > 0 && n >= spec->min_count;
}

/* Age changes all the time.  It is looked at again at round ages, some sixty to six
 * hundred per decade, so that an idle key costs little and "1h" is met exactly. */
static int64_t next_age(const struct cells *cells, uint32_t root, int64_t clock_ms)
{
	static const int64_t steps[] = {3600000, 600000, 60000, 10000, 1000};
	const struct window_head *h = cells_get(cells, root);
	int64_t old;
	unsigned i = 0;

	if (h->greatest == TIME_NONE)
		return INT64_MAX;
	old = clock_ms > h->greatest ? clock_ms - h->greatest : 0;
	while (i + 1 < G_N_ELEMENTS(steps) && old / 60 < steps[i])
		i++;
	return h->greatest + (old / steps[i] + 1) * steps[i];
}

static int64_t next_change(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	int64_t next = INT64_MAX;

	if (keeps_samples(spec))
		next = samples_next(spec, cells, root, clock_ms);
	else if (spec->window != WINDOW_SINCE)
		next = panes_next(spec, cells, root, clock_ms);
	if (spec->aggregates & AGG_AGE)
		next = MIN(next, next_age(cells, root, clock_ms));
	return next;
}

int64_t signal_next_change(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	int64_t next = INT64_MAX;
	uint32_t state;

	if (!spec->by)
		return next_change(spec, cells, root, clock_ms);
	for (uint32_t i = 0; (state = map_state(cells, root, i)); i++)
		next = MIN(next, next_change(spec, cells, state, clock_ms));
	return next;
}

static void window_text(const struct signal_spec *spec, GString *s)
{
	switch (spec->window) {
	case WINDOW_SLIDING:
		g_string_append(s, "over ");
		break;
	case WINDOW_TUMBLING:
		g_string_append(s, "tumbling ");
		break;
	case WINDOW_COUNT:
		g_string_append_printf(s, "last %" G_GUINT32_FORMAT, spec->last_n);
		return;
	case WINDOW_SINCE:
		g_string_append(s, "since last_success");
		return;
	}
	duration_print(spec->over_ms, s);
}

static void window_member(const struct signal_spec *spec, GString *json)
{
	GString *window = g_string_new(NULL);

	window_text(spec, window);
	json_key(json, "window");
	json_cstr(json, window->str);
	g_string_free(window, true);
}

static void state_summary(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms, GString *json)
{
	struct totals t = totals(spec, cells, root, clock_ms);

	json_key(json, "count");
	json_i64(json, (int64_t)t.n);
	json_key(json, "min_count");
	json_i64(json, spec->min_count);
	window_member(spec, json);
	json_key(json, "from");
	json_time(json, t.from);
	json_key(json, "to");
	json_time(json, t.to);
}

void signal_summary(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms, GString *json)
{
	json_open(json, '{');
	if (spec->by) {
		map_summary(spec, cells, root, clock_ms, json);
		window_member(spec, json);
	} else {
		state_summary(spec, cells, root, clock_ms, json);
	}
	json_close(json, '}');
}
