/* After a start: load base and deltas, go on from the cut, verify what was running.
 *
 *	store_load ─► world_load (the set that ran last) ─► START ─► RULESET (if new)
 *	   ─► sources resume, start ─► commit ─► executors are asked */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/log.h"
#include "io/metrics.h"
#include "turn/turn_priv.h"

/* tick never steps back: boot-time difference within a boot, wall difference (if not
 * negative) across boots. */
static void resume_clock(struct turn *t, const struct clock_now *now)
{
	const struct store_meta *m = store_meta(t->p.store);
	char boot[64] = "", offset[32] = "", text[32];
	int64_t away = now->wall_ms - m->last_wall_ms;

	store_get_meta(t->p.store, "boot", boot, sizeof(boot));
	store_get_meta(t->p.store, "tick_offset", offset, sizeof(offset));
	if (m->last_turn && strcmp(boot, clock_boot_id()) == 0) {
		t->tick_offset = strtoll(offset, NULL, 10);
		if (now->boot_ms + t->tick_offset < m->last_tick_ms)
			t->tick_offset = m->last_tick_ms - now->boot_ms;
	} else
		t->tick_offset = m->last_tick_ms + (m->last_turn && away > 0 ? away : 0) -
		    now->boot_ms;
	snprintf(text, sizeof(text), "%lld", (long long)t->tick_offset);
	store_put_meta(t->p.store, "boot", str_of(clock_boot_id()));
	store_put_meta(t->p.store, "tick_offset", str_of(text));
	if (m->last_turn && away < 0) {
		t->clock_ok_boot = now->boot_ms + t->p.clock_wait_ms;
		log_warn("the clock is %lld s behind the last turn: schedules wait up to "
			 "%lld s",
			 (long long)(-away / 1000),
			 (long long)(t->p.clock_wait_ms / 1000));
	}
}

/* The last good set out of the database; NULL: none, or it no longer compiles.  Mostly
 * its texts are those of the files, and then what was built of them is it. */
static struct ruleset *last_good(struct turn *t, struct ruleset *rules)
{
	struct arena *a = arena_new(0);
	struct str packed = store_ruleset(t->p.store, a);
	struct rule_text *texts;
	struct ruleset *rs = NULL;
	uint32_t n;

	if (packed.len && rules && str_is(packed, rules->packed))
		rs = ruleset_ref(rules);
	else if (packed.len && ruleset_unpack(packed, &texts, &n, a)) {
		struct text *names = ARENA_ARRAY(a, struct text, n);
		for (uint32_t i = 0; i < n; i++)
			names[i] = (struct text){ texts[i].name, texts[i].bytes };
		struct diags *d = diags_new(names, n);
		rs = ruleset_build(texts, n, t->p.catalog, d);
		if (!rs)
			log_error("the last good rule set no longer compiles (%u errors)",
			    diags_errors(d));
		diags_free(d);
	}
	arena_free(a);
	return rs;
}

static bool load_world(struct turn *t, struct ruleset *rs, struct err *err)
{
	struct arena *a = arena_new(0);
	struct str *texts = NULL;
	struct pipeline **v;
	uint32_t n = 0, ok = 0;
	bool loaded = store_load(t->p.store, world_cells(t->world), err) &&
	    store_pipelines(t->p.store, a, &texts, &n, err);

	v = ARENA_ARRAY(a, struct pipeline *, n);
	for (uint32_t i = 0; loaded && i < n; i++) {
		struct err why = { 0 };
		v[ok] = pipeline_restore(texts[i], t->p.catalog, &why);
		if (v[ok])
			ok++;
		else	/* its runs fail with that reason */
			log_error("a stored pipeline no longer compiles: %s", why.msg);
	}
	loaded = loaded && world_load(t->world, rs, v, ok, err);
	arena_free(a);
	return loaded;
}

static void resume_part(void *arg, struct str part, struct str position)
{
	struct source *s = arg;

	s->impl->resume(s, part, position);
}

static bool resume_sources(struct turn *t, struct err *err)
{
	for (uint32_t i = 0; i < t->sources_n; i++)
		if (!store_positions(t->p.store, t->sources[i]->name, resume_part,
				     t->sources[i], err))
			return false;
	for (uint32_t i = 0; i < t->sources_n; i++)
		t->sources[i]->impl->start(t->sources[i]);
	return true;
}

static void step_journalled(struct turn *t, struct input *in)
{
	turn_journal(t, in);
	turn_step(t, in);
}

/* Replays compare only what one build decided: where another takes over, they can
 * begin. */
static void new_build(struct turn *t)
{
	char last[256] = "";

	store_get_meta(t->p.store, "fingerprint", last, sizeof(last));
	if (strcmp(last, t->p.fingerprint) == 0)
		return;
	store_put_meta(t->p.store, "fingerprint", str_of(t->p.fingerprint));
	if (!store_meta(t->p.store)->fresh)
		store_ask_snapshot(t->p.store);
}

static void first_turn(struct turn *t, struct ruleset *new, const struct clock_now *now)
{
	struct start start = {
		.instance = str_of(t->p.instance), .epoch = str_of(t->p.epoch),
		.boot = str_of(clock_boot_id()), .fingerprint = str_of(t->p.fingerprint),
		.fresh = store_meta(t->p.store)->fresh,
	};
	struct input in = { .kind = INPUT_START, .start = &start };

	turn_begin(t, now);
	new_build(t);
	step_journalled(t, &in);
	if (new) {
		struct input re = { .kind = INPUT_RULESET, .ruleset = new };
		store_put_ruleset(t->p.store, new->hash, new->packed, now->wall_ms);
		step_journalled(t, &re);
	}
	t->recovery.runs =
	    world_counts(t->world).pending + world_counts(t->world).running;
	world_ops(t->world, &t->fx);
	turn_end(t);
	t->at_once = true;
}

bool turn_recover(struct turn *t, struct ruleset *rules, struct err *err)
{
	struct clock_now now = t->p.clock();
	struct ruleset *old = last_good(t, rules), *base;
	bool same, ok;

	t->without_rules = !rules && !old;
	if (t->without_rules)
		log_error("no rule set is usable: not ready until a reload");
	else if (!rules && old)
		log_warn("running the last good rule set");
	base = old     ? ruleset_ref(old)
	       : rules ? ruleset_ref(rules)
		       : ruleset_empty(t->p.catalog);
	same = rules && old && memcmp(rules->hash, old->hash, 32) == 0;
	t->world = world_new();
	resume_clock(t, &now);
	ok = load_world(t, base, err);
	if (ok) {
		first_turn(t, rules && !same ? rules : NULL, &now);
		ok = resume_sources(t, err);
	}
	if (ok) {
		t->open_since_ms = now.boot_ms;
		commit_run(t);	/* before any other turn: executors are asked after it */
	}
	ruleset_unref(base);
	ruleset_unref(old);
	ruleset_unref(rules);
	t->recovered = ok;
	loop_stay_awake(t->p.loop);
	return ok;
}

void turn_report_recovery(struct turn *t)
{
	if (t->ready || world_counts(t->world).unverified)
		return;
	t->ready = true;
	if (t->recovery.runs)
		log_info("recovered %u runs: %u attached, %u ended, %u lost",
			 t->recovery.runs, t->recovery.attached, t->recovery.ended,
			 t->recovery.lost);
	if (t->p.on_ready)
		t->p.on_ready(t->p.ctx);
}
