/* Windows since the last run: one sum, cut when a run is created.
 *
 *	cell:  struct since | share | share | ...
 *
 * Share 0 is what counts now.  A cut moves it aside under the run's number; when that
 * run ends its share is forgotten (the run used it) or added back (it failed, so what
 * it should have used still waits).
 *
 * Invariant: share 0 is always there and has run 0, which is no run's number.
 */
#include "base/time.h"
#include "signal/window.h"

struct share {
	uint64_t run, n;
	double	 sum, min, max, last;
	int64_t	 last_t;
};
struct since {
	struct window_head head;
	uint32_t	 n, spare;
	struct share	 v[];
};

#define SHARES_MAX ((CELL_MAX - sizeof(struct since)) / sizeof(struct share))

uint32_t since_new(struct cells *cells)
{
	uint32_t id = cells_add(cells, CELL_SINCE,
	    (uint32_t)(sizeof(struct since) + sizeof(struct share)));
	struct since *s = cells_touch(cells, id);

	s->head.greatest = s->head.clock = TIME_NONE;
	s->n = 1;
	return id;
}

static void merge(struct share *to, const struct share *from)
{
	if (from->n == 0)
		return;
	if (to->n == 0 || from->min < to->min)
		to->min = from->min;
	if (to->n == 0 || from->max > to->max)
		to->max = from->max;
	if (to->n == 0 || from->last_t > to->last_t) {
		to->last = from->last;
		to->last_t = from->last_t;
	}
	to->sum += from->sum;
	to->n += from->n;
}

enum signal_fate since_add(struct cells *cells, uint32_t root, int64_t t, double v)
{
	struct since *s = cells_touch(cells, root);
	struct share *now = &s->v[0];

	if (now->n == 0 || t >= now->last_t) {
		now->last = v;
		now->last_t = t;
	}
	now->min = now->n == 0 || v < now->min ? v : now->min;
	now->max = now->n == 0 || v > now->max ? v : now->max;
	now->sum += v;
	now->n++;
	if (t >= s->head.greatest) {
		s->head.greatest = t;
		s->head.last = v;
	}
	return SIGNAL_TAKEN;
}

void since_totals(const struct cells *cells, uint32_t root, struct totals *ret)
{
	const struct since *s = cells_get(cells, root);

	ret->n = s->v[0].n;
	ret->sum = s->v[0].sum;
	ret->min = s->v[0].min;
	ret->max = s->v[0].max;
	ret->last = s->v[0].last;
}

static uint32_t find(const struct since *s, uint64_t run)
{
	uint32_t i = 1;

	while (i < s->n && s->v[i].run != run)
		i++;
	return i;
}

static void remove_share(struct cells *cells, uint32_t root, uint32_t i)
{
	struct since *s = cells_touch(cells, root);

	memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof s->v[0]);
	s->n--;
	cells_resize(cells, root, (uint32_t)(sizeof *s + s->n * sizeof s->v[0]));
}

/* More unfinished runs than a cell holds shares cannot be (queues are bounded); the
 * oldest two would then be settled together. */
void since_cut(struct cells *cells, uint32_t root, uint64_t run)
{
	struct since *s = cells_touch(cells, root);
	uint32_t i;

	if (s->v[0].n == 0)
		return;
	i = find(s, run);
	if (i == s->n && s->n == SHARES_MAX) {
		merge(&s->v[2], &s->v[1]);
		remove_share(cells, root, 1);
		s = cells_touch(cells, root);
		i = s->n;
	}
	if (i == s->n) {
		s = cells_resize(cells, root,
		    (uint32_t)(sizeof *s + (s->n + 1) * sizeof s->v[0]));
		s->v[s->n++].run = run;
	}
	merge(&s->v[i], &s->v[0]);
	s->v[0] = (struct share){.run = 0};
}

void since_settle(struct cells *cells, uint32_t root, uint64_t run, bool merge_back)
{
	const struct since *seen = cells_get(cells, root);
	struct since *s;
	uint32_t i = find(seen, run);

	if (i == seen->n)
		return;
	s = cells_touch(cells, root);
	if (merge_back)
		merge(&s->v[0], &s->v[i]);
	remove_share(cells, root, i);
}
