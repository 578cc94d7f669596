/* Sketches for `quantile`, `distinct` and `list`: see the header.
 *
 * Invariants
 *   (1) Bins ascend by key and none is empty; hashes ascend and none is twice there.
 *   (2) Nothing depends on the order in which rows are put together, but which bins
 *       become one where a cell is full, and which of equally old samples a full list
 *       loses.
 */
#include "signal/sketch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "signal/window.h"

#define KEY_ZERO (1 << 20)	/* beyond every index: |log(DBL_MAX) / log(gamma)| */
#define REGISTERS (1u << HLL_P)
#define BINS_MAX 2040u

static double gamma_of(double alpha)
{
	return (1 + alpha) / (1 - alpha);
}

/* ---- quantiles ---- */

int32_t bin_key(double x, double log_gamma)
{
	int32_t i;

	if (x == 0)
		return 0;
	i = (int32_t)ceil(log(fabs(x)) / log_gamma) + KEY_ZERO;
	return x < 0 ? -i : i;
}

int32_t bin_index(int32_t key)
{
	return abs(key) - KEY_ZERO;
}

double bin_value(int32_t key, double gamma)
{
	double v;

	if (key == 0)
		return 0;
	v = 2 * pow(gamma, bin_index(key)) / (gamma + 1);
	return key < 0 ? -v : v;
}

static uint32_t bins_n(const struct cells *cells, uint64_t cell)
{
	const struct bin *v = cells_get(cells, (uint32_t)cell);

	return v[0].n;		/* the first one is a head */
}

static void bin_count(struct cells *cells, uint32_t cell, int32_t key, uint32_t count)
{
	struct bin *v = cells_touch(cells, cell);
	uint32_t n = v[0].n, lo = 1, hi = n + 1;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v[mid].key < key)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo <= n && v[lo].key == key) {
		v[lo].n += MIN(count, UINT32_MAX - v[lo].n);
		return;
	}
	if ((n + 2) * sizeof(*v) > cells_bytes(cells, cell))
		v = cells_resize(cells, cell,
		    (uint32_t)sizeof(*v) * MIN(n + 1 + MAX(n / 2, 4), BINS_MAX + 2));
	memmove(v + lo + 1, v + lo, (n + 1 - lo) * sizeof(*v));
	v[lo] = (struct bin){key, count};
	v[0].n = ++n;
	if (n > BINS_MAX) {
		v[2].n += MIN(v[1].n, UINT32_MAX - v[2].n);
		memmove(v + 1, v + 2, (n - 1) * sizeof(*v));
		v[0].n = n - 1;
	}
}

uint64_t bins_take(struct cells *cells, uint64_t cell, double x)
{
	if (!cell)
		cell = cells_add(cells, CELL_BINS, 4 * sizeof(struct bin));
	bin_count(cells, (uint32_t)cell, bin_key(x, log(gamma_of(BINS_ALPHA))), 1);
	return cell;
}

void bins_merge(struct cells *cells, uint64_t to, uint64_t from)
{
	for (uint32_t i = 1, n = bins_n(cells, from); i <= n; i++) {
		const struct bin *v = cells_get(cells, (uint32_t)from);

		bin_count(cells, (uint32_t)to, v[i].key, v[i].n);
	}
}

static void bins_push(struct bins *b, struct bin x, struct arena *a)
{
	b->v = arena_grow(a, b->v, b->n, &b->cap, sizeof(*b->v));
	b->v[b->n++] = x;
}

void bins_read(struct bins *b, const struct cells *cells, uint64_t cell, struct arena *a)
{
	const struct bin *v = cells_get(cells, (uint32_t)cell);

	for (uint32_t i = 1; i <= v[0].n; i++)
		bins_push(b, v[i], a);
}

void bins_number(struct bins *b, double x, struct arena *a)
{
	bins_push(b, (struct bin){bin_key(x, log(gamma_of(BINS_ALPHA))), 1}, a);
}

static int by_key(const void *pa, const void *pb)
{
	const struct bin *a = pa, *b = pb;

	return (a->key > b->key) - (a->key < b->key);
}

