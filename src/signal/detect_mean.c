/* Detectors of a shifted mean.  Sources: the papers named in detect.h; river's
 * variants where a comment says so. */
#include "signal/detect_priv.h"

/* ---- threshold, change: levels that are always followed ---- */

enum { FIRE = 0, CLEAR };

void threshold_feed(struct feed *f, double x)
{
	double fire = PAR(f->spec, FIRE), clear = PAR(f->spec, CLEAR);
	double sign = f->spec->mode == DETECT_DOWN ? -1 : 1;

	((struct level *)f->body)->x = x;
	if (isnan(clear))
		f->head->drift = sign * x > sign * fire;
	else if (f->head->drift)
		f->head->drift = !(sign * x < sign * clear);
	else
		f->head->drift = sign * x > sign * fire;
}

void threshold_view(const struct look *k, struct detect_view *v)
{
	if (v->known)
		v->stat = ((const struct level *)k->body)->x;
	v->limit = PAR(k->spec, FIRE);
}

enum { DELTA = 0, UNIT, CHANGE_CLEAR };

/* The change in the unit of delta, positive where it is looked for. */
static double change_of(const struct detect_spec *s, const struct reference *r, double x)
{
	double d = x - r->mean;

	if (PAR(s, UNIT) == 1)	/* of a mean of 0: any change is without bound */
		d = d == 0 ? 0 : 100 * d / fabs(r->mean);
	else if (PAR(s, UNIT) == 2)
		d /= r->sd;
	return s->mode == DETECT_BOTH ? fabs(d) : s->mode == DETECT_DOWN ? -d : d;
}

void change_feed(struct feed *f, double x)
{
	double d = change_of(f->spec, &f->ref, x), clear = PAR(f->spec, CHANGE_CLEAR);

	((struct level *)f->body)->x = x;
	if (f->head->drift && !isnan(clear))
		f->head->drift = !(d < clear);
	else
		f->head->drift = d > PAR(f->spec, DELTA);
}

void change_view(const struct look *k, struct detect_view *v)
{
	v->limit = PAR(k->spec, DELTA);
	if (!v->known)
		return;
	v->stat = change_of(k->spec, &k->ref, ((const struct level *)k->body)->x);
	v->change = ((const struct level *)k->body)->x - k->ref.mean;
}

/* ---- CUSUM, in the unit of the samples: the sums are compared with h * sd ---- */

enum { SLACK = 0 };

void cusum_feed(struct feed *f, double x)
{
	struct cusum *c = f->body;
	double d = x - f->ref.mean, k = PAR(f->spec, SLACK) * f->ref.sd;
	double h = f->limit * f->ref.sd;

	c->up = fmax(0, c->up + d - k);
	c->down = fmax(0, c->down - d - k);
	f->head->drift = (f->spec->mode & DETECT_UP && c->up > h) ||
	    (f->spec->mode & DETECT_DOWN && c->down > h);
}

void cusum_view(const struct look *k, struct detect_view *v)
{
	const struct cusum *c = k->body;
	double up = k->spec->mode & DETECT_UP ? c->up : 0;
	double down = k->spec->mode & DETECT_DOWN ? c->down : 0;

	v->stat = fmax(up, down) / k->ref.sd;
}

/* ---- EWMA chart ---- */

enum { LAMBDA = 0 };

static double ewma_width(double lambda, double decay)
{
	return sqrt(lambda / (2 - lambda) * (1 - decay));
}

void ewma_feed(struct feed *f, double x)
{
	struct ewma *e = f->body;
	double lambda = PAR(f->spec, LAMBDA), d, bound;

	if (f->head->n == 1) {
		e->z = f->ref.mean;
		e->decay = 1;
	}
	e->z = lambda * x + (1 - lambda) * e->z;
	e->decay *= (1 - lambda) * (1 - lambda);
	d = e->z - f->ref.mean;
	bound = f->limit * f->ref.sd * ewma_width(lambda, e->decay);
	f->head->drift = (f->spec->mode & DETECT_UP && d > bound) ||
	    (f->spec->mode & DETECT_DOWN && -d > bound);
}

void ewma_view(const struct look *k, struct detect_view *v)
{
	const struct ewma *e = k->body;
	double d = e->z - k->ref.mean;

	if (!v->known)
		return;
	v->change = d;
	d = k->spec->mode == DETECT_BOTH ? fabs(d) : k->spec->mode == DETECT_UP ? d : -d;
	v->stat = d / (k->ref.sd * ewma_width(PAR(k->spec, LAMBDA), e->decay));
}

