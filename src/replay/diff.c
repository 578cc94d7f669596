/* Two backtests side by side.  A decision's origin is the event that caused it, the due
 * time of its schedule, or else the instant; several of one origin are matched in
 * order. */
#include "base/arena.h"
#include "replay/backtest.h"

struct at {			/* a row to be matched */
	const struct backtest_row *row;
	uint32_t	 index;
	bool		 taken;
};

static int cmp_i64(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* The origin alone: events by id, schedules by due time, the rest by instant. */
static int cmp_origin(const struct backtest_row *a, const struct backtest_row *b)
{
	int c = str_cmp(a->uid, b->uid);

	c = c ? c : str_cmp(a->key, b->key);
	c = c ? c : str_cmp(a->event, b->event);
	if (c || a->event.len)
		return c;
	c = cmp_i64(a->due_ms, b->due_ms);
	return c || a->due_ms ? c : cmp_i64(a->at_ms, b->at_ms);
}

static int cmp_at(const void *a, const void *b)
{
	const struct at *x = a, *y = b;
	int c = cmp_origin(x->row, y->row);

	return c ? c : (x->index > y->index) - (x->index < y->index);
}

static struct at *sorted(const struct backtest *b, struct arena *a)
{
	struct at *v = ARENA_ARRAY(a, struct at, b->rows_n + 1);

	for (uint32_t i = 0; i < b->rows_n; i++)
		v[i] = (struct at){ &b->rows[i], i, false };
	qsort(v, b->rows_n, sizeof(*v), cmp_at);
	return v;
}

static bool same(const struct backtest_row *a, const struct backtest_row *b)
{
	return a->outcome == b->outcome && a->by == b->by && a->at_ms == b->at_ms &&
	    a->count == b->count && a->events == b->events &&
	    str_is(a->params, b->params);
}

static int64_t when(const struct diff_row *d)
{
	return d->new ? d->new->at_ms : d->old->at_ms;
}

static int cmp_diff(const void *a, const void *b)
{
	const struct diff_row *x = a, *y = b;
	int c = cmp_i64(when(x), when(y));
	const struct backtest_row *p = x->new ? x->new : x->old;
	const struct backtest_row *q = y->new ? y->new : y->old;

	c = c ? c : str_cmp(p->rule, q->rule);
	c = c ? c : str_cmp(p->key, q->key);
	c = c ? c : (int)x->kind - (int)y->kind;
	return c ? c : cmp_i64((int64_t)p->decision, (int64_t)q->decision);
}

uint32_t backtest_diff(const struct backtest *old, const struct backtest *new,
    struct arena *a, struct diff_row **ret)
{
	struct at *x = sorted(old, a), *y = sorted(new, a);
	struct diff_row *v = NULL;
	uint32_t i = 0, j = 0, n = 0, cap = 0;

	while (i < old->rows_n || j < new->rows_n) {
		int c = i == old->rows_n ? 1 : j == new->rows_n ? -1 :
		    cmp_origin(x[i].row, y[j].row);
		struct diff_row d = { .old = c <= 0 ? x[i].row : NULL,
			.new = c >= 0 ? y[j].row : NULL };

		i += c <= 0;
		j += c >= 0;
		d.kind = c < 0 ? DIFF_ONLY_OLD : c > 0 ? DIFF_ONLY_NEW : DIFF_CHANGED;
		if (c == 0 && same(d.old, d.new))
			continue;
		v = arena_grow(a, v, n, &cap, sizeof(*v));
		v[n++] = d;
	}
	if (n)
		qsort(v, n, sizeof(*v), cmp_diff);
	*ret = v;
	return n;
}