double bins_quantile(struct bins *b, double q, double gamma)
{
	uint64_t n = 0, seen = 0;
	double rank;

	for (uint32_t i = 0; i < b->n; i++)
		n += b->v[i].n;
	if (n == 0)
		return (double)NAN;
	qsort(b->v, b->n, sizeof(*b->v), by_key);
	rank = q * (double)(n - 1);
	for (uint32_t i = 0; i < b->n; i++) {
		seen += b->v[i].n;
		if ((double)seen > rank)
			return bin_value(b->v[i].key, gamma);
	}
	return bin_value(b->v[b->n - 1].key, gamma);
}

/* ---- distinct ---- */

uint64_t hash_mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

uint64_t hash_number(double x)
{
	uint64_t bits;

	if (x == 0)
		x = 0;		/* -0 too */
	memcpy(&bits, &x, sizeof(bits));
	return hash_mix(bits);
}

uint64_t hash_text(struct str s)
{
	uint64_t h = 0xcbf29ce484222325ull;	/* FNV-1a */

	for (uint32_t i = 0; i < s.len; i++)
		h = (h ^ (uint8_t)s.p[i]) * 0x100000001b3ull;
	return hash_mix(h);
}

void hll_add(uint8_t *registers, unsigned p, uint64_t hash)
{
	uint64_t rest = hash << p;
	unsigned rho = rest ? (unsigned)__builtin_clzll(rest) + 1 : 64 - p + 1;
	uint8_t *r = &registers[hash >> (64 - p)];

	if (rho > *r)
		*r = (uint8_t)rho;
}

double hll_estimate(const uint8_t *registers, unsigned p)
{
	uint32_t m = 1u << p, zeros = 0;
	double sum = 0, raw, alpha = 0.7213 / (1 + 1.079 / m);

	if (m <= 64)
		alpha = m <= 16 ? 0.673 : m == 32 ? 0.697 : 0.709;
	for (uint32_t i = 0; i < m; i++) {
		sum += ldexp(1, -registers[i]);
		zeros += registers[i] == 0;
	}
	raw = alpha * m * m / sum;
	return raw <= 2.5 * m && zeros ? m * log((double)m / zeros) : raw;
}

/* A distinct cell: {n, 1: registers} and then hashes or registers. */
struct distinct_cell {
	uint32_t n, dense;
	uint64_t v[];
};

static uint64_t *hash_place(uint64_t *v, uint32_t n, uint64_t hash)
{
	uint32_t lo = 0, hi = n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (v[mid] < hash)
			lo = mid + 1;
		else
			hi = mid;
	}
	return v + lo;
}

static struct distinct_cell *to_registers(struct cells *cells, uint32_t cell)
{
	struct distinct_cell *d = cells_touch(cells, cell);
	uint8_t *r = g_malloc0(REGISTERS);

	for (uint32_t i = 0; i < d->n; i++)
		hll_add(r, HLL_P, d->v[i]);
	d = cells_resize(cells, cell, (uint32_t)sizeof(*d) + REGISTERS);
	d->n = 0;
	d->dense = 1;
	memcpy(d->v, r, REGISTERS);
	g_free(r);
	return d;
}

uint64_t distinct_take(struct cells *cells, uint64_t cell, uint64_t hash)
{
	struct distinct_cell *d;
	uint64_t *at;
	size_t i;

	if (!cell)
		cell = cells_add(cells, CELL_DISTINCT, sizeof(*d) + 2 * sizeof(hash));
	d = cells_touch(cells, (uint32_t)cell);
	at = d->dense ? NULL : hash_place(d->v, d->n, hash);
	if (at && at < d->v + d->n && *at == hash)
		return cell;
	if (at && d->n == DISTINCT_EXACT)
		d = to_registers(cells, (uint32_t)cell);
	if (d->dense) {
		hll_add((uint8_t *)d->v, HLL_P, hash);
		return cell;
	}
	i = (size_t)(at - d->v);
	if (sizeof(*d) + (d->n + 1) * sizeof(hash) > cells_bytes(cells, (uint32_t)cell))
		d = cells_resize(cells, (uint32_t)cell,
		    (uint32_t)(sizeof(*d) +
			MIN(2 * d->n + 2, DISTINCT_EXACT) * sizeof(hash)));
	memmove(d->v + i + 1, d->v + i, (d->n - i) * sizeof(hash));
	d->v[i] = hash;
	d->n++;
	return cell;
}

