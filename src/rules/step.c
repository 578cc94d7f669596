/* Steps of a pipeline: reading, order, what each may read.
 *
 * Reading goes in three passes: the keys of every step, then the order that `needs`
 * gives (so that an expression can be held to the steps that have ended before it),
 * then the expressions. */
#include "rules/pipeline_read.h"

#include "rules/keys.h"

struct steps {
	struct names	*nm;
	struct load	*ld;
	const struct yaml **maps;
	struct step_keys *keys;
	struct dag_node	*dag;
	struct str	*names;
	uint32_t	 n;
};
static const char *const not_in_gates[] = {
	"command", "executor", "with", "env", "retry", "timeout", "on_failure",
};

static bool is_for_work(struct str key)
{
	for (size_t i = 0; i < G_N_ELEMENTS(not_in_gates); i++)
		if (str_is(key, str_of(not_in_gates[i])))
			return true;
	return false;
}

/* The defaults as far as they suit a gate. */
static const struct yaml *for_gates(struct load *ld, const struct yaml *defaults)
{
	struct yaml *m = ARENA_NEW(ld->tree, struct yaml);

	*m = *defaults;
	m->n = 0;
	m->pairs = ARENA_ARRAY(ld->tree, struct yaml_pair, defaults->n);
	for (uint32_t i = 0; i < defaults->n; i++)
		if (!is_for_work(defaults->pairs[i].key->scalar))
			m->pairs[m->n++] = defaults->pairs[i];
	return m;
}

const struct yaml *steps_merge(struct load *ld, const struct yaml *steps,
    const struct yaml *defaults)
{
	struct yaml *all;

	if (!steps || steps->kind != YAML_SEQ || !defaults || defaults->kind != YAML_MAP)
		return steps;
	all = ARENA_NEW(ld->tree, struct yaml);
	*all = *steps;
	all->items = ARENA_ARRAY(ld->tree, struct yaml *, steps->n);
	for (uint32_t i = 0; i < steps->n; i++) {
		const struct yaml *one = steps->items[i], *under = defaults;

		if (one->kind == YAML_MAP && load_get(one, "gate"))
			under = for_gates(ld, defaults);
		if (one->kind == YAML_MAP)
			one = load_merge(ld, under, one);
		all->items[i] = (struct yaml *)(uintptr_t)one;
	}
	return all;
}

static void read_name(struct steps *s, uint32_t i)
{
	const struct yaml *at = yaml_get(s->maps[i], STR("name"));

	s->names[i] = s->keys[i].name;
	if (!at || at->kind != YAML_SCALAR)
		return;		/* told by options_read() */
	load_name(s->ld, at, s->names[i], "step");
	for (uint32_t j = 0; j < i && s->names[i].len; j++)
		if (str_is(s->names[i], s->names[j]))
			BAD(s->ld, at, "there is a step '%.*s' already",
			    STR_ARG(s->names[i]));
}

static void read_keys(struct steps *s, const struct yaml *steps)
{
	for (uint32_t i = 0; i < steps->n; i++) {
		s->maps[i] = steps->items[i];
		if (s->maps[i]->kind != YAML_MAP) {
			BAD(s->ld, s->maps[i], "a step must be a map with a name");
			continue;
		}
		options_read(step_options, s->maps[i], &s->keys[i], s->ld->tree,
		    s->ld->diags);
		resources_check(s->ld, s->maps[i], &s->keys[i].resources);
		read_name(s, i);
	}
	s->n = steps->n;
}

static void add_need(struct steps *s, uint32_t at, const struct yaml *y)
{
	uint32_t i = 0;
	struct diag *d;

	if (y->kind != YAML_SCALAR) {
		BAD(s->ld, y, "'needs' is the name of a step or a list of names");
		return;
	}
	while (i < s->n && (!s->names[i].len || !str_is(s->names[i], y->scalar)))
		i++;
	if (i == s->n) {
		d = BAD(s->ld, y, "the pipeline has no step '%.*s'", STR_ARG(y->scalar));
		load_near(s->ld, d, y->scalar, s->names, s->n);
	} else if (i == at) {
		BAD(s->ld, y, "step '%.*s' needs itself", STR_ARG(y->scalar));
	} else {
		s->dag[at].needs[s->dag[at].needs_n++] = i;
	}
}

static void read_needs(struct steps *s)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct yaml *y = s->keys[i].needs;

		if (!y)
			continue;
		s->dag[i].needs = ARENA_ARRAY(s->ld->tree, uint32_t,
		    y->kind == YAML_SEQ ? y->n : 1);
		if (y->kind != YAML_SEQ)
			add_need(s, i, y);
		for (uint32_t j = 0; y->kind == YAML_SEQ && j < y->n; j++)
			add_need(s, i, y->items[j]);
	}
}

static bool sort(struct steps *s, uint32_t *order)
{
	uint32_t *cycle = ARENA_ARRAY(s->ld->tree, uint32_t, s->n), n = 0;
	GString *text;

	if (dag_sort(s->dag, s->n, order, cycle, &n))
		return true;
	text = g_string_new(NULL);
	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(text, "%.*s -> ", STR_ARG(s->names[cycle[i]]));
	g_string_append_printf(text, "%.*s", STR_ARG(s->names[cycle[0]]));
	BAD(s->ld, s->keys[cycle[0]].needs, "steps wait for each other: %s", text->str);
	g_string_free(text, true);
	return false;
}

