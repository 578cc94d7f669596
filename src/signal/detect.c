/* The table of detectors, and what is the same for all of them: learning, holding
 * while drift is up, re-arming. */
#include "signal/detect.h"

#include <glib.h>
#include <stddef.h>

#include "base/check.h"
#include "signal/detect_priv.h"

#define BOTH DETECT_BOTH
#define BIG 1e15
#define REAL(name, d, lo, hi, doc) { name, doc, d, lo, hi, NULL, false }
#define WHOLE(name, d, lo, hi, doc) { name, doc, d, lo, hi, NULL, true }
#define YES(name, d, doc) { name, doc, d, 0, 1, NULL, true }
#define WORDS(name, words, last, doc) { name, doc, 0, 0, last, words, true }
#define STANDARD YES("standardize", 1, "in deviations of the baseline (needs one)")

static const struct detect_def defs[] = {
	{ "threshold", "the newest sample passed a level", DETECT_THRESHOLD, BOTH,
	  DETECT_UP, NEEDS_NOTHING, false, false, "fire", false, {
		REAL("fire", NAN, -BIG, BIG, "beyond this level"),
		REAL("clear", NAN, -BIG, BIG, "back beyond this one; default `fire`") } },
	{ "change", "the newest sample is far from the baseline's mean", DETECT_CHANGE,
	  BOTH, BOTH, NEEDS_MEAN, false, false, "delta", false, {
		REAL("delta", NAN, 0, BIG, "more than this from the mean"),
		WORDS("unit", "abs|percent|sd", 2, "of delta"),
		REAL("clear", NAN, 0, BIG, "less than this again; default `delta`") } },
	{ "cusum", "a lasting shift of the mean", DETECT_CUSUM, BOTH, BOTH, NEEDS_SD,
	  false, false, "h", true, {
		REAL("slack", .5, 0, 10, "half the shift to find, in sd"),
		REAL("h", 5, .01, 1000, "limit, in sd") } },
	{ "ewma", "a shift of the smoothed mean", DETECT_EWMA, BOTH, BOTH, NEEDS_SD,
	  false, false, "L", true, {
		REAL("lambda", .1, .001, 1, "weight of the newest sample"),
		REAL("L", 4, .01, 100, "limit, in sd of the smoothed mean") } },
	{ "shewhart", "a single far sample", DETECT_SHEWHART, BOTH, BOTH, NEEDS_SD,
	  false, false, "k", false, { REAL("k", 3, .01, 1000, "limit, in sd") } },
	{ "page_hinkley", "a shift of the mean", DETECT_PAGE_HINKLEY, BOTH, BOTH,
	  NEEDS_NOTHING, false, false, "threshold", false, {
		WHOLE("min_instances", 30, 1, 1e9, "samples before the first alarm"),
		REAL("delta", .005, 0, BIG, "tolerated per sample"),
		REAL("threshold", 50, 1e-9, BIG, "limit of the sum"),
		REAL("alpha", .9999, .5, 1, "fading of the sum"), STANDARD } },
	{ "adwin", "the older and the newer part of a window that fits itself differ",
	  DETECT_ADWIN, BOTH, BOTH, NEEDS_NOTHING, false, false, "delta", false, {
		REAL("delta", .002, 1e-12, .999, "confidence"),
		WHOLE("clock", 32, 1, 1e6, "tested every so many samples"),
		WHOLE("max_buckets", 5, 2, 20, "of one size"),
		WHOLE("min_window", 5, 1, 1e6, "least samples of either part"),
		WHOLE("grace", 10, 0, 1e9, "samples before the first test"), STANDARD } },
	{ "ddm", "an error rate above its least", DETECT_DDM, DETECT_UP, DETECT_UP,
	  NEEDS_NOTHING, true, false, "drift", false, {
		WHOLE("warm_start", 30, 1, 1e9, "samples before the first alarm"),
		REAL("warning", 2, .1, 100, "limit of a warning, in sd"),
		REAL("drift", 3, .1, 100, "limit, in sd") } },
	{ "eddm", "errors closer to each other", DETECT_EDDM, DETECT_UP, DETECT_UP,
	  NEEDS_NOTHING, true, false, "beta", false, {
		WHOLE("warm_start", 30, 1, 1e9, "errors before the first alarm"),
		REAL("alpha", .95, 1e-6, 1, "share of the greatest distance: warning"),
		REAL("beta", .9, 1e-6, 1, "share of the greatest distance: drift") } },
	{ "hddm_a", "a mean above (below) an earlier one, by Hoeffding's bound",
	  DETECT_HDDM_A, DETECT_UP, DETECT_UP, NEEDS_NOTHING, false, false,
	  "drift_confidence", false, {
		REAL("drift_confidence", .001, 1e-15, .999, "of drift"),
		REAL("warning_confidence", .005, 1e-15, .999, "of a warning"),
		YES("two_sided", 0, "a fall of the mean too") } },
	{ "hddm_w", "a weighted mean above (below) an earlier one", DETECT_HDDM_W,
	  DETECT_UP, DETECT_UP, NEEDS_NOTHING, false, false, "drift_confidence", false, {
		REAL("drift_confidence", .001, 1e-15, .999, "of drift"),
		REAL("warning_confidence", .005, 1e-15, .999, "of a warning"),
		YES("two_sided", 0, "a fall of the mean too"),
		REAL("lambda", .05, 1e-6, .999, "weight of the newest sample") } },
	{ "fhddm", "a share of ones below its greatest", DETECT_FHDDM,
	  DETECT_UP | DETECT_DOWN, DETECT_DOWN, NEEDS_NOTHING, true, false,
	  "confidence", false, {
		WHOLE("window", 100, 2, 100000, "bits"),
		REAL("confidence", 1e-6, 1e-300, .999, "of Hoeffding's bound") } },
	{ "bernoulli_cusum", "an error rate that rose from p0 to p1",
	  DETECT_BERNOULLI_CUSUM, DETECT_UP, DETECT_UP, NEEDS_NOTHING, true, false, "H",
	  true, {
		REAL("p0", 0, 0, .5, "normal rate; 0: the baseline's mean"),
		REAL("p1", 0, 0, .9999, "rate to find; 0: twice p0"),
		WHOLE("H", 0, 0, 20000, "limit; 0: by expected_run, default 10000"),
		WHOLE("m", 0, 0, 5000, "step of an error less 1; 0: by p0 and p1") } },
	{ "binomial", "more ones in a window than p0 can explain", DETECT_BINOMIAL, BOTH,
	  DETECT_UP, NEEDS_NOTHING, true, false, "alpha", true, {
		REAL("p0", 0, 0, .9999, "normal rate; 0: the baseline's mean"),
		WHOLE("window", 200, 2, 100000, "bits"),
		WHOLE("step", 50, 1, 100000, "tested every so many"),
		REAL("alpha", 1e-4, 1e-15, .5, "chance of a false alarm per test") } },
	{ "ks", "the newer part of a window has another distribution", DETECT_KS, BOTH,
	  BOTH, NEEDS_NOTHING, false, false, "alpha", true, {
		WHOLE("window", 200, 10, 1600, "samples"),
		WHOLE("recent", 50, 5, 1595, "of them the newer part"),
		WHOLE("step", 1, 1, 100000, "tested every so many"),
		REAL("alpha", 1e-4, 1e-15, .5, "chance of a false alarm per test") } },
	{ "ewma_river", "the chart of river", DETECT_EWMA_RIVER, BOTH, BOTH,
	  NEEDS_NOTHING, false, true, "threshold", false, {
		REAL("alpha", .1, 1e-6, 1, "weight of the newest sample"),
		REAL("threshold", 4, 1e-6, BIG, "limit"),
		WHOLE("min_instances", 30, 1, 1e9, "samples before the first alarm") } },
};
static const struct { feed_fn feed; view_fn view; uint32_t bytes; } kinds[] = {
	[DETECT_THRESHOLD] = { threshold_feed, threshold_view, sizeof(struct level) },
	[DETECT_CHANGE] = { change_feed, change_view, sizeof(struct level) },
	[DETECT_CUSUM] = { cusum_feed, cusum_view, sizeof(struct cusum) },
	[DETECT_EWMA] = { ewma_feed, ewma_view, sizeof(struct ewma) },
	[DETECT_SHEWHART] = { shewhart_feed, shewhart_view, sizeof(struct shewhart) },
	[DETECT_PAGE_HINKLEY] = { ph_feed, ph_view, sizeof(struct page_hinkley) },
	[DETECT_ADWIN] = { adwin_feed, adwin_view, 0 },
	[DETECT_DDM] = { ddm_feed, ddm_view, sizeof(struct ddm) },
	[DETECT_EDDM] = { eddm_feed, eddm_view, sizeof(struct eddm) },
	[DETECT_HDDM_A] = { hddm_a_feed, hddm_a_view, sizeof(struct hddm_a) },
	[DETECT_HDDM_W] = { hddm_w_feed, hddm_w_view, sizeof(struct hddm_w) },
	[DETECT_FHDDM] = { fhddm_feed, fhddm_view, 0 },
	[DETECT_BERNOULLI_CUSUM] = { bernoulli_feed, bernoulli_view,
		sizeof(struct bernoulli) },
	[DETECT_BINOMIAL] = { binomial_feed, binomial_view, 0 },
	[DETECT_KS] = { ks_feed, ks_view, 0 },
	[DETECT_EWMA_RIVER] = { ewma_river_feed, ewma_river_view,
		sizeof(struct ewma_river) },
};

