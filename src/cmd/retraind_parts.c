/* Opening the floors in order, closing them in reverse.
 *
 *	helper, readers ─► store (lock) ─► api (listens) ─► exec ─► turn ─► sources
 *	   ─► rules ─► recovery ─► api attached */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "cmd/retraind.h"
#include "io/log.h"
#include "io/metrics.h"
#include "turn/sweep.h"

static const struct source_impl *const impls[] = { &source_http, &source_kafka,
						   &source_mqtt };

static int status_of(const struct err *e)
{
	return e->code == ERR_CONFLICT ? EXIT_LOCKED
	       : e->code == ERR_USAGE  ? EXIT_CONFIG
				       : EXIT_RUNTIME;
}

static void on_broken(void *arg, const struct err *e)
{
	log_error("%s: stopping; a restart goes on from the last commit", e->msg);
	((struct daemon *)arg)->status = EXIT_RUNTIME;
	loop_stop(((struct daemon *)arg)->loop);
}

static void on_ready(void *arg)
{
	notify_ready(arg);
}

static bool open_store(struct daemon *d, bool force, struct err *err)
{
	const struct config *c = d->config;
	struct store_options o = { .keep_ms = c->store.keep_ms,
				   .keep_bytes = c->store.keep_bytes,
				   .keep_decisions_ms = c->store.keep_decisions_ms,
				   .reserve_bytes = c->store.reserve,
				   .force = force };

	d->store = store_open(c->state_dir.p, &o, err);
	return d->store != NULL;
}

/* retrainctl beside us, told where our state and configuration are; freed with
 * g_strfreev().  NULL: it is not there. */
static char **past_reader(const struct daemon *d)
{
	char *self = g_file_read_link("/proc/self/exe", NULL);
	char *dir = self ? g_path_get_dirname(self) : NULL;
	char *ctl = dir ? g_build_filename(dir, "retrainctl", NULL) : NULL;
	GPtrArray *v = NULL;

	if (ctl && access(ctl, X_OK) == 0) {
		v = g_ptr_array_new();
		g_ptr_array_add(v, g_strdup(ctl));
		g_ptr_array_add(v, g_strdup_printf("--state=%s",
		    d->config->state_dir.p));
		g_ptr_array_add(v, g_strdup("--output=json"));
		if (d->dir)
			g_ptr_array_add(v, g_strdup_printf("--dir=%s", d->dir));
		if (d->config_path)
			g_ptr_array_add(v, g_strdup_printf("--config=%s",
			    d->config_path));
		g_ptr_array_add(v, NULL);
	} else
		log_warn("there is no retrainctl beside this program: the past is not"
		    " explained over http");
	g_free(self);
	g_free(dir);
	g_free(ctl);
	return v ? (char **)g_ptr_array_free(v, FALSE) : NULL;
}

static bool open_api(struct daemon *d, struct err *err)
{
	struct api_options o;
	char **past;
	struct api_parts p = { .loop = d->loop,
			       .readers = d->readers,
			       .store = d->store };

	config_api_options(d->config, &o);
	past = past_reader(d);
	o.past = (const char *const *)past;
	d->api = api_open(&o, &p, err);
	g_strfreev(past);
	return d->api != NULL;
}

static void open_turn(struct daemon *d)
{
	const struct store_meta *m = store_meta(d->store);
	struct turn_parts p = {
		.loop = d->loop,
		.checkpointer = d->checkpointer,
		.store = d->store,
		.exec = d->exec,
		.catalog = &d->config->catalog,
		.instance = m->instance,
		.epoch = m->epoch,
		.fingerprint = d->fingerprint,
		.clock = clock_read,
		.on_broken = on_broken,
		.on_ready = on_ready,
		.ctx = d,
		.clock_wait_ms = d->config->clock.wait_ms,
		.limits = { .bytes = (uint32_t)d->config->limits.payload,
			    .depth = (uint32_t)d->config->limits.depth },
	};

	d->turn = turn_new(&p);
}

/* Reports may come while the turn is not there yet: there are none before recovery. */
static void on_report(void *arg, const struct report *r)
{
	turn_on_report(((struct daemon *)arg)->turn, r);
}

