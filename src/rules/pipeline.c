/* Pipelines: loading, canonical text, restoring, references.
 *
 * A pipeline of a rule file is compiled twice: once from the file, for diagnostics
 * with places, and once from its canonical text, which gives the object that is used.
 * So a pipeline that loads is one that pipeline_restore() can bring back, and nothing
 * in it borrows from the file. */
#include "rules/pipeline_read.h"

#include "base/check.h"
#include "base/zone.h"
#include "rules/keys.h"

struct pipeline *pipeline_ref(struct pipeline *p)
{
	p->refs++;
	return p;
}

void pipeline_unref(struct pipeline *p)
{
	if (!p || --p->refs > 0)
		return;
	zones_free(p->zones);
	arena_free(p->arena);
}

/* A copy of the map where `key` has this text. */
static const struct yaml *with_text(struct load *ld, const struct yaml *map,
    const char *key, struct str text)
{
	struct yaml *m = ARENA_NEW(ld->tree, struct yaml), *value, *name;
	const struct yaml *old = yaml_get(map, str_of(key));

	*m = *map;
	m->pairs = ARENA_ARRAY(ld->tree, struct yaml_pair, map->n + 1);
	memcpy(m->pairs, map->pairs, map->n * sizeof *m->pairs);
	value = ARENA_NEW(ld->tree, struct yaml);
	*value = (struct yaml){.kind = YAML_SCALAR, .quoted = true,
		.at = old ? old->at : map->at, .scalar = text};
	for (uint32_t i = 0; i < m->n; i++) {
		if (m->pairs[i].value == old) {
			m->pairs[i].value = value;
			return m;
		}
	}
	name = ARENA_NEW(ld->tree, struct yaml);
	*name = *value;
	name->scalar = str_of(key);
	m->pairs[m->n++] = (struct yaml_pair){name, value};
	return m;
}

static void read_promote(struct names *nm, const struct yaml *y, struct pipeline *p)
{
	struct promote_keys k;
	struct load *ld = nm->ld;

	if (!p->model)
		BAD(ld, y, "'promote' needs the pipeline's 'model'");
	if (y->kind != YAML_MAP) {
		BAD(ld, y, "'promote' must be a map, as {version: \"${run.id}\"}");
		return;
	}
	nm->where = "promote";
	if (!load_get(y, "version"))
		y = with_text(ld, y, "version", STR("${run.id}"));
	if (options_read(promote_options, y, &k, ld->tree, ld->diags))
		p->promotes = names_tmpl(nm, y, false, &p->promote);
}

static void read_success(struct names *nm, const struct yaml *y, struct pipeline *p)
{
	struct success_keys k;

	if (!y)
		return;
	if (y->kind != YAML_MAP) {
		BAD(nm->ld, y, "'on_success' must be a map");
		return;
	}
	options_read(success_options, y, &k, nm->ld->tree, nm->ld->diags);
	if (k.promote)
		read_promote(nm, k.promote, p);
}

static void read_plain(struct load *ld, const struct pipeline_keys *k, struct pipeline *p)
{
	p->name = load_keep(ld, k->name);
	p->description = load_keep(ld, k->description);
	p->owner = load_keep(ld, k->owner);
	p->dir = load_keep(ld, k->dir);
	p->repo = load_keep(ld, k->code.repo);
	p->ref = load_keep(ld, k->code.ref);
	p->limit = (uint32_t)k->concurrency.limit;
	p->per_key = (uint32_t)k->concurrency.per_key;
	p->on_limit = (enum on_limit)k->concurrency.on_limit;
	p->queue = (uint32_t)k->concurrency.queue;
	p->timeout_ms = k->timeout_ms;
	p->pending_ms = k->pending_ms;
	p->priority = k->priority;
}

static void read_model(struct names *nm, const struct yaml *y, struct pipeline *p)
{
	bool *read = ARENA_ARRAY(nm->ld->tree, bool, p->params_n);

	nm->params = p->params;
	nm->params_n = p->params_n;
	nm->params_read = read;
	nm->allowed = NAME_PARAMS | NAME_KEY;
	nm->where = "model";
	names_pipeline(nm);
	p->model = names_template(nm, y);
	for (uint32_t i = 0; i < p->params_n; i++)
		p->params[i].in_model = read[i];
	nm->params_read = NULL;
}

static double more(double a, double b)
{
	return a > b ? a : b;
}

void resources_check(struct load *ld, const struct yaml *map,
    const struct resource_keys *k)
{
	if (!(k->cpu >= 0 && k->cpu <= 1e6) || !(k->gpu >= 0 && k->gpu <= 1e6))
		BAD(ld, yaml_get(map, STR("resources")),
		    "'cpu' and 'gpu' must be between 0 and 1000000");
}

