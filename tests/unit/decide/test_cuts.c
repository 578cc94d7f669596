/* Batches cut at other places give the same decisions.
 *
 * A log of events of two partitions and two types, with pauses, sources that go and come
 * and partitions that say they are idle, is decided twice: once with what is due asked
 * only at the end of each batch, once with cuts at random places inside it, some of them
 * restarts.  Rules: `for` over two selectors, absence, sequence, at_least, coalesce,
 * deferred events, a list of keys, key: all.  The decisions and their sentences must be
 * equal, in order.  CUTS_SEEDS=N tries more than the usual number.
 *
 * Two more properties of rules that live in event time alone, of events whose partitions
 * are never idle: when the events arrive changes no decision; and neither do events of
 * another key between them, which move the clock to where it was going anyway: what is
 * due comes before the event that brought the clock there. */
#include "fixture.h"

#define SEEDS 150
#define BATCHES 25

static const char rules[] = "rules:\n"
    "  - name: held\n"
    "    on: {a: {type: a, key: data.k}, b: {type: b, key: data.k, lateness: 5s}}\n"
    "    signals: {x: {from: a, value: data.v, over: 2m},"
    " y: {from: b, value: data.v, last: 3}}\n"
    "    when: x.avg > 4 && y.avg > 3\n"
    "    for: 20s\n"
    "    keep_firing_for: 15s\n"
    "    run: train\n"
    "  - name: absent\n"
    "    on: {type: a, key: data.k, stale_after: 90s}\n"
    "    signals: {x: {value: data.v, last: 1}}\n"
    "    when: x.last > 100\n"
    "    on_nodata: \"true\"\n"
    "    run: train\n"
    "  - name: pair\n"
    "    on: {a: {type: a, key: data.k}, b: {type: b, key: data.k}}\n"
    "    sequence: [a, b]\n"
    "    within: 30s\n"
    "    run: {pipeline: train, params: {n: \"${a.data.v + b.data.v}\"}}\n"
    "  - name: some\n"
    "    on: {a: {type: a}, b: {type: b}, c: {type: \"*\", where: data.v == 9}}\n"
    "    at_least: {n: 3, of: [a, b, c], within: 20s}\n"
    "    run: train\n"
    "  - name: burst\n"
    "    on: {type: b, key: data.k}\n"
    "    dedupe: {key: data.v, for: 1m}\n"
    "    coalesce: {quiet: 7s, max_delay: 20s, max_events: 6}\n"
    "    run: {pipeline: train, params: {n: \"${events.map(e, e.data.v)}\"}}\n"
    "  - name: owed\n"
    "    on: {type: a, key: \"[data.k, 'all']\"}\n"
    "    when: data.v > 5\n"
    "    cooldown: 40s\n"
    "    on_suppressed: defer\n"
    "    run: {pipeline: train, params: {n: \"${events.size()}\"}}\n"
    "  - name: every\n"
    "    on: {a: {type: a, key: data.k}, all: {type: b, key: all}}\n"
    "    signals: {x: {from: a, value: data.v, over: 1m},"
    " y: {from: all, value: data.v, last: 1}}\n"
    "    when: x.max >= 8 && y.last < 5\n"
    "    for: 5s\n"
    "    run: train\n";

struct rng { uint64_t x; };

static uint32_t below(struct rng *r, uint32_t n)
{
	r->x = r->x * 6364136223846793005ull + 1442695040888963407ull;
	return (uint32_t)(r->x >> 33) % n;
}

static void source(struct fx *f, enum source_state s, const char *part)
{
	fx_input(f, (struct input){ .kind = INPUT_SOURCE,
	    .source = { 1, str_of(part), s } });
}

