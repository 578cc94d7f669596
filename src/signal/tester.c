/* A test against a baseline as a signal: windows one after another, each judged once.
 *
 *	root:    struct tester | struct open | struct open | ...  by number, ascending
 *	window:  state of test.h, a cell of its own
 *
 * A tumbling window is judged when the rule's clock has reached its end, a window of N
 * samples when it has N (a histogram counts as many as it holds); the result is held
 * until the next window that had a sample is judged.
 *
 * Invariants
 *   (1) What a window was filled by is what it is judged by: the baseline is the
 *       rule's own (then part of the state's identity), or the champion's, and a deploy
 *       drops the state.  One that has other cells all the same is NO_DATA.
 *   (2) A window has its share of a map's expected_run by the sub-keys there were at
 *       its last sample, so that it makes no difference when the close is asked for.
 *   (3) A window that was judged takes nothing any more: what arrives for it is late.
 *
 * To add a member: members[] and tester_read(). */
#include "signal/tester.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "signal/detect.h"
#include "signal/test.h"
#include "signal/window.h"

#define OPEN_MAX 500u		/* windows that lateness keeps open */

struct tester {			/* begins as struct window_head does */
	uint16_t	 before;
	uint8_t		 form, known;
	uint8_t		 drift, based;	/* the newest sample had a baseline */
	uint16_t	 n;		/* open windows */
	int64_t		 clock;		/* up to here windows were judged */
	int64_t		 end;		/* of the one that is held; TIME_NONE */
	uint64_t	 unjudged;	/* samples without a baseline */
	double		 stat, limit, p, rn, rm;
};
struct open {
	int64_t		 number;	/* of the window */
	uint32_t	 cell;
	uint32_t	 step;		/* detect_step() of the map */
};
_Static_assert(sizeof(struct tester) + OPEN_MAX * sizeof(struct open) + 512 <= CELL_MAX,
    "all open windows are in one cell");
_Static_assert(TEST_STATE_MAX <= CELL_MAX, "a window is one cell");

static const char members[] = "drift|over|stat|limit|p|n";

const char *tester_members(void)
{
	return members;
}

static struct open *opens(const struct tester *t)
{
	return (struct open *)(uintptr_t)(t + 1);
}

void tester_begin(struct cells *cells, uint32_t cell, uint32_t before)
{
	uint16_t b = (uint16_t)before;
	char *p = cells_resize(cells, cell, before + (uint32_t)sizeof(struct tester));
	struct tester *t = (struct tester *)(void *)(p + before);

	*t = (struct tester){ .form = FORM_TESTER, .clock = TIME_NONE, .end = TIME_NONE };
	memcpy(p, &b, sizeof(b));
}

void tester_free(struct cells *cells, uint32_t root)
{
	const struct tester *t = state_get(cells, root);

	for (uint32_t i = 0; i < t->n; i++)
		cells_drop(cells, opens(t)[i].cell);
}

/* ---- windows ---- */

static bool counts(const struct signal_spec *s)
{
	return s->window == WINDOW_COUNT;
}

static int64_t number_of(const struct signal_spec *s, int64_t t_ms)
{
	return counts(s) ? 0 : align_last(s, align_number(s, t_ms));
}

static int64_t end_of(const struct signal_spec *s, int64_t number)
{
	return counts(s) ? INT64_MAX : align_end(s, number);
}

/* The window's place among the open ones, made where it is missing; -1: too many. */
static int32_t open_at(struct cells *cells, uint32_t root, int64_t number)
{
	const struct tester *seen = state_get(cells, root);
	uint32_t i = seen->n, n = seen->n;
	struct tester *t;
	uint32_t cell;

	while (i > 0 && opens(seen)[i - 1].number > number)
		i--;
	if (i > 0 && opens(seen)[i - 1].number == number)
		return (int32_t)i - 1;
	if (n == OPEN_MAX)
		return -1;
	cell = cells_add(cells, CELL_TEST, 0);
	t = state_resize(cells, root,
	    (uint32_t)(sizeof(*t) + (n + 1) * sizeof(struct open)));
	memmove(opens(t) + i + 1, opens(t) + i, (n - i) * sizeof(struct open));
	opens(t)[i] = (struct open){ .number = number, .cell = cell };
	t->n++;
	return (int32_t)i;
}

