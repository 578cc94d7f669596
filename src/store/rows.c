/* The projections: one function per table, and what is trimmed with each commit. */
#include "store/store_priv.h"

/* NOT NULL columns: an empty text is a text. */
static void bind_text(sqlite3_stmt *st, int i, struct str v)
{
	sqlite3_bind_text(st, i, v.len ? v.p : "", (int)v.len, SQLITE_STATIC);
}

static void bind_u64(sqlite3_stmt *st, int i, uint64_t v)
{
	if (v)
		sqlite3_bind_int64(st, i, (int64_t)v);
	else
		sqlite3_bind_null(st, i);
}

static void bind_name(sqlite3_stmt *st, int i, const char *name)
{
	sqlite3_bind_text(st, i, name, -1, SQLITE_STATIC);
}

static int write_decision(struct store *s, const struct decision_row *r)
{
	sqlite3_stmt *st = s->st[ST_DECISION];

	sqlite3_bind_int64(st, 1, (int64_t)r->id);
	sqlite3_bind_int64(st, 2, (int64_t)r->seq);
	sqlite3_bind_int64(st, 3, r->time_ms);
	sqlite3_bind_int64(st, 4, r->rule_id);
	bind_text(st, 5, r->rule);
	bind_text(st, 6, r->key);
	bind_name(st, 7, outcome_name(r->outcome));
	if (r->by)
		bind_name(st, 8, suppressor_name(r->by));
	bind_str(st, 9, r->event_id);
	bind_u64(st, 10, r->run);
	bind_str(st, 11, r->run_id);
	bind_str(st, 12, r->reason);
	bind_ms(st, 13, r->due_ms);
	sqlite3_bind_int64(st, 14, r->count ? r->count : 1);
	bind_str(st, 15, r->trace);
	return step_done(st);
}

static int write_run(struct store *s, const struct run_row *r)
{
	sqlite3_stmt *st = s->st[ST_RUN];

	sqlite3_bind_int64(st, 1, (int64_t)r->id);
	bind_text(st, 2, r->name);
	bind_u64(st, 3, r->decision);
	bind_u64(st, 4, r->seq);
	bind_text(st, 5, r->pipeline);
	bind_str(st, 6, r->rule);
	bind_str(st, 7, r->key);
	bind_str(st, 8, r->model);
	bind_blob(st, 9, r->pipeline_hash, 32);
	bind_blob(st, 10, r->ruleset_hash, 32);
	bind_name(st, 11, run_state_name(r->state));
	if (r->state == RUN_COMPLETED)
		bind_name(st, 12, run_outcome_name(r->outcome ? r->outcome : RUN_NONE));
	bind_str(st, 13, r->reason);
	bind_str(st, 14, r->params);
	bind_str(st, 15, r->events);
	bind_str(st, 16, r->trigger);
	bind_str(st, 17, r->code);
	bind_str(st, 18, r->actor);
	sqlite3_bind_int(st, 19, r->abort_requested);
	sqlite3_bind_int(st, 20, r->unverified);
	sqlite3_bind_int64(st, 21, r->created_ms);
	bind_ms(st, 22, r->started_ms);
	bind_ms(st, 23, r->finished_ms);
	bind_u64(st, 24, r->retry_of);
	bind_str(st, 25, r->environment);
	return step_done(st);
}

static int write_step(struct store *s, const struct step_row *r)
{
	sqlite3_stmt *st = s->st[ST_STEP];

	sqlite3_bind_int64(st, 1, (int64_t)r->run);
	sqlite3_bind_int64(st, 2, r->index);
	bind_text(st, 3, r->name);
	bind_name(st, 4, step_state_name(r->state));
	bind_str(st, 5, r->reason);
	bind_str(st, 6, r->outputs);
	bind_str(st, 7, r->metrics);
	bind_str(st, 8, r->artifacts);
	sqlite3_bind_int64(st, 9, r->attempts);
	bind_ms(st, 10, r->started_ms);
	bind_ms(st, 11, r->finished_ms);
	return step_done(st);
}