static void event(struct fx *f, struct rng *r)
{
	static const char *const types[] = { "a", "b" };
	static const char *const parts[] = { "t/0", "t/1" };
	uint32_t part = below(r, 2), late = below(r, 12) * 1000 * below(r, 2);
	g_autofree char *data = g_strdup_printf("{\"k\":\"k%u\",\"v\":%u}", below(r, 2),
	    below(r, 10));

	fx_event_at(f, parts[part], START + f->tick - late, types[below(r, 2)], "s",
	    data);
}

/* What is due now, in order, as the end of a batch does it. */
static void cut(struct fx *f)
{
	unsigned n = 0;

	while (fx_due(f, f->tick))
		assert_true(++n < 1000);
}

/* The length of the log before the last minutes, in which nothing comes. */
static gsize play(struct fx *f, uint64_t seed, bool cuts)
{
	struct rng log = { seed }, where = { seed ^ 0xabcdef };
	gsize before;

	source(f, SOURCE_CAUGHT_UP, "");
	for (int i = 0; i < BATCHES; i++) {
		uint32_t n = below(&log, 9), what = below(&log, 20);

		/* No tick deadline falls on a batch: all of them are of whole seconds. */
		fx_advance(f, (below(&log, 10) ? below(&log, 15) : 120) * SECOND);
		f->tick += 1;
		for (uint32_t j = 0; j < n; j++) {
			event(f, &log);
			if (cuts && below(&where, 2))
				cut(f);
			if (cuts && !below(&where, 9))
				fx_restart(f);
		}
		if (what == 0)
			source(f, SOURCE_DOWN, "");
		else if (what <= 3)
			source(f, SOURCE_CAUGHT_UP, "");
		else if (what <= 6)
			source(f, SOURCE_PART_IDLE, what == 4 ? "t/0" : "t/1");
		cut(f);
	}
	before = f->log->len;
	fx_advance(f, 10 * MINUTE);
	return before;
}

static void cuts_do_not_matter(void **state)
{
	const char *more = getenv("CUTS_SEEDS");
	uint64_t seeds = more ? g_ascii_strtoull(more, NULL, 10) : SEEDS;
	static const char *const seen[] = { "fired held/", "fired absent/", "fired pair/",
		"suppressed pair/k0 by expired", "fired some\n",
		"suppressed some by expired",
		"fired burst/", "suppressed burst/k0 by dedupe", "fired owed/k1",
		"fired owed/all", "suppressed owed/all by cooldown", "fired every/" };
	static const char *const idle[] = { "fired held/", "fired absent/",
		"suppressed pair/k0 by expired", "fired every/" };
	GString *all = g_string_new(NULL), *end = g_string_new(NULL);

	(void)state;
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		struct fx whole = fx_new(rules), cut_up = fx_new(rules);
		gsize from = play(&whole, seed, false);

		play(&cut_up, seed, true);
		if (strcmp(whole.log->str, cut_up.log->str) != 0 ||
		    strcmp(whole.why->str, cut_up.why->str) != 0)
			fail_msg("seed %u:\n%s%s---\n%s%s", (unsigned)seed,
			    whole.log->str, whole.why->str, cut_up.log->str,
			    cut_up.why->str);
		g_string_append(all, whole.log->str);
		g_string_append(end, whole.log->str + from);
		fx_free(&whole);
		fx_free(&cut_up);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(seen); i++)	/* it was about something */
		if (!strstr(all->str, seen[i]))
			fail_msg("never seen: %s", seen[i]);
	for (size_t i = 0; i < G_N_ELEMENTS(idle); i++)	/* clocks go on */
		if (!strstr(end->str, idle[i]))
			fail_msg("never seen without events: %s", idle[i]);
	g_string_free(all, TRUE);
	g_string_free(end, TRUE);
}

/* ---- event time ---- */

