/* Rules that hear what they cause: found when rules are checked.
 *
 * A rule's run leaves events of its own (retraind.run.*, step, model, decision) that a
 * selector may take.  Rules are nodes, "the second hears what the first causes" is an
 * edge, and a cycle is told with its rules.  At run time such a cascade is cut by its
 * depth.
 *
 * What a selector refuses by `data.pipeline == "x"`, `data.rule == "x"` or
 * `data.model == "x"` (constants on both sides) is no edge; any other condition is taken
 * for true.  What a step's outputs bring (dataset.version.created) is known at run time
 * only, and is an edge where the selector asks for source `run`. */
#include "rules/build.h"

#define OWN STR("retraind.")
#define CONJUNCTS 8
#define NODES_MAX 1000

struct node {
	const struct rule *r;
	uint32_t	 from;		/* on the path: who leads here */
	bool		 on_path, done;
};

static bool hears_own(const struct selector *s)
{
	if (s->source && s->source != CATALOG_RUN_ID)
		return false;
	if (!s->type.len || s->source == CATALOG_RUN_ID)
		return s->source || s->type_prefix;
	return str_starts(s->type, OWN) || (s->type_prefix && str_starts(OWN, s->type));
}

static bool is_data(const struct path *p, const char *name)
{
	return p->n == 2 && str_is(p->seg[0], STR("data")) &&
	    str_is(p->seg[1], str_of(name));
}

static bool refuses(const struct ruleset *rs, const struct selector *s,
    const struct rule *cause)
{
	struct expr_equal v[CONJUNCTS];
	uint32_t n = s->where ? expr_conjuncts(s->where, v, CONJUNCTS) : 0;
	struct value model;

	for (uint32_t i = 0; i < n; i++) {
		const struct path *p = &rs->plan.v[v[i].field];

		if (is_data(p, "pipeline") && !str_is(v[i].text, cause->pipeline->name))
			return true;
		if (is_data(p, "rule") && !str_is(v[i].text, cause->name))
			return true;
		if (is_data(p, "model") && !cause->model && cause->pipeline->model &&
		    expr_constant(cause->pipeline->model, &model) &&
		    model.tag == VALUE_STRING && !str_is(v[i].text, value_as_str(model)))
			return true;
	}
	return false;
}

static bool hears(const struct ruleset *rs, const struct rule *r,
    const struct rule *cause)
{
	for (uint32_t i = 0; i < r->selectors_n; i++)
		if (hears_own(&r->selectors[i]) && !refuses(rs, &r->selectors[i], cause))
			return true;
	return false;
}

static void tell(const struct node *v, uint32_t first, uint32_t last, struct diags *d)
{
	GString *path = g_string_new(NULL);
	struct diag *x;
	uint32_t n = 1;

	for (uint32_t i = last; i != first; i = v[i].from)
		n++;
	for (; n; n--) {		/* from the first on */
		uint32_t i = last;

		for (uint32_t back = 1; back < n; back++)
			i = v[i].from;
		g_string_append_printf(path, "%.*s -> ", STR_ARG(v[i].r->name));
	}
	g_string_append_len(path, v[first].r->name.p, v[first].r->name.len);
	x = diag_add(d, SEV_WARNING, v[first].r->at,
	    "rule '%.*s' may start itself again through the events of its own run: %s",
	    STR_ARG(v[first].r->name), path->str);
	diag_hint(d, x, "narrow the selector, as where: data.pipeline == \"...\"");
	g_string_free(path, true);
}

/* Depth first with a stack of its own: each node once, each cycle at its last edge. */
static void walk(const struct ruleset *rs, struct node *v, uint32_t n, uint32_t start,
    struct diags *d)
{
	uint32_t *stack = g_new(uint32_t, n), *next = g_new0(uint32_t, n), depth = 0;

	stack[depth++] = start;
	v[start].on_path = true;
	while (depth) {
		uint32_t at = stack[depth - 1], to = next[at]++;

		if (to == n) {
			v[at].on_path = false;
			v[at].done = true;
			depth--;
		} else if (!v[to].done && hears(rs, v[to].r, v[at].r)) {
			if (v[to].on_path) {
				tell(v, to, at, d);
			} else {
				v[to].from = at;
				v[to].on_path = true;
				stack[depth++] = to;
			}
		}
	}
	g_free(stack);
	g_free(next);
}

void loops_lint(const struct ruleset *rs, struct diags *d)
{
	struct node *v = g_new0(struct node, NODES_MAX);
	uint32_t n = 0;

	for (uint32_t i = 0; i < rs->rules_n && n < NODES_MAX; i++) {
		const struct rule *r = &rs->rules[i];
		bool own = false;

		for (uint32_t j = 0; j < r->selectors_n; j++)
			own |= hears_own(&r->selectors[j]);
		if (own && r->pipeline && r->mode == MODE_ACTIVE)
			v[n++].r = r;
	}
	for (uint32_t i = 0; i < n; i++)
		if (!v[i].done)
			walk(rs, v, n, i, d);
	g_free(v);
}