static int write_attempt(struct store *s, const struct attempt_row *r)
{
	sqlite3_stmt *st = s->st[ST_ATTEMPT];

	sqlite3_bind_int64(st, 1, (int64_t)r->run);
	sqlite3_bind_int64(st, 2, r->step);
	sqlite3_bind_int64(st, 3, r->attempt);
	bind_text(st, 4, r->key);
	bind_str(st, 5, r->executor);
	bind_str(st, 6, r->native_id);
	bind_str(st, 7, r->native_state);
	bind_str(st, 8, r->reason);
	bind_name(st, 9, step_state_name(r->state));
	if (r->exit_code >= 0)
		sqlite3_bind_int(st, 10, r->exit_code);
	bind_ms(st, 11, r->started_ms);
	bind_ms(st, 12, r->finished_ms);
	return step_done(st);
}

static int write_model(struct store *s, const struct model_row *r)
{
	sqlite3_stmt *st = s->st[ST_MODEL];

	bind_text(st, 1, r->model);
	bind_text(st, 2, r->version);
	bind_str(st, 3, r->run);
	bind_text(st, 4, r->stage);
	bind_str(st, 5, r->metrics);
	bind_str(st, 6, r->baseline);
	sqlite3_bind_int64(st, 7, r->since_ms);
	return step_done(st);
}

static int write_outbox(struct store *s, const struct outbox_row *r)
{
	sqlite3_stmt *st = s->st[ST_OUTBOX];

	sqlite3_bind_int64(st, 1, (int64_t)r->id);
	sqlite3_bind_int64(st, 2, s->buf.turns_n ? s->buf.turns[0].wall_ms : 0);
	sqlite3_bind_int(st, 3, r->depth);
	bind_text(st, 4, r->type);
	bind_str(st, 5, r->subject);
	bind_text(st, 6, r->json);
	return step_done(st);
}

static int write_pipeline(struct store *s, const struct pipeline_row *r)
{
	sqlite3_stmt *st = s->st[r->dropped ? ST_PIPELINE_DROP : ST_PIPELINE];

	bind_blob(st, 1, r->hash, 32);
	if (r->dropped)
		sqlite3_bind_int64(st, 2, (int64_t)s->buf.turns[s->buf.turns_n - 1].id);
	else
		bind_text(st, 2, r->text);
	return step_done(st);
}

static int write_rule(struct store *s, const struct rule_row *r)
{
	sqlite3_bind_int64(s->st[ST_RULE], 1, r->id);
	bind_text(s->st[ST_RULE], 2, r->uid);
	bind_text(s->st[ST_RULE], 3, r->name);
	return step_done(s->st[ST_RULE]);
}

static int write_due(struct store *s, const struct due_row *r)
{
	sqlite3_bind_int64(s->st[ST_DUE], 1, r->rule_id);
	bind_text(s->st[ST_DUE], 2, r->schedule);
	sqlite3_bind_int64(s->st[ST_DUE], 3, r->due_ms);
	bind_text(s->st[ST_DUE], 4, r->outcome);
	return step_done(s->st[ST_DUE]);
}

static int write_turn(struct store *s, const struct turn_head *r)
{
	sqlite3_stmt *st = s->st[ST_TURN];

	sqlite3_bind_int64(st, 1, (int64_t)r->id);
	sqlite3_bind_int64(st, 2, r->wall_ms);
	sqlite3_bind_int64(st, 3, r->tick_ms);
	bind_blob(st, 4, r->ruleset, 32);
	sqlite3_bind_int64(st, 5, (int64_t)r->seq0);
	sqlite3_bind_int64(st, 6, r->n);
	return step_done(st);
}

static int write_pos(struct store *s, const struct put_pos *r)
{
	sqlite3_bind_int64(s->st[ST_POS], 1, r->source);
	bind_text(s->st[ST_POS], 2, r->part);
	bind_blob(s->st[ST_POS], 3, r->position.p, r->position.len);
	return step_done(s->st[ST_POS]);
}

static int write_seen(struct store *s, const struct put_seen *r)
{
	bind_blob(s->st[ST_SEEN], 1, r->h16, 16);
	sqlite3_bind_int64(s->st[ST_SEEN], 2, r->source);
	sqlite3_bind_int64(s->st[ST_SEEN], 3, r->tick);
	sqlite3_bind_int64(s->st[ST_SEEN], 4, (int64_t)r->seq);
	return step_done(s->st[ST_SEEN]);
}

static int write_quarantine(struct store *s, const struct put_quarantine *r)
{
	sqlite3_stmt *st = s->st[ST_QUARANTINE];

	sqlite3_bind_int64(st, 1, r->wall);
	bind_text(st, 2, r->source);
	bind_str(st, 3, r->part);
	sqlite3_bind_int64(st, 4, r->pos);
	bind_name(st, 5, r->reason);
	bind_str(st, 6, r->why);
	sqlite3_bind_int64(st, 7, r->bytes);
	bind_blob(st, 8, r->head.len ? r->head.p : "", r->head.len);
	return step_done(st);
}

