/* The registry: operations go out to kinds, their answers come back as reports.
 *
 * Invariants
 *   (1) Every operation is answered once: by its kind, or as UNCERTAIN when
 *       DEADLINE_MS have passed.  An answer that comes after that is dropped.
 *   (2) A job is known from its first operation to exec_forget(), so that a kind
 *       which has news (changed) can be asked about it without the flow's help.
 *   (3) Nothing here outlives exec_free(), but what was started does.
 *
 * A new built-in kind: its struct retrain_executor in kinds[], its option table in a
 * file that links nothing, its catalog row in cmd/config.c. */
#include <poll.h>

#include <glib.h>

#include "exec/exec.h"

#include "base/json.h"
#include "exec/kind.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/metrics.h"

#define DEADLINE_MS 60000
#define NO_EXECUTOR_AGAIN_MS 60000

struct instance {
	struct retrain_host host;	/* first: what the kind holds */
	struct exec	*x;
	char		*name;
	const struct catalog_kind *row;
	const struct retrain_executor *kind;
	void		*self;
};
struct job {			/* invariant (2) */
	struct instance	*in;
	char		*key, *run, *step, *pipeline, *dir, *with, *native_id;
	uint32_t	 attempt;
	bool		 live;		/* known to be there, its end is not */
};
struct retrain_op {
	struct instance	*in;
	enum exec_op_kind kind;
	char		*key;
	int64_t		 deadline;	/* boot ms; 0: passed */
};
struct retrain_watch {
	struct io_watch	*w;
	void		(*ready)(void *);
	void		*ctx;
};
struct exec {
	struct exec_host h;
	char		*state_dir, *shim, *instance;
	GPtrArray	*instances;
	GHashTable	*jobs;		/* key -> struct job */
	GQueue		 ops, late;	/* struct retrain_op; the first is due first */
	struct io_watch	*timer, *stop_timer;
	void		(*on_idle)(void *);
	void		*idle_ctx;
};

static const struct {
	const struct catalog_kind *row;
	const struct retrain_executor *kind;
} kinds[] = {
	{ &exec_process_kind, &exec_process },
};

/* ---- reports ---- */

static void check_idle(struct exec *x)
{
	void (*on_idle)(void *) = x->on_idle;

	for (unsigned i = 0; on_idle && i < x->instances->len; i++) {
		const struct instance *in = g_ptr_array_index(x->instances, i);

		if (in->kind == &exec_process && process_running(in->self) > 0)
			return;
	}
	if (!on_idle)
		return;
	x->on_idle = NULL;
	io_watch_after(x->stop_timer, -1);
	on_idle(x->idle_ctx);
}

static void note(struct exec *x, const struct report *r)
{
	char *key = g_strndup(r->key.p, r->key.len);
	struct job *job = g_hash_table_lookup(x->jobs, key);

	g_free(key);
	if (!job)
		return;
	if (r->native_id.len) {
		g_free(job->native_id);
		job->native_id = g_strndup(r->native_id.p, r->native_id.len);
	}
	if (r->state == REPORT_PENDING || r->state == REPORT_RUNNING ||
	    (r->op == EXEC_START && !r->state && r->answer <= REPORT_EXISTED))
		job->live = true;
	else if (r->state)
		job->live = false;
}

static void count(const struct instance *in, const struct report *r)
{
	static const char *const op[] = { "", "start", "find", "poll", "abort" };
	static const char *const answer[] = { "", "ok", "existed", "refused", "busy",
					      "uncertain" };

	metric_add("executor_operations_total", 1, "executor", in->name, "operation",
	    op[r->op], "answer", answer[r->answer], NULL);
}

static void report(struct instance *in, const struct report *r)
{
	count(in, r);
	note(in->x, r);
	in->x->h.on_report(in->x->h.ctx, r);
}

static void op_free(struct retrain_op *op)
{
	g_free(op->key);
	g_free(op);
}

static void arm(struct exec *x)
{
	const struct retrain_op *first = g_queue_peek_head(&x->ops);
	int64_t wait = -1;

	if (first)
		wait = MAX(first->deadline - clock_read().boot_ms, 0);
	io_watch_after(x->timer, wait);
}

