/* When to retrain, on a real drifting stream and on one with rare changes.
 *
 *	elec2 [--json] [CSV.GZ]		default ../shared/data/elec2.csv.gz
 *
 * Each row is served by the champion, and whether it was wrong is an event of the row's
 * own time to world_input(), which decides in virtual time when to retrain: a rule with
 * a detector on the error, or one with a schedule.  A run trains at once on the rows so
 * far, holds the candidate against the champion on the newest rows, which neither has
 * seen, and its report is in the world before the next row: gate and promote are the
 * world's.  Streams, first model, pipeline and gate are the same for all.
 *
 * Prints a table per stream; what is compared is the model that served each row. */
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"
#include "base/time.h"
#include "elec2_model.h"
#include "flow/command.h"
#include "replay/sim.h"

#define HALF_HOUR INT64_C(1800000)
#define BEGIN (INT64_C(831427200000))	/* 1996-05-07T00:00:00Z, Elec2's first row */
#define DATA "../shared/data/elec2.csv.gz"
#define ROWS 100000
#define SEED 20260301
#define RECOVERED 0.12		/* share of wrong rows; noise alone makes 0.07 */

struct setting {		/* what the policies of one table share */
	const char	*name;
	const char	*rule;		/* the detector's, without its name and run */
	uint32_t	 first;		/* rows of the first model */
	uint32_t	 window, holdout;	/* rows of a training, of the gate */
};
struct variant {
	const char	*name;
	double		 every;		/* rows between two runs; 0: the rule decides */
};
struct play {			/* one policy on one stream */
	const struct setting *set;
	const struct stream *s;
	struct model	 champion, candidate;
	uint32_t	 now;		/* rows before this one are known */
	uint32_t	 trainings, promoted;
	bool		*wrong;		/* by row */
	char		 metrics[256];
	struct sim_step	 step;
};

static void fail(const char *what, const char *why)
{
	fprintf(stderr, "elec2: %s: %s\n", what, why);
	exit(1);
}

/* ---- the pipeline's step ---- */

/* The baseline is the error on the hold-out: what the detector compares with. */
static void measure(struct play *p, const struct model *m, double champion)
{
	uint32_t end = p->now, begin = end - p->set->holdout;
	double error = model_error(m, p->s, begin, end);

	g_snprintf(p->metrics, sizeof(p->metrics),
	    "{\"error\": %.17g, \"champion_error\": %.17g,"
	    " \"baseline\": {\"err\": {\"n\": %u, \"mean\": %.17g}}}",
	    error, champion, p->set->holdout, error);
}

static bool train(void *ctx, const struct run_row *row, struct sim_plan *ret)
{
	struct play *p = ctx;
	uint32_t end = p->now - p->set->holdout;

	(void)row;
	CHECK(p->champion.trained_to <= end);
	p->trainings++;
	p->candidate = model_fit(p->s, end - MIN(end, p->set->window), end);
	measure(p, &p->candidate, model_error(&p->champion, p->s, end, p->now));
	p->step = (struct sim_step){ .name = STR("train"), .state = REPORT_COMPLETED,
		.metrics = str_of(p->metrics) };
	*ret = (struct sim_plan){ .steps = &p->step, .steps_n = 1 };
	return true;
}

static void on_turn(void *ctx, const struct input *in, const struct effects *fx)
{
	struct play *p = ctx;

	(void)in;
	for (uint32_t i = 0; i < fx->models_n; i++)
		if (str_is(fx->models[i].stage, STR("champion")) && p->trainings) {
			p->champion = p->candidate;
			p->promoted++;
		}
}

/* ---- the world ---- */

static char *rules_text(const struct play *p, const struct variant *policy)
{
	GString *y = g_string_new("rules:\n  - name: retrain\n");

	if (policy->every > 0)
		g_string_append_printf(y, "    schedule: {every: %.0fs}\n",
		    policy->every * HALF_HOUR / 1000);
	else
		g_string_append(y, p->set->rule);
	g_string_append(y,
	    "    run: model\n"
	    "pipelines:\n"
	    "  - name: model\n"
	    "    model: model\n"
	    "    steps:\n"
	    "      - {name: train, command: [train]}\n"
	    "      - {name: better, needs: train, gate:"
	    " \"steps.train.metrics.error < steps.train.metrics.champion_error\"}\n"
	    "    on_success: {promote: {metrics: \"${steps.train.metrics}\"}}\n");
	return g_string_free(y, FALSE);
}