static void drop_open(struct cells *cells, uint32_t root, uint32_t i)
{
	struct tester *t = state_touch(cells, root);

	cells_drop(cells, opens(t)[i].cell);
	memmove(opens(t) + i, opens(t) + i + 1, (t->n - i - 1) * sizeof(struct open));
	t->n--;
	state_resize(cells, root,
	    (uint32_t)(sizeof(*t) + t->n * sizeof(struct open)));
}

static void *room(const struct signal_spec *s, struct cells *cells, uint32_t cell,
    const struct baseline *b)
{
	uint32_t have = cells_bytes(cells, cell);
	uint32_t need = test_room(s->test, b, have ? cells_get(cells, cell) : NULL);

	/* The rest is zeroed. */
	return need > have ? cells_resize(cells, cell, need) : cells_touch(cells, cell);
}

static void judge(const struct signal_spec *s, struct cells *cells, uint32_t root,
    uint32_t i, const struct baseline *b)
{
	const struct tester *seen = state_get(cells, root);
	struct open o = opens(seen)[i];
	struct test_view v = { 0 };
	void *window = NULL;
	struct tester *t;

	if (cells_bytes(cells, o.cell)) {
		window = cells_touch(cells, o.cell);
		test_read(s->test, window, &v);
	}
	if (v.waiting) {
		test_close(s->test, window, b, o.step);
		test_read(s->test, window, &v);
		t = state_touch(cells, root);
		t->known = v.known;
		t->drift = v.drift;
		t->stat = v.stat;
		t->limit = v.limit;
		t->p = v.p;
		t->rn = v.n;
		t->rm = v.m;
		t->end = counts(s) ? TIME_NONE : end_of(s, o.number);
	}
	drop_open(cells, root, i);
}

/* ---- samples ---- */

static enum test_fate feed(const struct signal_spec *s, void *window,
    const struct sample *x)
{
	if (x->counts)
		return test_add_counts(s->test, window, x->baseline, x->counts,
		    x->counts_n);
	if (x->text.p)
		return test_add_category(s->test, window, x->baseline, x->text);
	return test_add_number(s->test, window, x->baseline, x->x);
}

static enum signal_fate unjudged(struct cells *cells, uint32_t root,
    const struct sample *x)
{
	struct tester *t;

	if (!x->counts && !x->text.p && !isfinite(x->x))
		return SIGNAL_INVALID;
	t = state_touch(cells, root);
	t->based = 0;
	t->unjudged++;
	return SIGNAL_TAKEN;
}

enum signal_fate tester_add(const struct signal_spec *s, struct cells *cells,
    uint32_t root, int64_t t_ms, const struct sample *x, int64_t watermark)
{
	const struct tester *seen = state_get(cells, root);
	int64_t number = number_of(s, t_ms);
	struct test_view v;
	struct tester *t;
	void *window;
	int32_t i;

	if (counts(s) ? watermark != INT64_MIN && t_ms < watermark :
	    end_of(s, number) <= later(seen->clock, watermark))
		return SIGNAL_LATE;
	if (!test_can(s->test, x->baseline))
		return unjudged(cells, root, x);
	i = open_at(cells, root, number);
	if (i < 0)
		return SIGNAL_FULL;
	window = room(s, cells, opens(state_get(cells, root))[i].cell, x->baseline);
	if (feed(s, window, x) != TEST_TAKEN)
		return SIGNAL_INVALID;
	test_read(s->test, window, &v);
	t = state_touch(cells, root);
	t->based = 1;
	opens(t)[i].step = detect_step(x->keys);
	if (counts(s) && v.waiting >= s->last_n)
		judge(s, cells, root, (uint32_t)i, x->baseline);
	return SIGNAL_TAKEN;
}

/* ---- the clock ---- */

int64_t tester_next(const struct signal_spec *s, const struct cells *cells,
    uint32_t root)
{
	const struct tester *t = state_get(cells, root);

	return t->n ? end_of(s, opens(t)[0].number) : INT64_MAX;
}

bool tester_due(const struct signal_spec *s, const struct cells *cells, uint32_t root,
    int64_t clock_ms)
{
	return !counts(s) && tester_next(s, cells, root) <= clock_ms;
}