const struct detect_def *detect_defs(uint32_t *n)
{
	*n = G_N_ELEMENTS(defs) - 1;	/* the last is hidden */
	return defs;
}

const struct detect_def *detect_def(struct str name)
{
	for (uint32_t i = 0; i < G_N_ELEMENTS(defs); i++)
		if (str_is(name, str_of(defs[i].name)))
			return &defs[i];
	return NULL;
}

void detect_spec_init(struct detect_spec *s, const struct detect_def *def)
{
	*s = (struct detect_spec){ .def = def, .mode = def->mode };
	for (unsigned i = 0; i < DETECT_PARS; i++)
		s->p[i] = def->par[i].dflt;
}

int detect_par(const struct detect_def *def, struct str name)
{
	for (int i = 0; i < DETECT_PARS && def->par[i].name; i++)
		if (str_is(name, str_of(def->par[i].name)))
			return i;
	return -1;
}

bool detect_set_mode(struct detect_spec *s, struct str name)
{
	unsigned mode = str_is(name, STR("up")) ? DETECT_UP :
	    str_is(name, STR("down")) ? DETECT_DOWN :
	    str_is(name, STR("both")) ? DETECT_BOTH : 0;

	if (mode == 0 || (s->def->modes & mode) != mode ||
	    (s->def->kind == DETECT_THRESHOLD && mode == DETECT_BOTH) ||
	    (s->def->kind == DETECT_FHDDM && mode == DETECT_BOTH) ||
	    (s->def->kind == DETECT_KS && mode != DETECT_BOTH) ||
	    (s->def->kind == DETECT_ADWIN && mode != DETECT_BOTH))
		return false;
	s->mode = (enum detect_mode)mode;
	return true;
}

