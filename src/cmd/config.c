/* Reading the configuration file.
 *
 * To add an option: a row in the floor's table (sources, executors) or in config_rows
 * here, and a member in struct config.  The shipped file, the reference page and the
 * JSON schema come from the same rows. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/zone.h"
#include "cmd/config.h"
#include "event/event.h"
#include "source/options.h"

#define ROW(name, type, flags, fallback, min, max, words, member, doc) \
	{ \
		name, type, flags, fallback, min, max, words, \
		    offsetof(struct config, member), NULL, doc \
	}
#define MAP(name, rows, doc) { name, OPT_MAP, 0, NULL, 0, 0, NULL, 0, rows, doc }
#define YEARS (100ll * 365 * 86400 * 1000)

static const struct option rules_rows[] = {
	ROW("dir", OPT_STR, OPT_RESTART, "rules", 0, 0, NULL, rules.dir,
	    "Directory of the rule files"),
	ROW("owners", OPT_STRS, OPT_RESTART, "[root]", 0, 0, NULL, rules.owners,
	    "Users whose rule files are trusted, beside the daemon's own"),
	ROW("group", OPT_STR, OPT_RESTART, "\"\"", 0, 0, NULL, rules.group,
	    "Group that may write rule files; empty: none"),
	ROW("watch", OPT_BOOL, OPT_RESTART, "true", 0, 0, NULL, rules.watch,
	    "Reload when a file changes"),
	ROW("settle", OPT_DURATION, OPT_RESTART, "2s", 0, 600000, NULL, rules.settle_ms,
	    "Quiet time after the last change before a reload"),
	{ 0 },
};
static const struct option log_rows[] = {
	ROW("level", OPT_ENUM, OPT_RESTART, "info", 0, 0, "error|warn|info|debug",
	    log.level, "What is logged"),
	ROW("format", OPT_ENUM, OPT_RESTART, "auto", 0, 0, "auto|journal|logfmt",
	    log.format, "auto: the journal where stderr is its stream, else logfmt"),
	{ 0 },
};
#define ROLES "viewer|ingest|operator|editor|admin"
static const struct option access_rows[] = {
	ROW("group", OPT_STR, 0, "retraind", 0, 0, NULL, access.group,
	    "Members may use the unix socket"),
	ROW("group_role", OPT_ENUM, 0, "operator", 0, 0, ROLES, access.group_role,
	    "What they may do there"),
	{ 0 },
};
static const struct option tls_rows[] = {
	ROW("cert", OPT_STR, OPT_RESTART, NULL, 0, 0, NULL, http.tls.cert,
	    "PEM file of the certificate chain"),
	ROW("key", OPT_SECRET, OPT_RESTART, NULL, 0, 0, NULL, http.tls.key,
	    "Its private key"),
	{ 0 },
};
const struct option config_token_rows[] = {
	{ "name", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL,
	  offsetof(struct api_token, name), NULL, "Shown in the audit log" },
	{ "role", OPT_ENUM, OPT_REQUIRED, NULL, 0, 0, ROLES,
	  offsetof(struct api_token, role), NULL, "What it may do" },
	{ "sources", OPT_STRS, 0, NULL, 0, 0, NULL, offsetof(struct api_token, sources),
	  NULL, "http sources an ingest token may post to; empty: all" },
	{ "secret", OPT_SECRET, OPT_REQUIRED, NULL, 0, 0, NULL,
	  offsetof(struct api_token, secret), NULL, "Where the token's text is" },
	{ 0 },
};
static const struct option http_rows[] = {
	ROW("listen", OPT_STR, OPT_RESTART, "127.0.0.1:8484", 0, 0, NULL, http.listen,
	    "Address of the API; empty: none"),
	ROW("insecure", OPT_BOOL, OPT_RESTART, "false", 0, 0, NULL, http.insecure,
	    "true: beyond loopback without TLS"),
	MAP("tls", tls_rows, "TLS of the listener"),
	ROW("hosts", OPT_STRS, 0, NULL, 0, 0, NULL, http.hosts,
	    "Host headers that are accepted beside localhost and the listen address"),
	{ "tokens", OPT_NODE, 0, NULL, 0, 0, NULL, offsetof(struct config, http.tokens),
	  config_token_rows, "Tokens beside state_dir/admin.token" },
	{ 0 },
};
static const struct option limits_rows[] = {
	ROW("payload", OPT_SIZE, OPT_RESTART, "1Mi", 1024, 16 << 20, NULL, limits.payload,
	    "Largest message or request body"),
	ROW("depth", OPT_INT, OPT_RESTART, "64", 4, 512, NULL, limits.depth,
	    "Deepest nesting of JSON"),
	ROW("connections", OPT_INT, OPT_RESTART, "256", 4, 10000, NULL,
	    limits.connections, "HTTP connections at a time"),
	ROW("mutations_per_second", OPT_INT, 0, "20", 1, 10000, NULL,
	    limits.mutations_per_second,
	    "State-changing requests per token; beyond that 429"),
	{ 0 },
};
static const struct option store_rows[] = {
	ROW("keep", OPT_DURATION, OPT_RESTART, "30d", 60000, YEARS, NULL, store.keep_ms,
	    "Age of the journal"),
	ROW("keep_bytes", OPT_SIZE, OPT_RESTART, "2Gi", 1 << 20, 1ll << 50, NULL,
	    store.keep_bytes, "Size of the journal"),
	ROW("keep_decisions", OPT_DURATION, OPT_RESTART, "90d", 60000, YEARS, NULL,
	    store.keep_decisions_ms, "Age of decisions and their traces"),
	ROW("reserve", OPT_SIZE, OPT_RESTART, "64Mi", 0, 1ll << 40, NULL, store.reserve,
	    "Disk space held back, so that a full disk stops reading, not deciding"),
	{ 0 },
};
static const struct option runs_rows[] = {
	ROW("keep", OPT_DURATION, OPT_RESTART, "30d", 60000, YEARS, NULL, runs.keep_ms,
	    "Age of run directories"),
	ROW("keep_bytes", OPT_SIZE, OPT_RESTART, "10Gi", 1 << 20, 1ll << 50, NULL,
	    runs.keep_bytes, "Size of all run directories"),
	ROW("min_free", OPT_SIZE, OPT_RESTART, "1Gi", 0, 1ll << 50, NULL, runs.min_free,
	    "Below that much free space no step starts"),
	{ 0 },
};
static const struct option clock_rows[] = {
	ROW("wait", OPT_DURATION, OPT_RESTART, "60s", 0, 3600000, NULL, clock.wait_ms,
	    "How long schedules wait for a clock that is behind the last turn"),
	{ 0 },
};
static const struct option stop_rows[] = {
	ROW("timeout", OPT_DURATION, OPT_RESTART, "8s", 0, 3600000, NULL, stop.timeout_ms,
	    "As PID 1: how long interrupted steps may take to end"),
	{ 0 },
};
const struct option config_rows[] = {
	ROW("state_dir", OPT_STR, OPT_RESTART, "/var/lib/retraind", 0, 0, NULL, state_dir,
	    "Database, run directories, admin token: a local disk, mode 0700"),
	ROW("socket", OPT_STR, OPT_RESTART, "/run/retraind/retraind.sock", 0, 0, NULL,
	    socket, "Unix socket of retrainctl, at most 107 bytes"),
	MAP("rules", rules_rows, "Rule files"),
	MAP("log", log_rows, "Logging"),
	MAP("access", access_rows, "The unix socket"),
	MAP("http", http_rows, "The HTTP API"),
	ROW("sources", OPT_NODE, OPT_RESTART, NULL, 0, 0, NULL, sources,
	    "List of {name, kind, ...}: where events come from"),
	ROW("executors", OPT_NODE, OPT_RESTART, NULL, 0, 0, NULL, executors,
	    "Map of name: {kind, ...}: what carries out steps"),
	MAP("limits", limits_rows, "Bounds of what comes in"),
	MAP("store", store_rows, "The database"),
	MAP("runs", runs_rows, "Run directories"),
	MAP("clock", clock_rows, "The wall clock at boot"),
	MAP("stop", stop_rows, "Stopping in a container"),
	{ 0 },
};

static const struct catalog_kind *const kinds[] = {
	&source_http_kind, &source_kafka_kind, &source_mqtt_kind, &exec_process_kind,
};
const struct catalog catalog_kinds = {
	.kinds = (const struct catalog_kind **)(uintptr_t)kinds,
	.kinds_n = sizeof(kinds) / sizeof(kinds[0]),
};

/* An instance is read by its kind's rows with these two in front. */
struct head {
	struct str	 name, kind;
	int64_t		 align[2];
};
static const struct option head_rows[] = {
	{ "name", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, offsetof(struct head, name),
	  NULL, "Name of the instance" },
	{ "kind", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, offsetof(struct head, kind),
	  NULL, "Its kind" },
};