/* ---- Shewhart ---- */

static double shewhart_stat(const struct detect_spec *s, const struct reference *r,
    double x)
{
	double d = x - r->mean;

	return s->mode == DETECT_BOTH ? fabs(d) : s->mode == DETECT_UP ? d : -d;
}

void shewhart_feed(struct feed *f, double x)
{
	((struct shewhart *)f->body)->x = x;
	f->head->drift = shewhart_stat(f->spec, &f->ref, x) > f->limit * f->ref.sd;
}

void shewhart_view(const struct look *k, struct detect_view *v)
{
	double x = ((const struct shewhart *)k->body)->x;

	if (!v->known)
		return;
	v->stat = shewhart_stat(k->spec, &k->ref, x) / k->ref.sd;
	v->change = x - k->ref.mean;
}

/* ---- Page-Hinkley as river has it now: the greatest `down` starts at -1 ---- */

enum { PH_MIN = 0, PH_DELTA, PH_THRESHOLD, PH_ALPHA };

void ph_feed(struct feed *f, double x)
{
	struct page_hinkley *p = f->body;
	const struct detect_spec *s = f->spec;
	double d;

	if (f->head->n == 1) {
		p->up_min = INFINITY;
		p->down_max = -1;
	}
	p->mean += (x - p->mean) / (double)f->head->n;
	d = x - p->mean;
	p->up = PAR(s, PH_ALPHA) * p->up + d - PAR(s, PH_DELTA);
	p->up_min = fmin(p->up_min, p->up);
	p->down = PAR(s, PH_ALPHA) * p->down + d + PAR(s, PH_DELTA);
	p->down_max = fmax(p->down_max, p->down);
	f->head->drift = (double)f->head->n >= PAR(s, PH_MIN) &&
	    ((s->mode & DETECT_UP && p->up - p->up_min > PAR(s, PH_THRESHOLD)) ||
	    (s->mode & DETECT_DOWN && p->down_max - p->down > PAR(s, PH_THRESHOLD)));
}

void ph_view(const struct look *k, struct detect_view *v)
{
	const struct page_hinkley *p = k->body;
	double up = p->up - p->up_min, down = p->down_max - p->down;

	v->known = v->known && (double)k->head->n >= PAR(k->spec, PH_MIN);
	if (k->head->n == 0)
		return;
	v->mean = p->mean;
	v->stat = k->spec->mode == DETECT_BOTH ? fmax(up, down) :
	    k->spec->mode == DETECT_UP ? up : down;
}

/* ---- river's EWMA: the centre is the running mean, the deviation fades too ---- */

enum { ER_ALPHA = 0, ER_THRESHOLD, ER_MIN };

static double ewma_river_bound(const struct detect_spec *s, const struct ewma_river *e,
    uint64_t n)
{
	double a = PAR(s, ER_ALPHA), var = fmax(0, e->e2 - e->e1 * e->e1);

	return PAR(s, ER_THRESHOLD) * sqrt(var) *
	    sqrt(a / (2 - a) * (1 - pow(1 - a, 2 * (double)n)));
}

void ewma_river_feed(struct feed *f, double x)
{
	struct ewma_river *e = f->body;
	double a = PAR(f->spec, ER_ALPHA), d, bound;
	bool first = f->head->n == 1;

	e->z = first ? x : a * x + (1 - a) * e->z;
	e->e1 = first ? x : a * x + (1 - a) * e->e1;
	e->e2 = first ? x * x : a * x * x + (1 - a) * e->e2;
	e->mean += (x - e->mean) / (double)f->head->n;
	d = e->z - e->mean;
	bound = ewma_river_bound(f->spec, e, f->head->n);
	f->head->drift = (double)f->head->n >= PAR(f->spec, ER_MIN) &&
	    ((f->spec->mode & DETECT_UP && d > bound) ||
	    (f->spec->mode & DETECT_DOWN && -d > bound));
}

void ewma_river_view(const struct look *k, struct detect_view *v)
{
	const struct ewma_river *e = k->body;

	if (!v->known)
		return;
	v->mean = e->mean;
	v->stat = fabs(e->z - e->mean);
	v->limit = ewma_river_bound(k->spec, e, k->head->n);
}
