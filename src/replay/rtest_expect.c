/* What a rule test expects, held against what came: a listed `decisions` is complete and
 * in order, and its failure shows both sides as a diff. */
#include "base/json.h"
#include "base/time.h"
#include "replay/replay.h"
#include "replay/rtest_priv.h"

#define KEYS_MAX 100000

static bool contains(struct str text, struct str part)
{
	return part.len == 0 || (text.len >= part.len &&
	    memmem(text.p, text.len, part.p, part.len));
}

/* ---- one decision ---- */

static bool params_match(struct rtest_state *st, const struct yaml *want, struct str got)
{
	struct value have = value_from_json(got, st->a);
	bool ok = got.len && have.tag == VALUE_MAP;

	for (uint32_t i = 0; ok && i < want->n; i++) {
		GString *j = g_string_new(NULL);
		struct value v;

		yaml_to_json(want->pairs[i].value, j);
		v = value_from_json(arena_str(st->a, (struct str){ j->str,
		    (uint32_t)j->len }), st->a);
		ok = value_equal(v, value_member(have, want->pairs[i].key->scalar,
		    st->a));
		g_string_free(j, TRUE);
	}
	return ok;
}

static bool matches(struct rtest_state *st, const struct rdecision_want *w,
    const struct rgot *g)
{
	bool ok = (!w->rule.len || str_is(w->rule, g->rule)) &&
	    (!w->has_key || str_is(w->key, g->key)) &&
	    (!w->outcome || w->outcome == (int64_t)g->outcome) &&
	    (!w->by.len || str_is(w->by, str_of(g->by ? suppressor_name(g->by) : ""))) &&
	    (w->from_ms == TIME_NONE || g->at_ms >= w->from_ms) &&
	    (w->to_ms == TIME_NONE || g->at_ms <= w->to_ms) &&
	    (!w->event.len || str_is(w->event, g->event)) &&
	    (!w->count || w->count == g->count);

	for (uint32_t i = 0; ok && i < w->contains.n; i++)
		ok = contains(g->reason, w->contains.v[i]);
	return ok && (!w->params || params_match(st, w->params, g->params));
}

static void put_offset(const struct rtest_state *st, int64_t ms, GString *out)
{
	int64_t d = ms - st->t->start_ms;

	if (d >= 0)
		g_string_append_c(out, '+');
	duration_print(d, out);
}

static void put_got(const struct rtest_state *st, const struct rgot *g, GString *out)
{
	put_offset(st, g->at_ms, out);
	g_string_append_printf(out, " %.*s", STR_ARG(g->rule));
	if (g->key.len)
		g_string_append_printf(out, " key=%.*s", STR_ARG(g->key));
	g_string_append_printf(out, " %s", outcome_name(g->outcome));
	if (g->by)
		g_string_append_printf(out, " by %s", suppressor_name(g->by));
	if (g->count > 1)
		g_string_append_printf(out, " x%u", g->count);
	if (g->run.len)
		g_string_append_printf(out, " run=%.*s", STR_ARG(g->run));
	if (g->params.len)
		g_string_append_printf(out, " params=%.*s", STR_ARG(g->params));
	if (g->reason.len)
		g_string_append_printf(out, " (%.*s)", STR_ARG(g->reason));
}

static void put_want(const struct rtest_state *st, const struct rdecision_want *w,
    GString *out)
{
	if (w->from_ms == TIME_NONE)
		g_string_append(out, "any time");
	else
		put_offset(st, w->from_ms, out);
	if (w->to_ms != w->from_ms)
		g_string_append(out, ".."), put_offset(st, w->to_ms, out);
	g_string_append_printf(out, " %.*s", STR_ARG(w->rule.len ? w->rule :
	    STR("any rule")));
	if (w->has_key)
		g_string_append_printf(out, " key=%.*s", STR_ARG(w->key));
	if (w->outcome)
		g_string_append_printf(out, " %s",
		    outcome_name((enum outcome)w->outcome));
	if (w->by.len)
		g_string_append_printf(out, " by %.*s", STR_ARG(w->by));
	if (w->count)
		g_string_append_printf(out, " x%" G_GINT64_FORMAT, w->count);
	if (w->event.len)
		g_string_append_printf(out, " event=%.*s", STR_ARG(w->event));
	if (w->params) {
		GString *j = g_string_new(NULL);

		yaml_to_json(w->params, j);
		g_string_append_printf(out, " params=%s", j->str);
		g_string_free(j, TRUE);
	}
	for (uint32_t i = 0; i < w->contains.n; i++)
		g_string_append_printf(out, " (..%.*s..)", STR_ARG(w->contains.v[i]));
}

