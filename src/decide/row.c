/* Decision rows for readers, and the counting of those that would be too many.
 *
 * No silent loss: what is stopped is a row, or one more in its minute's counting row,
 * which is written when the minute of tick ends (past ROWS_MAX rows per rule, reason
 * and minute; at once for disabled rules).  The counts are in the rule's cell.
 */
#include "base/json.h"
#include "decide/priv.h"

#define ROWS_MAX 100
#define MINUTE_MS 60000

static uint32_t reason_index(enum suppressor by, enum outcome o)
{
	return o == OUTCOME_ERROR ? REASONS - 1 : by;
}

/* The trace of a row that no evaluation led to. */
static struct str bare_trace(struct decide *d, const struct decision_row *r)
{
	GString *s = d->text;

	g_string_truncate(s, 0);
	json_open(s, '{');
	json_key(s, "rule"), json_str(s, r->rule);
	json_key(s, "key"), json_str(s, r->key);
	json_key(s, "time"), json_time(s, d->now_wall);
	json_key(s, "outcome"), json_cstr(s, outcome_name(r->outcome));
	json_key(s, "decision"), json_i64(s, (int64_t)r->id);
	json_key(s, "count"), json_i64(s, r->count);
	json_key(s, "why"), json_str(s, r->reason);
	json_key(s, "suppressors"), json_open(s, '[');
	if (r->by) {
		json_open(s, '{');
		json_key(s, "name"), json_cstr(s, suppressor_name(r->by));
		json_key(s, "verdict"), json_cstr(s, "blocked");
		json_key(s, "numbers"), json_cstr(s, "");
		json_close(s, '}');
	}
	json_close(s, ']');
	json_close(s, '}');
	return arena_str(d->arena, (struct str){ s->str, (uint32_t)s->len });
}

static void append(struct decide *d, const struct decision_row *row)
{
	struct decided *o = d->out;
	struct arena *a = d->arena;
	struct decision_row *r;

	o->decisions = arena_grow(a, o->decisions, o->decisions_n, &o->decisions_cap,
	    sizeof(*o->decisions));
	r = &o->decisions[o->decisions_n++];
	*r = *row;
	r->seq = d->seq;
	r->time_ms = d->now_wall;
	r->rule = arena_str(a, row->rule);
	r->key = arena_str(a, row->key);
	r->event_id = arena_str(a, row->event_id);
	if (!row->trace.len)
		r->trace = bare_trace(d, r);
}

static struct rule_cell *minute_of(struct decide *d, struct rule_state *rs)
{
	struct rule_cell *w = cells_touch(d->cells, rs->cell);

	if (!w->counting) {
		memset(w->rows, 0, sizeof(w->rows));
		memset(w->over, 0, sizeof(w->over));
		w->counting = 1;
		w->minute_at = d->now_tick + MINUTE_MS;
		heap_set(&d->tick, &rs->flush, w->minute_at);
	}
	return w;
}

static void count(struct decide *d, struct rule_state *rs, const struct decision_row *row)
{
	switch (row->outcome) {
	case OUTCOME_FIRED:
		rs->count.fired++;
		break;
	case OUTCOME_OBSERVED:
		rs->count.observed++;
		break;
	case OUTCOME_ERROR:
		rs->count.error++;
		break;
	case OUTCOME_SUPPRESSED:
		rs->count.suppressed += row->count;
		d->out->suppressed[row->by] += row->count;
		break;
	}
}

bool decision_counts_only(const struct decide *d, const struct rule_state *rs,
    const struct decision_row *r)
{
	const struct rule_cell *c = rule_get(d, rs);

	if (r->outcome == OUTCOME_FIRED || r->outcome == OUTCOME_OBSERVED)
		return false;
	if (r->by == SUPP_DISABLED)	/* a row only for a person's trigger */
		return !r->trace.len;
	return c->counting && c->rows[reason_index(r->by, r->outcome)] >= ROWS_MAX;
}

uint64_t decision_next(struct decide *d)
{
	return ++((struct meta_cell *)cells_touch(d->cells, d->meta))->decision;
}

void decision_give_back(struct decide *d, uint64_t id)
{
	struct meta_cell *m = cells_touch(d->cells, d->meta);

	if (m->decision == id)
		m->decision--;
}

uint64_t decision_write(struct decide *d, const struct decision_row *row)
{
	struct rule_state *rs = rule_by_id(d, row->rule_id);
	struct decision_row r = *row;
	uint32_t i = reason_index(row->by, row->outcome);

	count(d, rs, row);
	if (decision_counts_only(d, rs, row)) {
		minute_of(d, rs)->over[i] += row->count;
		if (row->id)
			decision_give_back(d, row->id);
		return 0;
	}
	if (row->outcome == OUTCOME_SUPPRESSED || row->outcome == OUTCOME_ERROR)
		minute_of(d, rs)->rows[i]++;
	if (!r.id)
		r.id = decision_next(d);
	r.rule = rs->name;
	append(d, &r);
	return r.id;
}

static void counting_row(struct decide *d, struct rule_state *rs, uint32_t i, uint32_t n)
{
	bool error = i == REASONS - 1;
	struct decision_row r = { .id = decision_next(d), .rule_id = rs->id,
		.rule = rs->name, .count = n,
		.outcome = error ? OUTCOME_ERROR : OUTCOME_SUPPRESSED,
		.by = error ? SUPP_NONE : (enum suppressor)i };

	r.reason = arena_printf(d->arena, "%u more in one minute: %s", n,
	    error ? "error" : suppressor_name((enum suppressor)i));
	append(d, &r);
}

/* The minute is over: one row for what was only counted. */
void decision_flush(struct decide *d, struct rule_state *rs)
{
	struct rule_cell *w = cells_touch(d->cells, rs->cell);
	uint32_t over[REASONS];

	memcpy(over, w->over, sizeof(over));
	w->counting = 0;
	heap_set(&d->tick, &rs->flush, INT64_MAX);
	for (uint32_t i = 0; i < REASONS; i++)
		if (over[i])
			counting_row(d, rs, i, over[i]);
}
