/* What stops a firing, and the rows that say so.
 *
 * Order: disabled, depth, dedupe, cooldown, backoff, disarmed; then flow's admission.
 * The first that blocks ends the asking, so that each row names one suppressor.
 *
 * Invariants
 *   (1) No silent loss: what is stopped is a row, or one more in its minute's counting
 *       row, which is written when the minute of tick ends (past ROWS_MAX rows per
 *       rule, reason and minute; at once for disabled rules).
 *   (2) Dedupe values are cells: they survive restarts and edits, at most DEDUPE_MAX
 *       per rule, the oldest going first.
 *
 * To add a suppressor: enum suppressor, names[], suppress_ask(), docs/explain.md.
 */
#include <inttypes.h>

#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "decide/priv.h"

#define ROWS_MAX 100
#define MINUTE_MS 60000
#define DEDUPE_MAX 100000
#define DEPTH_MAX 8

/* ORDER suppressor */
static const char *const names[SUPP_MAX] = {
	"none", "disabled", "dedupe", "cooldown", "backoff", "disarmed", "concurrency",
	"depth", "skipped", "expired",
};

const char *suppressor_name(enum suppressor s)
{
	CHECK(s < SUPP_MAX);
	return names[s];
}

const char *outcome_name(enum outcome o)
{
	/* ORDER outcome */
	static const char *const v[] = { "none", "fired", "suppressed", "observed",
		"error" };

	CHECK((unsigned)o < G_N_ELEMENTS(v));
	return v[o];
}

static struct str span_str(int64_t ms, struct arena *a)
{
	GString *s = g_string_new(NULL);
	struct str r;

	span_print(ms, s);
	r = arena_str(a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return r;
}

static bool answer(struct check *k, enum suppressor s, bool blocked, struct str numbers,
    int64_t end)
{
	k->asked[s] = blocked ? ASKED_BLOCKED : ASKED_PASSED;
	k->numbers[s] = numbers;
	if (blocked) {
		k->by = s;
		k->end = end;
	}
	return blocked;
}

/* A value's text as a dedupe key; one that is too long goes by its hash. */
static struct str dedupe_text(struct value v, struct arena *a)
{
	struct str s = value_key(v, a);
	char *hex;

	if (!s.p) {
		GString *j = g_string_new(NULL);

		value_to_json(v, a, j);
		s = arena_str(a, (struct str){ j->str, (uint32_t)j->len });
		g_string_free(j, TRUE);
	}
	if (s.len <= KEY_BYTES_MAX)
		return s;
	hex = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (const guchar *)s.p, s.len);
	s = arena_str(a, str_of(hex));
	g_free(hex);
	return s;
}

static bool ask_dedupe(struct ctx *c, struct check *k)
{
	struct arena *a = c->d->arena;
	uint8_t owner[OWNER_BYTES];
	const struct dedupe_cell *cell;
	struct keyed *e;
	struct value v;
	int64_t end;

	if (!c->rule->dedupe_key)
		return false;
	v = ctx_eval(c, c->rule->dedupe_key);
	if (v.tag == VALUE_ERROR || v.tag == VALUE_ABSENT) {
		k->dedupe_error = true;
		return false;
	}
	k->dedupe = dedupe_text(v, a);
	owner_of_id(c->rs->id, owner);
	e = keyed_find(c->d, CELL_DEDUPE, owner, k->dedupe);
	if (!e)
		return answer(k, SUPP_DEDUPE, false, arena_printf(a, "'%.*s' is new",
		    STR_ARG(k->dedupe)), 0);
	cell = cells_get(c->d->cells, e->cell);
	end = cell->head.used_tick + c->rule->dedupe_ms;
	if (end <= c->tick)
		return answer(k, SUPP_DEDUPE, false, arena_printf(a, "'%.*s' was forgotten",
		    STR_ARG(k->dedupe)), 0);
	return answer(k, SUPP_DEDUPE, true, arena_printf(a,
	    "'%.*s' was used by decision %" PRIu64 ", %.*s left", STR_ARG(k->dedupe),
	    cell->decision, STR_ARG(span_str(end - c->tick, a))), end);
}

static bool ask_cooldown(struct ctx *c, struct check *k, const struct key_cell *kc)
{
	struct machine_config cfg = machine_config_of(c->rule);
	int64_t left = machine_cooldown_left(&kc->m, &cfg, c->tick);
	struct arena *a = c->d->arena;
	struct str span = span_str(cfg.cooldown_ms, a);

	if (!cfg.cooldown_ms)
		return answer(k, SUPP_COOLDOWN, false, STR(""), 0);
	if (!kc->m.emitted)
		return answer(k, SUPP_COOLDOWN, false, arena_printf(a, "%.*s (never)",
		    STR_ARG(span)), 0);
	if (!left)
		return answer(k, SUPP_COOLDOWN, false, arena_printf(a, "%.*s (last %.*s ago)",
		    STR_ARG(span), STR_ARG(span_str(c->tick - kc->m.last_emit, a))), 0);
	return answer(k, SUPP_COOLDOWN, true, arena_printf(a, "%.*s, %.*s left",
	    STR_ARG(span), STR_ARG(span_str(left, a))), c->tick + left);
}