void tester_close(const struct signal_spec *s, struct cells *cells, uint32_t root,
    int64_t clock_ms, const struct baseline *b)
{
	struct tester *t;

	while (tester_due(s, cells, root, clock_ms)) {
		t = state_touch(cells, root);
		t->clock = later(t->clock, tester_next(s, cells, root));
		judge(s, cells, root, 0, b);
	}
}

/* ---- reading ---- */

static struct value number(double d)
{
	return isnan(d) ? value_error(VALUE_NO_DATA, "the test does not tell it") :
	    value_double(d);
}

struct value tester_read(const struct signal_spec *s, const struct cells *cells,
    uint32_t root, struct str what)
{
	const struct tester *t = state_get(cells, root);
	struct value r = { .tag = VALUE_ABSENT };

	(void)s;
	if (str_is(what, STR("stat")))
		r = number(t->stat);
	else if (str_is(what, STR("limit")))
		r = number(t->limit);
	else if (str_is(what, STR("p")))
		r = number(t->p);
	else if (str_is(what, STR("n")))
		r = value_int((int64_t)t->rn);
	else if (str_is(what, STR("drift")) || str_is(what, STR("over")))
		r = value_bool(t->drift);
	else
		return r;
	return t->known ? r : value_error(VALUE_NO_DATA,
	    "no window yet that could be judged: too few samples, or no baseline");
}

bool tester_known(const struct signal_spec *s, const struct cells *cells, uint32_t root)
{
	(void)s;
	return ((const struct tester *)state_get(cells, root))->known;
}

static uint64_t waiting(const struct signal_spec *s, const struct cells *cells,
    const struct tester *t)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct test_view v = { 0 };

		if (cells_bytes(cells, opens(t)[i].cell))
			test_read(s->test, cells_get(cells, opens(t)[i].cell), &v);
		n += v.waiting;
	}
	return n;
}

uint64_t tester_count(const struct signal_spec *s, const struct cells *cells,
    uint32_t root)
{
	const struct tester *t = state_get(cells, root);

	(void)s;
	return t->known ? (uint64_t)t->rn : 0;
}

static const char *origin(const struct signal_spec *s, const struct tester *t)
{
	return s->baseline ? "rule" : t->based ? "champion" : "none";
}

void tester_text(const struct signal_spec *s, const struct cells *cells, uint32_t root,
    GString *out)
{
	const struct tester *t = state_get(cells, root);

	g_string_append_printf(out, "%s", s->test->def->name);
	if (t->known)
		g_string_append_printf(out, " %.6g (limit %.6g), n %.0f of %.0f", t->stat,
		    t->limit, t->rn, t->rm);
	else
		g_string_append(out, " not judged yet");
	g_string_append_printf(out, ", %" G_GUINT64_FORMAT " waiting, baseline %s",
	    waiting(s, cells, t), origin(s, t));
	if (t->unjudged)
		g_string_append_printf(out, ", %" G_GUINT64_FORMAT " without one",
		    t->unjudged);
}

static void put_number(GString *json, const char *key, const struct tester *t, double d)
{
	json_key(json, key);
	if (!t->known || isnan(d))
		json_nil(json);
	else
		json_double(json, d);
}

static void put_count(GString *json, const char *key, double n)
{
	json_key(json, key);
	json_i64(json, (int64_t)n);
}

void tester_summary(const struct signal_spec *s, const struct cells *cells,
    uint32_t root, GString *json)
{
	const struct tester *t = state_get(cells, root);

	json_key(json, "test");
	json_cstr(json, s->test->def->name);
	json_key(json, "drift");
	if (t->known)
		json_bool(json, t->drift);
	else
		json_nil(json);
	put_number(json, "stat", t, t->stat);
	put_number(json, "limit", t, t->limit);
	put_number(json, "p", t, t->p);
	put_count(json, "n", t->known ? t->rn : 0);
	put_count(json, "m", t->known ? t->rm : 0);
	put_count(json, "waiting", (double)waiting(s, cells, t));
	put_count(json, "unjudged", (double)t->unjudged);
	json_key(json, "baseline");
	json_open(json, '{');
	json_key(json, "from");
	json_cstr(json, origin(s, t));
	json_close(json, '}');
	json_key(json, "to");
	json_time(json, t->end);
}