static double par(const struct detect_spec *s, const char *name)
{
	int i = detect_par(s->def, str_of(name));

	return i < 0 ? NAN : s->p[i];
}

bool detect_wants_baseline(const struct detect_spec *s)
{
	bool rate = par(s, "p0") == 0 && !(par(s, "m") > 0);	/* not for NaN */

	return s->learn == 0 &&
	    (s->def->needs != NEEDS_NOTHING || par(s, "standardize") > 0 || rate);
}

/* ---- one state ---- */

static bool learns(const struct detect_spec *s)
{
	return s->learn > 0;
}

static uint32_t front(const struct detect_spec *s)
{
	return (uint32_t)(sizeof(struct head) + (learns(s) ? sizeof(struct learned) : 0));
}

static uint32_t body_bytes(const struct detect_spec *s, const void *body)
{
	switch (s->def->kind) {
	case DETECT_ADWIN:
		return adwin_bytes(s, body);
	case DETECT_FHDDM:
		return fhddm_bytes(s);
	case DETECT_BINOMIAL:
		return binomial_bytes(s);
	case DETECT_KS:
		return ks_bytes(s);
	default:
		return kinds[s->def->kind].bytes;
	}
}

uint32_t detect_state_bytes(const struct detect_spec *s)
{
	return (front(s) + body_bytes(s, NULL) + 7) / 8 * 8;
}

uint32_t detect_room(const struct detect_spec *s, const void *state)
{
	return (front(s) + body_bytes(s, (const char *)state + front(s)) + 7) / 8 * 8;
}

/* No error among n samples is no rate of 0: half an error is supposed. */
static double rate_of(double mean, uint64_t n)
{
	double half = n ? .5 / (double)n : 0;

	return mean < half ? half : mean > 1 - half ? 1 - half : mean;
}