static int write_audit(struct store *s, const struct put_audit *r)
{
	sqlite3_stmt *st = s->st[ST_AUDIT];

	sqlite3_bind_int64(st, 1, r->wall);
	sqlite3_bind_int64(st, 2, (int64_t)r->seq);
	bind_text(st, 3, r->actor);
	bind_text(st, 4, r->verb);
	bind_str(st, 5, r->target);
	bind_str(st, 6, r->detail);
	bind_str(st, 7, r->answer);
	return step_done(st);
}

static int write_ruleset(struct store *s, const struct put_ruleset *r)
{
	int rc;

	bind_blob(s->st[ST_RULESET], 1, r->hash, 32);
	sqlite3_bind_int64(s->st[ST_RULESET], 2, r->wall);
	bind_blob(s->st[ST_RULESET], 3, r->packed.p, r->packed.len);
	rc = step_done(s->st[ST_RULESET]);
	if (rc != SQLITE_OK)
		return rc;
	bind_name(s->st[ST_META], 1, "ruleset");
	bind_blob(s->st[ST_META], 2, r->hash, 32);
	return step_done(s->st[ST_META]);
}

static int write_meta(struct store *s, const struct put_meta *r)
{
	bind_name(s->st[ST_META], 1, r->name);
	bind_text(s->st[ST_META], 2, r->value);
	return step_done(s->st[ST_META]);
}

/* New source names first: positions and seen rows use their numbers. */
static int write_sources(struct store *s)
{
	GHashTableIter it;
	gpointer name, id;
	int rc = SQLITE_OK;

	if (g_hash_table_size(s->sources) == s->sources_stored)
		return SQLITE_OK;
	g_hash_table_iter_init(&it, s->sources);	/* the order does not matter */
	while (rc == SQLITE_OK && g_hash_table_iter_next(&it, &name, &id)) {
		if ((uint32_t)GPOINTER_TO_INT(id) <= s->sources_stored)
			continue;
		sqlite3_bind_int(s->st[ST_SOURCE], 1, GPOINTER_TO_INT(id));
		bind_name(s->st[ST_SOURCE], 2, name);
		rc = step_done(s->st[ST_SOURCE]);
	}
	return rc;
}

#define EACH(list, n, f) \
	for (uint32_t i = 0; i < (n) && rc == SQLITE_OK; i++) \
		rc = f(s, &(list)[i])

int rows_write(struct store *s)
{
	const struct buffer *b = &s->buf;
	const struct effects *fx = &b->fx;
	int rc = write_sources(s);

	EACH(b->turns, b->turns_n, write_turn);
	EACH(b->pos, b->pos_n, write_pos);
	EACH(b->seen, b->seen_n, write_seen);
	EACH(fx->decided.rules, fx->decided.rules_n, write_rule);
	EACH(fx->decided.decisions, fx->decided.decisions_n, write_decision);
	EACH(fx->decided.dues, fx->decided.dues_n, write_due);
	EACH(fx->pipelines, fx->pipelines_n, write_pipeline);
	EACH(fx->runs, fx->runs_n, write_run);
	EACH(fx->steps, fx->steps_n, write_step);
	EACH(fx->attempts, fx->attempts_n, write_attempt);
	EACH(fx->models, fx->models_n, write_model);
	EACH(fx->outbox, fx->outbox_n, write_outbox);
	EACH(b->quarantine, b->quarantine_n, write_quarantine);
	EACH(b->audit, b->audit_n, write_audit);
	EACH(b->metas, b->metas_n, write_meta);
	EACH(b->rulesets, b->rulesets_n, write_ruleset);
	return rc;
}

