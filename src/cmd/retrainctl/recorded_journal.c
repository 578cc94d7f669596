/* The daemon's journal, read beside it: the messages whose bytes it keeps.  Recorded
 * reports, commands and our own run events are left out: runs are virtual. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "cmd/retrainctl/history.h"
#include "cmd/retrainctl/recorded.h"
#include "event/frame.h"

struct reading {
	struct history	 h;
	struct arena	*block, *keep;	/* of the block; of all */
	struct past_block b;
	bool		 any;		/* b is one */
	struct reader	 frames;
	uint64_t	 turn, turn0;	/* after which the next block begins; the first */
	int64_t		 start_ms;
	uint64_t	 without;	/* messages of which only the position is kept */
	struct str	 topic;		/* part of one of them */
	GHashTable	*times;		/* pipeline -> int64_t *, median run time */
};

/* The block that begins after r->turn.  False: *err, or the end. */
static bool next_block(struct reading *r, struct err *err)
{
	arena_reset(r->block);
	if (!past_block(r->h.past, r->turn, r->block, &r->b, &r->any, err) || !r->any)
		return false;
	r->turn = r->b.turn1;
	r->frames = reader_of(r->b.frames);
	return true;
}

/* True: the message is to be given. */
static bool wanted(struct reading *r, char kind, struct str body, struct sim_item *ret,
    struct err *err)
{
	struct frame_message f;

	if (kind == 'i')
		return false;
	if (!frame_get_message(kind, body, r->block, &f, err))
		return false;
	if (f.m.source == CATALOG_RUN_ID)
		return false;
	if (f.mode != JOURNAL_FULL) {
		r->without += f.n;
		if (!r->topic.len)
			r->topic = arena_str(r->keep, f.m.part);
		return false;
	}
	*ret = (struct sim_item){ .message = f.m, .skipped = f.skipped,
		.skipped_n = f.skipped_n };
	for (uint32_t i = 0; i < r->h.config->instances_n; i++)
		if (r->h.config->instances[i].kind->what == CATALOG_SOURCE &&
		    r->h.config->instances[i].id == f.m.source)
			ret->message.origin = r->h.config->instances[i].name;
	return true;
}

static int next(void *ctx, struct sim_item *ret, struct err *err)
{
	struct reading *r = ctx;
	struct str body;
	char kind;

	for (;;) {
		while (r->any && frame_next(&r->frames, &kind, &body)) {
			if (wanted(r, kind, body, ret, err))
				return 1;
			if (err->code)
				return -1;
		}
		if (!next_block(r, err))
			return err->code ? -1 : 0;
	}
}

static bool rewind_journal(void *ctx, struct err *err)
{
	struct reading *r = ctx;

	(void)err;
	r->turn = r->turn0;
	r->any = false;
	r->without = 0;
	return true;
}

static double done(void *ctx)
{
	const struct reading *r = ctx;
	int64_t all = r->h.span.to_ms - r->start_ms;

	return !r->any || all <= 0 ? 0 :
	    (double)(r->b.wall_ms - r->start_ms) / (double)all;
}

static int64_t run_time(struct recorded *rec, struct str pipeline)
{
	struct reading *r = rec->ctx;
	g_autofree char *name = g_strndup(pipeline.p, pipeline.len);
	int64_t *ms = g_hash_table_lookup(r->times, name);
	struct err err = { 0 };

	if (!ms) {
		ms = g_new(int64_t, 1);
		if (!past_run_time(r->h.past, pipeline, ms, &err))
			*ms = -1;
		g_hash_table_insert(r->times, g_steal_pointer(&name), ms);
	}
	return *ms;
}

/* From the snapshot before that time on; what comes too early is not given. */
static bool begin(struct recorded *rec, int64_t at_ms, struct err *err)
{
	struct reading *r = rec->ctx;
	struct past_champion *v;
	struct past_snap snap;
	struct backtest_champion *to;
	uint32_t n;

	r->start_ms = at_ms;
	if (past_snap(r->h.past, UINT64_MAX, at_ms, &snap, err))
		r->turn = r->turn0 = snap.turn;
	else if (err->code != ERR_NOT_FOUND)
		return false;
	*err = (struct err){ 0 };
	if (!past_champions(r->h.past, at_ms, r->keep, &v, &n, err))
		return false;
	to = ARENA_ARRAY(r->keep, struct backtest_champion, n + 1);
	for (uint32_t i = 0; i < n; i++)
		to[i] = (struct backtest_champion){ v[i].model, v[i].version,
			v[i].metrics, v[i].baseline };
	rec->champions = to;
	rec->champions_n = n;
	return true;
}

/* The span that was tried is part of the answer: what is missing in it is said. */
static void close_journal(struct recorded *rec)
{
	struct reading *r = rec->ctx;

	if (r->without)
		fprintf(stderr, "retrainctl %s: %llu messages (of %.*s ..) were not"
		    " tried: the journal keeps their positions only; --from-kafka reads"
		    " them\n",
		    rec->verb, (unsigned long long)r->without, STR_ARG(r->topic));
	history_close(&r->h);
	g_hash_table_destroy(r->times);
	arena_free(r->block);
	arena_free(r->keep);
	g_free(r);
}

/* --since takes what there is, --from is meant as it stands. */
static bool covered(struct recorded *rec, const struct reading *r, int *ret_exit)
{
	bool inside = rec->from_ms >= r->h.span.from_ms &&
	    rec->from_ms <= r->h.span.to_ms;
	GString *span;

	if (inside)
		return true;
	span = g_string_new(NULL);
	history_span_text(&r->h, span);
	fprintf(stderr, "retrainctl %s: the journal covers %s; events of before can be"
	    " tried with --from-kafka or --from-file\n", rec->verb, span->str);
	g_string_free(span, TRUE);
	*ret_exit = CTL_NO;
	if (!rec->since || rec->from_ms > r->h.span.to_ms)
		return false;
	rec->from_ms = r->h.span.from_ms;
	return true;
}

bool recorded_journal(struct ctl *c, struct recorded *rec, int *ret_exit)
{
	struct reading *r = g_new0(struct reading, 1);

	if (!history_open(c, rec->verb, NULL, &r->h, ret_exit)) {
		g_free(r);
		return false;
	}
	r->block = arena_new(0);
	r->keep = arena_new(0);
	r->times = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	rec->ctx = r;
	rec->close = close_journal;
	rec->begin = begin;
	rec->catalog = &rec->config->catalog;
	if (rec->run_time_ms < 0)
		rec->run_time = run_time;
	if (rec->to_ms == TIME_NONE)
		rec->to_ms = r->h.span.to_ms;
	rec->iter = (struct sim_iter){ .next = next, .rewind = rewind_journal,
		.done = done, .ctx = r };
	if (covered(rec, r, ret_exit))
		return true;
	recorded_close(rec);
	return false;
}