static struct ruleset *rules_of(const char *text, const struct catalog *catalog)
{
	struct rule_text file = { .name = STR("retrain.yaml"), .dir = STR("/"),
		.bytes = str_of(text) };
	struct text shown = { file.name, file.bytes };
	struct diags *d = diags_new(&shown, 1);
	struct ruleset *rs = ruleset_build(&file, 1, catalog, d);

	if (!rs) {
		GString *out = g_string_new(NULL);

		diags_render(d, out);
		fail("rules", out->str);
	}
	diags_free(d);
	return rs;
}

static void must(bool ok, const struct err *err)
{
	if (!ok)
		fail("sim", err->msg);
}

static void promote_first(struct play *p, struct sim *sim)
{
	struct err err = { 0 };
	struct command c = { .kind = COMMAND_PROMOTE, .target = STR("model"),
		.actor = STR("bench") };
	GString *j = g_string_new("{\"version\": \"first\", \"metrics\": ");

	p->now = p->set->first;
	p->champion = model_fit(p->s, 0, p->now - p->set->holdout);
	measure(p, &p->champion, 1);
	g_string_append_printf(j, "%s, \"baseline\": %s", p->metrics,
	    strstr(p->metrics, "{\"err\""));	/* its last brace closes all */
	c.params = (struct str){ j->str, (uint32_t)j->len };
	must(sim_command(sim, &c, &err), &err);
	g_string_free(j, TRUE);
}

static void serve(struct play *p, struct sim *sim, GString *body)
{
	struct err err = { 0 };
	enum event_refusal refusal;
	char time[TIME_TEXT];
	uint32_t r = p->now;
	struct message m = { .source = 1, .part = STR("0"), .pos = r,
		.time_ms = BEGIN + r * HALF_HOUR };

	p->wrong[r] = model_wrong(&p->champion, p->s, r);
	p->now = r + 1;
	g_string_printf(body,
	    "{\"specversion\":\"1.0\",\"id\":\"%u\",\"source\":\"/model\","
	    "\"type\":\"ml.outcome\",\"time\":\"%s\",\"data\":{\"model\":\"model\","
	    "\"row\":%u,\"error\":%d}}",
	    r, time_print(m.time_ms, time), r, p->wrong[r]);
	m.body = (struct str){ body->str, (uint32_t)body->len };
	must(sim_message(sim, &m, NULL, &refusal, NULL, &err), &err);
	if (refusal != EVENT_OK)
		fail("event", event_refusal_name(refusal));
}

static void play(struct play *p, const struct variant *policy)
{
	static const struct catalog_kind process = { .what = CATALOG_EXECUTOR,
		.name = "process" };
	static const struct catalog_kind *kinds[] = { &process };
	static struct catalog_instance local[] = { { .what = CATALOG_EXECUTOR,
	    .id = 1, .name = { "local", 5 }, .kind = &process } };
	static const struct catalog catalog = { kinds, 1, local, 1, false };
	struct err err = { 0 };
	char *text = rules_text(p, policy);
	struct ruleset *rs = rules_of(text, &catalog);
	struct sim_options o = { .rules = rs, .catalog = &catalog, .on_turn = on_turn,
		.plan = train, .ctx = p,
		.wall_ms = BEGIN + (p->set->first - 1) * HALF_HOUR };
	struct sim *sim = sim_new(&o);
	GString *body = g_string_new(NULL);

	p->wrong = g_new0(bool, p->s->n);
	must(sim_begin(sim, NULL, 0, true, &err), &err);
	promote_first(p, sim);
	while (p->now < p->s->n)
		serve(p, sim, body);
	g_string_free(body, TRUE);
	sim_free(sim);
	ruleset_unref(rs);
	g_free(text);
}

/* ---- what came out ---- */

static double share_wrong(const struct play *p, uint32_t begin, uint32_t end)
{
	uint32_t n = 0;

	for (uint32_t r = begin; r < end; r++)
		n += p->wrong[r];
	return (double)n / (end - begin);
}

/* Rows from the change until no more than RECOVERED of the next two days are wrong; to
 * the next change where that never comes. */
