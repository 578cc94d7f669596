/* Windows since the last run: one row, cut when a run is created.
 *
 *	state:  struct since | share | share | ...
 *
 * Share 0 is what counts now.  A cut moves it aside under the run's number; when that
 * run ends its share is forgotten (the run used it) or added back (it failed, so what
 * it should have used still waits).
 *
 * Invariant: share 0 is always there and has run 0, which is no run's number.
 */
#include "base/time.h"
#include "signal/window.h"

struct since {
	struct window_head head;	/* n: shares */
};
struct share {
	uint64_t run;
	struct row row;
};

static size_t size_of(uint16_t columns)
{
	return sizeof(uint64_t) + row_bytes(columns);
}

static struct share *at(const struct since *s, uint32_t i)
{
	return (struct share *)(void *)((char *)(uintptr_t)(s + 1) +
	    i * size_of(s->head.columns));
}

static uint16_t since_columns(const struct signal_spec *spec)
{
	return columns_of(spec->aggregates);
}

static uint32_t since_bytes(const struct signal_spec *spec)
{
	return (uint32_t)(sizeof(struct since) + size_of(since_columns(spec)));
}

static void widen(struct cells *cells, uint32_t root, uint16_t need)
{
	struct since *s = state_touch(cells, root);
	uint16_t old = s->head.columns, wide = old | need;
	uint32_t n = MAX(s->head.n, 1);

	if (wide == old)
		return;
	s = state_resize(cells, root, (uint32_t)(sizeof(*s) + n * size_of(wide)));
	s->head.columns = wide;
	for (uint32_t i = n; i-- > 0;) {
		struct share *from = (struct share *)(void *)((char *)(s + 1) +
		    i * size_of(old)), *to = at(s, i);
		uint64_t run = from->run;

		row_widen(&from->row, old, &to->row, wide);
		to->run = run;
	}
}

static enum signal_fate since_add(const struct signal_spec *spec, struct cells *cells,
    uint32_t root, int64_t t, const struct sample *x, int64_t watermark)
{
	struct since *s;

	(void)watermark;
	widen(cells, root, since_columns(spec));
	s = state_touch(cells, root);
	s->head.n = MAX(s->head.n, 1);
	row_take(cells, s->head.columns, &at(s, 0)->row, t, x);
	s->head.greatest = later(s->head.greatest, t);
	return SIGNAL_TAKEN;
}

static void since_tally(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock, struct tally *ret)
{
	const struct since *s = state_get(cells, root);

	(void)spec, (void)clock;
	tally_row(ret, cells, s->head.columns, &at(s, 0)->row);
}

static uint32_t find(const struct since *s, uint64_t run)
{
	uint32_t i = 1;

	while (i < s->head.n && at(s, i)->run != run)
		i++;
	return i;
}

static void remove_share(struct cells *cells, uint32_t root, uint32_t i)
{
	struct since *s = state_touch(cells, root);
	size_t size = size_of(s->head.columns);

	memmove(at(s, i), at(s, i + 1), (s->head.n - i - 1) * size);
	s->head.n--;
	state_resize(cells, root, (uint32_t)(sizeof(*s) + s->head.n * size));
}

/* More unfinished runs than a cell holds shares cannot be (queues are bounded); the
 * oldest two would then be settled together. */
void since_cut(struct cells *cells, uint32_t root, uint64_t run)
{
	struct since *s = state_touch(cells, root);
	uint16_t columns = s->head.columns;
	size_t size = size_of(columns);
	uint32_t i;

	if (at(s, 0)->row.n == 0)
		return;
	i = find(s, run);
	if (i == s->head.n && sizeof(*s) + (i + 1) * size > CELL_MAX) {
		row_merge(cells, columns, &at(s, 2)->row, &at(s, 1)->row);
		remove_share(cells, root, 1);
		s = state_touch(cells, root);
		i = s->head.n;
	}
	if (i == s->head.n) {
		s = state_resize(cells, root, (uint32_t)(sizeof(*s) + (i + 1) * size));
		s->head.n++;
		at(s, i)->run = run;
	}
	row_merge(cells, columns, &at(s, i)->row, &at(s, 0)->row);
	memset(at(s, 0), 0, size);
}

void since_settle(struct cells *cells, uint32_t root, uint64_t run, bool merge_back)
{
	const struct since *seen = state_get(cells, root);
	uint32_t i = find(seen, run);
	struct since *s;

	if (i >= seen->head.n)
		return;
	s = state_touch(cells, root);
	if (merge_back)
		row_merge(cells, s->head.columns, &at(s, 0)->row, &at(s, i)->row);
	else
		row_drop(cells, s->head.columns, &at(s, i)->row);
	remove_share(cells, root, i);
}

static void since_free(struct cells *cells, uint32_t root)
{
	const struct since *s = state_get(cells, root);

	for (uint32_t i = 0; i < s->head.n; i++)
		row_drop(cells, s->head.columns, &at(s, i)->row);
}

const struct window_ops since_ops = {.form = FORM_SINCE, .bytes = since_bytes,
	.columns = since_columns, .add = since_add, .tally = since_tally,
	.free = since_free};