static void on_deadline(void *arg)
{
	struct exec *x = arg;
	int64_t now = clock_read().boot_ms;
	struct retrain_op *op;

	while ((op = g_queue_peek_head(&x->ops)) && op->deadline <= now) {
		struct report r = { .key = str_of(op->key), .op = op->kind,
			.answer = REPORT_UNCERTAIN, .exit_code = -1,
			.reason = STR("no answer within a minute") };

		g_queue_pop_head(&x->ops);
		op->deadline = 0;
		g_queue_push_tail(&x->late, op);
		log_warn("executor '%s': no answer about %s within a minute",
		    op->in->name,
		    op->key);
		report(op->in, &r);
	}
	arm(x);
}

/* ORDER retrain_answer, retrain_state: as in flow/report.h */
static void host_done(struct retrain_op *op, const struct retrain_result *a)
{
	struct instance *in = op->in;
	struct report r = {
		.key = str_of(op->key), .op = op->kind,
		.answer = (enum report_answer)a->answer,
		.state = (enum report_state)a->state,
		.native_id = str_of(a->native_id), .native_state =
		    str_of(a->native_state),
		.reason = str_of(a->reason), .outputs = str_of(a->outputs),
		.metrics = str_of(a->metrics), .artifacts = str_of(a->artifacts),
		.code = str_of(a->code), .environment = str_of(a->environment),
		.exit_code = a->exit_code, .again_ms = a->again_ms,
		.started_ms = a->started_ms, .finished_ms = a->finished_ms,
	};

	if (!op->deadline) {
		g_queue_remove(&in->x->late, op);
	} else {
		g_queue_remove(&in->x->ops, op);
		arm(in->x);
		report(in, &r);
	}
	op_free(op);
}

/* ---- what kinds may ask for ---- */

static struct instance *instance_of(const struct retrain_host *h)
{
	return (struct instance *)(void *)h;
}

struct loop *exec_host_loop(const struct retrain_host *h)
{
	return instance_of(h)->x->h.loop;
}

static void host_log(const struct retrain_host *h, int level, const char *text)
{
	const char *name = instance_of(h)->name;

	if (level <= LOG_ERROR)
		log_error("executor '%s': %s", name, text);
	else if (level == LOG_WARN)
		log_warn("executor '%s': %s", name, text);
	else if (level == LOG_INFO)
		log_info("executor '%s': %s", name, text);
	else
		log_debug("executor '%s': %s", name, text);
}

static int64_t host_now_ms(const struct retrain_host *h)
{
	(void)h;
	return clock_read().wall_ms;
}

static void on_due(void *arg)
{
	const struct retrain_watch *w = arg;

	w->ready(w->ctx);
}

static void on_ready(void *arg, int events)
{
	(void)events;
	on_due(arg);
}

static struct retrain_watch *host_watch(const struct retrain_host *h, int fd,
    short events, int64_t after_ms, void (*ready)(void *), void *ctx)
{
	struct loop *loop = exec_host_loop(h);
	struct retrain_watch *w = g_new0(struct retrain_watch, 1);
	int io = (events & POLLIN ? IO_READ : 0) | (events & POLLOUT ? IO_WRITE : 0);

	w->ready = ready;
	w->ctx = ctx;
	if (fd >= 0) {
		w->w = loop_fd(loop, fd, io, on_ready, w);
	} else {
		w->w = loop_timer(loop, on_due, w);
		io_watch_after(w->w, after_ms);
	}
	return w;
}

static void host_unwatch(struct retrain_watch *w)
{
	if (!w)
		return;
	io_watch_free(w->w);
	g_free(w);
}

/* ---- operations ---- */

static struct retrain_job job_view(const struct job *job)
{
	return (struct retrain_job){
		.size = sizeof(struct retrain_job), .attempt = job->attempt,
		.key = job->key, .run = job->run, .step = job->step,
		.pipeline = job->pipeline, .dir = job->dir, .native_id = job->native_id,
		.with = job->with,
	};
}

static void operate(struct instance *in, enum exec_op_kind kind,
    const struct retrain_job *job)
{
	struct retrain_op *op = g_new0(struct retrain_op, 1);
	void (*const f[])(void *, struct retrain_op *, const struct retrain_job *) = {
		[EXEC_START] = in->kind->start, [EXEC_FIND] = in->kind->find,
		[EXEC_POLL] = in->kind->poll, [EXEC_ABORT] = in->kind->abort,
	};

	op->in = in;
	op->kind = kind;
	op->key = g_strdup(job->key);
	op->deadline = clock_read().boot_ms + DEADLINE_MS;
	g_queue_push_tail(&in->x->ops, op);
	arm(in->x);
	f[kind](in->self, op, job);
}

