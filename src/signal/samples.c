/* Windows that keep every sample: exact sliding ones by time, count windows by
 * arrival.
 *
 *	state:  struct samples | chunk id | chunk id | ...
 *	chunk:  struct entry x CHUNK, the first and last of them partly used
 *
 * The samples are one sequence, cut into chunk cells: sample i of the window is
 * number head + i of it.  New ones come at the end; a late one shifts the few that
 * are newer.  What leaves, leaves at the front.
 *
 * Invariants
 *   (1) An exact window ascends by time, equal times in order of arrival.
 *   (2) Every chunk before the last has room for CHUNK samples; the last grows by
 *       doubling, so that a key with few samples stays small.
 */
#include <math.h>

#include "base/time.h"
#include "signal/window.h"

#define CHUNK 1000u
#define CHUNK_FIRST 8u
#define CHUNKS_MAX ((CELL_MAX - sizeof(struct samples)) / sizeof(uint32_t))
#define MAX_SAMPLES 10000u

struct samples {
	struct window_head head;
	uint32_t	 front;		/* samples of the first chunk that have left */
	uint32_t	 n;
	uint32_t	 chunks;
	uint32_t	 texts;		/* some are */
};

static uint32_t *ids(const struct samples *s)
{
	return (uint32_t *)(uintptr_t)(s + 1);
}

static const struct entry *at(
    const struct cells *cells, const struct samples *s, uint32_t i)
{
	uint32_t k = s->front + i;
	const struct entry *v = cells_get(cells, ids(s)[k / CHUNK]);

	return &v[k % CHUNK];
}

static void put(struct cells *cells, const struct samples *s, uint32_t i, struct entry x)
{
	uint32_t k = s->front + i;
	struct entry *v = cells_touch(cells, ids(s)[k / CHUNK]);

	v[k % CHUNK] = x;
}

static uint32_t samples_bytes(const struct signal_spec *spec)
{
	(void)spec;
	return sizeof(struct samples);
}

static void samples_free(struct cells *cells, uint32_t root)
{
	const struct samples *s = state_get(cells, root);

	for (uint32_t i = 0; s->texts && i < s->n; i++)
		entry_drop(cells, at(cells, s, i));
	for (uint32_t i = 0; i < s->chunks; i++)
		cells_drop(cells, ids(s)[i]);
}

/* Room for one more at the end. */
static bool reserve(struct cells *cells, uint32_t root)
{
	struct samples *s = state_touch(cells, root);
	uint32_t k = s->front + s->n, id, have;

	if (k / CHUNK == s->chunks) {
		if (s->chunks == CHUNKS_MAX)
			return false;
		id = cells_add(cells, CELL_CHUNK, CHUNK_FIRST * sizeof(struct entry));
		s = state_resize(cells, root,
		    (uint32_t)(sizeof *s + (s->chunks + 1) * sizeof(uint32_t)));
		ids(s)[s->chunks++] = id;
	}
	id = ids(s)[k / CHUNK];
	have = cells_bytes(cells, id) / (uint32_t)sizeof(struct entry);
	if (k % CHUNK >= have)
		cells_resize(
		    cells, id, MIN(2 * have, CHUNK) * (uint32_t)sizeof(struct entry));
	return true;
}

/* The oldest `n` leave, and the chunks that they fill. */
static void drop_front(struct cells *cells, uint32_t root, uint32_t n)
{
	struct samples *s = state_touch(cells, root);
	uint32_t gone;

	for (uint32_t i = 0; s->texts && i < n; i++)
		entry_drop(cells, at(cells, s, i));
	s->front += n;
	s->n -= n;
	gone = s->n ? s->front / CHUNK : s->chunks;
	for (uint32_t i = 0; i < gone; i++)
		cells_drop(cells, ids(s)[i]);
	memmove(ids(s), ids(s) + gone, (s->chunks - gone) * sizeof(uint32_t));
	s->chunks -= gone;
	s->front = s->n ? s->front - gone * CHUNK : 0;
	if (gone)
		state_resize(cells, root,
		    (uint32_t)(sizeof *s + s->chunks * sizeof(uint32_t)));
}