static void registers_max(uint8_t *to, const uint8_t *from)
{
	for (uint32_t i = 0; i < REGISTERS; i++)
		to[i] = MAX(to[i], from[i]);
}

void distinct_merge(struct cells *cells, uint64_t to, uint64_t from)
{
	const struct distinct_cell *f = cells_get(cells, (uint32_t)from);
	struct distinct_cell *d = cells_touch(cells, (uint32_t)to);

	if (f->dense && !d->dense)
		d = to_registers(cells, (uint32_t)to);
	if (f->dense)
		registers_max((uint8_t *)d->v, (const uint8_t *)f->v);
	for (uint32_t i = 0; !f->dense && i < f->n; i++)
		distinct_take(cells, to, f->v[i]);
}

static uint8_t *need_registers(struct distinct *d, struct arena *a)
{
	if (!d->registers) {
		d->registers = arena_alloc(a, REGISTERS);
		memset(d->registers, 0, REGISTERS);
		for (uint32_t i = 0; i < d->n; i++)
			hll_add(d->registers, HLL_P, d->v[i]);
		d->n = 0;
	}
	return d->registers;
}

static int by_hash(const void *pa, const void *pb)
{
	uint64_t a = *(const uint64_t *)pa, b = *(const uint64_t *)pb;

	return (a > b) - (a < b);
}

static void unique(struct distinct *d)
{
	uint32_t n = 0;

	if (d->n)
		qsort(d->v, d->n, sizeof(*d->v), by_hash);
	for (uint32_t i = 0; i < d->n; i++)
		if (!n || d->v[n - 1] != d->v[i])
			d->v[n++] = d->v[i];
	d->n = n;
}

void distinct_hash(struct distinct *d, uint64_t hash, struct arena *a)
{
	if (d->registers) {
		hll_add(d->registers, HLL_P, hash);
		return;
	}
	d->v = arena_grow(a, d->v, d->n, &d->cap, sizeof(*d->v));
	d->v[d->n++] = hash;
	if (d->n >= 4 * DISTINCT_EXACT) {
		unique(d);
		if (d->n > DISTINCT_EXACT)
			need_registers(d, a);
	}
}

void distinct_read(struct distinct *d, const struct cells *cells, uint64_t cell,
    struct arena *a)
{
	const struct distinct_cell *f = cells_get(cells, (uint32_t)cell);

	if (f->dense)
		registers_max(need_registers(d, a), (const uint8_t *)f->v);
	for (uint32_t i = 0; !f->dense && i < f->n; i++)
		distinct_hash(d, f->v[i], a);
}

uint64_t distinct_count(struct distinct *d, struct arena *a)
{
	if (!d->registers)
		unique(d);
	if (!d->registers && d->n <= DISTINCT_EXACT)
		return d->n;
	return (uint64_t)llround(hll_estimate(need_registers(d, a), HLL_P));
}

/* ---- lists ---- */

/* A list cell: {n} and then entries, by time. */
struct list_cell {
	uint32_t n, spare;
	struct entry v[];
};
#define TEXT_MARK 0xffffffffu	/* as half of a double: a NaN, which no sample is */
_Static_assert(sizeof(struct list_cell) + LIST_MAX * sizeof(struct entry) <= CELL_MAX,
    "a full list is one cell");

bool entry_is_text(const struct entry *e)
{
	return e->mark == TEXT_MARK;
}

struct entry entry_of(struct cells *cells, int64_t t, double x, struct str text)
{
	struct entry e = {.t = t, .x = x};

	if (text.p) {
		e.text = cells_add(cells, CELL_TEXT, text.len);
		e.mark = TEXT_MARK;
		if (text.len)
			memcpy(cells_touch(cells, e.text), text.p, text.len);
	}
	return e;
}

