/* The firing state machine against the published vectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>

#include "decide/machine.h"

#include <string.h>

#define VECTORS "tests/vectors/state_machine_vectors.json"

static json_t *vectors(const char *name)
{
	json_error_t err;
	json_t *all = json_load_file(VECTORS, 0, &err), *v;

	assert_non_null(all);
	v = json_incref(json_object_get(all, name));
	json_decref(all);
	assert_true(json_is_array(v));
	return v;
}

static int64_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static bool is(const json_t *o, const char *key, const char *text)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s && strcmp(s, text) == 0;
}

static enum machine_input policy(const json_t *cfg, const char *key)
{
	return is(cfg, key, "false")  ? MACHINE_FALSE
	       : is(cfg, key, "true") ? MACHINE_TRUE
				      : MACHINE_KEEP;
}

static enum machine_input input_of(const json_t *step, const json_t *cfg)
{
	json_t *in = json_object_get(step, "in");

	if (json_is_boolean(in))
		return json_is_true(in) ? MACHINE_TRUE : MACHINE_FALSE;
	return policy(cfg, is(step, "in", "nodata") ? "on_nodata" : "on_error");
}

/* What decide does with a wanted emission, cooldown being the only suppressor; the
 * vectors record a suppression once per episode. */
static const char *answer(struct machine *m, const struct machine_config *c, bool defer,
    int64_t t)
{
	bool again = m->owed;

	if (machine_cooldown_left(m, c, t) == 0) {
		machine_settle(m, MACHINE_EMITTED, t);
		return "FIRE";
	}
	machine_settle(m, defer ? MACHINE_DEFERRED : MACHINE_DROPPED, t);
	return again ? NULL : "suppressed:cooldown";
}

static void run_case(const json_t *c)
{
	const json_t *cfg = json_object_get(c, "config"), *step;
	struct machine_config mc = { .for_ms = number(cfg, "for"),
		.keep_ms = number(cfg, "keep"), .refire_ms = number(cfg, "refire"),
		.cooldown_ms = number(cfg, "cooldown") };
	bool defer = is(cfg, "on_cooldown", "defer");
	struct machine m = { 0 };
	size_t i;

	json_array_foreach(json_object_get(c, "steps"), i, step) {
		int64_t t = number(step, "t");
		json_t *want = json_object_get(step, "emit");
		const char *got = NULL;

		if (machine_step(&m, &mc, input_of(step, cfg), t, t))
			got = answer(&m, &mc, defer, t);
		assert_string_equal(machine_state_name((enum machine_state)m.state),
		    json_string_value(json_object_get(step, "state")));
		assert_string_equal(got ? got : "", want ? json_string_value(want) : "");
	}
}

static void published_sequences_of_states_and_emissions(void **state)
{
	json_t *v = vectors("state_machine"), *c;
	size_t i;

	(void)state;
	assert_true(json_array_size(v) >= 10);
	json_array_foreach(v, i, c)
		run_case(c);
	json_decref(v);
}

/* A latched machine is asked whether it has recovered instead. */
static void hysteresis_needs_the_clear_level(void **state)
{
	json_t *v = vectors("hysteresis"), *c, *x;
	size_t i, n;

	(void)state;
	json_array_foreach(v, i, c) {
		double fire = json_real_value(json_object_get(c, "fire"));
		double clear = json_real_value(json_object_get(c, "clear"));
		bool above = is(c, "op", "above");
		struct machine_config mc = { 0 };
		struct machine m = { 0 };

		json_array_foreach(json_object_get(c, "values"), n, x) {
			double d = json_real_value(x);
			bool in = machine_latched(&m) ? !(above ? d < clear : d > clear) :
			    above ? d > fire : d < fire;

			machine_step(&m, &mc, in ? MACHINE_TRUE : MACHINE_FALSE,
			    (int64_t)n, (int64_t)n);
			assert_int_equal(machine_latched(&m), json_is_true(json_array_get(
			    json_object_get(c, "expect"), n)));
		}
	}
	json_decref(v);
}

static void an_episode_number_is_never_used_twice(void **state)
{
	struct machine_config c = { .for_ms = 10 };
	struct machine m = { 0 };

	(void)state;
	machine_step(&m, &c, MACHINE_TRUE, 0, 0);
	assert_int_equal(m.episode, 1);
	machine_step(&m, &c, MACHINE_FALSE, 5, 5);
	machine_step(&m, &c, MACHINE_TRUE, 6, 6);
	assert_int_equal(m.episode, 2);
}

static void what_is_owed_ends_with_the_episode(void **state)
{
	struct machine_config c = { .cooldown_ms = 100 };
	struct machine m = { 0 };

	(void)state;
	assert_true(machine_step(&m, &c, MACHINE_TRUE, 0, 0));
	machine_settle(&m, MACHINE_DEFERRED, 0);
	assert_true(machine_step(&m, &c, MACHINE_TRUE, 1, 1));
	machine_step(&m, &c, MACHINE_FALSE, 2, 2);
	assert_false(m.owed);
	assert_int_equal(m.state, MACHINE_INACTIVE);
}

/* An emission that a person asked for while pending does not use up the episode's. */
static void a_manual_emission_leaves_the_pending_episode_its_own(void **state)
{
	struct machine_config c = { .for_ms = 10 };
	struct machine m = { 0 };

	(void)state;
	assert_false(machine_step(&m, &c, MACHINE_TRUE, 0, 0));
	machine_settle(&m, MACHINE_EMITTED, 1);
	assert_true(machine_step(&m, &c, MACHINE_TRUE, 10, 10));
}

static void a_clock_that_steps_back_never_shortens_a_cooldown(void **state)
{
	struct machine_config c = { .cooldown_ms = 100 };
	struct machine m = { 0 };

	(void)state;
	machine_step(&m, &c, MACHINE_TRUE, 1000, 0);
	machine_settle(&m, MACHINE_EMITTED, 0);
	machine_step(&m, &c, MACHINE_FALSE, 10, 50);
	machine_step(&m, &c, MACHINE_TRUE, 5000, 60);
	assert_int_equal(machine_cooldown_left(&m, &c, 60), 40);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(published_sequences_of_states_and_emissions),
		cmocka_unit_test(hysteresis_needs_the_clear_level),
		cmocka_unit_test(an_episode_number_is_never_used_twice),
		cmocka_unit_test(what_is_owed_ends_with_the_episode),
		cmocka_unit_test(a_manual_emission_leaves_the_pending_episode_its_own),
		cmocka_unit_test(a_clock_that_steps_back_never_shortens_a_cooldown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