static const struct option *joined(const struct catalog_kind *k, bool named,
				   struct arena *a)
{
	unsigned n = 0, at = 0;
	struct option *rows;

	while (k->options[n].name)
		n++;
	rows = ARENA_ARRAY(a, struct option, n + 3);
	if (named)
		rows[at++] = head_rows[0];
	rows[at++] = head_rows[1];
	for (unsigned i = 0; i < n; i++) {
		rows[at] = k->options[i];
		rows[at++].offset += sizeof(struct head);
	}
	return rows;
}

static void unknown_kind(const struct yaml *y, struct str kind, enum catalog_what what,
    struct diags *d)
{
	struct str words[G_N_ELEMENTS(kinds)], near;
	uint32_t n = 0;

	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (kinds[i]->what == what)
			words[n++] = str_of(kinds[i]->name);
	near = nearest_word(kind, words, n);
	struct diag *g =
	    diag_add(d, SEV_ERROR, y->at, "unknown kind '%.*s'", STR_ARG(kind));
	if (g && near.len)
		diag_hint(d, g, "did you mean '%.*s'", STR_ARG(near));
	else if (g)
		diag_hint(d, g, what == CATALOG_SOURCE ? "expected http, kafka or mqtt" :
		    "expected process");
}

/* What the kind's table can't say, and the expressions of map:. */
static bool check_source(struct config *c, const struct config_instance *in,
    const struct yaml *y, struct diags *d)
{
	const struct source_common *common = in->options;
	struct zones *zs = zones_new();
	struct err err = { 0 };
	bool ok = source_options_check(in->kind, in->options, &err);

	if (!ok)	/* the line may hold a secret that stands where none may */
		diag_add(d, SEV_ERROR, y->at, "%s", err.msg)->hide_source = true;
	else
		ok = event_format_build(common->preset, common->map, zs, c->arena,
		    d) != NULL;
	zones_free(zs);
	return ok;
}