static bool owned_by_daemon(struct str name)
{
	return str_starts(name, STR("RETRAIN_"));
}

/* Variables that decide which code runs: event data must not reach them. */
static bool decides_code(struct str name)
{
	return str_is(name, STR("PATH")) || str_is(name, STR("ENV")) ||
	    str_is(name, STR("BASH_ENV")) || str_starts(name, STR("LD_")) ||
	    str_starts(name, STR("PYTHON"));
}

/* What YAML reads as null would be no text any more in the canonical text. */
static bool is_text(struct load *ld, const struct yaml *y, const char *what)
{
	struct diag *d;

	if (y->kind == YAML_SCALAR && !yaml_is_null(y))
		return true;
	d = BAD(ld, y, "%s must be a text", what);
	if (y->kind == YAML_SCALAR)
		diag_hint(ld->diags, d, "quote it: this is YAML's null");
	return false;
}

void env_read(struct names *nm, const struct yaml *env, struct tmpl *ret)
{
	if (!env)
		return;
	nm->where = "env";
	if (env->kind != YAML_MAP) {
		BAD(nm->ld, env, "'env' must be a map of variables");
		return;
	}
	names_tmpl(nm, env, true, ret);
	for (uint32_t i = 0; i < ret->n; i++) {
		const struct yaml *key = env->pairs[i].key, *value = env->pairs[i].value;

		if (!load_ident(key->scalar))
			BAD(nm->ld, key,
			    "bad variable name '%.*s': expected letters, digits and '_'",
			    STR_ARG(key->scalar));
		else if (owned_by_daemon(key->scalar))
			BAD(nm->ld, key, "RETRAIN_ variables are set by the daemon");
		else if (!is_text(nm->ld, value, "the value of a variable"))
			continue;
		else if (decides_code(key->scalar) && ret->items[i].kind != TMPL_CONST)
			BAD(nm->ld, value,
			    "'%.*s' must be constant: it decides which code runs",
			    STR_ARG(key->scalar));
	}
}

static void read_command(struct names *nm, const struct yaml *y, struct step_spec *st)
{
	struct tmpl *argv = &st->argv;
	struct diag *d;

	nm->where = "command";
	if (y->kind != YAML_SEQ) {
		d = BAD(nm->ld, y,
		    "'command' must be a list: there is no shell to split it");
		diag_hint(nm->ld->diags, d, "write [sh, -c, '...'] if you want one");
		return;
	}
	if (y->n == 0 || y->n > ARGV_MAX) {
		BAD(nm->ld, y, "'command' must be a program and at most %d arguments",
		    ARGV_MAX - 1);
		return;
	}
	for (uint32_t i = 0; i < y->n; i++) {
		if (!is_text(nm->ld, y->items[i], "an argument"))
			return;
	}
	if (!names_tmpl(nm, y, true, argv))
		return;
	if (argv->items[0].kind != TMPL_CONST)
		BAD(nm->ld, y->items[0],
		    "the program must be constant: ${} may stand in arguments"
		    " only");
	else if (argv->items[0].value.tag != VALUE_STRING ||
	    argv->items[0].value.len == 0)
		BAD(nm->ld, y->items[0], "the program must be a text that is not empty");
}

static void find_executor(struct load *ld, const struct yaml *at, struct str name,
    const struct catalog_instance **ret)
{
	const struct catalog *c = ld->catalog;
	struct str *known = ARENA_ARRAY(ld->tree, struct str, c->instances_n);
	uint32_t n = 0;
	struct diag *d;

	*ret = catalog_find(c, CATALOG_EXECUTOR, name);
	if (*ret)
		return;
	for (uint32_t i = 0; i < c->instances_n; i++)
		if (c->instances[i].what == CATALOG_EXECUTOR)
			known[n++] = c->instances[i].name;
	if (c->configured) {
		d = BAD(ld, at, "no executor '%.*s' in the configuration", STR_ARG(name));
		load_near(ld, d, name, known, n);
	} else if (!str_is(name, STR("local"))) {
		WARN(ld, at, "executor '%.*s' is not checked: no configuration was given",
		    STR_ARG(name));
	}
}

static void check_with(struct load *ld, const struct catalog_instance *in,
    const struct yaml *with, const struct yaml *at)
{
	const struct option *rows = in->kind ? in->kind->with : NULL;

	if (with && !rows && in->kind) {
		BAD(ld, with, "executor '%.*s' takes no 'with'", STR_ARG(in->name));
		return;
	}
	if (with && rows)
		options_known(&rows, 1, with, ld->diags);
	for (; rows && rows->name; rows++)
		if ((rows->flags & OPT_REQUIRED) &&
		    !(with && load_get(with, rows->name)))
			BAD(ld, at, "executor '%.*s' needs '%s' in 'with'",
			    STR_ARG(in->name), rows->name);
}

