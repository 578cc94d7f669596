/* A signal: which window keeps it, and what is read from it.
 *
 *	over, sliding      panes.c	over, exact    samples.c
 *	over and every     panes.c	last N         samples.c
 *	tumbling           panes.c	session        session.c
 *	since a run        since.c	by sub-key     map.c, of any of these
 *
 * Every kind of window answers with a `struct tally` (row.c) of what the aggregate
 * needs; the aggregates, min_count and age are decided here.  A value that cannot be
 * told is NO_DATA, never 0.
 *
 * To add an aggregate that sums can give: enum signal_aggregate, names[], a column in
 * row.c where it needs one, a case in aggregate().
 */
#include <math.h>

#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "base/zone.h"
#include "signal/drift.h"
#include "signal/tester.h"
#include "signal/window.h"

#define TIME_BOUND (INT64_C(1) << 52)	/* so that window arithmetic cannot overflow */

/* ORDER signal_aggregate's bits */
static const char *const names[] = {"count", "sum", "avg", "min", "max", "last", "age",
	"stddev", "first", "rate", "delta", "distinct", "quantile", "ratio", "list"};

uint32_t signal_aggregate_bit(struct str name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++)
		if (str_is(name, str_of(names[i])))
			return 1u << i;
	return 0;
}

const struct window_ops *ops_of(const struct signal_spec *spec)
{
	switch (spec->window) {
	case WINDOW_COUNT:
		return &samples_ops;
	case WINDOW_SINCE:
		return &since_ops;
	case WINDOW_SESSION:
		return &session_ops;
	case WINDOW_SLIDING:
		return spec->exact ? &samples_ops : &panes_ops;
	case WINDOW_TUMBLING:
	case WINDOW_HOPPING:
		break;
	}
	return &panes_ops;
}

static struct window_head *head_begin(struct cells *cells, uint32_t cell,
    uint32_t before, uint32_t bytes, enum form form)
{
	uint16_t b = (uint16_t)before;
	char *p = cells_resize(cells, cell, before + bytes);
	struct window_head *h;

	memcpy(p, &b, sizeof(b));
	h = (struct window_head *)(void *)(p + before);
	h->form = (uint8_t)form;
	h->greatest = h->clock = TIME_NONE;
	return h;
}

/* Detectors and tests come in here: by spec->kind. */
void state_begin(const struct signal_spec *spec, struct cells *cells, uint32_t cell,
    uint32_t before)
{
	const struct window_ops *ops = ops_of(spec);
	struct window_head *h;

	if (spec->kind == SIGNAL_DETECT) {
		detector_begin(cells, cell, before);
		return;
	}
	if (spec->kind == SIGNAL_TEST) {
		tester_begin(cells, cell, before);
		return;
	}
	h = head_begin(cells, cell, before, ops->bytes(spec), ops->form);

	h->columns = ops->columns ? ops->columns(spec) : 0;
}

void signal_begin(const struct signal_spec *spec, struct cells *cells, uint32_t cell,
    uint32_t before)
{
	if (spec->by)
		head_begin(cells, cell, before, map_bytes(), FORM_MAP);
	else
		state_begin(spec, cells, cell, before);
}

uint32_t signal_new(const struct signal_spec *spec, struct cells *cells)
{
	uint32_t root = cells_add(cells, CELL_STATE, 0);

	signal_begin(spec, cells, root, 0);
	return root;
}

void signal_free(struct cells *cells, uint32_t root)
{
	const struct window_head *h = state_get(cells, root);

	switch ((enum form)h->form) {
	case FORM_PANES:
		panes_ops.free(cells, root);
		break;
	case FORM_SAMPLES:
		samples_ops.free(cells, root);
		break;
	case FORM_SINCE:
		since_ops.free(cells, root);
		break;
	case FORM_SESSION:
		session_ops.free(cells, root);
		break;
	case FORM_MAP:
		map_free(cells, root);
		break;
	case FORM_TESTER:
		tester_free(cells, root);
		break;
	case FORM_DETECTOR:	/* nothing beside the root */
		break;
	}
	cells_drop(cells, root);
}

