/* A detector as a signal: its state in one cell, its view as members.
 *
 *	cell:  struct detector | mean, sd of an outer baseline | state of detect.h
 *
 * A detector takes one sample per event, in the order of arrival; what is older than the
 * selector's watermark is late.  The champion's baseline is not known where a signal is
 * read, so the numbers that the newest sample was judged by stay in the cell.  The first
 * sample says which it will be: a baseline that is given (by the rule, by the champion)
 * comes before one that is learned; only another state decides anew.
 *
 * To add a member: members[] and detector_read(). */
#include "signal/drift.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "signal/detect.h"
#include "signal/window.h"

struct detector {		/* begins as struct window_head does */
	uint16_t	 before;
	uint8_t		 form, source;	/* enum source */
	uint16_t	 base_n;	/* of an outer baseline, at most; 0: none yet */
	uint8_t		 has;		/* bits: mean, sd */
	uint8_t		 step;		/* of the limits: how large the map was */
};
enum { HAS_MEAN = 1, HAS_SD = 2 };
enum source { SOURCE_OPEN = 0, SOURCE_GIVEN, SOURCE_LEARNED };

static const char members[] = "drift|warn|stat|limit|n|held|mean|sd|change";

const char *detector_members(void)
{
	return members;
}

static const struct detect_spec *spec_of(const struct signal_spec *s, const void *cell)
{
	return ((const struct detector *)cell)->source == SOURCE_LEARNED ? s->learns :
	    s->detect;
}

/* Given with each sample, by the champion of the moment. */
static bool is_outer(const struct signal_spec *s, const void *cell)
{
	return !s->baseline && detect_wants_baseline(spec_of(s, cell));
}

static uint32_t front(const struct signal_spec *s, const void *cell)
{
	return (uint32_t)(sizeof(struct detector) +
	    (is_outer(s, cell) ? 2 * sizeof(double) : 0));
}

static void *state_of(const struct signal_spec *s, const void *cell)
{
	return (char *)(uintptr_t)cell + front(s, cell);
}

static double *outer_of(const void *cell)
{
	return (double *)(void *)((char *)(uintptr_t)cell + sizeof(struct detector));
}

void detector_begin(struct cells *cells, uint32_t cell, uint32_t before)
{
	uint16_t b = (uint16_t)before;
	char *p = cells_resize(cells, cell, before + (uint32_t)sizeof(struct detector));
	struct detector *d = (struct detector *)(void *)(p + before);

	*d = (struct detector){ .form = FORM_DETECTOR };
	memcpy(p, &b, sizeof(b));
}

/* The first sample: which baseline it will be. */
static void *begin(const struct signal_spec *s, struct cells *cells, uint32_t root,
    const struct sample *x)
{
	struct detector *d = state_touch(cells, root);
	uint32_t bytes;

	d->source = s->learns && !s->baseline && !x->baseline ? SOURCE_LEARNED :
	    SOURCE_GIVEN;
	bytes = front(s, d) + detect_state_bytes(spec_of(s, d));
	d = state_resize(cells, root, bytes);
	memset(d + 1, 0, bytes - sizeof(*d));
	return d;
}

/* The baseline that the newest sample was judged by; NULL: none, or its own. */
static const struct baseline *used(const struct signal_spec *s, const void *cell,
    struct baseline *buf)
{
	const struct detector *d = cell;

	if (s->baseline)
		return s->baseline;
	if (!is_outer(s, cell) || !d->base_n)
		return NULL;
	*buf = (struct baseline){ .n = d->base_n, .mean = outer_of(cell)[0],
		.sd = outer_of(cell)[1], .has_mean = (d->has & HAS_MEAN) != 0,
		.has_sd = (d->has & HAS_SD) != 0 };
	return buf;
}

static void note(const struct signal_spec *s, void *cell, const struct sample *x)
{
	struct detector *d = cell;
	const struct baseline *b = x->baseline;

	d->step = (uint8_t)detect_step(x->keys);
	if (!is_outer(s, cell))
		return;
	d->base_n = b ? (uint16_t)MIN(b->n, UINT16_MAX) : 0;
	d->has = b ? (uint8_t)((b->has_mean ? HAS_MEAN : 0) |
	    (b->has_sd ? HAS_SD : 0)) : 0;
	outer_of(cell)[0] = d->has & HAS_MEAN ? b->mean : 0;
	outer_of(cell)[1] = d->has & HAS_SD ? b->sd : 0;
}

/* States that grow are given room before each sample. */
static void *room(const struct signal_spec *s, struct cells *cells, uint32_t root,
    const struct sample *x)
{
	void *cell = state_touch(cells, root);
	uint32_t need, have;

	if (((struct detector *)cell)->source == SOURCE_OPEN)
		cell = begin(s, cells, root, x);
	need = front(s, cell) + detect_room(spec_of(s, cell), state_of(s, cell));
	have = state_bytes(cells, root);
	if (need <= have)
		return cell;
	cell = state_resize(cells, root, need);
	memset((char *)cell + have, 0, need - have);
	return cell;
}

enum signal_fate detector_add(const struct signal_spec *s, struct cells *cells,
    uint32_t root, int64_t t_ms, const struct sample *x, int64_t watermark)
{
	struct baseline buf;
	enum detect_fate f;
	void *cell;

	if (x->text.p || x->counts || !isfinite(x->x))
		return SIGNAL_INVALID;
	if (watermark != INT64_MIN && t_ms < watermark)
		return SIGNAL_LATE;
	cell = room(s, cells, root, x);
	note(s, cell, x);
	f = detect_feed(spec_of(s, cell), state_of(s, cell), used(s, cell, &buf),
	    ((struct detector *)cell)->step, x->x);
	return f == DETECT_INVALID ? SIGNAL_INVALID : SIGNAL_TAKEN;
}

