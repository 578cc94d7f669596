/* One event of a selector with `key: all` over many keys: a world in virtual time.
 *
 *	keyall [KEYS]
 *
 * A rule of two selectors gets KEYS (100,000) keys from the one; then events of the
 * other, which give each key a sample and ask its condition; it is true for none.
 * Prints {"keys", "inputs", "p50_ms", "max_ms"}: how long such an input took. */
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/check.h"
#include "base/diag.h"
#include "replay/sim.h"

#define BEGIN INT64_C(1772323200000)	/* 2026-03-01T00:00:00Z */
#define INPUTS 15

static const char text[] = "rules:\n"
    "  - name: r\n"
    "    on: {a: {type: a, key: data.k}, all: {type: b, key: all}}\n"
    "    max_keys: 1000000\n"
    "    signals: {x: {from: a, value: data.v, over: 6h},"
    " y: {from: all, value: data.v, last: 3}}\n"
    "    when: x.avg > 2.0 && y.avg > 100.0\n"
    "    run: train\n"
    "pipelines:\n"
    "  - name: train\n"
    "    steps: [{name: t, command: [\"true\"]}]\n";

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

static struct ruleset *rules(void)
{
	struct rule_text rt = { .name = STR("r.yaml"), .dir = STR("/rules"),
		.bytes = str_of(text) };
	struct text one = { rt.name, rt.bytes };
	struct diags *diags = diags_new(&one, 1);
	struct ruleset *rs = ruleset_build(&rt, 1, catalog(), diags);

	CHECK(rs);
	diags_free(diags);
	return rs;
}

static double send(struct sim *s, uint32_t id, const char *type, int64_t at, uint32_t v)
{
	char body[200], when[TIME_TEXT];
	struct message m = { .source = 1, .part = STR("t/0"), .pos = -1 };
	enum event_refusal refused;
	struct timespec from, to;
	struct err err = { 0 };
	int n = g_snprintf(body, sizeof(body), "{\"specversion\":\"1.0\",\"id\":\"%s%u\","
	    "\"source\":\"/s\",\"type\":\"%s\",\"time\":\"%s\","
	    "\"data\":{\"k\":\"k%07u\",\"v\":%u}}", type, id, type, time_print(at, when),
	    id, v);

	m.body = (struct str){ body, (uint32_t)n };
	m.content_type = STR("application/cloudevents+json");
	clock_gettime(CLOCK_MONOTONIC, &from);
	CHECK(sim_message(s, &m, NULL, &refused, NULL, &err));
	clock_gettime(CLOCK_MONOTONIC, &to);
	CHECK(refused == EVENT_OK);
	return (double)(to.tv_sec - from.tv_sec) * 1e3 +
	    (double)(to.tv_nsec - from.tv_nsec) / 1e6;
}

static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	uint64_t most = argc > 1 ? g_ascii_strtoull(argv[1], NULL, 10) : 100000;
	uint32_t keys = (uint32_t)CLAMP(most, 1, 1000000);
	struct sim_options o = { .rules = rules(), .catalog = catalog(),
		.wall_ms = BEGIN };
	struct err err = { 0 };
	struct sim *s = sim_new(&o);
	double ms[INPUTS];

	CHECK(sim_begin(s, NULL, 0, true, &err));
	for (uint32_t i = 0; i < keys; i++) {
		send(s, i, "a", BEGIN, i % 7);
		if (i % 4096 == 0)	/* as a commit does */
			cells_clean(world_cells(sim_world(s)));
	}
	for (uint32_t i = 0; i < INPUTS; i++) {
		cells_clean(world_cells(sim_world(s)));
		ms[i] = send(s, i, "b", BEGIN + 1000 * (int64_t)i, i);
	}
	qsort(ms, INPUTS, sizeof(ms[0]), cmp);
	printf("{\"keys\":%u,\"inputs\":%d,\"p50_ms\":%.1f,\"max_ms\":%.1f}\n", keys,
	    INPUTS, ms[INPUTS / 2], ms[INPUTS - 1]);
	return 0;
}
