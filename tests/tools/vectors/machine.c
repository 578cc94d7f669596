/* Vectors of firing: the state machine with cooldown as its only suppressor, levels
 * with hysteresis, m of n. */
#include "decide/machine.h"

#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "signal/detect.h"
#include "signal/signal.h"
#include "vectors.h"

static int64_t ms(const json_t *o, const char *key)
{
	return (int64_t)json_number_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key, const char *text)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && strcmp(s, text) == 0;
}

static enum machine_input policy(const json_t *cfg, const char *key)
{
	return is(cfg, key, "false") ? MACHINE_FALSE :
	    is(cfg, key, "true") ? MACHINE_TRUE : MACHINE_KEEP;
}

static enum machine_input input_of(const json_t *step, const json_t *cfg)
{
	json_t *in = json_object_get(step, "in");

	if (json_is_boolean(in))
		return json_is_true(in) ? MACHINE_TRUE : MACHINE_FALSE;
	return policy(cfg, is(step, "in", "nodata") ? "on_nodata" : "on_error");
}

/* A suppression is recorded once per episode. */
static const char *answer(struct machine *m, const struct machine_config *c, bool defer,
    int64_t t)
{
	bool again = m->owed;

	if (machine_cooldown_left(m, c, t) == 0) {
		machine_settle(m, MACHINE_EMITTED, t);
		return "FIRE";
	}
	machine_settle(m, defer ? MACHINE_DEFERRED : MACHINE_DROPPED, t);
	return again ? "" : "suppressed:cooldown";
}

static bool known_config(struct vec *v, const json_t *cfg, const char *name)
{
	static const char known[] = " for keep refire cooldown on_cooldown on_nodata "
	    "on_error ";
	const char *key;
	json_t *j;

	json_object_foreach((json_t *)(uintptr_t)cfg, key, j) {
		char word[80];

		g_snprintf(word, sizeof word, " %s ", key);
		if (!strstr(known, word)) {
			vec_skip(v, "state_machine %s: %s", name, key);
			return false;
		}
	}
	return true;
}

static void steps(struct vec *v, const json_t *e, const json_t *cfg, const char *name)
{
	struct machine_config c = { .for_ms = ms(cfg, "for"), .keep_ms = ms(cfg, "keep"),
		.refire_ms = ms(cfg, "refire"), .cooldown_ms = ms(cfg, "cooldown") };
	struct machine m = { 0 };
	size_t i;
	json_t *step;

	json_array_foreach(json_object_get(e, "steps"), i, step) {
		int64_t t = ms(step, "t");
		const char *emit = json_string_value(json_object_get(step, "emit"));
		const char *state = json_string_value(json_object_get(step, "state"));
		const char *got = "", *now;

		if (machine_step(&m, &c, input_of(step, cfg), t, t))
			got = answer(&m, &c, is(cfg, "on_cooldown", "defer"), t);
		now = machine_state_name((enum machine_state)m.state);
		vec_check(v, state && strcmp(now, state) == 0,
		    "state_machine %s t=%" PRId64 ": %s", name, t, now);
		vec_check(v, strcmp(got, emit ? emit : "") == 0,
		    "state_machine %s t=%" PRId64 ": emits \"%s\"", name, t, got);
	}
}

void vec_machine(struct vec *v, const json_t *rows)
{
	size_t i;
	json_t *e;

	json_array_foreach((json_t *)(uintptr_t)rows, i, e) {
		const char *name = json_string_value(json_object_get(e, "name"));
		const json_t *cfg = json_object_get(e, "config");

		name = name ? name : "without a name";
		if (known_config(v, cfg, name))
			steps(v, e, cfg, name);
	}
}

/* A latched machine is asked whether it has recovered. */
void vec_hysteresis(struct vec *v, const json_t *rows)
{
	size_t i, n;
	json_t *e, *x;

	json_array_foreach((json_t *)(uintptr_t)rows, i, e) {
		double fire = json_number_value(json_object_get(e, "fire"));
		double clear = json_number_value(json_object_get(e, "clear"));
		const char *name = json_string_value(json_object_get(e, "name"));
		double sign = is(e, "op", "above") ? 1 : -1;
		struct machine_config c = { 0 };
		struct machine m = { 0 };

		json_array_foreach(json_object_get(e, "values"), n, x) {
			double d = sign * json_number_value(x);
			bool in = machine_latched(&m) ? !(d < sign * clear) :
			    d > sign * fire;

			machine_step(&m, &c, in ? MACHINE_TRUE : MACHINE_FALSE,
			    (int64_t)n, (int64_t)n);
			vec_check(v, machine_latched(&m) == json_is_true(json_array_get(
			    json_object_get(e, "expect"), n)),
			    "hysteresis %s [%zu]", name ? name : "", n);
		}
	}
}

