/* What stops a firing.
 *
 * Order: disabled, depth, calendar, silence, dedupe, cooldown, backoff, disarmed,
 * breaker; then flow's admission.
 * The first that blocks ends the asking, so that each row names one suppressor.
 *
 * To add a suppressor: enum suppressor, names[], suppress_ask(), docs/explain.md.
 */
#include <inttypes.h>

#include "base/time.h"
#include "decide/priv.h"

#define DEPTH_MAX 8

/* ORDER suppressor */
static const char *const names[SUPP_MAX] = {
	"none", "disabled", "calendar", "silence", "dedupe", "cooldown", "backoff",
	"disarmed", "breaker", "budget", "concurrency", "depth", "skipped", "expired",
	"coalesce_full",
};

const char *suppressor_name(enum suppressor s)
{
	CHECK(s < SUPP_MAX);
	return names[s];
}

bool suppressor_on_wall(enum suppressor s)
{
	return s == SUPP_CALENDAR || s == SUPP_SILENCE || s == SUPP_BUDGET;
}

const char *outcome_name(enum outcome o)
{
	/* ORDER outcome */
	static const char *const v[] = { "none", "fired", "suppressed", "observed",
		"error" };

	CHECK((unsigned)o < G_N_ELEMENTS(v));
	return v[o];
}

struct str span_str(int64_t ms, struct arena *a)
{
	GString *s = g_string_new(NULL);
	struct str r;

	span_print(ms, s);
	r = arena_str(a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return r;
}

bool suppress_say(struct check *k, enum suppressor s, bool blocked, struct str numbers,
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

static void list_names(const struct calendar **v, uint32_t n, GString *out)
{
	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(out, "%s%.*s", i ? ", " : "", STR_ARG(v[i]->name));
}

static struct str calendar_text(const struct calendar_use *u, struct arena *a)
{
	GString *s = g_string_new(NULL);
	struct str r;

	if (u->only_n)
		g_string_append(s, "inside ");
	list_names(u->only, u->only_n, s);
	if (u->not_n)
		g_string_append(s, u->only_n ? "; outside " : "outside ");
	list_names(u->not, u->not_n, s);
	r = arena_str(a, (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
	return r;
}

static bool ask_calendar(struct ctx *c, struct check *k)
{
	const struct calendar_use *u = &c->rule->calendar;
	struct arena *a = c->d->arena;
	const struct calendar *by;
	struct str until = STR("for more than ten years");
	char text[TIME_TEXT];
	bool inside;
	int64_t end;

	if (!u->only_n && !u->not_n)
		return suppress_say(k, SUPP_CALENDAR, false, STR(""), 0);
	if (calendar_allows(u, c->wall, &by, &inside, &end))
		return suppress_say(k, SUPP_CALENDAR, false, calendar_text(u, a), 0);
	if (end != INT64_MAX)
		until = arena_printf(a, "until %s", time_print(end, text));
	return suppress_say(k, SUPP_CALENDAR, true, arena_printf(a, "%s %.*s %.*s",
	    inside ? "inside" : "outside", STR_ARG(by->name), STR_ARG(until)), end);
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
		return suppress_say(k, SUPP_DEDUPE, false,
		    arena_printf(a, "'%.*s' is new", STR_ARG(k->dedupe)), 0);
	cell = cells_get(c->d->cells, e->cell);
	end = head_used(&cell->head) + c->rule->dedupe_ms;
	if (end <= c->tick)
		return suppress_say(k, SUPP_DEDUPE, false,
		    arena_printf(a, "'%.*s' was forgotten", STR_ARG(k->dedupe)), 0);
	return suppress_say(k, SUPP_DEDUPE, true, arena_printf(a,
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
		return suppress_say(k, SUPP_COOLDOWN, false, STR(""), 0);
	if (!kc->m.emitted)
		return suppress_say(k, SUPP_COOLDOWN, false,
		    arena_printf(a, "%.*s (never)", STR_ARG(span)), 0);
	if (!left)
		return suppress_say(
		    k, SUPP_COOLDOWN, false,
		    arena_printf(a, "%.*s (last %.*s ago)", STR_ARG(span),
				 STR_ARG(span_str(c->tick - kc->m.last_emit, a))),
		    0);
	return suppress_say(k, SUPP_COOLDOWN, true, arena_printf(a, "%.*s, %.*s left",
	    STR_ARG(span), STR_ARG(span_str(left, a))), c->tick + left);
}

static bool ask_backoff(struct ctx *c, struct check *k, const struct key_cell *kc)
{
	int64_t left = kc->backoff_until - c->tick;
	struct arena *a = c->d->arena;

	if (left <= 0)
		return suppress_say(k, SUPP_BACKOFF, false, STR(""), 0);
	return suppress_say(k, SUPP_BACKOFF, true, arena_printf(a, "%.*s, %.*s left",
	    STR_ARG(span_str(kc->backoff_ms, a)), STR_ARG(span_str(left, a))),
	    kc->backoff_until);
}

static void ask_disarmed(struct ctx *c, struct check *k)
{
	struct str numbers = STR("");
	int64_t end = INT64_MAX;
	bool blocks = c->rs->detects && c->k &&
	    rearm_blocks(c->d, c->k, c->d->arena, &numbers, &end);

	suppress_say(k, SUPP_DISARMED, blocks, numbers, end);
}

static bool ask_always(struct ctx *c, struct check *k)
{
	struct arena *a = c->d->arena;

	return suppress_say(k, SUPP_DISABLED, rule_off(c->d, c->rs), STR(""),
	           INT64_MAX) ||
	    suppress_say(k, SUPP_DEPTH, c->depth > DEPTH_MAX,
		c->depth ? arena_printf(a, "%u/%d", c->depth, DEPTH_MAX) : STR(""),
		INT64_MAX);
}

/* What an emission is asked, however many events it carries. */
static void ask_last(struct ctx *c, struct check *k)
{
	static const struct key_cell none;
	const struct key_cell *kc = c->k ? key_get(c->d, c->k) : &none;

	if (ask_cooldown(c, k, kc) || ask_backoff(c, k, kc))
		return;
	ask_disarmed(c, k);
	if (!k->by)
		breaker_ask(c, k, kc);
}

void suppress_ask(struct ctx *c, struct check *k, bool force)
{
	*k = (struct check){ .end = INT64_MAX };
	if (force || ask_always(c, k))
		return;
	if (ask_calendar(c, k) || silence_ask(c, k) || ask_dedupe(c, k) ||
	    k->dedupe_error)
		return;
	ask_last(c, k);
}

void suppress_ask_event(struct ctx *c, struct check *k, bool windows)
{
	*k = (struct check){ .end = INT64_MAX };
	if (ask_always(c, k) || (windows && (ask_calendar(c, k) || silence_ask(c, k))))
		return;
	ask_dedupe(c, k);
}

void suppress_ask_batch(struct ctx *c, struct check *k)
{
	*k = (struct check){ .end = INT64_MAX };
	if (c->rule->on_suppressed == SUPPRESSED_DEFER &&
	    (ask_calendar(c, k) || silence_ask(c, k)))
		return;
	ask_last(c, k);
}
