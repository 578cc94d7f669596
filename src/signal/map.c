/* Signals with `by`: a map from sub-keys to states.
 *
 *	state:     struct map | id | id | ...	roots of the sub-keys' states, by sub-key
 *	sub-key:   struct sub | its bytes, up to a multiple of 8 | state
 *
 * Invariants
 *   (1) Ids are sorted by the bytes of their sub-key, so iteration has one order
 *       whatever the order of arrival was.
 *   (2) A full map refuses new sub-keys only; every sub-key that was refused is
 *       counted, once per sample that it lost.
 */
#include "base/json.h"
#include "signal/window.h"

#define MAX_BY 1000u

struct map {
	struct window_head head;
	uint32_t	 n, spare;
	uint64_t	 refused;
};
struct sub {			/* before the state in its cell */
	uint16_t	 before, len;
};
_Static_assert(sizeof(struct map) + SIGNAL_BY_MAX * sizeof(uint32_t) + 64 <= CELL_MAX,
    "a full map is one cell");

static uint32_t *ids(const struct map *m)
{
	return (uint32_t *)(uintptr_t)(m + 1);
}

uint32_t map_bytes(void)
{
	return sizeof(struct map);
}

struct str map_sub_key(const struct cells *cells, uint32_t state)
{
	const struct sub *s = cells_get(cells, state);

	return (struct str){(const char *)(s + 1), s->len};
}

static int compare(struct str a, struct str b)
{
	uint32_t n = MIN(a.len, b.len);
	int c = n ? memcmp(a.p, b.p, n) : 0;

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

/* Where `key` stands or would stand. */
static uint32_t place(const struct cells *cells, const struct map *m, struct str key,
    bool *found)
{
	uint32_t lo = 0, hi = m->n;

	*found = false;
	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		int c = compare(map_sub_key(cells, ids(m)[mid]), key);

		if (c == 0) {
			*found = true;
			return mid;
		}
		if (c < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static uint32_t make(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    struct str key, uint32_t i)
{
	uint32_t before = (uint32_t)(sizeof(struct sub) + key.len + 7) & ~7u, state, n;
	struct sub *s;
	struct map *m;

	state = cells_add(cells, CELL_STATE, before);
	s = cells_touch(cells, state);
	s->len = (uint16_t)key.len;
	if (key.len)
		memcpy(s + 1, key.p, key.len);
	state_begin(spec, cells, state, before);
	n = ((const struct map *)state_get(cells, root))->n + 1;
	m = state_resize(cells, root, (uint32_t)(sizeof(*m) + n * sizeof(uint32_t)));
	memmove(ids(m) + i + 1, ids(m) + i, (m->n - i) * sizeof(uint32_t));
	ids(m)[i] = state;
	m->n++;
	return state;
}

uint32_t signal_sub(const struct signal_spec *spec, struct cells *cells, uint32_t root,
    struct str sub, bool may_make)
{
	const struct map *m = state_get(cells, root);
	bool found;
	uint32_t i = place(cells, m, sub, &found);

	if (found)
		return ids(m)[i];
	if (!may_make)
		return 0;
	if (m->n >= (spec->max_by ? spec->max_by : MAX_BY) || m->n >= SIGNAL_BY_MAX ||
	    sub.len > SIGNAL_SUB_BYTES) {
		((struct map *)state_touch(cells, root))->refused++;
		return 0;
	}
	return make(spec, cells, root, sub, i);
}

bool signal_sub_next(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms, uint32_t *it, struct str *ret_sub,
    uint32_t *ret_state)
{
	const struct map *m = state_get(cells, root);

	while (*it < m->n) {
		uint32_t state = ids(m)[(*it)++];

		if (!signal_has_data(spec, cells, state, clock_ms))
			continue;
		*ret_sub = map_sub_key(cells, state);
		*ret_state = state;
		return true;
	}
	return false;
}

uint32_t signal_subs(const struct cells *cells, uint32_t root)
{
	return ((const struct map *)state_get(cells, root))->n;
}

uint64_t signal_refused(const struct cells *cells, uint32_t root)
{
	return ((const struct map *)state_get(cells, root))->refused;
}

uint32_t map_state(const struct cells *cells, uint32_t root, uint32_t i)
{
	const struct map *m = state_get(cells, root);

	return i < m->n ? ids(m)[i] : 0;
}

void map_free(struct cells *cells, uint32_t root)
{
	const struct map *m = state_get(cells, root);

	for (uint32_t i = 0; i < m->n; i++)
		signal_free(cells, ids(m)[i]);
}

void map_summary(const struct signal_spec *spec, const struct cells *cells,
    uint32_t root, int64_t clock_ms, GString *json)
{
	uint32_t it = 0, state, with = 0;
	struct str sub;

	while (signal_sub_next(spec, cells, root, clock_ms, &it, &sub, &state))
		with++;
	json_key(json, "keys");
	json_i64(json, signal_subs(cells, root));
	json_key(json, "with_data");
	json_i64(json, with);
	json_key(json, "refused");
	json_i64(json, (int64_t)signal_refused(cells, root));
}