static bool ask_backoff(struct ctx *c, struct check *k, const struct key_cell *kc)
{
	int64_t left = kc->backoff_until - c->tick;
	struct arena *a = c->d->arena;

	if (left <= 0)
		return answer(k, SUPP_BACKOFF, false, STR(""), 0);
	return answer(k, SUPP_BACKOFF, true, arena_printf(a, "%.*s, %.*s left",
	    STR_ARG(span_str(kc->backoff_ms, a)), STR_ARG(span_str(left, a))),
	    kc->backoff_until);
}

void suppress_ask(struct ctx *c, struct check *k, bool force)
{
	static const struct key_cell none;
	const struct key_cell *kc = c->k ? key_get(c->d, c->k) : &none;
	struct arena *a = c->d->arena;

	*k = (struct check){ .end = INT64_MAX };
	if (force)
		return;
	if (answer(k, SUPP_DISABLED, rule_off(c->d, c->rs), STR(""), INT64_MAX))
		return;
	if (answer(k, SUPP_DEPTH, c->depth > DEPTH_MAX, c->depth ? arena_printf(a, "%u/%d",
	    c->depth, DEPTH_MAX) : STR(""), INT64_MAX))
		return;
	if (ask_dedupe(c, k) || k->dedupe_error || ask_cooldown(c, k, kc) ||
	    ask_backoff(c, k, kc))
		return;
	answer(k, SUPP_DISARMED, false, STR(""), 0);	/* nothing disarms a rule yet */
}

/* ---- dedupe values ---- */

static int cmp_age(const void *pa, const void *pb)
{
	const int64_t *a = pa, *b = pb;

	return (a[0] > b[0]) - (a[0] < b[0]) ? (a[0] > b[0]) - (a[0] < b[0]) :
	    (a[1] > b[1]) - (a[1] < b[1]);
}

/* Calls f for each of the rule's dedupe cells, by cell. */
static void each_dedupe(struct decide *d, const struct rule_state *rs,
    void (*f)(GArray *, const struct dedupe_cell *, uint32_t cell), GArray *out)
{
	uint8_t owner[OWNER_BYTES];

	owner_of_id(rs->id, owner);
	for (uint32_t id = cells_next(d->cells, 0); id; id = cells_next(d->cells, id)) {
		const struct dedupe_cell *c;

		if (cells_kind(d->cells, id) != CELL_DEDUPE)
			continue;
		c = cells_get(d->cells, id);
		if (memcmp(c->head.owner, owner, OWNER_BYTES) == 0)
			f(out, c, id);
	}
}

static void collect(GArray *out, const struct dedupe_cell *c, uint32_t cell)
{
	int64_t v[2] = { c->head.used_tick, cell };

	g_array_append_vals(out, v, 2);
}

static void collect_observed(GArray *out, const struct dedupe_cell *c, uint32_t cell)
{
	if (c->observed)
		collect(out, c, cell);
}

static void drop_cells(struct decide *d, const GArray *v, guint n)
{
	for (guint i = 0; i < n; i++) {
		uint32_t id = (uint32_t)g_array_index(v, int64_t, 2 * i + 1);
		const struct keyed_cell *h = cells_get(d->cells, id);
		struct str key = { (const char *)h + h->key_off, h->key_len };

		keyed_drop(d, keyed_find(d, CELL_DEDUPE, h->owner, key));
	}
}

/* A tenth at once, so that a rule at its bound does not search at every event. */
static void dedupe_make_room(struct decide *d, struct rule_state *rs)
{
	GArray *v = g_array_new(FALSE, FALSE, sizeof(int64_t));

	each_dedupe(d, rs, collect, v);
	qsort(v->data, v->len / 2, 2 * sizeof(int64_t), cmp_age);
	drop_cells(d, v, v->len / 20 + 1);
	g_array_free(v, TRUE);
}

void dedupe_forget_observed(struct decide *d, struct rule_state *rs)
{
	GArray *v = g_array_new(FALSE, FALSE, sizeof(int64_t));

	each_dedupe(d, rs, collect_observed, v);
	drop_cells(d, v, v->len / 2);
	g_array_free(v, TRUE);
}

void dedupe_store(struct decide *d, struct rule_state *rs, struct str value,
    uint64_t decision, bool observed)
{
	uint8_t owner[OWNER_BYTES];
	struct dedupe_cell *c;
	struct keyed *k;

	owner_of_id(rs->id, owner);
	k = keyed_find(d, CELL_DEDUPE, owner, value);
	if (!k && rs->dedupes >= DEDUPE_MAX)
		dedupe_make_room(d, rs);
	if (!k)
		k = keyed_add(d, CELL_DEDUPE, owner, value, sizeof(*c), 0, rs->rule->dedupe_ms);
	c = cells_touch(d->cells, k->cell);
	c->head.used_tick = d->now_tick;
	c->head.ttl_ms = rs->rule->dedupe_ms;
	c->decision = decision;
	c->observed = observed;
}

/* ---- rows ---- */

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
	    error ? "error" : names[i]);
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
