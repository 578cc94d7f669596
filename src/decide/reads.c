/* What a rule's expressions read: which variables have to be made for them, and which
 * fields of its last event are kept.
 *
 * Computed once per rule set from the compiled programs, so that an evaluation builds
 * facts only for rules that ask for them.
 */
#include "decide/priv.h"

struct reading {
	bool		 selectors;	/* variables after the known ones: not signals */
	uint32_t	 needs;
	GArray		*fields;	/* NULL: not collected */
};

static void read_prog(void *ctx, const struct prog *p)
{
	struct reading *r = ctx;
	const struct expr_ref *v;
	uint32_t n = p ? expr_inputs(p, &v) : 0;

	for (uint32_t i = 0; i < n; i++) {
		if (v[i].space == EXPR_FIELD && r->fields)
			g_array_append_val(r->fields, v[i].input);
		else if (v[i].space == EXPR_VAR && v[i].input < RVAR_SIGNALS)
			r->needs |= 1u << v[i].input;
		else if (v[i].space == EXPR_VAR && r->selectors)
			r->needs |= NEEDS_SELECTORS;
	}
}

static bool pipeline_reads_params(const struct rule *r)
{
	const struct expr_ref *v;
	struct value c;

	return !r->model && r->pipeline && r->pipeline->model &&
	    !expr_constant(r->pipeline->model, &c) &&
	    expr_inputs(r->pipeline->model, &v) > 0;
}

static int cmp_u32(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static uint32_t unique(GArray *v)
{
	uint32_t n = 0;

	g_array_sort(v, cmp_u32);
	for (guint i = 0; i < v->len; i++)
		if (!n ||
		    g_array_index(v, uint32_t, n - 1) != g_array_index(v, uint32_t, i))
			g_array_index(v, uint32_t, n++) = g_array_index(v, uint32_t, i);
	g_array_set_size(v, n);
	return n;
}

void reads_find(struct rule_state *rs)
{
	const struct rule *r = rs->rule;
	struct reading all = { .fields = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
		.selectors = r->kind == RULE_EVENT };
	struct reading where = { 0 }, params = { 0 }, sample = { 0 };

	read_prog(&all, r->when);
	read_prog(&all, r->recover);
	read_prog(&all, r->dedupe_key);
	read_prog(&all, r->model);
	if (r->params.kind)
		tmpl_each_prog(&r->params, read_prog, &all);
	for (uint32_t i = 0; i < r->reads_n; i++)
		g_array_append_val(all.fields, r->reads[i]);
	for (uint32_t i = 0; i < r->selectors_n; i++) {
		read_prog(&where, r->selectors[i].where);
		read_prog(&where, r->selectors[i].time);
	}
	for (uint32_t i = 0; i < r->signals_n; i++) {
		read_prog(&sample, r->signals[i].value);
		read_prog(&sample, r->signals[i].each);
		read_prog(&sample, r->signals[i].by);
	}
	rs->model_params = pipeline_reads_params(r);
	if (rs->model_params && r->params.kind)
		tmpl_each_prog(&r->params, read_prog, &params);
	if (where.needs & (1u << RVAR_CHAMPION | 1u << RVAR_CANDIDATE))
		where.needs |= params.needs;
	rs->sample_needs = sample.needs & ~(1u << RVAR_ITEM | 1u << RVAR_ITEM_KEY);
	rs->needs = all.needs | where.needs;
	rs->where_needs = where.needs;
	g_free(rs->reads);
	rs->reads_n = unique(all.fields);
	rs->reads = (uint32_t *)(void *)g_array_free(all.fields, FALSE);
}

void reads_merge(struct sel_state *s)
{
	GArray *v = g_array_new(FALSE, FALSE, sizeof(uint32_t));

	for (guint i = 0; i < s->rules->len; i++) {
		const struct rule_state *rs = g_ptr_array_index(s->rules, i);

		g_array_append_vals(v, rs->reads, rs->reads_n);
	}
	g_free(s->reads);
	s->reads_n = unique(v);
	s->reads = (uint32_t *)(void *)g_array_free(v, FALSE);
}