static void host_changed(const struct retrain_host *h, const char *key)
{
	struct instance *in = instance_of(h);
	const struct job *job = g_hash_table_lookup(in->x->jobs, key);
	struct retrain_job view;

	if (job) {
		view = job_view(job);
		operate(in, EXEC_POLL, &view);
	}
	check_idle(in->x);
}

static char *text(struct str s)
{
	return s.len ? g_strndup(s.p, s.len) : NULL;
}

static void job_free(void *arg)
{
	struct job *job = arg;

	g_free(job->key);
	g_free(job->run);
	g_free(job->step);
	g_free(job->pipeline);
	g_free(job->dir);
	g_free(job->with);
	g_free(job->native_id);
	g_free(job);
}

static struct job *job_put(struct exec *x, struct instance *in, const struct exec_op *o)
{
	struct job *job = g_new0(struct job, 1);

	job->in = in;
	job->key = text(o->key);
	job->run = text(o->run_id);
	job->step = text(o->step);
	job->pipeline = text(o->pipeline);
	job->dir = text(o->dir);
	job->with = text(o->with);
	job->native_id = text(o->native_id);
	job->attempt = o->attempt;
	g_hash_table_replace(x->jobs, job->key, job);
	return job;
}

static struct instance *find(const struct exec *x, struct str name)
{
	for (unsigned i = 0; i < x->instances->len; i++) {
		struct instance *in = g_ptr_array_index(x->instances, i);

		if (str_is(str_of(in->name), name))
			return in;
	}
	return NULL;
}

/* The config lost an executor that runs still name. */
static void no_executor(struct exec *x, const struct exec_op *o)
{
	char *why = g_strdup_printf("no executor '%.*s' in the configuration",
	    STR_ARG(o->executor));
	struct report r = { .key = o->key, .op = o->kind, .answer = REPORT_REFUSED,
		.reason = str_of(why), .exit_code = -1, .again_ms =
		    NO_EXECUTOR_AGAIN_MS };

	log_error("%.*s: %s", STR_ARG(o->key), why);
	x->h.on_report(x->h.ctx, &r);
	g_free(why);
}

void exec_do(struct exec *x, const struct exec_op *o)
{
	struct instance *in = find(x, o->executor);
	struct job *job;
	struct retrain_job view;
	char *argv, *input, *env, *reason;

	if (!in) {
		no_executor(x, o);
		return;
	}
	job = job_put(x, in, o);
	view = job_view(job);
	view.argv = argv = text(o->argv);
	view.input = input = text(o->input);
	view.env = env = text(o->env);
	view.reason = reason = text(o->reason);
	view.timeout_ms = o->timeout_ms;
	operate(in, o->kind, &view);
	g_free(argv);
	g_free(input);
	g_free(env);
	g_free(reason);
}

/* After a restart the job may be unknown: then each instance is told. */
void exec_forget(struct exec *x, struct str key)
{
	char *z = g_strndup(key.p, key.len);
	const struct job *job = g_hash_table_lookup(x->jobs, z);

	for (unsigned i = 0; i < x->instances->len; i++) {
		const struct instance *in = g_ptr_array_index(x->instances, i);

		if (in->kind->forget && (!job || job->in == in))
			in->kind->forget(in->self, z);
	}
	g_hash_table_remove(x->jobs, z);
	g_free(z);
}

/* ---- instances ---- */

static void on_stop_timeout(void *arg)
{
	struct exec *x = arg;
	void (*on_idle)(void *) = x->on_idle;

	x->on_idle = NULL;
	if (on_idle)
		on_idle(x->idle_ctx);
}

struct exec *exec_new(const struct exec_host *h)
{
	struct exec *x = g_new0(struct exec, 1);

	x->h = *h;
	x->state_dir = g_strdup(h->state_dir);
	x->instance = g_strdup(h->instance);
	x->shim = g_strdup(h->shim);
	x->instances = g_ptr_array_new();
	x->jobs = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, job_free);
	g_queue_init(&x->ops);
	g_queue_init(&x->late);
	x->timer = loop_timer(h->loop, on_deadline, x);
	x->stop_timer = loop_timer(h->loop, on_stop_timeout, x);
	return x;
}