static struct detect_view view(const struct signal_spec *s, const struct cells *cells,
    uint32_t root)
{
	const void *cell = state_get(cells, root);
	struct baseline buf;
	struct detect_view v;

	if (((const struct detector *)cell)->source == SOURCE_OPEN)
		return (struct detect_view){ .stat = NAN, .limit = NAN, .mean = NAN,
			.sd = NAN, .change = NAN };
	detect_read(spec_of(s, cell), state_of(s, cell), used(s, cell, &buf),
	    ((const struct detector *)cell)->step, &v);
	return v;
}

static struct value number(double d)
{
	return isnan(d) ? value_error(VALUE_NO_DATA, "the detector does not tell it") :
	    value_double(d);
}

struct value detector_read(const struct signal_spec *s, const struct cells *cells,
    uint32_t root, struct str what)
{
	struct detect_view v = view(s, cells, root);
	struct value r = { .tag = VALUE_ABSENT };

	if (str_is(what, STR("n")))
		return value_int((int64_t)v.n);
	if (str_is(what, STR("held")))
		return value_int((int64_t)v.held);
	if (str_is(what, STR("mean")))
		return number(v.mean);
	if (str_is(what, STR("sd")))
		return number(v.sd);
	if (str_is(what, STR("limit")))
		return number(v.limit);
	if (str_is(what, STR("stat")))
		r = number(v.stat);
	else if (str_is(what, STR("change")))
		r = number(v.change);
	else if (str_is(what, STR("warn")))
		r = value_bool(v.warn);
	else if (str_is(what, STR("drift")))
		r = value_bool(v.drift);
	else
		return r;
	return v.known || v.drift ? r : value_error(VALUE_NO_DATA,
	    "the detector has no baseline, or has not begun");
}

bool detector_known(const struct signal_spec *s, const struct cells *cells,
    uint32_t root)
{
	struct detect_view v = view(s, cells, root);

	return v.known || v.drift;
}

uint64_t detector_count(const struct signal_spec *s, const struct cells *cells,
    uint32_t root)
{
	return view(s, cells, root).n;
}

bool detector_drifts(const struct signal_spec *s, const struct cells *cells,
    uint32_t root)
{
	return view(s, cells, root).drift;
}

void detector_rearm(const struct signal_spec *s, struct cells *cells, uint32_t root)
{
	void *cell = state_touch(cells, root);

	detect_reset(spec_of(s, cell), state_of(s, cell),
	    state_bytes(cells, root) - front(s, cell));
}

static void put_number(GString *json, const char *key, double d)
{
	json_key(json, key);
	if (isnan(d))
		json_nil(json);
	else
		json_double(json, d);
}

/* Where the baseline comes from; NULL: it needs none. */
static const char *origin(const struct signal_spec *s, const void *cell)
{
	const struct detector *d = cell;

	if (d->source == SOURCE_LEARNED)
		return "learned";
	if (s->baseline)
		return "rule";
	if (!detect_wants_baseline(s->detect))
		return NULL;
	return d->base_n ? "champion" : "none";
}

void detector_summary(const struct signal_spec *s, const struct cells *cells,
    uint32_t root, GString *json)
{
	struct detect_view v = view(s, cells, root);
	const struct detector *d = state_get(cells, root);

	json_key(json, "detector");
	json_cstr(json, s->detect->def->name);
	json_key(json, "drift");
	if (v.known || v.drift)
		json_bool(json, v.drift);
	else
		json_nil(json);
	json_key(json, "warn");
	json_bool(json, v.warn);
	put_number(json, "stat", v.known ? v.stat : NAN);
	put_number(json, "limit", v.limit);
	json_key(json, "n");
	json_i64(json, (int64_t)v.n);
	json_key(json, "held");
	json_i64(json, (int64_t)v.held);
	json_key(json, "baseline");
	json_open(json, '{');
	json_key(json, "from");
	json_cstr(json, origin(s, d));
	put_number(json, "mean", v.mean);
	put_number(json, "sd", v.sd);
	if (d->source == SOURCE_LEARNED) {
		json_key(json, "learns");
		json_i64(json, s->learns->learn);
	}
	json_close(json, '}');
}

void detector_text(const struct signal_spec *s, const struct cells *cells,
    uint32_t root, GString *out)
{
	struct detect_view v = view(s, cells, root);
	const char *from = origin(s, state_get(cells, root));

	g_string_append_printf(out, "%s", s->detect->def->name);
	if (v.known && !isnan(v.stat))
		g_string_append_printf(out, " %.6g", v.stat);
	if (!isnan(v.limit) && v.limit != 0)
		g_string_append_printf(out, " (limit %.6g)", v.limit);
	g_string_append_printf(out, ", n %" G_GUINT64_FORMAT, v.n);
	if (v.held)
		g_string_append_printf(out, " and %" G_GUINT64_FORMAT
		    " held since the drift", v.held);
	if (from && !isnan(v.mean) && !isnan(v.sd))
		g_string_append_printf(out, ", baseline %.6g sd %.6g (%s)", v.mean, v.sd,
		    from);
	else if (from && !isnan(v.mean))
		g_string_append_printf(out, ", baseline %.6g (%s)", v.mean, from);
	else if (from)
		g_string_append_printf(out, ", baseline %s", str_is(str_of(from),
		    STR("learned")) ? "being learned" : "unknown");
}
