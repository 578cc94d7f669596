/* What /readyz, /metrics and `get sources` ask of the turn. */
#include <sys/stat.h>

#include "io/metrics.h"
#include "turn/turn_priv.h"

static void why(struct turn_status *s, bool bad, const char *reason)
{
	if (bad && s->reasons_n < G_N_ELEMENTS(s->reasons))
		s->reasons[s->reasons_n++] = reason;
}

void turn_status(const struct turn *t, struct turn_status *ret)
{
	struct clock_now now = t->p.clock();

	*ret = (struct turn_status){
		.recovered = t->recovered, .full = t->full, .stopping = t->stopping,
		.paused = t->recovered && world_paused(t->world),
		.seq = t->recovered ? world_seq(t->world) : 0,
		.turn = t->turn, .commit = t->commits,
		.wall_ms = now.wall_ms, .tick_ms = now.boot_ms + t->tick_offset,
	};
	why(ret, !t->recovered, "the world is not loaded yet");
	why(ret, t->recovered && !t->ready, "local runs are not verified yet");
	why(ret, t->without_rules, "no rule set is usable: mend the files and reload");
	why(ret, t->full, "the last commit failed: disk full, or the database is locked");
	why(ret, t->broken, "the last commit failed: I/O error");
	why(ret, t->stopping, "stopping");
	ret->ready = ret->reasons_n == 0;
}

static void source_gauges(struct source *s, const struct source_count *count)
{
	struct source_status st = { .lag = -1 };
	char *name = g_strndup(s->name.p, s->name.len);

	s->impl->status(s, &st);
	metric_set("source_connected", st.connected, "source", name, NULL);
	if (st.lag >= 0)
		metric_set("source_lag_messages", (double)st.lag, "source", name, NULL);
	*metric_counter("source_reconnects_total", "source", name, NULL) = st.reconnects;
	if (count->last_ms)
		metric_set("source_last_event_timestamp_seconds",
		    (double)count->last_ms / 1e3, "source", name, NULL);
	*count->duplicate = count->repeats + st.repeats;
	*metric_counter("source_gaps_total", "source", name, NULL) = st.gaps;
	g_free(name);
}

static void rule_gauges(const struct decide *d, const struct rule *r, double modes[4])
{
	static const char *const fates[] = { "", "evaluated", "late", "refused_key",
					     "invalid" };
	/* ORDER signal_fate */
	static const char *const samples[] = { "", "taken", "late", "invalid",
		"refused" };
	struct rule_count c = decide_rule_count(d, decide_rule_id(d, r));
	char *name = g_strndup(r->name.p, r->name.len);

	modes[r->mode]++;
	metric_set("rule_keys", c.keys, "rule", name, NULL);
	for (int f = FATE_EVALUATED; f < FATE_MAX; f++)
		*metric_counter("rule_matched_total", "rule", name, "outcome", fates[f],
		    NULL) = c.fate[f];
	for (int f = SIGNAL_TAKEN; f <= SIGNAL_FULL; f++)
		*metric_counter("rule_samples_total", "rule", name, "outcome", samples[f],
		    NULL) = c.sample[f];
	g_free(name);
}

static void file_bytes(const char *part, const char *path, const char *suffix)
{
	char *p = g_strconcat(path, suffix, NULL);
	struct stat st;

	if (stat(p, &st) == 0)
		metric_set("store_bytes", (double)st.st_size, "part", part, NULL);
	g_free(p);
}

void turn_metrics(struct turn *t)
{
	static const char *const names[] = { "", "active", "observe", "disabled" };
	double modes[4] = { 0 };
	struct world_counts c;
	const struct ruleset *rs;

	for (uint32_t i = 0; i < t->sources_n; i++)
		source_gauges(t->sources[i], &t->counts[i]);
	file_bytes("database", store_path(t->p.store), "");
	file_bytes("wal", store_path(t->p.store), "-wal");
	if (!t->recovered)
		return;
	rs = world_ruleset(t->world);
	for (uint32_t i = 0; i < rs->rules_n; i++)
		rule_gauges(world_decide(t->world), &rs->rules[i], modes);
	for (int m = MODE_ACTIVE; m <= MODE_DISABLED; m++)
		metric_set("rules", modes[m], "mode", names[m], NULL);
	c = world_counts(t->world);
	metric_set("runs", c.pending, "state", "pending", NULL);
	metric_set("runs", c.running, "state", "running", NULL);
	metric_set("runs_unverified", c.unverified, NULL);
}