static bool read_instance(struct config *c, enum catalog_what what, uint32_t id,
			  struct str name, const struct yaml *y, struct diags *d)
{
	struct config_instance *in = &c->instances[c->instances_n];
	const struct yaml *kind = y->kind == YAML_MAP ? yaml_get(y, STR("kind")) : NULL;
	char *mem;

	if (!kind || kind->kind != YAML_SCALAR) {
		diag_add(d, SEV_ERROR, y->at, "expected a map with 'kind'");
		return false;
	}
	in->kind = catalog_kind(&catalog_kinds, what, kind->scalar);
	if (!in->kind) {
		unknown_kind(kind, kind->scalar, what, d);
		return false;
	}
	mem = arena_alloc(c->arena, sizeof(struct head) + in->kind->options_size);
	if (!options_read(joined(in->kind, !name.len, c->arena), y, mem, c->arena, d))
		return false;
	in->name = name.len ? name : ((struct head *)(void *)mem)->name;
	in->options = mem + sizeof(struct head);
	in->id = id;
	in->at = y->at;
	for (uint32_t i = 0; i < c->instances_n; i++)
		if (c->instances[i].kind->what == what &&
		    str_is(c->instances[i].name, in->name)) {
			diag_add(d, SEV_ERROR, y->at, "a second instance named '%.*s'",
				 STR_ARG(in->name));
			return false;
		}
	if (what == CATALOG_SOURCE && str_is(in->name, STR(CATALOG_RUN))) {
		diag_add(d, SEV_ERROR, y->at, "the name '" CATALOG_RUN "' is taken: it is"
		    " the source of the daemon's own events");
		return false;
	}
	if (what == CATALOG_SOURCE && !check_source(c, in, y, d))
		return false;
	c->instances_n++;
	return true;
}

