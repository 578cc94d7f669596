/* Memory of a key, all in: a world in virtual time takes events of N keys.
 *
 *	keys [KEYS [KIND]]
 *
 * For each kind of signal a process of its own, with one rule, KEYS keys (1,000,000) and
 * events in two panes or windows of each key.  Prints a line for each:
 *
 *	KIND BYTES	RSS that the keys added, by the key
 *
 * and what the cells of a key hold.  Counted is the memory of the whole process after
 * the last event, less that with a hundredth of the keys. */
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"
#include "replay/sim.h"

#define BEGIN INT64_C(1772323200000)	/* 2026-03-01T00:00:00Z */
#define HOUR INT64_C(3600000)

static const struct {
	const char *name, *signals, *when;
} kinds[] = {
	{ "sliding", "v: {value: data.v, over: 6h}", "v.avg > 9.0" },
	{ "sliding-all", "v: {value: data.v, over: 6h}",
	  "v.stddev > 9.0 && v.rate > 9.0 && v.max > v.min" },
	{ "hopping", "v: {value: data.v, over: 6h, every: 1h}", "v.avg > 9.0" },
	{ "tumbling", "v: {value: data.v, tumbling: 1h}", "v.avg > 9.0" },
	{ "session", "v: {value: data.v, session: 2h}", "v.avg > 9.0" },
	{ "count", "v: {value: data.v, last: 10}", "v.avg > 9.0" },
	{ "since", "v: {value: data.v, since: last_success}", "v.avg > 9.0" },
	{ "distinct", "v: {value: data.v, over: 6h}", "v.distinct > 9" },
	{ "quantile", "v: {value: data.v, over: 6h}", "v.quantile(0.9) > 9.0" },
	{ "sliding+cusum", "v: {value: data.v, over: 6h}\n"
	  "      c: {value: data.v, detect: {cusum: {}},"
	  " baseline: {mean: 0, sd: 1, n: 1000}}", "v.avg > 9.0 && c.drift" },
};

static const struct catalog *catalog(void)
{
	static const struct option none[] = { { .name = NULL } };
	static const struct catalog_kind process = { CATALOG_EXECUTOR, "process", "",
		none, 0, NULL };
	static const struct catalog_kind *known[] = { &process };
	static struct catalog_instance instances[] = {
		{ CATALOG_EXECUTOR, 1, { "local", 5 }, &process, { NULL, 0 }, NULL },
	};
	static const struct catalog c = { known, 1, instances, 1, true };

	return &c;
}

static struct ruleset *rules(unsigned kind)
{
	g_autofree char *yaml = g_strdup_printf("rules:\n"
	    "  - name: r\n"
	    "    on: {type: t, key: data.k, lateness: 1h}\n"
	    "    max_keys: 1000000\n"
	    "    signals:\n      %s\n"
	    "    when: %s\n"
	    "    run: train\n"
	    "pipelines:\n"
	    "  - name: train\n"
	    "    steps: [{name: t, command: [\"true\"]}]\n", kinds[kind].signals,
	    kinds[kind].when);
	struct rule_text text = { .name = STR("r.yaml"), .dir = STR("/rules"),
		.bytes = str_of(yaml) };
	struct text one = { text.name, text.bytes };
	struct diags *diags = diags_new(&one, 1);
	struct ruleset *rs = ruleset_build(&text, 1, catalog(), diags);
	GString *msg = g_string_new(NULL);

	diags_render(diags, msg);
	if (!rs)
		fprintf(stderr, "%s\n%s", kinds[kind].name, msg->str);
	g_string_free(msg, TRUE);
	diags_free(diags);
	return rs;
}

static uint64_t rss(void)
{
	char *text = NULL;
	uint64_t pages = 0;

	if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL)) {
		const char *second = strchr(text, ' ');

		pages = second ? g_ascii_strtoull(second + 1, NULL, 10) : 0;
	}
	g_free(text);
	return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void feed(struct sim *s, uint32_t from, uint32_t to, int64_t at)
{
	enum event_refusal refused;
	struct err err = { 0 };

	for (uint32_t i = from; i < to; i++) {
		char body[200], time[TIME_TEXT];
		struct message m = { .source = 1, .part = STR("t/0"), .pos = -1 };
		int n = g_snprintf(body, sizeof(body),
		    "{\"specversion\":\"1.0\",\"id\":\"%u\",\"source\":\"/s\","
		    "\"type\":\"t\",\"time\":\"%s\",\"data\":{\"k\":\"k%07u\",\"v\":%u}}",
		    i, time_print(at, time), i, i % 7);

		m.body = (struct str){ body, (uint32_t)n };
		m.content_type = STR("application/cloudevents+json");
		CHECK(sim_message(s, &m, NULL, &refused, NULL, &err));
		CHECK(refused == EVENT_OK);
		if (i % 4096 == 0)	/* as a commit does */
			cells_clean(world_cells(sim_world(s)));
	}
}

static uint64_t total(struct sim *s)
{
	return cells_total_bytes(world_cells(sim_world(s)));
}

static void measure(unsigned kind, uint32_t keys)
{
	uint32_t some = keys / 100;
	struct ruleset *rs = rules(kind);
	struct sim_options o = { .rules = rs, .catalog = catalog(), .wall_ms = BEGIN };
	struct err err = { 0 };
	struct sim *s;
	uint64_t before, cells;

	if (!rs)
		return;
	s = sim_new(&o);
	CHECK(sim_begin(s, NULL, 0, true, &err));
	feed(s, 0, some, BEGIN);
	feed(s, 0, some, BEGIN + HOUR);
	before = rss();
	cells = total(s);
	feed(s, some, keys, BEGIN + HOUR / 2);
	feed(s, some, keys, BEGIN + HOUR + HOUR / 2);
	printf("%-16s %6" PRIu64 " B/key   cells %" PRIu64 "   process %.1f MiB\n",
	    kinds[kind].name, (rss() - before) / (keys - some),
	    (total(s) - cells) / (keys - some), (double)rss() / (1 << 20));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	uint64_t keys = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 1000000;

	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
		pid_t pid;

		if (argc > 2 && strcmp(argv[2], kinds[i].name) != 0)
			continue;
		pid = fork();
		CHECK(pid >= 0);
		if (pid == 0) {
			measure(i, (uint32_t)CLAMP(keys, 1000, 1000000));
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	return 0;
}
