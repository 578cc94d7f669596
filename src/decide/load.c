/* Cells to memory: everything that decide keeps beside them is rebuilt here.
 *
 * Two passes: rules and selectors first, because a key's entry points at its rule.
 * What is no cell of decide's is passed over.
 */
#include "decide/priv.h"

static void sel_load(struct decide *d, uint32_t cell)
{
	const struct selector_cell *c = cells_get(d->cells, cell);

	use_selector(d, c->hash)->cell = cell;
}

static void load_fixed(struct decide *d, uint32_t id)
{
	switch ((enum cell_kind)cells_kind(d->cells, id)) {
	case CELL_META:
		d->meta = id;
		break;
	case CELL_RULE:
		use_state(d, id);
		break;
	case CELL_SELECTOR:
		sel_load(d, id);
		break;
	case CELL_SOURCE:
		g_array_append_val(d->sources, id);
		break;
	case CELL_SILENCE:
		silence_load(d, id);
		break;
	default:
		break;
	}
}

static bool load_keyed(struct decide *d, uint32_t id, struct err *err)
{
	uint8_t kind = cells_kind(d->cells, id);
	const struct schedule_cell *s;
	struct rule_state *rs;

	if (kind == CELL_SCHEDULE) {
		s = cells_get(d->cells, id);
		rs = rule_by_id(d, s->rule_id);
		if (rs)
			schedule_load(rs, id);
		return true;
	}
	if (kind != CELL_KEY && kind != CELL_SIGNAL && kind != CELL_LAST &&
	    kind != CELL_DEDUPE)
		return true;
	if (!keyed_load(d, id))
		return err_set(err, ERR_CORRUPT, "cell %u of kind %u is too short", id,
			       kind);
	return true;
}

bool use_load(struct decide *d, struct err *err)
{
	const struct meta_cell *m;

	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id))
		load_fixed(d, id);
	if (!d->meta)
		d->meta = cells_add(d->cells, CELL_META, sizeof(struct meta_cell));
	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id))
		if (!load_keyed(d, id, err))
			return false;
	for (guint i = 0; i < d->all->len; i++) {
		struct rule_state *rs = g_ptr_array_index(d->all, i);
		const struct rule_cell *c = rule_get(d, rs);

		if (c->counting)
			heap_set(&d->tick, &rs->flush, c->minute_at);
	}
	silence_loaded(d);
	m = cells_get(d->cells, d->meta);
	if (m->sweep_at)
		heap_set(&d->tick, &d->sweep, m->sweep_at);
	if (!facts_load(d->facts))
		return err_set(err, ERR_CORRUPT, "a fact's record is malformed");
	return true;
}