/* By age and by number of rows; the counts become true when the commit is done. */
static int trim_seen(struct store *s, int64_t tick)
{
	int64_t max = s->opt.seen_rows ? s->opt.seen_rows : SEEN_ROWS_MAX, over;
	sqlite3_stmt *st = s->st[ST_SEEN_TRIM];
	int rc = SQLITE_OK;

	g_array_set_size(s->seen_counts, g_hash_table_size(s->sources) + 1);
	for (uint32_t id = 1; id < s->seen_counts->len && rc == SQLITE_OK; id++) {
		struct seen_count *c =
		    &g_array_index(s->seen_counts, struct seen_count, id);
		c->staged = c->rows;
		for (uint32_t i = 0; i < s->buf.seen_n; i++)
			c->staged += s->buf.seen[i].source == id;
		sqlite3_bind_int64(st, 1, id);
		over = c->staged - max;
		sqlite3_bind_int64(st, 2, over > 0 ? INT64_MAX : tick - SEEN_KEEP_MS);
		sqlite3_bind_int64(st, 3, over > 0 ? MIN(over, TRIM_ROWS) : TRIM_ROWS);
		rc = step_done(st);
		c->staged -= sqlite3_changes(s->db);
	}
	return rc;
}

static int trim_journal(struct store *s, int64_t wall)
{
	sqlite3_stmt *st = s->st[ST_JOURNAL_TRIM];
	int64_t cut = 0;
	int rc;

	sqlite3_bind_int64(st, 1, wall - s->opt.keep_ms);
	sqlite3_bind_int(st, 2, s->journal_bytes > s->opt.keep_bytes);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		s->journal_bytes -= sqlite3_column_int64(st, 0);
		cut = sqlite3_column_int64(st, 1);
		rc = sqlite3_step(st);
	}
	sqlite3_reset(st);
	if (rc != SQLITE_DONE || (rc = cut ? snap_cut(s, cut) : SQLITE_OK) != SQLITE_OK ||
	    (rc = snap_trim(s)) != SQLITE_OK)
		return rc;
	if (s->buf.rulesets_n && (rc = step_done(s->st[ST_RULESET_TRIM])) != SQLITE_OK)
		return rc;
	/* headers of turns that no journal row speaks of any more */
	sqlite3_bind_int64(s->st[ST_TURN_TRIM], 1, TRIM_ROWS + s->buf.turns_n);
	return step_done(s->st[ST_TURN_TRIM]);
}

static int trim_outbox(struct store *s, int64_t wall)
{
	const struct effects *fx = &s->buf.fx;
	sqlite3_stmt *st = s->st[ST_OUTBOX_TRIM];

	sqlite3_bind_int64(st, 1, (int64_t)s->run_read);
	sqlite3_bind_int64(st, 2, wall - s->opt.keep_ms);
	sqlite3_bind_int64(st, 3, TRIM_ROWS + fx->outbox_n);
	sqlite3_bind_int64(st, 4, (int64_t)fx->outbox[fx->outbox_n - 1].id -
	    OUTBOX_ROWS_MAX);
	return step_done(st);
}

/* Old rows, a bounded number per commit, so that no turn pays for a whole day. */
int rows_trim(struct store *s, const struct turn_head *last)
{
	const struct effects *fx = &s->buf.fx;
	sqlite3_stmt *st;
	int rc = SQLITE_OK;

	if (s->buf.frames->len)
		rc = trim_journal(s, last->wall_ms);
	if (rc == SQLITE_OK && s->buf.seen_n)
		rc = trim_seen(s, last->tick_ms);
	if (rc == SQLITE_OK && fx->decided.decisions_n) {
		st = s->st[ST_DECISION_TRIM];
		sqlite3_bind_int64(st, 1, last->wall_ms - s->opt.keep_decisions_ms);
		sqlite3_bind_int64(st, 2, TRIM_ROWS + fx->decided.decisions_n);
		rc = step_done(st);
	}
	if (rc == SQLITE_OK && s->buf.quarantine_n) {
		st = s->st[ST_QUARANTINE_TRIM];
		sqlite3_bind_int64(st, 1, last->wall_ms - s->opt.keep_ms);
		sqlite3_bind_int64(st, 2, TRIM_ROWS + s->buf.quarantine_n);
		sqlite3_bind_int64(st, 3, QUARANTINE_ROWS_MAX);
		rc = step_done(st);
	}
	if (rc == SQLITE_OK && fx->outbox_n)
		rc = trim_outbox(s, last->wall_ms);
	return rc;
}

void rows_written(struct store *s)
{
	s->sources_stored = g_hash_table_size(s->sources);
	if (s->buf.seen_n)
		for (uint32_t id = 1; id < s->seen_counts->len; id++) {
			struct seen_count *c =
			    &g_array_index(s->seen_counts, struct seen_count, id);
			c->rows = c->staged;
		}
}
