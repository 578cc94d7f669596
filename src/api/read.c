/* Questions to the database: each runs on a reader thread with a connection of its own
 * out of a small free list.
 *
 * Invariants
 *   (1) A job owns its query, its connection and its text while it runs.
 *   (2) job.call is NULL once the API is closed; the job is freed by its on_done in any
 *       case. */
#include <stdlib.h>
#include <string.h>

#include "api/priv.h"
#include "base/option.h"
#include "base/time.h"
#include "io/clock.h"
#include "io/pool.h"

#define DBS_MAX 4

struct job {
	struct call	*call;
	char		*path;
	struct reader_db *db;
	struct query	*q;
	job_f		 run;
	job_done_f	 done;
	GString		*out;
	struct err	 err;
	bool		 ok;
};

static void *job_run(void *arg)
{
	struct job *j = arg;

	if (!j->db)
		j->db = reader_open(j->path, &j->err);
	j->ok = j->db && j->run(j->db, j->q, j->out, &j->err);
	return j;
}

static void job_free(struct job *j)
{
	reader_close(j->db);
	query_free(j->q);
	g_string_free(j->out, TRUE);
	g_free(j->path);
	g_free(j);
}

static void job_done(void *ctx, void *ret)
{
	struct job *j = ctx;
	struct call *c = j->call;
	struct str out = { j->out->str, (uint32_t)j->out->len };

	if (c) {
		c->job = NULL;
		if (j->db && c->api->dbs->len < DBS_MAX) {
			g_ptr_array_add(c->api->dbs, j->db);
			j->db = NULL;
		}
		if (!ret)
			call_error(c, 503, "the daemon is stopping");
		else if (j->done)
			j->done(c, j->ok ? NULL : &j->err, out);
		else if (j->ok)
			call_json(c, 200, out);
		else
			call_err(c, &j->err);
		call_unref(c);
	}
	job_free(j);
}

void job_forget(struct job *j)
{
	j->call = NULL;
}

static bool job_start(struct call *c, struct query *q, job_f run, job_done_f done)
{
	struct api *a = c->api;
	struct job *j = g_new0(struct job, 1);

	j->q = q;
	j->run = run ? run : query_run;
	j->done = done;
	j->out = g_string_new(NULL);
	j->path = g_strdup(store_path(a->p.store));
	if (a->dbs->len)
		j->db = g_ptr_array_steal_index_fast(a->dbs, a->dbs->len - 1);
	j->call = call_ref(c);
	c->job = j;
	if (pool_run(a->p.readers, job_run, job_done, j, j))
		return true;
	c->job = NULL;
	job_free(j);
	call_unref(c);
	return false;
}

bool call_read_quiet(struct call *c, struct query *q, job_done_f done)
{
	return job_start(c, q, NULL, done);
}

void call_read(struct call *c, struct query *q, job_f run, job_done_f done)
{
	if (!c->api->p.store || !c->api->p.readers) {
		call_error(c, 503, "the database is not open yet");
		query_free(q);
	} else if (!job_start(c, q, run, done))
		call_error(c, 503, "too many questions at a time");
}

/* Filters. */

static char *own_arg(const struct call *c, const char *name)
{
	return g_strdup(call_arg(c, name));
}

static int64_t time_arg(const struct call *c, const char *name)
{
	const char *v = call_arg(c, name);
	int64_t ms = 0;

	if (v && !time_parse(str_of(v), &ms, NULL) && duration_parse(str_of(v), &ms))
		ms = clock_read().wall_ms - ms;
	return ms;
}

static int64_t number_arg(const struct call *c, const char *name)
{
	const char *v = call_arg(c, name);

	return v ? strtoll(v, NULL, 10) : 0;	/* digits: call_query_ok() */
}

bool call_filters(struct call *c, struct query *q)
{
	int64_t limit = number_arg(c, "limit");

	if (limit > 1000 || (call_arg(c, "limit") && limit < 1)) {
		call_error(c, 400, "parameter 'limit': expected 1 to 1000");
		return false;
	}
	q->rule = own_arg(c, "rule");
	q->pipeline = own_arg(c, "pipeline");
	q->key = own_arg(c, "key");
	q->state = own_arg(c, "state");
	q->outcome = own_arg(c, "outcome");
	q->event = own_arg(c, "event");
	q->model = own_arg(c, "model");
	q->since_ms = time_arg(c, "since");
	q->until_ms = time_arg(c, "until");
	q->before = (uint64_t)number_arg(c, "before");
	q->limit = (uint32_t)limit;
	return true;
}

/* Lists: the last word of the path says which. */
void on_list(struct call *c)
{
	static const struct { const char *name; enum query_kind kind; } lists[] = {
		{ "/runs", QUERY_RUNS }, { "/decisions", QUERY_DECISIONS },
		{ "/events", QUERY_EVENTS }, { "/models", QUERY_MODELS },
		{ "/dues", QUERY_DUES }, { "/quarantine", QUERY_QUARANTINE },
		{ "/audit", QUERY_AUDIT },
	};
	struct query *q = g_new0(struct query, 1);

	for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++)
		if (g_str_has_suffix(c->route->path, lists[i].name))
			q->kind = lists[i].kind;
	if (call_filters(c, q))
		call_read(c, q, NULL, NULL);
	else
		query_free(q);
}

static void one(struct call *c, enum query_kind kind)
{
	struct query *q = g_new0(struct query, 1);

	q->kind = kind;
	q->id = g_strdup(c->vars[0]);
	call_read(c, q, NULL, NULL);
}

void on_run(struct call *c)
{
	one(c, QUERY_RUN);
}

void on_decision(struct call *c)
{
	one(c, QUERY_DECISION);
}