static struct reference reference(const struct detect_spec *s, const void *state,
    const struct baseline *b)
{
	const struct learned *l =
	    (const struct learned *)((const char *)state + sizeof(struct head));
	struct reference r = { .known = false, .mean = NAN, .sd = NAN, .rate = NAN };

	if (learns(s)) {
		if (l->n < s->learn)
			return r;
		r.mean = l->mean;
		r.sd = sqrt(l->m2 / (double)(l->n - 1));
		r.rate = rate_of(r.mean, l->n);
	} else if (b) {
		r.mean = b->has_mean ? b->mean : NAN;
		r.sd = b->has_sd ? b->sd : NAN;
		r.rate = rate_of(r.mean, b->n);
		if (s->def->kind == DETECT_CHANGE && b->n < 30)
			return r;
	}
	r.known = !isnan(r.mean) &&
	    (s->def->needs != NEEDS_SD || !isnan(r.sd)) &&
	    (!(par(s, "standardize") > 0) || !isnan(r.sd)) &&
	    (s->def->kind != DETECT_CHANGE || PAR(s, 1) != 2 || !isnan(r.sd));
	if (!isnan(r.sd) && !s->no_floor)
		r.sd = baseline_sd(r.mean, r.sd);
	return r;
}

/* True: the sample went into the baseline, and is not to be tested. */
static bool learn(const struct detect_spec *s, void *state, double x)
{
	struct learned *l = (struct learned *)((char *)state + sizeof(struct head));
	double d;

	if (!learns(s) || l->n >= s->learn)
		return false;
	d = x - l->mean;
	l->n++;
	l->mean += d / (double)l->n;
	l->m2 += d * (x - l->mean);
	return !(s->learn_tests && l->n == s->learn);
}

static bool followed(const struct detect_spec *s)
{
	return s->def->kind == DETECT_THRESHOLD || s->def->kind == DETECT_CHANGE;
}

enum detect_fate detect_feed(const struct detect_spec *s, void *state,
    const struct baseline *b, unsigned step, double x)
{
	struct feed f = { .spec = s, .head = state, .step = step };

	if (!isfinite(x) || (s->def->bits && x != 0 && x != 1))
		return DETECT_INVALID;
	if (f.head->drift && !followed(s)) {
		f.head->held += f.head->held < UINT32_MAX;
		return DETECT_HELD;
	}
	if (learn(s, state, x))
		return DETECT_LEARNED;
	CHECK(step < DETECT_STEPS);
	f.limit = s->limit[step];
	f.ref = reference(s, state, b);
	if (!f.ref.known && (learns(s) || detect_wants_baseline(s)))
		return DETECT_NO_BASELINE;
	if (par(s, "standardize") > 0)
		x = (x - f.ref.mean) / f.ref.sd;
	f.body = (char *)state + front(s);
	f.head->n++;
	kinds[s->def->kind].feed(&f, x);
	return DETECT_FED;
}

void detect_read(const struct detect_spec *s, const void *state,
    const struct baseline *b, unsigned step, struct detect_view *v)
{
	const struct head *h = state;
	struct look k = { .spec = s, .head = h, .step = step };
	const struct learned *l = (const struct learned *)(h + 1);

	CHECK(step < DETECT_STEPS);
	*v = (struct detect_view){ .drift = h->drift, .warn = h->warn, .n = h->n,
		.held = h->held, .stat = NAN, .limit = NAN, .mean = NAN, .sd = NAN,
		.change = NAN };
	k.limit = v->limit = s->limit[step];
	k.ref = reference(s, state, b);
	v->mean = k.ref.mean;
	v->sd = k.ref.sd;
	if (learns(s))
		v->n += l->n - (s->learn_tests && h->n);
	if (!k.ref.known && (learns(s) || detect_wants_baseline(s)))
		return;
	v->known = h->n > 0;
	k.body = (const char *)state + front(s);
	kinds[s->def->kind].view(&k, v);
}

void detect_reset(const struct detect_spec *s, void *state, uint32_t bytes)
{
	struct learned *l = (struct learned *)((char *)state + sizeof(struct head));
	uint32_t keep = front(s);

	memset(state, 0, sizeof(struct head));
	/* A baseline that is still being learned goes on. */
	if (learns(s) && s->learn_tests)
		*l = (struct learned){ .n = 0 };
	memset((char *)state + keep, 0, bytes - keep);
}

void detect_repin(void *state, uint32_t bytes)
{
	memset(state, 0, bytes);
}

void detect_clear(void *state)
{
	((struct head *)state)->drift = 0;
}

unsigned detect_step(uint32_t keys)
{
	unsigned i = 0;

	while (i + 1 < DETECT_STEPS && ((uint32_t)1 << i) < keys)
		i++;
	return i;
}