static bool open_exec(struct daemon *d, struct err *err)
{
	struct exec_host h = { .loop = d->loop,
			       .state_dir = d->config->state_dir.p,
			       .instance = store_meta(d->store)->instance,
			       .min_free = d->config->runs.min_free,
			       .on_report = on_report,
			       .ctx = d };

	d->exec = exec_new(&h);
	for (uint32_t i = 0; i < d->config->instances_n; i++) {
		const struct config_instance *in = &d->config->instances[i];
		if (in->kind->what == CATALOG_EXECUTOR &&
		    !exec_open(d->exec, in->name, str_of(in->kind->name), in->options,
			       err))
			return err_in(err, "executor '%.*s'", STR_ARG(in->name));
	}
	return true;
}

static bool add_source(struct daemon *d, const struct source_impl *impl, uint32_t id,
    struct str name, const void *options, struct err *err)
{
	struct source_host h = { .loop = d->loop, .helper = d->helper, .store = d->store,
		.config_dir = d->config->dir, .state_dir = d->config->state_dir.p,
		.instance = store_meta(d->store)->instance, .on_ready = turn_on_ready,
		.on_state = turn_on_state, .ctx = d->turn };
	struct source *s = impl->open(&h, name, options, err);

	if (!s)
		return err_in(err, "source '%.*s'", STR_ARG(name));
	s->id = id;
	d->sources = g_renew(struct source *, d->sources, d->sources_n + 1);
	d->sources[d->sources_n++] = s;
	turn_add_source(d->turn, s);
	return true;
}

static bool open_sources(struct daemon *d, struct err *err)
{
	if (!add_source(d, &source_run, CATALOG_RUN_ID, STR(CATALOG_RUN), NULL, err))
		return false;
	for (uint32_t i = 0; i < d->config->instances_n; i++) {
		const struct config_instance *in = &d->config->instances[i];
		for (unsigned k = 0; k < G_N_ELEMENTS(impls); k++)
			if (impls[k]->kind == in->kind &&
			    !add_source(d, impls[k], in->id, in->name, in->options, err))
				return false;
	}
	return true;
}

static bool recover(struct daemon *d, struct err *err)
{
	struct reload_options o;
	GString *text = g_string_new(NULL);
	struct arena *a = arena_new(0);
	struct ruleset *rs;

	config_reload_options(d->config, &o);
	d->reload = reload_new(d->turn, d->loop, d->helper, &d->config->catalog, &o);
	rs = reload_now(d->reload, store_ruleset(d->store, a), text);
	if (rs && reload_ok(d->reload) && text->len)
		log_warn("rules: %s", text->str);
	g_string_free(text, TRUE);
	arena_free(a);
	return turn_recover(d->turn, rs, err);
}

static void open_sweep(struct daemon *d)
{
	char *runs = g_build_filename(d->config->state_dir.p, "runs", NULL);

	d->sweep = sweep_new(d->loop, d->helper, &(struct sweep_options){
	    .database = store_path(d->store), .runs_dir = runs,
	    .keep_ms = d->config->runs.keep_ms,
	    .keep_bytes = d->config->runs.keep_bytes });
	g_free(runs);
}

bool parts_open(struct daemon *d, bool force)
{
	struct err err = { 0 };
	bool ok;

	metric_set("build_info", 1, "version", RETRAIND_VERSION, NULL);
	d->helper = pool_new(d->loop, "helper", 1, 256);
	d->readers = pool_new(d->loop, "reader", 2, 64);
	d->checkpointer = pool_new(d->loop, "checkpoint", 1, 2);
	ok = open_store(d, force, &err) && open_api(d, &err) && open_exec(d, &err);
	if (ok) {
		open_turn(d);
		ok = open_sources(d, &err) && recover(d, &err);
	}
	if (!ok) {
		log_error("%s", err.msg);
		d->status = status_of(&err);
		return false;
	}
	open_sweep(d);
	api_attach(d->api, &(struct api_parts){ .loop = d->loop, .readers = d->readers,
	    .store = d->store, .turn = d->turn, .exec = d->exec, .reload = d->reload });
	log_info("retraind " RETRAIND_VERSION " instance %s, http port %d, socket %s",
	    store_meta(d->store)->instance, api_port(d->api), d->config->socket.p);
	return !d->status;
}

void parts_close(struct daemon *d)
{
	api_close(d->api);
	reload_free(d->reload);
	exec_free(d->exec);
	for (uint32_t i = 0; i < d->sources_n; i++)
		d->sources[i]->impl->close(d->sources[i]);
	g_free(d->sources);
	turn_free(d->turn);
	pool_free(d->readers);
	pool_free(d->helper);
	pool_free(d->checkpointer);
	sweep_free(d->sweep);
	store_close(d->store);
}
