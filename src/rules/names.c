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
#include "rules/names_check.h"

#define RUN_FACT "id|state|outcome|created|finished|params"
#define TRIGGER "rule|decision|events|time|actor"
#define MODEL_FACT "version|run|since|metrics|baseline"

/* Keywords, and the names that CEL's own functions begin with. */
#define CEL_WORDS "true|false|null|in|as|break|const|continue|else|for|function|if|" \
	"import|let|loop|package|namespace|return|var|void|while|cel|math|strings|sets|" \
	"optional"

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
	{"item", NAME_ITEM, EXPR_DYN, RVAR_ITEM, NULL},
	{"item_key", NAME_ITEM, EXPR_DYN, RVAR_ITEM_KEY, NULL},
};
static const struct name_row pipeline_vars[] = {
	{"params", NAME_PARAMS, EXPR_DYN, PVAR_PARAMS, NULL},
	{"trigger", NAME_TRIGGER, EXPR_DYN, PVAR_TRIGGER, TRIGGER},
	{"steps", NAME_STEPS, EXPR_DYN, PVAR_STEPS, NULL},
	{"run", NAME_RUN, EXPR_DYN, PVAR_RUN, "id|pipeline|key|created"},
	{"champion", NAME_MODEL, EXPR_DYN, PVAR_CHAMPION, MODEL_FACT},
	{"candidate", NAME_MODEL, EXPR_DYN, PVAR_CANDIDATE, MODEL_FACT},
	{"key", NAME_KEY, EXPR_STRING, PVAR_KEY, NULL},
	{"now", NAME_NOW, EXPR_TIMESTAMP, PVAR_NOW, NULL},
};
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
		names_tell(nm, path, 1,
		    "'event' has no value of its own: read a member, as"
		    " event.subject");
	else
		slot = plan_add(nm->plan, path + skip, used - skip);
	if (slot == UINT32_MAX) {
		names_tell(nm, path, n,
		    "too many different members of events are read, at most %d",
		    PLAN_PATHS_MAX);
		slot = 0;
	}
	*ret = (struct expr_ref){EXPR_FIELD, slot, used};
	return true;
}

/* A member of an event that is kept: it has to be kept with it. */
static void keep_path(struct names *nm, const struct str *path, uint32_t n)
{
	uint32_t slot = plan_add(nm->plan, path, MIN(n, PLAN_SEGMENTS_MAX));

	if (slot != UINT32_MAX)
		g_array_append_val(nm->kept, slot);
	else
		names_tell(nm, path, n,
		    "too many different members of events are read, at most %d",
		    PLAN_PATHS_MAX);
}

static void resolve_selector(struct names *nm, uint32_t i, const struct str *path,
    uint32_t n, struct expr_ref *ret)
{
	struct str data = STR("data");

	*ret = (struct expr_ref){EXPR_VAR, RVAR_SIGNALS + i, 1};
	nm->seen |= NAME_SELECTORS;
	if (!(nm->allowed & NAME_SELECTORS))
		names_tell(nm, path, 1, "selector '%.*s' can't be read in '%s'",
		    STR_ARG(path[0]), nm->where);
	else if (n < 2)
		keep_path(nm, &data, 1);
	else if (str_is(path[1], data))
		keep_path(nm, path + 1, n - 1);
	else
		check_event(nm, path, n);
}

static const struct name_row *row_of(const struct name_row *rows, uint32_t n,
    struct str name)
{
	for (uint32_t i = 0; i < n; i++)
		if (str_is(str_of(rows[i].name), name))
			return &rows[i];
	return NULL;
}