static void read_instances(struct config *c, struct diags *d)
{
	uint32_t n =
	    (c->sources ? c->sources->n : 0) + (c->executors ? c->executors->n : 0);

	c->instances = ARENA_ARRAY(c->arena, struct config_instance, n);
	if (c->sources && c->sources->kind != YAML_SEQ && !yaml_is_null(c->sources))
		diag_add(d, SEV_ERROR, c->sources->at, "expected a list of sources");
	else
		for (uint32_t i = 0; c->sources && i < c->sources->n; i++)
			read_instance(c, CATALOG_SOURCE, i + 1, (struct str) { 0 },
				      c->sources->items[i], d);
	if (c->executors && c->executors->kind != YAML_MAP && !yaml_is_null(c->executors))
		diag_add(d, SEV_ERROR, c->executors->at,
			 "expected a map of executors by name");
	else
		for (uint32_t i = 0; c->executors && i < c->executors->n; i++)
			read_instance(c, CATALOG_EXECUTOR, i + 1,
				      c->executors->pairs[i].key->scalar,
				      c->executors->pairs[i].value, d);
}

static void read_tokens(struct config *c, struct diags *d)
{
	const struct yaml *y = c->http.tokens;

	if (!y || yaml_is_null(y))
		return;
	if (y->kind != YAML_SEQ) {
		diag_add(d, SEV_ERROR, y->at, "expected a list of tokens");
		return;
	}
	c->tokens = ARENA_ARRAY(c->arena, struct api_token, y->n);
	for (uint32_t i = 0; i < y->n; i++) {
		struct { struct api_token t; int64_t role; } both;
		struct option rows[G_N_ELEMENTS(config_token_rows) + 1];
		(void)both;
		memcpy(rows, config_token_rows, 5 * sizeof(rows[0]));
		rows[1].offset = sizeof(struct api_token); /* an ENUM is an int64_t */
		char *mem =
		    arena_alloc(c->arena, sizeof(struct api_token) + sizeof(int64_t));
		if (!options_read(rows, y->items[i], mem, c->arena, d))
			continue;
		struct api_token *t = &c->tokens[c->tokens_n++];
		memcpy(t, mem, sizeof(*t));
		memcpy(&both.role, mem + sizeof(*t), sizeof(both.role));
		t->role = (enum role)both.role;
	}
}

/* Built in: an http source and a local process executor, unless named otherwise. */
static void add_default(struct config *c, enum catalog_what what, const char *name,
    const struct catalog_kind *k)
{
	struct config_instance *all;
	uint32_t id = 0;
	void *mem;

	for (uint32_t i = 0; i < c->instances_n; i++) {
		if (c->instances[i].kind == k)
			return;
		if (c->instances[i].kind->what == what && c->instances[i].id > id)
			id = c->instances[i].id;
	}
	all = ARENA_ARRAY(c->arena, struct config_instance, c->instances_n + 1);
	if (c->instances_n)
		memcpy(all, c->instances, c->instances_n * sizeof(*all));
	mem = arena_alloc(c->arena, k->options_size);
	options_default(k->options, mem, c->arena);
	all[c->instances_n++] = (struct config_instance){ .name = str_of(name), .kind = k,
		.id = id + 1, .options = mem };
	c->instances = all;
}

static void build_catalog(struct config *c)
{
	c->catalog = catalog_kinds;
	c->catalog.configured = true;
	c->catalog.instances =
	    ARENA_ARRAY(c->arena, struct catalog_instance, c->instances_n);
	c->catalog.instances_n = c->instances_n;
	for (uint32_t i = 0; i < c->instances_n; i++) {
		const struct config_instance *in = &c->instances[i];
		struct catalog_instance *to = &c->catalog.instances[i];
		*to = (struct catalog_instance){ .what = in->kind->what, .id = in->id,
			.name = in->name, .kind = in->kind };
		if (in->kind->what == CATALOG_SOURCE) {
			const struct source_common *common = in->options;
			to->preset = common->preset;
			to->map = common->map;
		}
	}
}

static void check_paths(struct config *c, struct diags *d)
{
	if (c->socket.len > 107)
		diag_add(d, SEV_ERROR, (struct span) { 0 },
			 "socket: the path has %u bytes, a unix socket"
			 " takes at most 107",
			 c->socket.len);
}

/* Relative paths are relative to the file. */
static struct str absolute(struct config *c, struct str path)
{
	char *p = g_strndup(path.p, path.len), *full = g_canonicalize_filename(p, c->dir);
	struct str r = arena_str(c->arena, str_of(full));

	g_free(p);
	g_free(full);
	return r;
}