/* ---- the whole list ---- */

/* Longest common subsequence, so that one missing line does not make every later one
 * a difference: len[i * (n + 1) + j] is of the rest from (i, j). */
static uint32_t *common(struct rtest_state *st, const struct rexpect *e,
    struct rgot *const *got, uint32_t n)
{
	uint32_t m = e->want_n, w = n + 1;
	uint32_t *len = g_new0(uint32_t, (size_t)(m + 1) * w);

	for (uint32_t i = m; i-- > 0;)
		for (uint32_t j = n; j-- > 0;)
			len[i * w + j] = matches(st, &e->want[i], got[j]) ?
			    len[(i + 1) * w + j + 1] + 1 :
			    MAX(len[(i + 1) * w + j], len[i * w + j + 1]);
	return len;
}

static void diff(struct rtest_state *st, const struct rexpect *e,
    struct rgot *const *got, uint32_t n, const uint32_t *len)
{
	GString *out = st->out->text;
	uint32_t i = 0, j = 0, w = n + 1;

	while (i < e->want_n || j < n) {
		bool both = i < e->want_n && j < n && matches(st, &e->want[i], got[j]);
		bool want = i < e->want_n && (j == n ||
		    len[(i + 1) * w + j] >= len[i * w + j + 1]);

		if (both && !st->h->whole) {
			i++, j++;
			continue;
		}
		g_string_append(out, both ? "      " : want ? "    - " : "    + ");
		if (both || !want)
			put_got(st, got[j], out);
		else
			put_want(st, &e->want[i], out);
		g_string_append_c(out, '\n');
		i += both || want;
		j += both || !want;
	}
}

#define DIFF_CELLS (4u << 20)

static void expect_decisions(struct rtest_state *st, const struct rstep *s)
{
	const struct rexpect *e = &s->expect;
	GPtrArray *of = g_ptr_array_new();
	uint32_t n;

	for (guint i = 0; i < st->got->len; i++) {
		struct rgot *g = st->got->pdata[i];

		if (g->taken || (e->rule.len && !str_is(e->rule, g->rule)) ||
		    (e->has_key && !str_is(e->key, g->key)))
			continue;
		g->taken = true;
		g_ptr_array_add(of, g);
	}
	n = of->len;
	if ((uint64_t)(n + 1) * (e->want_n + 1) > DIFF_CELLS) {
		rtest_fail(st, e->decisions, "expected %u decisions, got %u: too many to"
		    " compare", e->want_n, n);
	} else {
		struct rgot **got = (struct rgot **)(void *)of->pdata;
		uint32_t *len = common(st, e, got, n);

		if (len[0] != n || n != e->want_n) {
			rtest_fail(st, e->decisions, "decisions differ: expected %u (-),"
			    " got %u (+)", e->want_n, n);
			diff(st, e, got, n, len);
		}
		g_free(len);
	}
	g_ptr_array_free(of, TRUE);
}

/* ---- state, explain, champion ---- */

static struct str state_of(struct rtest_state *st, const struct rule *r, struct str key)
{
	GString *j = g_string_new(NULL);
	struct str state = STR("inactive");
	struct value v;

	decide_keys_json(world_decide(sim_world(st->s)), r, KEYS_MAX, st->a,
	    sim_wall(st->s), sim_tick(st->s), j);
	v = value_from_json(arena_str(st->a, (struct str){ j->str, (uint32_t)j->len }),
	    st->a);
	g_string_free(j, TRUE);
	for (uint32_t i = 0; v.tag == VALUE_LIST && i < v.list->n; i++) {
		struct value k = value_member(v.list->v[i], STR("key"), st->a);
		struct value s = value_member(v.list->v[i], STR("state"), st->a);

		if (k.tag == VALUE_STRING && str_is(value_as_str(k), key) &&
		    s.tag == VALUE_STRING)
			state = value_as_str(s);
	}
	return state;
}

