/* The names that expressions know, and where each is found at run time.
 *
 * To add a name: a row in rule_vars or pipeline_vars, its enum value in ruleset.h or
 * pipeline.h, and who fills eval.vars (decide, flow).
 *
 * The resolver answers "not declared" only for names that nobody knows; a name that
 * exists but can't be read here, or a member it does not have, is complained about
 * from here, with a dummy reference for the compiler to go on with. */
#include "rules/names.h"

#include "base/check.h"
#include "rules/tmpl_build.h"

struct name_row {
	const char	*name;
	unsigned	 bit;
	enum expr_type	 type;
	uint32_t	 input;
	const char	*members;	/* NULL: anything */
};
#define RUN_FACT "id|state|outcome|created|finished|params"
#define MODEL_FACT "version|run|since|metrics|baseline"

static const struct name_row rule_vars[] = {
	{"event", NAME_EVENT, EXPR_DYN, UINT32_MAX, NULL},
	{"data", NAME_EVENT, EXPR_DYN, UINT32_MAX, NULL},
	{"key", NAME_KEY, EXPR_STRING, RVAR_KEY, NULL},
	{"now", NAME_NOW, EXPR_TIMESTAMP, RVAR_NOW, NULL},
	{"last_run", NAME_LAST, EXPR_DYN, RVAR_LAST_RUN, RUN_FACT},
	{"last_success", NAME_LAST, EXPR_DYN, RVAR_LAST_SUCCESS, RUN_FACT},
	{"champion", NAME_MODEL, EXPR_DYN, RVAR_CHAMPION, MODEL_FACT},
	{"candidate", NAME_MODEL, EXPR_DYN, RVAR_CANDIDATE, MODEL_FACT},
	{"vars", NAME_VARS, EXPR_DYN, RVAR_VARS, NULL},
	{"events", NAME_EVENTS, EXPR_DYN, RVAR_EVENTS, NULL},
};
static const struct name_row pipeline_vars[] = {
	{"params", NAME_PARAMS, EXPR_DYN, PVAR_PARAMS, NULL},
	{"trigger", NAME_TRIGGER, EXPR_DYN, PVAR_TRIGGER, "rule|decision|events"},
	{"steps", NAME_STEPS, EXPR_DYN, PVAR_STEPS, NULL},
	{"run", NAME_RUN, EXPR_DYN, PVAR_RUN, "id|pipeline|key|created"},
	{"champion", NAME_MODEL, EXPR_DYN, PVAR_CHAMPION, MODEL_FACT},
	{"candidate", NAME_MODEL, EXPR_DYN, PVAR_CANDIDATE, MODEL_FACT},
	{"key", NAME_KEY, EXPR_STRING, PVAR_KEY, NULL},
	{"now", NAME_NOW, EXPR_TIMESTAMP, PVAR_NOW, NULL},
};
#define AGGREGATES "count|sum|avg|min|max|last|age"
#define LATER_AGGREGATES "stddev|first|rate|delta|distinct|quantile|ratio|list|drift|" \
	"stat|limit|n|over"
#define STEP_FACT "state|outputs|metrics"

static bool word_in(struct str word, const char *words)
{
	for (const char *p = words, *end; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, '|');
		if (str_is(word, (struct str){p, (uint32_t)(end - p)}))
			return true;
	}
	return false;
}

static void near_in(struct names *nm, struct diag *d, struct str word, const char *words)
{
	struct str v[16];
	uint32_t n = 0;

	for (const char *p = words, *end; *p && n < 16; p = *end ? end + 1 : end) {
		end = strchrnul(p, '|');
		v[n++] = (struct str){p, (uint32_t)(end - p)};
	}
	load_near(nm->ld, d, word, v, n);
}

static bool ident_byte(char c)
{
	return g_ascii_isalnum(c) || c == '_';
}

/* Where `path` stands in the scalar that is being compiled. */
static struct span path_at(struct names *nm, const struct str *path, uint32_t n)
{
	GString *text = g_string_new(NULL);
	struct str s = nm->node->scalar;
	struct span at = nm->node->at;

	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(text, "%s%.*s", i ? "." : "", STR_ARG(path[i]));
	for (uint32_t i = 0; text->len <= s.len && i <= s.len - text->len; i++) {
		uint32_t end = i + (uint32_t)text->len;

		if (memcmp(s.p + i, text->str, text->len) != 0 ||
		    (i && (ident_byte(s.p[i - 1]) || s.p[i - 1] == '.')) ||
		    (end < s.len && ident_byte(s.p[end])))
			continue;
		at = yaml_sub(nm->node, nm->ld->diags, i, (uint32_t)text->len);
		break;
	}
	g_string_free(text, true);
	return at;
}

