/* Detectors for errors (0 and 1; both HDDM take any value in [0, 1]).  Sources: the
 * papers named in detect.h, behaviour as in river. */
#include "signal/detect_priv.h"
#include "signal/special.h"

/* ---- DDM ---- */

enum { DDM_WARM = 0, DDM_WARNING, DDM_DRIFT };

static double ddm_sd(const struct ddm *d, uint64_t n)
{
	return sqrt(fmax(0, d->p * (1 - d->p)) / (double)n);
}

void ddm_feed(struct feed *f, double x)
{
	struct ddm *d = f->body;
	struct head *h = f->head;
	double level;

	d->p += (x - d->p) / (double)h->n;
	if ((double)h->n <= PAR(f->spec, DDM_WARM))
		return;
	level = d->p + ddm_sd(d, h->n);
	if (!h->ready || level <= d->p_min + d->s_min) {	/* ready: has a least */
		h->ready = 1;
		d->p_min = d->p;
		d->s_min = ddm_sd(d, h->n);
	}
	h->drift = level > d->p_min + PAR(f->spec, DDM_DRIFT) * d->s_min;
	h->warn = !h->drift && level > d->p_min + PAR(f->spec, DDM_WARNING) * d->s_min;
}

void ddm_view(const struct look *k, struct detect_view *v)
{
	const struct ddm *d = k->body;

	v->known = k->head->ready;
	if (!v->known)
		return;
	v->mean = d->p_min;
	v->change = d->p - d->p_min;
	v->stat = d->p + ddm_sd(d, k->head->n);
	v->limit = d->p_min + PAR(k->spec, DDM_DRIFT) * d->s_min;
}

/* ---- EDDM ---- */

enum { EDDM_WARM = 0, EDDM_ALPHA, EDDM_BETA };

static double eddm_level(const struct eddm *e)
{
	double var = e->errors > 1 ? e->m2 / (double)(e->errors - 1) : 0;

	return e->mean + 2 * sqrt(fmax(0, var));
}

void eddm_feed(struct feed *f, double x)
{
	struct eddm *e = f->body;
	struct head *h = f->head;
	double warm = PAR(f->spec, EDDM_WARM), dist, d, level;

	if (x == 0)
		return;
	dist = (double)(h->n - e->last);
	d = dist - e->mean;
	e->last = h->n;
	e->errors++;
	e->mean += d / (double)e->errors;
	e->m2 += d * (dist - e->mean);
	if ((double)h->n <= warm)
		return;
	level = eddm_level(e);
	if (level > e->max) {
		e->max = level;
	} else if ((double)e->errors > warm) {
		h->drift = level / e->max < PAR(f->spec, EDDM_BETA);
		if (!h->drift)
			h->warn = level / e->max < PAR(f->spec, EDDM_ALPHA);
	}
}

void eddm_view(const struct look *k, struct detect_view *v)
{
	const struct eddm *e = k->body;

	v->known = (double)e->errors > PAR(k->spec, EDDM_WARM) && e->max > 0;
	v->limit = PAR(k->spec, EDDM_BETA);
	if (v->known)
		v->stat = eddm_level(e) / e->max;
}

/* ---- HDDM_A ---- */

enum { CONF_DRIFT = 0, CONF_WARNING, TWO_SIDED, HDDM_LAMBDA };

static double hoeffding(uint64_t n, double conf)
{
	return sqrt(1.0 / (2 * (double)n) * log(1 / conf));
}

static double hddm_a_bound(uint64_t cut, uint64_t n, double conf)
{
	double m = (double)(n - cut) / (double)cut * (1 / (double)n);

	return sqrt(m / 2 * log(2 / conf));
}

static void hddm_a_cuts(struct hddm_a *a, uint64_t n, double conf)
{
	double now = hoeffding(n, conf);

	if (a->n_min == 0 || a->mean_min + hoeffding(a->n_min, conf) >= a->mean + now) {
		a->n_min = n;
		a->mean_min = a->mean;
	}
	if (a->n_max == 0 || a->mean_max - hoeffding(a->n_max, conf) <= a->mean - now) {
		a->n_max = n;
		a->mean_max = a->mean;
	}
}

static bool rose(const struct hddm_a *a, uint64_t n, double conf)
{
	return a->n_min != n && a->mean - a->mean_min >= hddm_a_bound(a->n_min, n, conf);
}

static bool fell(const struct hddm_a *a, uint64_t n, double conf)
{
	return a->n_max != n && a->mean_max - a->mean >= hddm_a_bound(a->n_max, n, conf);
}

void hddm_a_feed(struct feed *f, double x)
{
	struct hddm_a *a = f->body;
	struct head *h = f->head;
	double drift = PAR(f->spec, CONF_DRIFT), warning = PAR(f->spec, CONF_WARNING);
	bool two = PAR(f->spec, TWO_SIDED) != 0;

	a->mean += (x - a->mean) / (double)h->n;
	hddm_a_cuts(a, h->n, drift);
	h->drift = rose(a, h->n, drift) || (two && fell(a, h->n, drift));
	h->warn = !h->drift &&
	    (rose(a, h->n, warning) || (two && fell(a, h->n, warning)));
}