static void no_rule(struct rtest_state *st, const struct yaml *at, struct str name)
{
	const struct ruleset *rs = st->h->rules;
	struct str *names = ARENA_ARRAY(st->a, struct str, rs->rules_n);
	struct str near;

	for (uint32_t i = 0; i < rs->rules_n; i++)
		names[i] = rs->rules[i].name;
	near = nearest_word(name, names, rs->rules_n);
	rtest_fail(st, at, near.len ? "no rule '%.*s' (did you mean '%.*s'?)" :
	    "no rule '%.*s'%.*s", STR_ARG(name), STR_ARG(near));
}

static void expect_state(struct rtest_state *st, const struct rstep *s)
{
	const struct rexpect *e = &s->expect;
	const struct rule *r = ruleset_rule(st->h->rules, e->rule);
	struct str got;

	if (!r)
		return;		/* said already */
	got = state_of(st, r, e->key);
	if (!str_is(got, e->state))
		rtest_fail(st, s->at, "%.*s%s%.*s: expected state %.*s, got %.*s",
		    STR_ARG(e->rule), e->key.len ? " key=" : "", STR_ARG(e->key),
		    STR_ARG(e->state), STR_ARG(got));
}

static void indent(GString *out, const char *text)
{
	for (const char *p = text; *p;) {
		size_t n = strcspn(p, "\n");

		g_string_append_printf(out, "      %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

static void expect_explain(struct rtest_state *st, const struct rexplain *x)
{
	GString *json = g_string_new(NULL), *text = g_string_new(NULL);
	struct err err = { 0 };
	bool ok = sim_explain(st->s, x->rule, x->key, json, &err) &&
	    replay_explain_text((struct str){ json->str, (uint32_t)json->len }, text,
	    &err);

	if (!ok)
		rtest_fail(st, x->at, "%s", err.msg);
	for (uint32_t i = 0; ok && i < x->contains.n; i++) {
		struct str part = x->contains.v[i];

		if (contains((struct str){ text->str, (uint32_t)text->len }, part))
			continue;
		rtest_fail(st, x->at, "explain does not contain \"%.*s\":",
		    STR_ARG(part));
		indent(st->out->text, text->str);
	}
	g_string_free(json, TRUE);
	g_string_free(text, TRUE);
}

static void expect_champions(struct rtest_state *st, const struct yaml *y)
{
	const struct facts *facts =
	    decide_facts(world_decide_mut(sim_world(st->s)));

	for (uint32_t i = 0; i < y->n; i++) {
		struct str model = y->pairs[i].key->scalar;
		struct str want = y->pairs[i].value->scalar;
		struct str got = facts_champion(facts, model).version;

		if (!str_is(want, got))
			rtest_fail(st, y->pairs[i].key, "champion of '%.*s': expected"
			    " '%.*s', got '%.*s'", STR_ARG(model), STR_ARG(want),
			    STR_ARG(got));
	}
}

/* A rule that is not there would match nothing, silently. */
static void check_names(struct rtest_state *st, const struct rstep *s)
{
	const struct rexpect *e = &s->expect;

	if (e->rule.len && !ruleset_rule(st->h->rules, e->rule))
		no_rule(st, s->at, e->rule);
	for (uint32_t i = 0; i < e->want_n; i++)
		if (e->want[i].rule.len &&
		    !ruleset_rule(st->h->rules, e->want[i].rule))
			no_rule(st, e->want[i].at, e->want[i].rule);
}

void rtest_expect(struct rtest_state *st, const struct rstep *s)
{
	const struct rexpect *e = &s->expect;

	check_names(st, s);
	if (e->decisions)
		expect_decisions(st, s);
	if (e->state.len)
		expect_state(st, s);
	for (uint32_t i = 0; i < e->explains_n; i++)
		expect_explain(st, &e->explains[i]);
	if (e->champion)
		expect_champions(st, e->champion);
}
