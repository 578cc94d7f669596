/* The commit of one or more turns, and what follows it.
 *
 *	cut ─► store_commit() ─► ack ─► answers ─► executors ─► feed
 *
 * When: at once after a decision, a command, a report, an mqtt or http message; else
 * when 50 ms have passed since the first uncommitted turn or 1 MiB is dirty. */
#include <stdlib.h>
#include <string.h>

#include "io/log.h"
#include "io/metrics.h"
#include "turn/turn_priv.h"

bool commit_due(const struct turn *t, int64_t boot_ms)
{
	if (!store_open_commit(t->p.store))
		return false;
	return t->at_once || t->fx.ops_n || t->stopping || store_unread(t->p.store) ||
	    boot_ms - t->open_since_ms >= COMMIT_MS ||
	    store_dirty_bytes(t->p.store, world_cells(t->world)) >= COMMIT_BYTES;
}

static void put_cut(void *arg, struct str part, struct str position)
{
	void **ctx = arg;
	struct turn *t = ctx[0];
	struct source *s = ctx[1];

	store_put_position(t->p.store, s->name, part, position);
}

static void cut(struct turn *t)
{
	for (uint32_t i = 0; i < t->sources_n; i++) {
		void *ctx[] = { t, t->sources[i] };
		t->sources[i]->impl->cut(t->sources[i], put_cut, ctx);
	}
}

/* "200 {...}" as the audit row keeps it. */
static void answer_repeat(struct turn *t, struct waiting *w)
{
	struct arena *a = arena_new(0);
	struct str kept;

	w->status = 409;
	if (store_answer(t->p.store, w->seq, a, &kept) && kept.len > 4) {
		w->status = (int)strtol(kept.p, NULL, 10);
		w->json = g_strndup(kept.p + 4, kept.len - 4);
	} else if (store_unread(t->p.store)) {
		w->status = 503;	/* and the process ends: the next one knows */
	}
	w->answered = true;
	arena_free(a);
}

void commit_answers(struct turn *t)
{
	GArray *all = t->waiting;

	/* Answers may queue new commands: they go into a list of their own. */
	t->waiting = g_array_new(FALSE, TRUE, sizeof(struct waiting));
	for (unsigned i = 0; i < all->len; i++) {
		struct waiting w = g_array_index(all, struct waiting, i);
		if (w.repeat && !w.answered)
			answer_repeat(t, &w);
		if (!w.answered) {
			g_array_append_val(t->waiting, w);
			continue;
		}
		if (w.answer)
			w.answer(w.ctx, w.status, w.json ? str_of(w.json) : STR("{}"));
		g_free(w.json);
	}
	g_array_free(all, TRUE);
}

static void count(struct turn *t)
{
	const struct decided *d = &t->fx.decided;

	for (uint32_t i = 0; i < d->decisions_n; i++) {
		const struct decision_row *r = &d->decisions[i];
		char *rule = g_strndup(r->rule.p, r->rule.len);
		metric_add("decisions_total", r->count ? r->count : 1, "rule", rule,
			   "outcome", outcome_name(r->outcome), NULL);
		if (r->outcome == OUTCOME_SUPPRESSED)
			metric_add("suppressed_total", r->count ? r->count : 1,
				   "suppressor", suppressor_name(r->by), NULL);
		if (r->due_ms)
			metric_observe("due_delay_seconds",
				       (double)(r->time_ms - r->due_ms) / 1e3, NULL);
		g_free(rule);
	}
	for (uint32_t i = 0; i < d->dues_n; i++)
		metric_add("due_total", 1, "outcome",
			   str_starts(d->dues[i].outcome, STR("skipped")) ? "skipped"
									  : "decided",
			   NULL);
	for (uint32_t i = 0; i < t->fx.runs_n; i++) {
		const struct run_row *r = &t->fx.runs[i];
		char *p = g_strndup(r->pipeline.p, r->pipeline.len);
		if (run_is_terminal(r->state)) {
			metric_add("runs_ended_total", 1, "pipeline", p, "state",
				   run_state_name(r->state), "outcome",
				   run_outcome_name(r->outcome), NULL);
			if (r->started_ms)
				metric_observe("run_duration_seconds",
				    (double)(r->finished_ms - r->started_ms) / 1e3, NULL);
		} else if (r->state == RUN_RUNNING && r->started_ms == t->head.wall_ms)
			metric_observe("start_delay_seconds",
			    (double)(r->started_ms - r->created_ms) / 1e3, NULL);
		g_free(p);
	}
}

static void dispatch(struct turn *t)
{
	for (uint32_t i = 0; i < t->fx.ops_n; i++) {
		char *name =
		    g_strndup(t->fx.ops[i].executor.p, t->fx.ops[i].executor.len);
		if (t->fx.ops[i].kind == EXEC_START)
			metric_add("steps_started_total", 1, "executor", name, NULL);
		g_free(name);
		exec_do(t->p.exec, &t->fx.ops[i]);
	}
	for (uint32_t i = 0; i < t->fx.forget_n; i++)
		exec_forget(t->p.exec, t->fx.forget[i]);
}

static void show_feed(struct turn *t)
{
	for (unsigned i = 0; i < t->feed->len && t->on_event; i++)
		t->on_event(t->on_event_ctx, str_of(g_ptr_array_index(t->feed, i)));
	g_ptr_array_set_size(t->feed, 0);
}

static void done(struct turn *t, struct committed c)
{
	uint64_t last = store_outbox_last(t->p.store);

	t->commits = c.commit;
	t->full = false;
	t->at_once = false;
	t->open_since_ms = -1;
	for (uint32_t i = 0; i < t->sources_n; i++) {
		t->sources[i]->impl->ack(t->sources[i], c);
		if (strcmp(t->sources[i]->impl->kind->name, "run") == 0)
			run_source_committed(t->sources[i], last);
	}
	commit_answers(t);
	count(t);
	dispatch(t);
	show_feed(t);
	turn_report_recovery(t);
	arena_reset(t->arena);
	effects_init(&t->fx, t->arena);
}

void commit_run(struct turn *t)
{
	struct committed c;
	struct err err = { 0 };
	int64_t began = clock_mono_us();

	if (!t->full)
		cut(t);
	switch (store_commit(t->p.store, world_cells(t->world), &c, &err)) {
	case STORE_DONE:
		metric_observe("commit_duration_seconds",
			       (double)(clock_mono_us() - began) / 1e6, NULL);
		if (t->full)
			log_warn("the commit that found the disk full is through");
		done(t, c);
		return;
	case STORE_FULL:
		metric_add("commit_failures_total", 1, "reason", "full", NULL);
		if (!t->full)
			log_error("%s: nothing is acknowledged; trying again each second",
				  err.msg);
		t->full = true;
		t->retry_boot = t->p.clock().boot_ms + RETRY_MS;
		turn_hold(t, true);
		return;
	case STORE_BROKEN:
		metric_add("commit_failures_total", 1, "reason", "io", NULL);
		t->broken = true;
		for (uint32_t i = 0; i < t->sources_n; i++)
			t->sources[i]->impl->nack(t->sources[i]);
		t->p.on_broken(t->p.ctx, &err);
		return;
	}
}