static const char timed[] = "rules:\n"
    "  - name: held\n"
    "    on: {a: {type: a, key: data.k}, b: {type: b, key: data.k, lateness: 5s}}\n"
    "    signals: {x: {from: a, value: data.v, last: 2},"
    " y: {from: b, value: data.v, over: 2m}}\n"
    "    when: x.avg > 4 && y.avg > 3\n"
    "    for: 20s\n"
    "    keep_firing_for: 15s\n"
    "    run: train\n"
    "  - name: quick\n"
    "    on: {type: a, key: data.k}\n"
    "    signals: {x: {value: data.v, last: 1}}\n"
    "    when: x.last > 4\n"
    "    for: 10s\n"
    "    run: train\n"
    "  - name: pair\n"
    "    on: {a: {type: a, key: data.k}, b: {type: b, key: data.k}}\n"
    "    sequence: [a, b]\n"
    "    within: 30s\n"
    "    run: train\n";

enum { AT_ONCE, LATER, MOVED };

static void send(struct fx *f, const char *part, int64_t t, const char *type,
    const char *key, uint32_t v)
{
	g_autofree char *data = g_strdup_printf("{\"k\":\"%s\",\"v\":%u}", key, v);

	fx_event_at(f, part, START + t, type, "s", data);
}

/* The source says nothing of itself: no partition is idle, clocks go with events only. */
static void play_timed(struct fx *f, uint64_t seed, int how)
{
	static const char *const parts[] = { "t/0", "t/1" };
	static const char *const keys[] = { "k0", "k1" };
	static const char *const types[] = { "a", "b" };
	struct rng log = { seed }, where = { seed ^ 0xabcdef };
	int64_t t = 0;

	for (int i = 0; i < 100; i++) {
		const char *part = parts[below(&log, 2)], *type = types[below(&log, 2)];
		const char *key = keys[below(&log, 2)];
		int64_t at, late = below(&log, 12) * SECOND * below(&log, 2);
		uint32_t v = below(&log, 10);

		t += (below(&log, 10) ? below(&log, 8) : 60) * SECOND;
		if (f->tick < t + SECOND)
			fx_advance(f, t + SECOND - f->tick);
		if (how == LATER && below(&where, 2))
			fx_advance(f, below(&where, 30) * SECOND);
		/* No deadline is at the very time to which an event brings the clock: it
		 * would come after the event, which is another decision. */
		at = t - late + 10 * i;
		if (how == MOVED)
			send(f, part, at - 1, type, "z", 0);
		send(f, part, at, type, key, v);
	}
}

/* The lines of (rule, key); the others are of another order: which rule comes first. */
static char *lines_of(const char *log, const char *what)
{
	g_auto(GStrv) v = g_strsplit(log, "\n", -1);
	GString *out = g_string_new(NULL);

	for (char **l = v; *l; l++)
		if (strstr(*l, what))
			g_string_append_printf(out, "%s\n", *l);
	return g_string_free(out, FALSE);
}

static void only_event_time_matters(void **state)
{
	static const char *const whats[] = { " held/k0", " held/k1", " quick/k0",
		" quick/k1", " pair/k0", " pair/k1" };
	bool seen[G_N_ELEMENTS(whats)] = { false };

	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS / 3; seed++) {
		struct fx f[3];

		for (int how = AT_ONCE; how <= MOVED; how++) {
			f[how] = fx_new(timed);
			play_timed(&f[how], seed, how);
		}
		assert_string_equal(f[AT_ONCE].log->str, f[LATER].log->str);
		assert_string_equal(f[AT_ONCE].why->str, f[LATER].why->str);
		for (size_t i = 0; i < G_N_ELEMENTS(whats); i++) {
			g_autofree char *a = lines_of(f[AT_ONCE].log->str, whats[i]);
			g_autofree char *b = lines_of(f[MOVED].log->str, whats[i]);

			if (strcmp(a, b) != 0)
				fail_msg("seed %u:\n%s---\n%s", (unsigned)seed, a, b);
			seen[i] |= strstr(a, "fired") != NULL;
		}
		for (int how = AT_ONCE; how <= MOVED; how++)
			fx_free(&f[how]);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(whats); i++)
		assert_true(seen[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cuts_do_not_matter),
		cmocka_unit_test(only_event_time_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