/* An error at `path`, unless the same place was complained about just before. */
static struct diag *tell(struct names *nm, const struct str *path, uint32_t n,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
static struct diag *tell(struct names *nm, const struct str *path, uint32_t n,
    const char *fmt, ...)
{
	struct span at = path_at(nm, path, n);
	struct diag *d = NULL;
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	g_vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	if (nm->told != at.off + 1)
		d = diag_add(nm->ld->diags, SEV_ERROR, at, "%s", msg);
	nm->told = at.off + 1;
	return d;
}

static void check_member(struct names *nm, const struct name_row *row,
    const struct str *path, uint32_t n)
{
	struct diag *d;

	if (n < 2 || !row->members || word_in(path[1], row->members))
		return;
	d = tell(nm, path, 2, "'%s' has no member '%.*s'", row->name, STR_ARG(path[1]));
	near_in(nm, d, path[1], row->members);
}

static void check_vars(struct names *nm, const struct str *path, uint32_t n)
{
	const struct value_map *m = nm->vars.tag == VALUE_MAP ? nm->vars.map : NULL;
	struct str known[64];
	uint32_t known_n = 0;
	struct diag *d;

	if (n < 2)
		return;
	for (uint32_t i = 0; m && i < m->n; i++) {
		if (str_is(value_as_str(m->keys[i]), path[1]))
			return;
		if (known_n < G_N_ELEMENTS(known))
			known[known_n++] = value_as_str(m->keys[i]);
	}
	d = tell(nm, path, 2, "this file's vars have no '%.*s'", STR_ARG(path[1]));
	load_near(nm->ld, d, path[1], known, known_n);
}

static void check_params(struct names *nm, const struct str *path, uint32_t n)
{
	struct str known[64];
	uint32_t known_n = 0;
	struct diag *d;

	for (uint32_t i = 0; i < nm->params_n; i++) {
		bool hit = n < 2 || str_is(nm->params[i].name, path[1]);

		if (hit && nm->params_read)
			nm->params_read[i] = true;
		if (hit && n >= 2)
			return;
		if (known_n < G_N_ELEMENTS(known))
			known[known_n++] = nm->params[i].name;
	}
	if (n < 2)
		return;
	d = tell(nm, path, 2, "the pipeline has no parameter '%.*s'", STR_ARG(path[1]));
	load_near(nm->ld, d, path[1], known, known_n);
}

static void check_step(struct names *nm, const struct str *path, uint32_t n)
{
	uint32_t i = 0;
	struct diag *d;

	if (n < 2) {
		tell(nm, path, n, "steps are read one by one, as steps.NAME.outputs");
		return;
	}
	while (i < nm->steps_n && !str_is(nm->steps[i], path[1]))
		i++;
	if (i == nm->steps_n) {
		d = tell(nm, path, 2, "the pipeline has no step '%.*s'", STR_ARG(path[1]));
		load_near(nm->ld, d, path[1], nm->steps, nm->steps_n);
	} else if (nm->done && !nm->done[i]) {
		d = tell(nm, path, 2, "step '%.*s' need not have ended here", STR_ARG(path[1]));
		if (d)
			diag_hint(nm->ld->diags, d, "add '%.*s' to needs", STR_ARG(path[1]));
	} else if (n >= 3 && str_is(path[2], STR("items"))) {
		tell(nm, path, 3, "'items' is not available in this version");
	} else if (n >= 3 && !word_in(path[2], STEP_FACT)) {
		d = tell(nm, path, 3, "a step has no member '%.*s'", STR_ARG(path[2]));
		near_in(nm, d, path[2], STEP_FACT);
	}
}

/* `name.method(` in the scalar: the method's name; calls are no part of a path. */
static struct str method_of(struct names *nm, struct str name)
{
	struct str s = nm->node->scalar;

	for (uint32_t i = 0; i + name.len < s.len; i++) {
		uint32_t a = i + name.len + 1, b = a;

		if (memcmp(s.p + i, name.p, name.len) != 0 || s.p[a - 1] != '.' ||
		    (i && (ident_byte(s.p[i - 1]) || s.p[i - 1] == '.')))
			continue;
		while (b < s.len && ident_byte(s.p[b]))
			b++;
		if (b < s.len && b > a && s.p[b] == '(')
			return (struct str){s.p + a, b - a};
	}
	return (struct str){NULL, 0};
}

static void check_signal(struct names *nm, struct rule_signal *sig, const struct str *path,
    uint32_t n)
{
	struct str what = n >= 2 ? path[1] : method_of(nm, path[0]);
	struct str two[2] = {path[0], what};
	uint32_t bit = signal_aggregate_bit(what);
	struct diag *d;

	if (n >= 2 && bit) {
		sig->spec.aggregates |= bit;
	} else if (what.len && word_in(what, LATER_AGGREGATES)) {
		tell(nm, two, 2, "'%.*s' is not available in this version", STR_ARG(what));
	} else if (what.len) {
		d = tell(nm, two, 2, "a signal has no '%.*s': expected count, sum, avg, min, max,"
		    " last or age", STR_ARG(what));
		near_in(nm, d, what, AGGREGATES);
	} else {
		tell(nm, path, 1, "signal '%.*s' is no number: read one of count, sum, avg, min,"
		    " max, last and age, as '%.*s.avg'", STR_ARG(path[0]), STR_ARG(path[0]));
	}
}

/* event.x and data.x.y become slots; event.data.x is data.x. */
static bool resolve_event(struct names *nm, const struct str *path, uint32_t n,
    struct expr_ref *ret)
{
	bool event = str_is(path[0], STR("event"));
	uint32_t skip = event && n >= 2 && str_is(path[1], STR("data")) ? 1 : 0;
	uint32_t used = event && !skip ? MIN(n, 2) : MIN(n, PLAN_SEGMENTS_MAX + skip);
	uint32_t slot = 0;

	nm->seen |= NAME_EVENT;
	if (event && n < 2)
		tell(nm, path, 1, "'event' has no value of its own: read a member, as"
		    " event.subject");
	else
		slot = plan_add(nm->plan, path + skip, used - skip);
	if (slot == UINT32_MAX) {
		tell(nm, path, n, "too many different members of events are read, at most %d",
		    PLAN_PATHS_MAX);
		slot = 0;
	}
	*ret = (struct expr_ref){EXPR_FIELD, slot, used};
	return true;
}

static const struct name_row *row_of(const struct name_row *rows, uint32_t n, struct str name)
{
	for (uint32_t i = 0; i < n; i++)
		if (str_is(str_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

/* A known name: notes that it is read, complains where it can't be. */
static void resolve_row(struct names *nm, const struct name_row *row, const struct str *path,
    uint32_t n, struct expr_ref *ret)
{
	*ret = (struct expr_ref){EXPR_VAR, row->input, 1};
	nm->seen |= row->bit;
	if (!(nm->allowed & row->bit))
		tell(nm, path, 1, "'%s' can't be read in '%s'", row->name, nm->where);
	else if (row->bit == NAME_MODEL && nm->no_model)
		tell(nm, path, 1, "'%s' can't be known here: %s", row->name, nm->no_model);
	else if (row->bit == NAME_VARS)
		check_vars(nm, path, n);
	else if (row->bit == NAME_PARAMS)
		check_params(nm, path, n);
	else if (row->bit == NAME_STEPS)
		check_step(nm, path, n);
	else
		check_member(nm, row, path, n);
}

static bool resolve_rule(void *ctx, const struct str *path, uint32_t n, struct expr_ref *ret)
{
	struct names *nm = ctx;
	const struct name_row *row = row_of(rule_vars, G_N_ELEMENTS(rule_vars), path[0]);

	for (uint32_t i = 0; i < nm->signals_n; i++) {
		if (!str_is(nm->signals[i].spec.name, path[0]))
			continue;
		*ret = (struct expr_ref){EXPR_VAR, RVAR_SIGNALS + i, 1};
		nm->seen |= NAME_SIGNALS;
		if (nm->allowed & NAME_SIGNALS)
			check_signal(nm, &nm->signals[i], path, n);
		else
			tell(nm, path, 1, "signal '%.*s' can't be read in '%s'",
			    STR_ARG(path[0]), nm->where);
		return true;
	}
	if (!row)
		return false;
	if (row->bit == NAME_EVENT && (nm->allowed & NAME_EVENT))
		return resolve_event(nm, path, n, ret);
	resolve_row(nm, row, path, n, ret);
	return true;
}

static bool resolve_pipeline(void *ctx, const struct str *path, uint32_t n,
    struct expr_ref *ret)
{
	struct names *nm = ctx;
	const struct name_row *row = row_of(pipeline_vars, G_N_ELEMENTS(pipeline_vars), path[0]);

	if (row)
		resolve_row(nm, row, path, n, ret);
	else if (row_of(rule_vars, G_N_ELEMENTS(rule_vars), path[0]))
		tell(nm, path, 1, "'%.*s' is known to rules only: pass it to the pipeline as a"
		    " parameter", STR_ARG(path[0]));
	else
		return false;
	if (!row)
		*ret = (struct expr_ref){EXPR_VAR, 0, 1};
	return true;
}

static void names_add(struct names *nm, struct str word, enum expr_type type)
{
	CHECK(nm->env.names_n < NAMES_MAX);
	nm->words[nm->env.names_n] = word;
	nm->types[nm->env.names_n++] = type;
}

static void names_init(struct names *nm, expr_resolve_f resolve, const struct name_row *rows,
    uint32_t n)
{
	nm->env = (struct expr_env){
		.resolve = resolve, .ctx = nm, .names = nm->words, .types = nm->types,
		.zones = nm->ld->zones,
	};
	for (uint32_t i = 0; i < n; i++)
		if (nm->allowed & rows[i].bit)
			names_add(nm, str_of(rows[i].name), rows[i].type);
	for (uint32_t i = 0; (nm->allowed & NAME_SIGNALS) && i < nm->signals_n; i++)
		names_add(nm, nm->signals[i].spec.name, EXPR_DYN);
	nm->told = 0;
}

void names_rule(struct names *nm)
{
	names_init(nm, resolve_rule, rule_vars, G_N_ELEMENTS(rule_vars));
}

void names_pipeline(struct names *nm)
{
	names_init(nm, resolve_pipeline, pipeline_vars, G_N_ELEMENTS(pipeline_vars));
}

bool names_reserved(struct str name)
{
	return row_of(rule_vars, G_N_ELEMENTS(rule_vars), name) != NULL ||
	    str_is(name, STR("params")) || word_in(name, "true|false|null|in|as|break|const|"
	    "continue|else|for|function|if|import|let|loop|package|namespace|return|var|void|"
	    "while|cel|math|strings|sets|optional");
}

const struct prog *names_expr(struct names *nm, const struct yaml *node, enum expr_type want)
{
	struct expr_source src = {0};

	if (!node || !trap_check(nm->ld, node, nm->where))
		return NULL;
	nm->node = node;
	nm->told = 0;
	src = (struct expr_source){
		.text = load_keep(nm->ld, node->scalar), .node = node, .at = node->at,
	};
	return expr_compile(&nm->env, &src, want, nm->ld->keep, nm->ld->diags);
}

const struct prog *names_template(struct names *nm, const struct yaml *node)
{
	struct expr_source src;

	if (!node)
		return NULL;
	if (node->kind != YAML_SCALAR || node->scalar.len == 0) {
		BAD(nm->ld, node, "'%s' is a text that may hold ${expressions}", nm->where);
		return NULL;
	}
	nm->node = node;
	nm->told = 0;
	src = (struct expr_source){
		.text = load_keep(nm->ld, node->scalar), .node = node, .at = node->at,
	};
	return expr_compile_template(&nm->env, &src, nm->ld->keep, nm->ld->diags);
}

static void on_scalar(void *ctx, const struct yaml *node)
{
	struct names *nm = ctx;

	nm->node = node;
	nm->told = 0;
}

bool names_tmpl(struct names *nm, const struct yaml *node, bool text, struct tmpl *ret)
{
	struct tmpl_build b = {
		.env = &nm->env, .text = text, .on_scalar = on_scalar, .ctx = nm,
		.arena = nm->ld->keep, .diags = nm->ld->diags,
	};

	return tmpl_build(&b, node, ret);
}