void hddm_a_view(const struct look *k, struct detect_view *v)
{
	const struct hddm_a *a = k->body;
	uint64_t n = k->head->n;
	double conf = PAR(k->spec, CONF_DRIFT);

	if (n == 0)
		return;
	v->mean = a->mean_min;
	v->change = a->mean - a->mean_min;
	v->stat = v->change;
	v->limit = a->n_min == n ? NAN : hddm_a_bound(a->n_min, n, conf);
	if (PAR(k->spec, TWO_SIDED) != 0 && a->n_max != n &&
	    a->mean_max - a->mean > v->stat) {
		v->stat = a->mean_max - a->mean;
		v->limit = hddm_a_bound(a->n_max, n, conf);
	}
}

/* ---- HDDM_W ---- */

static double mcdiarmid(double ibc, double conf)
{
	return sqrt(ibc * log(1 / conf) / 2);
}

static void part_add(struct hddm_w_part *p, double lambda, double x)
{
	double ibc = p->ibc > 0 ? p->ibc : 1;

	p->ewma = p->ibc > 0 ? lambda * x + (1 - lambda) * p->ewma : x;
	p->ibc = lambda * lambda + (1 - lambda) * (1 - lambda) * ibc;
}

static bool part_above(const struct hddm_w_part *low, const struct hddm_w_part *high,
    double conf)
{
	return low->ibc > 0 && high->ibc > 0 &&
	    high->ewma - low->ewma > mcdiarmid(low->ibc + high->ibc, conf);
}

/* The cut is where the bound of the total was least (greatest): inc1 (dec1) is the
 * total of that instant. */
static void hddm_w_cuts(struct hddm_w *w, double lambda, double conf, double x)
{
	double eps = mcdiarmid(w->total.ibc, conf);

	if (w->inc1.ibc == 0 ||
	    w->total.ewma + eps < w->inc1.ewma + mcdiarmid(w->inc1.ibc, conf)) {
		w->inc1 = w->total;
		w->inc2 = (struct hddm_w_part){ .ibc = 0 };
	} else {
		part_add(&w->inc2, lambda, x);
	}
	if (w->dec1.ibc == 0 ||
	    w->total.ewma - eps > w->dec1.ewma - mcdiarmid(w->dec1.ibc, conf)) {
		w->dec1 = w->total;
		w->dec2 = (struct hddm_w_part){ .ibc = 0 };
	} else {
		part_add(&w->dec2, lambda, x);
	}
}

void hddm_w_feed(struct feed *f, double x)
{
	struct hddm_w *w = f->body;
	double drift = PAR(f->spec, CONF_DRIFT), warning = PAR(f->spec, CONF_WARNING);
	bool two = PAR(f->spec, TWO_SIDED) != 0;

	part_add(&w->total, PAR(f->spec, HDDM_LAMBDA), x);
	hddm_w_cuts(w, PAR(f->spec, HDDM_LAMBDA), drift, x);
	f->head->drift = part_above(&w->inc1, &w->inc2, drift) ||
	    (two && part_above(&w->dec2, &w->dec1, drift));
	f->head->warn = !f->head->drift && (part_above(&w->inc1, &w->inc2, warning) ||
	    (two && part_above(&w->dec2, &w->dec1, warning)));
}

void hddm_w_view(const struct look *k, struct detect_view *v)
{
	const struct hddm_w *w = k->body;
	double conf = PAR(k->spec, CONF_DRIFT);

	if (w->inc1.ibc == 0)
		return;
	v->mean = w->inc1.ewma;
	if (w->inc2.ibc > 0) {
		v->stat = v->change = w->inc2.ewma - w->inc1.ewma;
		v->limit = mcdiarmid(w->inc1.ibc + w->inc2.ibc, conf);
	}
	if (PAR(k->spec, TWO_SIDED) != 0 && w->dec2.ibc > 0 &&
	    !(w->dec1.ewma - w->dec2.ewma <= v->stat)) {
		v->stat = w->dec1.ewma - w->dec2.ewma;
		v->limit = mcdiarmid(w->dec1.ibc + w->dec2.ibc, conf);
	}
}

/* ---- a ring of bits ---- */

static void bits_add(struct bits *b, uint32_t window, bool bit)
{
	uint8_t *byte = &b->bit[b->at / 8], mask = (uint8_t)(1u << (b->at % 8));

	if (b->filled == window)
		b->ones -= (*byte & mask) != 0;
	else
		b->filled++;
	b->ones += bit;
	*byte = (uint8_t)(bit ? *byte | mask : *byte & ~mask);
	b->at = b->at + 1 == window ? 0 : b->at + 1;
}

static uint32_t bits_bytes(uint32_t window)
{
	return (uint32_t)sizeof(struct bits) + (window + 7) / 8;
}

/* ---- FHDDM: the share of ones fell (up: of zeroes) ---- */

enum { F_WINDOW = 0, F_CONFIDENCE };

uint32_t fhddm_bytes(const struct detect_spec *s)
{
	return bits_bytes(PAR_N(s, F_WINDOW));
}