/* A run takes up what its pipeline says, else the most that one of its steps does. */
static void read_resources(struct load *ld, const struct yaml *map,
    const struct resource_keys *k, struct pipeline *p)
{
	struct resources *r = &p->resources;

	resources_check(ld, map, k);
	for (uint32_t i = 0; i < p->steps_n; i++) {
		const struct resources *s = &p->steps[i].resources;

		r->cpu = more(r->cpu, s->cpu);
		r->gpu = more(r->gpu, s->gpu);
		r->memory = MAX(r->memory, s->memory);
	}
	if (k->cpu > 0)
		r->cpu = k->cpu;
	if (k->gpu > 0)
		r->gpu = k->gpu;
	if (k->memory > 0)
		r->memory = k->memory;
	if (!(r->cpu > 0))
		r->cpu = 1;
}

/* Fills in a pipeline from its keys; whatever is wrong goes to the diags. */
static void pipeline_read(struct load *ld, const struct yaml *map, struct pipeline *p)
{
	struct pipeline_keys k;
	struct names nm = {.ld = ld};

	options_read(pipeline_options, map, &k, ld->tree, ld->diags);
	read_plain(ld, &k, p);
	params_read(ld, k.params, p);
	read_model(&nm, k.model, p);
	if (!p->model && !k.model)
		nm.no_model = "the pipeline has no 'model'";
	nm.allowed = NAME_PARAMS | NAME_TRIGGER | NAME_RUN | NAME_MODEL | NAME_KEY |
	    NAME_NOW;
	names_pipeline(&nm);
	env_read(&nm, k.env, &p->env);
	nm.allowed |= NAME_STEPS;
	names_pipeline(&nm);
	if (k.steps)
		steps_read(&nm, k.steps, p);
	else
		BAD(ld, map, "the pipeline has no 'steps'");
	read_resources(ld, map, &k.resources, p);
	if (k.model || !k.on_success || p->steps_n)
		read_success(&nm, k.on_success, p);
}

struct pipeline *pipeline_restore(struct str text, const struct catalog *catalog,
    struct err *err)
{
	struct arena *arena = arena_new(0), *tree = arena_new(0);
	struct pipeline *p = ARENA_NEW(arena, struct pipeline);
	struct load ld = {.keep = arena, .tree = tree, .catalog = catalog};
	struct text one;
	struct yaml *map;
	bool ok;

	*p = (struct pipeline){.refs = 1, .arena = arena, .zones = zones_new()};
	p->text = arena_str(arena, text);
	load_sha256(p->text, p->hash);
	one = (struct text){STR("pipeline"), p->text};
	ld.zones = p->zones;
	ld.diags = diags_new(&one, 1);
	map = yaml_parse(0, tree, ld.diags);
	if (map && map->kind == YAML_MAP)
		pipeline_read(&ld, map, p);
	ok = map && map->kind == YAML_MAP && diags_errors(ld.diags) == 0;
	if (!ok) {
		diags_sort(ld.diags);
		err_set(err, ERR_SYNTAX, "%.*s", diags_kept(ld.diags)
		    ? (int)diags_at(ld.diags, 0)->msg.len : 0, diags_kept(ld.diags)
		    ? diags_at(ld.diags, 0)->msg.p : "");
		pipeline_unref(p);
		p = NULL;
	}
	diags_free(ld.diags);
	arena_free(tree);
	return p;
}

/* `path` seen from `dir`, which is absolute; "." and ".." are taken out as text. */
static struct str join(struct load *ld, struct str dir, struct str path)
{
	char *whole = path.len && path.p[0] == '/'
	    ? g_strndup(path.p, path.len)
	    : g_strdup_printf("%.*s/%.*s", STR_ARG(dir), STR_ARG(path));
	char **parts = g_strsplit(whole, "/", -1);
	GString *out = g_string_new(NULL);
	struct str ret;

	for (char **p = parts; *p; p++) {
		const char *slash = strrchr(out->str, '/');

		if (strcmp(*p, "..") == 0)
			g_string_truncate(out, slash ? (gsize)(slash - out->str) : 0);
		else if (**p && strcmp(*p, ".") != 0)
			g_string_append_printf(out, "/%s", *p);
	}
	if (out->len == 0)
		g_string_append_c(out, '/');
	ret = arena_str(ld->tree, (struct str){out->str, (uint32_t)out->len});
	g_string_free(out, true);
	g_strfreev(parts);
	g_free(whole);
	return ret;
}

struct pipeline *pipeline_load(struct load *ld, const struct yaml *map, struct str name,
    struct str dir)
{
	const struct yaml *given = load_get(map, "dir");
	uint32_t before = diags_errors(ld->diags);
	struct load own = *ld;
	struct pipeline draft = {0}, *p;
	GString *json;
	struct err err = {0};

	if (!given || given->kind == YAML_SCALAR)
		map = with_text(ld, map, "dir", join(ld, dir,
		    given ? given->scalar : STR("")));
	if (name.len)
		map = with_text(ld, map, "name", name);
	own.keep = ld->tree;
	pipeline_read(&own, map, &draft);
	if (diags_errors(ld->diags) > before)
		return NULL;
	json = g_string_new(NULL);
	load_text(map, json);
	p = pipeline_restore((struct str){json->str, (uint32_t)json->len}, ld->catalog,
	    &err);
	if (!p)
		BAD(ld, map, "the pipeline can't be written down: %s", err.msg);
	g_string_free(json, true);
	return p;
}