/* ---- levels: "info >60 reset <50; ..", each a threshold of its own ---- */

#define LEVELS_MAX 8

struct level_ { char name[16]; struct detect_spec spec; uint64_t state[8]; };

static unsigned levels_of(const char *rules, struct level_ *l)
{
	unsigned n = 0;

	while (n < LEVELS_MAX && rules && *rules) {
		double fire, clear;
		char err[100];

		rules += strspn(rules, " ;");
		if (sscanf(rules, "%15s >%lf reset <%lf", l[n].name, &fire, &clear) != 3)
			return 0;
		detect_spec_init(&l[n].spec, detect_def(STR("threshold")));
		l[n].spec.p[0] = fire;
		l[n].spec.p[1] = clear;
		if (!detect_finish(&l[n++].spec, 0, err, sizeof err))
			return 0;
		rules += strcspn(rules, ";");
	}
	return n;
}

static bool level_feed(struct level_ *l, double x, bool anew)
{
	struct detect_view view;

	if (anew)
		detect_repin(l->state, sizeof l->state);
	(void)detect_feed(&l->spec, l->state, NULL, 0, x);
	detect_read(&l->spec, l->state, NULL, 0, &view);
	return view.drift;
}

/* It stays at its level until that one is reset or a higher one fires. */
static unsigned level_step(struct level_ *l, unsigned n, unsigned at, double x)
{
	bool stays = at > 0 && level_feed(&l[at - 1], x, false);

	for (unsigned i = n; i > (stays ? at : 0); i--)
		if (level_feed(&l[i - 1], x, true))
			return i;
	return stays ? at : 0;
}

/* Names of levels are short: warn is WARNING, crit is CRITICAL. */
void vec_levels(struct vec *v, const json_t *e)
{
	struct level_ l[LEVELS_MAX] = { 0 };
	unsigned n = levels_of(json_string_value(json_object_get(e, "rules")), l), at = 0;
	size_t i;
	json_t *x;

	if (n == 0) {
		vec_skip(v, "levels");
		return;
	}
	json_array_foreach(json_object_get(e, "values"), i, x) {
		const char *want = json_string_value(
		    json_array_get(json_object_get(e, "expect"), i));
		const char *got;

		at = level_step(l, n, at, json_number_value(x));
		got = at ? l[at - 1].name : "OK";
		vec_check(v, want && g_ascii_strncasecmp(got, want, strlen(got)) == 0,
		    "levels [%zu]: %s", i, got);
	}
}

/* ---- m of n: the sum of a window of the newest n ---- */

void vec_m_of_n(struct vec *v, const json_t *e)
{
	const char *name = json_string_value(json_object_get(e, "name"));
	struct signal_spec s = { .window = WINDOW_COUNT, .min_count = 1,
		.aggregates = AGG_SUM };
	struct cells *c = cells_new();
	struct arena *a = arena_new(1 << 20);
	unsigned m, n;
	uint32_t root = 0;
	size_t i;
	json_t *x;

	if (!name || sscanf(name, "%u of %u", &m, &n) != 2) {
		vec_skip(v, "m_of_n");
		goto done;
	}
	s.last_n = n;
	root = signal_new(&s, c);
	json_array_foreach(json_object_get(e, "bits"), i, x) {
		struct sample one = { .x = json_number_value(x) };
		double sum = 0;

		(void)signal_add(&s, c, root, (int64_t)i, &one, INT64_MIN);
		(void)value_number(signal_read(&s, c, root, STR("sum"), (int64_t)i, a),
		    &sum);
		vec_check(v, (sum >= m) == json_is_true(json_array_get(
		    json_object_get(e, "expect"), i)), "m_of_n %s [%zu]", name, i);
	}
	signal_free(c, root);
done:
	arena_free(a);
	cells_free(c);
}