enum signal_fate signal_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t_ms, const struct sample *s, int64_t watermark)
{
	if (t_ms < -TIME_BOUND || t_ms > TIME_BOUND ||
	    (s->counts && spec->kind != SIGNAL_TEST))
		return SIGNAL_INVALID;
	if (spec->kind == SIGNAL_TEST)
		return tester_add(spec, cells, root, t_ms, s, watermark);
	if (spec->kind == SIGNAL_DETECT)
		return detector_add(spec, cells, root, t_ms, s, watermark);
	if (s->text.p ? !(spec->aggregates & (AGG_DISTINCT | AGG_LIST)) ||
		s->text.len > SIGNAL_TEXT_MAX : !isfinite(s->x))
		return SIGNAL_INVALID;
	return ops_of(spec)->add(spec, cells, root, t_ms, s, watermark);
}

static void advance(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    int64_t clock_ms)
{
	const struct window_ops *ops = ops_of(spec);

	if (spec->kind == SIGNAL_WINDOW && ops->advance)
		ops->advance(spec, cells, root, clock_ms);
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

static void judge(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    int64_t clock_ms, const struct baseline *(*of)(void *, struct str), void *arg)
{
	struct str sub = spec->by ? map_sub_key(cells, root) : STR("");

	if (tester_due(spec, cells, root, clock_ms))
		tester_close(spec, cells, root, clock_ms, of(arg, sub));
}

void signal_judge(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    int64_t clock_ms, const struct baseline *(*of)(void *, struct str), void *arg)
{
	uint32_t state;

	if (!spec->by)
		judge(spec, cells, root, clock_ms, of, arg);
	for (uint32_t i = 0; spec->by && (state = map_state(cells, root, i)); i++)
		judge(spec, cells, state, clock_ms, of, arg);
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

static void tally_of(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms, uint32_t aggregates, struct arena *arena,
    struct tally *ret)
{
	tally_begin(ret, columns_of(aggregates), arena);
	ops_of(spec)->tally(spec, cells, root, clock_ms, ret);
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
	const struct window_head *h = state_get(cells, root);

	if (h->greatest == TIME_NONE)
		return value_error(VALUE_NO_DATA, "no sample yet");
	return value_duration_ms(clock_ms > h->greatest ? clock_ms - h->greatest : 0);
}

static struct value no_data(void)
{
	return value_error(VALUE_NO_DATA, "not known yet");
}

static struct value aggregate(const struct tally *t, uint32_t bit)
{
	switch (bit) {
	case AGG_COUNT:
		return value_int((int64_t)t->n);
	case AGG_SUM:
		return number(t->sum);
	case AGG_AVG:
		return number(t->sum / (double)t->n);
	case AGG_MIN:
		return number(t->min);
	case AGG_MAX:
		return number(t->max);
	case AGG_STDDEV:
		if (t->n < 2)
			return no_data();
		return number(isnan(t->m2) ? t->m2 :
		    sqrt(MAX(t->m2, 0) / (double)(t->n - 1)));
	case AGG_FIRST:
		return number(t->first);
	case AGG_LAST:
		return number(t->last);
	case AGG_DELTA:
		return number(t->last - t->first);
	case AGG_RATE:		/* of the samples in order of time */
		return t->last_t == t->first_t ? no_data() :
		    number((t->last - t->first) / (t->last_t - t->first_t) * 1000);
	case AGG_RATIO:
		return number(t->trues / (double)t->n);
	default:
		return no_data();
	}
}

struct value signal_read(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, struct str what, int64_t clock_ms, struct arena *arena)
{
	uint32_t bit = signal_aggregate_bit(what);
	struct tally t;

	if (spec->kind == SIGNAL_DETECT)
		return detector_read(spec, cells, root, what);
	if (spec->kind == SIGNAL_TEST)
		return tester_read(spec, cells, root, what);
	if (bit == 0 || bit == AGG_QUANTILE)
		return (struct value){.tag = VALUE_ABSENT};
	if (bit == AGG_AGE)
		return age(cells, root, clock_ms);
	tally_of(spec, cells, root, clock_ms, bit, arena, &t);
	if (t.n == 0 || t.n < spec->min_count)
		return value_error(VALUE_NO_DATA, "fewer samples than min_count");
	if (bit == AGG_DISTINCT && !t.distinct.unknown)
		return value_int((int64_t)distinct_count(&t.distinct, arena));
	if (bit == AGG_LIST && !t.picks.unknown)
		return picks_value(&t.picks, cells, arena);
	return aggregate(&t, bit);
}

struct value signal_call(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, struct str name, const struct value *arg, unsigned n,
    int64_t clock_ms, struct arena *arena)
{
	struct arena_mark mark = arena_mark(arena);
	struct tally t;
	double q, at;

	if (spec->kind != SIGNAL_WINDOW || signal_aggregate_bit(name) != AGG_QUANTILE)
		return (struct value){.tag = VALUE_ABSENT};
	if (n != 1 || arg[0].tag == VALUE_BOOL || !value_number(arg[0], &q))
		return value_error(VALUE_NO_OVERLOAD, "quantile takes one number");
	if (!(q >= 0 && q <= 1))
		return value_error(VALUE_BAD_ARGUMENT, "quantile: not within 0 and 1");
	tally_of(spec, cells, root, clock_ms, AGG_QUANTILE, arena, &t);
	at = t.bins.unknown ? (double)NAN :
	    bins_quantile(&t.bins, q, (1 + BINS_ALPHA) / (1 - BINS_ALPHA));
	arena_rewind(arena, mark);	/* a map asks for each of its sub-keys */
	if (t.n == 0 || t.n < spec->min_count)
		return value_error(VALUE_NO_DATA, "fewer samples than min_count");
	return number(at);
}

uint64_t signal_count(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	struct tally t;

	if (spec->kind == SIGNAL_DETECT)
		return detector_count(spec, cells, root);
	if (spec->kind == SIGNAL_TEST)
		return tester_count(spec, cells, root);
	tally_of(spec, cells, root, clock_ms, 0, NULL, &t);
	return t.n;
}

bool signal_has_data(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms)
{
	uint64_t n;

	if (spec->kind == SIGNAL_DETECT)
		return detector_known(spec, cells, root);
	if (spec->kind == SIGNAL_TEST)
		return tester_known(spec, cells, root);
	n = signal_count(spec, cells, root, clock_ms);
	return n > 0 && n >= spec->min_count;
}

/* Age changes all the time.  It is looked at again at round ages, some sixty to six
 * hundred per decade, so that an idle key costs little and "1h" is met exactly. */
static int64_t next_age(const struct cells *cells, uint32_t root, int64_t clock_ms)
{
	static const int64_t steps[] = {3600000, 600000, 60000, 10000, 1000};
	const struct window_head *h = state_get(cells, root);
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
	const struct window_ops *ops = ops_of(spec);
	int64_t next = INT64_MAX;

	if (spec->kind == SIGNAL_DETECT)
		return next;
	if (spec->kind == SIGNAL_TEST)
		return tester_next(spec, cells, root);
	if (ops->next)
		next = ops->next(spec, cells, root, clock_ms);
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
	case WINDOW_SESSION:
		g_string_append(s, "session ");
		break;
	case WINDOW_HOPPING:
		g_string_append(s, "over ");
		duration_print(spec->over_ms, s);
		g_string_append(s, " every ");
		duration_print(spec->every_ms, s);
		return;
	}
	duration_print(spec->over_ms, s);
	if (spec->window == WINDOW_TUMBLING && spec->zone) {
		struct str zone = zone_name(spec->zone);

		g_string_append_printf(s, " %.*s", STR_ARG(zone));
	}
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
	struct tally t;

	if (spec->kind == SIGNAL_DETECT) {
		detector_summary(spec, cells, root, json);
		return;
	}
	if (spec->kind == SIGNAL_TEST) {
		tester_summary(spec, cells, root, json);
		window_member(spec, json);
		return;
	}
	tally_of(spec, cells, root, clock_ms, 0, NULL, &t);
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
		if (spec->kind != SIGNAL_DETECT)
			window_member(spec, json);
	} else {
		state_summary(spec, cells, root, clock_ms, json);
	}
	json_close(json, '}');
}

bool signal_drifts(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root)
{
	uint32_t state;

	if (spec->kind != SIGNAL_DETECT)
		return false;
	if (!spec->by)
		return detector_drifts(spec, cells, root);
	for (uint32_t i = 0; (state = map_state(cells, root, i)); i++)
		if (detector_drifts(spec, cells, state))
			return true;
	return false;
}

void signal_rearm(const struct signal_spec *spec, struct cells *cells, uint32_t root)
{
	uint32_t state;

	if (spec->kind != SIGNAL_DETECT)
		return;
	if (!spec->by && detector_drifts(spec, cells, root))
		detector_rearm(spec, cells, root);
	for (uint32_t i = 0; spec->by && (state = map_state(cells, root, i)); i++)
		if (detector_drifts(spec, cells, state))
			detector_rearm(spec, cells, state);
}