static bool by_time(const struct signal_spec *spec)
{
	return spec->window == WINDOW_SLIDING;
}

/* How many from the front are out of reach: (t - W, t] is open on the left. */
static uint32_t expired(const struct signal_spec *spec, const struct cells *cells,
    const struct samples *s, int64_t clock)
{
	int64_t t = later(later(s->head.greatest, s->head.clock), clock);
	uint32_t lo = 0, hi = s->n;

	if (!by_time(spec))
		return s->n > spec->last_n ? s->n - spec->last_n : 0;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (at(cells, s, mid)->t <= t - spec->over_ms)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static enum signal_fate samples_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t, const struct sample *x, int64_t watermark)
{
	const struct samples *old = state_get(cells, root);
	int64_t seen = later(old->head.greatest, old->head.clock);
	struct samples *s;
	struct entry e;
	uint32_t i, gone, max = spec->max_samples ? spec->max_samples : MAX_SAMPLES;

	(void)watermark;
	if (by_time(spec) && seen != TIME_NONE && t <= seen - spec->over_ms)
		return SIGNAL_LATE;
	gone = expired(spec, cells, old, t);
	if (gone)
		drop_front(cells, root, gone);
	s = state_touch(cells, root);
	if ((by_time(spec) && s->n >= max) || !reserve(cells, root))
		return SIGNAL_FULL;
	e = entry_of(cells, t, x->x, x->text);
	s = state_touch(cells, root);
	s->texts |= entry_is_text(&e);
	i = s->n++;
	for (; by_time(spec) && i > 0 && at(cells, s, i - 1)->t > t; i--)
		put(cells, s, i, *at(cells, s, i - 1));
	put(cells, s, i, e);
	s->head.greatest = later(s->head.greatest, t);
	if (!by_time(spec) && s->n > spec->last_n)
		drop_front(cells, root, s->n - spec->last_n);
	return SIGNAL_TAKEN;
}

static void samples_advance(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct samples *seen = state_get(cells, root);
	uint32_t gone = expired(spec, cells, seen, clock);
	struct samples *s;

	if (!gone || !by_time(spec))
		return;
	s = state_touch(cells, root);
	s->head.clock = later(s->head.clock, clock);
	drop_front(cells, root, gone);
}

static void samples_tally(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock, struct tally *ret)
{
	const struct samples *s = state_get(cells, root);
	int64_t t = later(later(s->head.greatest, s->head.clock), clock);
	const struct entry *p = NULL;

	for (uint32_t i = expired(spec, cells, s, clock); i < s->n; i++, p++) {
		if (!p || (s->front + i) % CHUNK == 0)
			p = at(cells, s, i);
		tally_entry(ret, cells, p);
	}
	if (by_time(spec) && t != TIME_NONE) {
		ret->to = t;
		ret->from = t - spec->over_ms;
	}
	if (ret->n && !by_time(spec)) {	/* the order is of arrival */
		p = at(cells, s, s->n - 1);
		ret->last = entry_is_text(p) ? (double)NAN : p->x;
		ret->last_t = (double)p->t;
		p = at(cells, s, expired(spec, cells, s, clock));
		ret->first = entry_is_text(p) ? (double)NAN : p->x;
		ret->first_t = (double)p->t;
	}
}

static int64_t samples_next(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock)
{
	const struct samples *s = state_get(cells, root);
	uint32_t i = expired(spec, cells, s, clock);

	if (!by_time(spec) || i == s->n)
		return INT64_MAX;
	return at(cells, s, i)->t + spec->over_ms;
}

const struct window_ops samples_ops = {.form = FORM_SAMPLES, .bytes = samples_bytes,
	.add = samples_add, .advance = samples_advance, .next = samples_next,
	.tally = samples_tally, .free = samples_free};