static void use_dir(struct config *c, const char *dir)
{
	char *full = g_canonicalize_filename(dir, NULL);

	c->state_dir = arena_printf(c->arena, "%s/state", full);
	c->rules.dir = arena_printf(c->arena, "%s/rules", full);
	c->socket = arena_printf(c->arena, "%s/retraind.sock", full);
	g_free(full);
}

static bool read_text(struct config *c, const char *path, GString *why)
{
	GError *e = NULL;
	char *bytes;
	gsize n;

	if (!g_file_get_contents(path, &bytes, &n, &e)) {
		g_string_append_printf(why, "%s\n", e->message);
		g_error_free(e);
		return false;
	}
	if (n > 4 * 1024 * 1024) {
		g_string_append_printf(why, "%s: larger than 4 MiB\n", path);
		g_free(bytes);
		return false;
	}
	c->text = (struct text){ arena_str(c->arena, str_of(path)),
		arena_str(c->arena, (struct str){ bytes, (uint32_t)n }) };
	g_free(bytes);
	return true;
}

/* Everything after the text is there; false: diags has errors. */
static bool read_all(struct config *c, const char *dir, struct diags *d)
{
	const struct yaml *y = yaml_parse(0, c->arena, d);

	if (!y)
		return false;
	options_read(config_rows, y, c, c->arena, d);
	read_instances(c, d);
	read_tokens(c, d);
	add_default(c, CATALOG_SOURCE, "http", &source_http_kind);
	add_default(c, CATALOG_EXECUTOR, "local", &exec_process_kind);
	build_catalog(c);
	c->state_dir = absolute(c, c->state_dir);
	c->socket = absolute(c, c->socket);
	c->rules.dir = absolute(c, c->rules.dir);
	if (c->http.tls.cert.len)
		c->http.tls.cert = absolute(c, c->http.tls.cert);
	if (dir)
		use_dir(c, dir);
	check_paths(c, d);
	return diags_errors(d) == 0;
}

struct config *config_read(const char *path, const char *dir, GString *why)
{
	struct config *c = g_new0(struct config, 1);
	char *in_dir = dir ? g_build_filename(dir, "retraind.yaml", NULL) : NULL;
	struct diags *d;
	bool ok;

	c->arena = arena_new(0);
	if (!path && in_dir && access(in_dir, F_OK) == 0)
		path = in_dir;
	c->path = g_strdup(path ? path : "");
	c->dir = path ? g_path_get_dirname(path) : g_strdup(dir ? dir : ".");
	char *full = g_canonicalize_filename(c->dir, NULL);
	g_free(c->dir);
	c->dir = full;
	c->text = (struct text){ STR("(defaults)"), STR("") };
	ok = !path || read_text(c, path, why);
	d = diags_new(&c->text, 1);
	ok = ok && read_all(c, dir, d);
	diags_sort(d);
	diags_render(d, why);
	diags_free(d);
	g_free(in_dir);
	if (ok)
		return c;
	config_free(c);
	return NULL;
}

void config_free(struct config *c)
{
	if (!c)
		return;
	arena_free(c->arena);
	g_free(c->path);
	g_free(c->dir);
	g_free(c);
}

void config_reload_options(const struct config *c, struct reload_options *ret)
{
	*ret = (struct reload_options) { .dir = c->rules.dir.p,
					 .owners = c->rules.owners,
					 .group = c->rules.group,
					 .watch = c->rules.watch,
					 .settle_ms = c->rules.settle_ms };
}

void config_api_options(const struct config *c, struct api_options *ret)
{
	*ret = (struct api_options) {
		.listen =
		    c->http.listen.len ? arena_str(c->arena, c->http.listen).p : NULL,
		.socket = c->socket.p,
		.insecure = c->http.insecure,
		.tls_cert = c->http.tls.cert,
		.tls_key = c->http.tls.key,
		.hosts = c->http.hosts,
		.tokens = c->tokens,
		.tokens_n = c->tokens_n,
		.group = c->access.group,
		.group_role = (enum role)c->access.group_role,
		.config_dir = c->dir,
		.state_dir = c->state_dir.p,
		.body_max = c->limits.payload,
		.connections = c->limits.connections,
		.mutations_per_second = c->limits.mutations_per_second,
		.version = RETRAIND_VERSION,
	};
}