static void instance_free(struct instance *in)
{
	if (in->self)
		in->kind->close(in->self);
	g_free(in->name);
	g_free(in);
}

void exec_free(struct exec *x)
{
	if (!x)
		return;
	for (unsigned i = 0; i < x->instances->len; i++)
		instance_free(g_ptr_array_index(x->instances, i));
	g_ptr_array_free(x->instances, TRUE);
	g_hash_table_destroy(x->jobs);
	g_queue_clear_full(&x->ops, (GDestroyNotify)op_free);
	g_queue_clear_full(&x->late, (GDestroyNotify)op_free);
	io_watch_free(x->timer);
	io_watch_free(x->stop_timer);
	g_free(x->state_dir);
	g_free(x->instance);
	g_free(x->shim);
	g_free(x);
}

static char *instance_json(const struct exec *x, const struct option *o, const void *at)
{
	GString *out = g_string_new(NULL);

	json_open(out, '{');
	options_json_add(out, o, at);
	json_key(out, "state_dir");
	json_cstr(out, x->state_dir);
	json_key(out, "shim");
	json_cstr(out, x->shim);
	json_key(out, "instance");
	json_cstr(out, x->instance);
	json_key(out, "min_free");
	json_i64(out, x->h.min_free);
	json_close(out, '}');
	return g_string_free(out, FALSE);
}

bool exec_open(struct exec *x, struct str name, struct str kind, const void *options,
    struct err *err)
{
	struct instance *in;
	char why[300] = "";
	char *json;
	unsigned k = 0;

	while (k < G_N_ELEMENTS(kinds) && !str_is(str_of(kinds[k].row->name), kind))
		k++;
	if (k == G_N_ELEMENTS(kinds))
		return err_set(err, ERR_USAGE, "unknown kind '%.*s'", STR_ARG(kind));
	in = g_new0(struct instance, 1);
	in->host = (struct retrain_host){ .abi = RETRAIN_ABI,
		.size = sizeof(struct retrain_host), .log = host_log,
		.now_ms = host_now_ms, .watch = host_watch, .unwatch = host_unwatch,
		.done = host_done, .changed = host_changed };
	in->x = x;
	in->name = text(name);
	in->row = kinds[k].row;
	in->kind = kinds[k].kind;
	json = instance_json(x, in->row->options, options);
	in->self = in->kind->open(&in->host, json, why, sizeof(why));
	g_free(json);
	if (!in->self) {
		instance_free(in);
		return err_set(err, ERR_USAGE, "%s", why);
	}
	g_ptr_array_add(x->instances, in);
	return true;
}

void exec_interrupt(struct exec *x, int64_t timeout_ms, void (*on_idle)(void *),
    void *ctx)
{
	x->on_idle = on_idle;
	x->idle_ctx = ctx;
	io_watch_after(x->stop_timer, timeout_ms);
	for (unsigned i = 0; i < x->instances->len; i++) {
		const struct instance *in = g_ptr_array_index(x->instances, i);

		if (in->kind == &exec_process)
			process_interrupt(in->self);
	}
	check_idle(x);
}

bool exec_key_valid(const char *key)
{
	return strlen(key) == 23 && g_str_has_prefix(key, "rt-") &&
	    strspn(key + 3, "abcdefghijklmnopqrstuvwxyz234567") == 20;
}

bool exec_log_path(struct exec *x, struct str key, struct exec_logs *ret)
{
	char *z = g_strndup(key.p, key.len);
	bool ok = exec_key_valid(z);

	if (ok) {
		g_snprintf(ret->path, sizeof(ret->path), "%s/runs/%s/log", x->state_dir,
		    z);
		ok = g_file_test(ret->path, G_FILE_TEST_IS_REGULAR);
	}
	g_free(z);
	return ok;
}

unsigned exec_active(const struct exec *x)
{
	GHashTableIter it;
	void *job;
	unsigned n = 0;

	g_hash_table_iter_init(&it, x->jobs);
	while (g_hash_table_iter_next(&it, NULL, &job))
		n += ((const struct job *)job)->live;
	return n;
}