/* A known name: notes that it is read, complains where it can't be. */
static void resolve_row(struct names *nm, const struct name_row *row,
    const struct str *path, uint32_t n, struct expr_ref *ret)
{
	*ret = (struct expr_ref){EXPR_VAR, row->bit == NAME_EVENT ? 0 : row->input, 1};
	nm->seen |= row->bit;
	if (row->bit == NAME_EVENT && nm->several && !(nm->allowed & NAME_EVENT))
		names_tell(nm, path, 1,
		    "a signal rule with several selectors reads its signals only, not"
		    " '%s'", row->name);
	else if (!(nm->allowed & row->bit) && row->bit == NAME_ITEM)
		names_tell(nm, path, 1,
		    "'%s' is known in 'value' and 'by' of a signal with 'each' only",
		    row->name);
	else if (!(nm->allowed & row->bit))
		names_tell(nm, path, 1, "'%s' can't be read in '%s'", row->name,
		    nm->where);
	else if (row->bit == NAME_MODEL && nm->no_model)
		names_tell(nm, path, 1, "'%s' can't be known here: %s", row->name,
		    nm->no_model);
	else if (row->bit == NAME_VARS)
		check_vars(nm, path, n);
	else if (row->bit == NAME_PARAMS)
		check_params(nm, path, n);
	else if (row->bit == NAME_STEPS)
		check_step(nm, path, n);
	else
		check_member(nm, row, path, n);
}

static bool resolve_rule(void *ctx, const struct str *path, uint32_t n,
    struct expr_ref *ret)
{
	struct names *nm = ctx;
	const struct name_row *row = row_of(rule_vars, G_N_ELEMENTS(rule_vars), path[0]);

	for (uint32_t i = 0; !row && i < nm->signals_n; i++) {
		if (!str_is(nm->signals[i].spec.name, path[0]))
			continue;
		*ret = (struct expr_ref){EXPR_VAR, RVAR_SIGNALS + i, 1};
		nm->seen |= NAME_SIGNALS;
		if (nm->allowed & NAME_SIGNALS)
			check_signal(nm, &nm->signals[i], path, n);
		else
			names_tell(nm, path, 1, "signal '%.*s' can't be read in '%s'",
			    STR_ARG(path[0]), nm->where);
		return true;
	}
	for (uint32_t i = 0; !row && i < nm->selectors_n; i++) {
		if (!str_is(nm->selectors[i].name, path[0]))
			continue;
		resolve_selector(nm, i, path, n, ret);
		return true;
	}
	if (!row)
		return false;
	if (row->bit == NAME_EVENTS && nm->keeps && (nm->allowed & NAME_EVENTS))
		keep_path(nm, (struct str[]){STR("data")}, 1);
	if (row->bit == NAME_EVENT && (nm->allowed & NAME_EVENT))
		return resolve_event(nm, path, n, ret);
	resolve_row(nm, row, path, n, ret);
	return true;
}

static bool resolve_pipeline(void *ctx, const struct str *path, uint32_t n,
    struct expr_ref *ret)
{
	struct names *nm = ctx;
	const struct name_row *row = row_of(pipeline_vars, G_N_ELEMENTS(pipeline_vars),
	    path[0]);

	if (row)
		resolve_row(nm, row, path, n, ret);
	else if (row_of(rule_vars, G_N_ELEMENTS(rule_vars), path[0]))
		names_tell(nm, path, 1,
		    "'%.*s' is known to rules only: pass it to the pipeline as a"
		    " parameter",
		    STR_ARG(path[0]));
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

/* What can be called on a signal. */
static const struct str methods[] = {{"quantile", 8}};

static void names_init(struct names *nm, expr_resolve_f resolve,
    const struct name_row *rows, uint32_t n)
{
	nm->env = (struct expr_env){
		.resolve = resolve, .ctx = nm, .names = nm->words, .types = nm->types,
		.zones = nm->ld->zones,
	};
	for (uint32_t i = 0; i < n; i++)
		if (nm->allowed & rows[i].bit)
			names_add(nm, str_of(rows[i].name), rows[i].type);
	if (nm->allowed & NAME_SIGNALS && nm->signals_n) {
		nm->env.methods = methods;
		nm->env.methods_n = G_N_ELEMENTS(methods);
	}
	for (uint32_t i = 0; (nm->allowed & NAME_SIGNALS) && i < nm->signals_n; i++)
		names_add(nm, nm->signals[i].spec.name, EXPR_DYN);
	for (uint32_t i = 0; (nm->allowed & NAME_SELECTORS) && i < nm->selectors_n; i++)
		if (nm->selectors[i].name.len)
			names_add(nm, nm->selectors[i].name, EXPR_DYN);
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
	    str_is(name, STR("params")) || names_in(name, CEL_WORDS);
}