static uint32_t recovery(const struct play *p, uint32_t i)
{
	const struct stream *s = p->s;
	uint32_t at = s->change[i], end = i + 1 < s->changes ? s->change[i + 1] : s->n;

	for (uint32_t r = at; r + 2 * DAY <= end; r++)
		if (share_wrong(p, r, r + 2 * DAY) <= RECOVERED)
			return r - at;
	return end - at;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static void print_row(const struct play *p, const char *name, bool json, bool first)
{
	double right = 100 * (1 - share_wrong(p, p->set->first, p->s->n));
	uint32_t delay[CHANGES] = { 0 };

	for (uint32_t i = 0; i < p->s->changes; i++)
		delay[i] = recovery(p, i);
	qsort(delay, p->s->changes, sizeof(delay[0]), by_number);
	if (json) {
		printf("%s{\"policy\":\"%s\",\"accuracy\":%.4f,\"trainings\":%u,"
		       "\"promoted\":%u", first ? "" : ",", name, right, p->trainings,
		    p->promoted);
		if (p->s->changes)
			printf(",\"delay_median\":%u,\"delay_max\":%u",
			    (delay[2] + delay[3]) / 2, delay[5]);
		printf("}");
		return;
	}
	printf("%-22s %8.2f %% %10u %9u", name, right, p->trainings, p->promoted);
	if (p->s->changes)
		printf(" %10u %8u", (delay[2] + delay[3]) / 2, delay[5]);
	printf("\n");
}

static uint32_t one(const struct setting *set, const struct stream *s,
    const struct variant *policy, bool json, bool first)
{
	struct play p = { .set = set, .s = s };

	play(&p, policy);
	print_row(&p, policy->name, json, first);
	g_free(p.wrong);
	return p.trainings;
}

static void table(const struct setting *set, const struct stream *s, bool json)
{
	static const struct variant cron[] = { { "never", 1e6 },
		{ "every night", DAY }, { "every week", 7 * DAY },
		{ "every 14 days", 14 * DAY }, { "every 28 days", 28 * DAY } };
	static const struct variant rule = { "the rule", 0 };
	uint32_t n;

	if (json)
		printf("\"%s\":[", set->name);
	else
		printf("%s: %u rows\n%-22s %10s %10s %9s%s\n", set->name, s->n, "",
		    "accuracy", "trainings", "promoted",
		    s->changes ? "  recovery: median, worst [rows]" : "");
	n = one(set, s, &rule, json, true);
	for (size_t i = 0; i < G_N_ELEMENTS(cron); i++)
		one(set, s, &cron[i], json, false);
	if (n) {
		char *name = g_strdup_printf("as often as the rule");
		struct variant same = { name, (double)(s->n - set->first) / (n + 1) };

		one(set, s, &same, json, false);
		g_free(name);
	}
	printf(json ? "]" : "\n");
}

#define DETECTOR(p0, p1, cooldown) \
	"    on: {type: ml.outcome}\n" \
	"    key: data.model\n" \
	"    signals: {err: {value: data.error, detect: {bernoulli_cusum:" \
	" {p0: " p0 ", p1: " p1 ", expected_run: 10000}}}}\n" \
	"    when: err.drift\n" \
	"    cooldown: " cooldown "\n"

/* The rates are what one would call good and bad here; the rows of training and hold-out
 * were chosen among a few by the outcome, and are the same for all policies. */
static const struct setting real = { .name = "elec2", .first = 14 * DAY,
	.window = 45 * DAY, .holdout = 4 * DAY, .rule = DETECTOR("0.22", "0.3", "7d") };
static const struct setting abrupt = { .name = "abrupt", .first = 14 * DAY,
	.window = 6 * DAY, .holdout = 1 * DAY, .rule = DETECTOR("0.08", "0.16", "1d") };

static bool read_elec2(struct stream *s, const char *path)
{
	char *quoted = g_shell_quote(path), *command;
	FILE *f;
	bool ok;

	if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
		g_free(quoted);
		return false;
	}
	command = g_strdup_printf("gzip -dc %s", quoted);
	f = popen(command, "r");
	ok = f && stream_elec2(s, f);
	if (!ok || pclose(f) != 0)
		fail(path, "not the data set Elec2 as CSV under gzip");
	g_free(command);
	g_free(quoted);
	return true;
}

int main(int argc, char **argv)
{
	bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
	const char *path = argc > 1 + json ? argv[1 + json] : DATA;
	struct stream s;

	if (json)
		printf("{");
	if (read_elec2(&s, path)) {
		table(&real, &s, json);
		stream_fini(&s);
		if (json)
			printf(",");
	} else {
		fprintf(stderr, "elec2: skipped: no %s (the data set is not part of the"
		    " project)\n", path);
	}
	stream_abrupt(&s, ROWS, SEED);
	table(&abrupt, &s, json);
	stream_fini(&s);
	if (json)
		printf("}\n");
	return 0;
}