void entry_drop(struct cells *cells, const struct entry *e)
{
	if (entry_is_text(e))
		cells_drop(cells, e->text);
}

struct str text_of(const struct cells *cells, uint32_t cell)
{
	return (struct str){cells_get(cells, cell), cells_bytes(cells, cell)};
}

static void list_insert(struct cells *cells, uint32_t cell, struct entry e)
{
	struct list_cell *l = cells_touch(cells, cell);
	uint32_t i = l->n;

	while (i > 0 && l->v[i - 1].t > e.t)
		i--;
	if (l->n == LIST_MAX) {		/* the oldest goes; it may be this one */
		struct entry out = i ? l->v[0] : e;

		entry_drop(cells, &out);
		if (i == 0)
			return;
		memmove(l->v, l->v + 1, (i - 1) * sizeof(e));
		l->v[i - 1] = e;
		return;
	}
	if (sizeof(*l) + (l->n + 1) * sizeof(e) > cells_bytes(cells, cell))
		l = cells_resize(cells, cell,
		    (uint32_t)(sizeof(*l) + MIN(2 * l->n + 2, LIST_MAX) * sizeof(e)));
	memmove(l->v + i + 1, l->v + i, (l->n - i) * sizeof(e));
	l->v[i] = e;
	l->n++;
}

uint64_t list_take(struct cells *cells, uint64_t cell, int64_t t, double x,
    struct str text)
{
	struct entry e = entry_of(cells, t, x, text);

	if (!cell)
		cell = cells_add(cells, CELL_LIST, sizeof(struct list_cell) + sizeof(e));
	list_insert(cells, (uint32_t)cell, e);
	return cell;
}

/* Leaves `from` empty: texts belong to one list. */
void list_merge(struct cells *cells, uint64_t to, uint64_t from)
{
	struct list_cell *f = cells_touch(cells, (uint32_t)from);
	uint32_t n = f->n;

	f->n = 0;
	for (uint32_t i = 0; i < n; i++)
		list_insert(cells, (uint32_t)to, f->v[i]);
}

void list_drop(struct cells *cells, uint64_t cell)
{
	const struct list_cell *l = cells_get(cells, (uint32_t)cell);

	for (uint32_t i = 0; i < l->n; i++)
		entry_drop(cells, &l->v[i]);
	cells_drop(cells, (uint32_t)cell);
}

void picks_add(struct picks *p, int64_t t, double x, uint32_t text, struct arena *a)
{
	p->v = arena_grow(a, p->v, p->n, &p->cap, sizeof(*p->v));
	p->v[p->n] = (struct pick){t, x, text, p->n};
	p->n++;
}

void list_read(struct picks *p, const struct cells *cells, uint64_t cell, struct arena *a)
{
	const struct list_cell *l = cells_get(cells, (uint32_t)cell);

	for (uint32_t i = 0; i < l->n; i++) {
		bool text = entry_is_text(&l->v[i]);

		picks_add(p, l->v[i].t, text ? 0 : l->v[i].x, text ? l->v[i].text : 0, a);
	}
}

static int by_time(const void *pa, const void *pb)
{
	const struct pick *a = pa, *b = pb;

	if (a->t != b->t)
		return a->t > b->t ? 1 : -1;
	return (a->order > b->order) - (a->order < b->order);
}

struct value picks_value(struct picks *p, const struct cells *cells, struct arena *a)
{
	uint32_t skip = p->n > LIST_MAX ? p->n - LIST_MAX : 0;
	struct value *v = ARENA_ARRAY(a, struct value, MAX(p->n - skip, 1));

	if (p->n)
		qsort(p->v, p->n, sizeof(*p->v), by_time);
	for (uint32_t i = skip; i < p->n; i++)
		v[i - skip] = p->v[i].text ?
		    value_str(arena_str(a, text_of(cells, p->v[i].text))) :
		    value_double(p->v[i].x);
	return value_list_of(v, p->n - skip, a);
}