static double fhddm_bound(const struct detect_spec *s)
{
	return sqrt(log(1 / PAR(s, F_CONFIDENCE)) / (2 * PAR(s, F_WINDOW)));
}

void fhddm_feed(struct feed *f, double x)
{
	struct bits *b = f->body;
	double u;

	bits_add(b, PAR_N(f->spec, F_WINDOW), (x != 0) != (f->spec->mode == DETECT_UP));
	if (b->filled < PAR_N(f->spec, F_WINDOW))
		return;
	u = b->ones / PAR(f->spec, F_WINDOW);
	b->best = fmax(b->best, u);
	f->head->drift = b->best - u > fhddm_bound(f->spec);
}

void fhddm_view(const struct look *k, struct detect_view *v)
{
	const struct bits *b = k->body;

	v->known = b->filled == PAR_N(k->spec, F_WINDOW);
	v->limit = fhddm_bound(k->spec);
	if (v->known)
		v->stat = b->best - b->ones / PAR(k->spec, F_WINDOW);
}

/* ---- Bernoulli CUSUM on integers ---- */

enum { B_P0 = 0, B_P1, B_H, B_M };

static double bernoulli_p1(const struct detect_spec *s, double p0)
{
	return PAR(s, B_P1) > p0 ? PAR(s, B_P1) : fmin(2 * p0, (1 + p0) / 2);
}

/* Limits depend on p0: where the baseline brings it, they are kept in the state. */
static bool bernoulli_design(struct feed *f)
{
	struct bernoulli *b = f->body;
	const struct detect_spec *s = f->spec;
	/* Below .001 the limit would be out of reach: that one is taken. */
	double p0 = PAR(s, B_P0) > 0 ? PAR(s, B_P0) : fmax(f->ref.rate, .001);
	double run = (s->run > 0 ? s->run : 10000) * (double)(1u << f->step);

	if (b->h && b->step == f->step && (b->p0 == p0 || PAR(s, B_M) > 0))
		return true;
	if (PAR(s, B_M) <= 0 && !(p0 <= .5))	/* as for NaN */
		return false;
	b->m = PAR(s, B_M) > 0 ? PAR_N(s, B_M) :
	    bernoulli_m(p0, bernoulli_p1(s, p0));
	b->h = PAR(s, B_H) > 0 ? PAR_N(s, B_H) :
	    f->limit > 0 ? (uint32_t)f->limit : limit_bernoulli(b->m, p0, run);
	b->p0 = p0;
	b->step = f->step;
	return b->h > 0;
}

void bernoulli_feed(struct feed *f, double x)
{
	struct bernoulli *b = f->body;

	if (!bernoulli_design(f)) {
		b->h = 0;
		return;
	}
	if (x != 0)
		b->s += b->m - 1;
	else if (b->s > 0)
		b->s--;
	f->head->drift = b->s >= b->h;
}

void bernoulli_view(const struct look *k, struct detect_view *v)
{
	const struct bernoulli *b = k->body;

	v->known = b->h > 0;
	v->limit = v->known ? (double)b->h : (double)NAN;
	v->mean = v->known ? b->p0 : v->mean;
	v->stat = v->known ? (double)b->s : (double)NAN;
}

/* ---- exact binomial window ---- */

enum { W_P0 = 0, W_WINDOW, W_STEP };

uint32_t binomial_bytes(const struct detect_spec *s)
{
	return bits_bytes(PAR_N(s, W_WINDOW));
}

/* The probability of so many ones, or more (fewer, where a fall is looked for). */
static double binomial_p(const struct detect_spec *s, double p0, uint32_t ones)
{
	uint32_t n = PAR_N(s, W_WINDOW);
	double up = s->mode & DETECT_UP ? binom_sf(n, ones, p0) : 1;
	double down = s->mode & DETECT_DOWN ? binom_sf(n, n - ones, 1 - p0) : 1;
	double p = fmin(up, down);

	return s->mode == DETECT_BOTH ? fmin(1, 2 * p) : p;
}

static double binomial_p0(const struct detect_spec *s, const struct reference *r)
{
	return PAR(s, W_P0) > 0 ? PAR(s, W_P0) : r->rate;
}

void binomial_feed(struct feed *f, double x)
{
	struct bits *b = f->body;
	uint32_t step = PAR_N(f->spec, W_STEP);

	bits_add(b, PAR_N(f->spec, W_WINDOW), x != 0);
	if (b->filled < PAR_N(f->spec, W_WINDOW) || f->head->n % step != 0)
		return;
	f->head->ready = 1;
	b->best = binomial_p(f->spec, binomial_p0(f->spec, &f->ref), b->ones);
	f->head->drift = b->best < f->limit;
}

void binomial_view(const struct look *k, struct detect_view *v)
{
	const struct bits *b = k->body;

	v->known = k->head->ready;
	v->mean = binomial_p0(k->spec, &k->ref);
	if (!v->known)
		return;
	v->stat = b->best;
	v->change = b->ones / PAR(k->spec, W_WINDOW) - v->mean;
}