static void read_work(struct names *nm, const struct yaml *map, const struct step_keys *k,
    struct step_spec *st)
{
	const struct catalog_instance *in = NULL;
	const struct yaml *at = k->executor.len ? yaml_get(map, STR("executor")) : map;
	const struct yaml *with = k->with;

	st->kind = k->command ? STEP_COMMAND : STEP_EXECUTOR;
	st->executor = k->executor.len ? load_keep(nm->ld, k->executor) : STR("local");
	find_executor(nm->ld, at, st->executor, &in);
	if (k->command)
		read_command(nm, k->command, st);
	if (with && with->kind != YAML_MAP) {
		BAD(nm->ld, with, "'with' must be a map");
		with = NULL;
	}
	if (with && !k->executor.len)
		BAD(nm->ld, load_key(map, "with"), "'with' needs 'executor'");
	else if (in && !k->command)
		check_with(nm->ld, in, with, at);
	nm->where = "with";
	if (with)
		names_tmpl(nm, with, false, &st->with);
	env_read(nm, k->env, &st->env);
}

static void read_gate(struct names *nm, const struct yaml *map, const struct step_keys *k,
    struct step_spec *st)
{
	st->kind = STEP_GATE;
	for (uint32_t i = 0; i < map->n; i++)
		if (is_for_work(map->pairs[i].key->scalar) &&
		    !yaml_is_null(map->pairs[i].value))
			BAD(nm->ld, map->pairs[i].key, "a gate has no '%.*s'",
			    STR_ARG(map->pairs[i].key->scalar));
	nm->where = "gate";
	st->gate = names_expr(nm, k->gate, EXPR_BOOL);
}

static void read_step(struct names *nm, const struct yaml *map, const struct step_keys *k,
    struct step_spec *st)
{
	st->name = load_keep(nm->ld, k->name);
	st->attempts = (uint32_t)k->retry.attempts;
	st->resources = (struct resources){ k->resources.cpu, k->resources.gpu,
		k->resources.memory };
	st->backoff_ms = k->retry.backoff_ms;
	st->backoff_max_ms = MAX(k->retry.max_ms, k->retry.backoff_ms);
	st->timeout_ms = k->timeout_ms;
	st->on_failure = (enum on_failure)k->on_failure;
	nm->where = "if";
	st->cond = names_expr(nm, k->cond, EXPR_BOOL);
	if (k->gate)
		read_gate(nm, map, k, st);
	else if (k->command || k->executor.len)
		read_work(nm, map, k, st);
	else if (!load_later(step_options, map))
		BAD(nm->ld, map,
		    "step '%.*s' has no work: expected 'command', 'executor' or 'gate'",
		    STR_ARG(k->name));
}

/* The steps in their order; `done` marks for each what has ended before it. */
static void read_sorted(struct steps *s, const uint32_t *order, struct pipeline *p)
{
	uint8_t *done = ARENA_ARRAY(s->ld->tree, uint8_t, (size_t)s->n * s->n);
	uint32_t *place = ARENA_ARRAY(s->ld->tree, uint32_t, s->n);

	p->steps = ARENA_ARRAY(s->ld->keep, struct step_spec, s->n);
	for (uint32_t i = 0; i < s->n; i++) {
		uint32_t at = order[i];
		const struct dag_node *d = &s->dag[at];
		struct step_spec *st = &p->steps[i];

		place[at] = i;
		st->needs = ARENA_ARRAY(s->ld->keep, uint32_t, d->needs_n);
		for (uint32_t j = 0; j < d->needs_n; j++) {
			st->needs[st->needs_n++] = place[d->needs[j]];
			for (uint32_t k = 0; k < s->n; k++)
				done[at * s->n + k] |= done[d->needs[j] * s->n + k];
			done[at * s->n + d->needs[j]] = 1;
		}
		s->nm->done = done + (size_t)at * s->n;
		if (s->maps[at]->kind == YAML_MAP)
			read_step(s->nm, s->maps[at], &s->keys[at], st);
	}
	s->nm->done = NULL;
	p->steps_n = s->n;
}

void steps_read(struct names *nm, const struct yaml *steps, struct pipeline *p)
{
	struct arena *a = nm->ld->tree;
	struct steps s = {.nm = nm, .ld = nm->ld};
	uint32_t *order;

	if (steps->kind != YAML_SEQ || steps->n == 0 || steps->n > STEPS_MAX) {
		BAD(nm->ld, steps, "'steps' must be a list of 1 to %d steps", STEPS_MAX);
		return;
	}
	s.maps = ARENA_ARRAY(a, const struct yaml *, steps->n);
	s.keys = ARENA_ARRAY(a, struct step_keys, steps->n);
	s.dag = ARENA_ARRAY(a, struct dag_node, steps->n);
	s.names = ARENA_ARRAY(a, struct str, steps->n);
	order = ARENA_ARRAY(a, uint32_t, steps->n);
	read_keys(&s, steps);
	nm->steps = s.names;
	nm->steps_n = s.n;
	read_needs(&s);
	if (sort(&s, order))
		read_sorted(&s, order, p);
}
