/* Event rules: matching, keys, conditions, what is counted. */
#include "fixture.h"

#define RULE(more) \
	"rules:\n" \
	"  - name: new\n" \
	"    on: {type: data.new, where: event.subject == \"s\"}\n" \
	"    key: data.model\n" \
	"    when: data.rows >= 100\n" \
	"    run: {pipeline: train, params: {model: \"${key}\", n: " \
	"\"${data.rows}\"}}\n" more

static void a_matching_event_fires_once(void **state)
{
	struct fx f = fx_new(RULE(""));

	(void)state;
	fx_event(&f, "data.new", "{\"model\":\"a\",\"rows\":100}");
	fx_expect(&f, "fired new/a\n");
	assert_string_equal(f.params, "{\"model\":\"a\",\"n\":100}");
	fx_event(&f, "data.new", "{\"model\":\"a\",\"rows\":99}");
	fx_event(&f, "data.old", "{\"model\":\"a\",\"rows\":100}");
	fx_event_at(&f, "t/0", START, "data.new", "other",
		    "{\"model\":\"a\",\"rows\":100}");
	fx_expect(&f, "");
	fx_free(&f);
}

/* matched = evaluated + late + refused key + invalid (promise G10) */
static void every_matched_event_has_one_fate(void **state)
{
	struct fx f = fx_new(RULE("    max_keys: 2\n"));
	struct rule_count c;

	(void)state;
	fx_event(&f, "data.new", "{\"model\":\"a\",\"rows\":1}");
	fx_event(&f, "data.new", "{\"model\":\"b\"}");
	fx_event(&f, "data.new", "{\"model\":\"c\",\"rows\":1000}");
	fx_event(&f, "data.new", "{\"rows\":1000}");
	fx_event(&f, "data.new", "{\"model\":[{}],\"rows\":1000}");
	fx_expect(&f, "");
	c = fx_count(&f, "new");
	assert_int_equal(c.fate[FATE_EVALUATED], 2);
	assert_int_equal(c.fate[FATE_REFUSED_KEY], 1);
	assert_int_equal(c.fate[FATE_INVALID], 2);
	assert_int_equal(c.fate[FATE_LATE], 0);
	assert_int_equal(c.keys, 2);
	fx_free(&f);
}

static void an_error_in_when_is_a_decision_and_no_data_is_not(void **state)
{
	struct fx f = fx_new(RULE(""));

	(void)state;
	fx_event(&f, "data.new", "{\"model\":\"a\"}");
	fx_expect(&f, "");
	fx_event(&f, "data.new", "{\"model\":\"a\",\"rows\":\"many\"}");
	fx_expect(&f, "error new/a\n");
	fx_free(&f);
}

static void policies_turn_no_data_into_true(void **state)
{
	struct fx f = fx_new("rules:\n"
			     "  - {name: r, on: x, when: data.rows > 1, on_nodata: "
			     "\"true\", run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired r\n");
	fx_event(&f, "x", "{\"rows\":0}");
	fx_expect(&f, "");
	fx_free(&f);
}

static void a_parameter_that_fails_is_an_error_and_no_run(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: x\n"
	    "    cooldown: 1h\n"
	    "    run: {pipeline: train, params: {model: \"${data.name}\"}}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "error r\n");
	assert_int_equal(f.runs, 0);
	fx_event(&f, "x", "{\"name\":\"m\"}");	/* and it set no cooldown */
	fx_expect(&f, "fired r\n");
	fx_free(&f);
}

static void rules_decide_in_their_order(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - {name: b, on: x, run: train}\n"
	    "  - {name: a, on: \"x*\", run: train}\n"
	    "  - {name: c, on: {source: plant}, run: train}\n");

	(void)state;
	fx_event(&f, "x", "{}");
	fx_expect(&f, "fired b\nfired a\nfired c\n");
	fx_event(&f, "xy", "{}");
	fx_expect(&f, "fired a\nfired c\n");
	fx_free(&f);
}

static void a_trigger_uses_the_kept_event_and_given_parameters(void **state)
{
	struct fx f = fx_new(RULE("    cooldown: 1h\n"));
	struct input in = { .kind = INPUT_COMMAND };
	struct err err = { 0 };
	struct value k, v;

	(void)state;
	fx_event(&f, "data.new", "{\"model\":\"a\",\"rows\":7}");
	fx_begin(&f, &in);
	assert_true(decide_trigger(f.d, STR("new"), STR("a"), (struct value){ 0 }, false,
	    STR("ann"), &err));
	fx_end(&f);
	fx_expect(&f, "fired new/a\n");
	assert_string_equal(f.params, "{\"model\":\"a\",\"n\":7}");
	fx_begin(&f, &in);
	assert_true(decide_trigger(f.d, STR("new"), STR("a"), (struct value){ 0 }, false,
	    STR("ann"), &err));
	fx_end(&f);
	fx_expect(&f, "suppressed new/a by cooldown\n");
	fx_begin(&f, &in);
	k = value_str(STR("n"));
	v = value_int(9);
	assert_true(decide_trigger(f.d, STR("new"), STR("a"), value_map_of(&k, &v, 1,
	    f.arena), true, STR("ann"), &err));
	fx_end(&f);
	fx_expect(&f, "fired new/a\n");
	assert_string_equal(f.params, "{\"model\":\"a\",\"n\":9}");
	fx_free(&f);
}

static void a_trigger_of_nothing_is_refused(void **state)
{
	struct fx f = fx_new(RULE(""));
	struct input in = { .kind = INPUT_COMMAND };
	struct err err = { 0 };

	(void)state;
	fx_begin(&f, &in);
	assert_false(decide_trigger(f.d, STR("nix"), STR("a"), (struct value){ 0 }, false,
	    STR("ann"), &err));
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_false(decide_trigger(f.d, STR("new"), STR(""), (struct value){ 0 }, false,
	    STR("ann"), &err));
	assert_int_equal(err.code, ERR_USAGE);
	fx_end(&f);
	fx_expect(&f, "");
	fx_free(&f);
}

/* Kept values survive a restart and a rule set with other slots. */
static void the_kept_event_survives_a_restart_and_an_edit(void **state)
{
	struct fx f = fx_new(RULE(""));
	struct input in = { .kind = INPUT_COMMAND };
	struct err err = { 0 };

	(void)state;
	fx_event(&f, "data.new", "{\"model\":\"a\",\"rows\":7}");
	fx_restart(&f);
	fx_use(&f, "rules:\n"
		   "  - {name: z, on: q, when: data.first == 1 && data.second == 2, run: "
		   "train}\n"
		   "  - name: new\n"
		   "    on: {type: data.new, where: event.subject == \"s\"}\n"
		   "    key: data.model\n"
		   "    run: {pipeline: train, params: {n: \"${data.rows + 1}\"}}\n");
	fx_begin(&f, &in);
	assert_true(decide_trigger(f.d, STR("new"), STR("a"), (struct value){ 0 }, false,
	    STR("ann"), &err));
	fx_end(&f);
	fx_expect(&f, "fired new/a\n");
	assert_string_equal(f.params, "{\"n\":8}");
	fx_free(&f);
}

static void the_facts_of_the_key_are_read(void **state)
{
	struct fx f = fx_new("rules:\n"
	    "  - name: r\n"
	    "    on: x\n"
	    "    key: data.model\n"
	    "    when: last_run.state == \"\" || last_run.params.n > 1\n"
	    "    run: train\n");
	struct run_fact r = { .run = 1, .id = STR("train-1"), .state = STR("running"),
		.params = STR("{\"n\":1}"), .created_ms = START };

	(void)state;
	fx_event(&f, "x", "{\"model\":\"a\"}");
	fx_expect(&f, "fired r/a\n");
	facts_set_run(decide_facts(f.d), STR("train"), STR("a"), &r);
	fx_event(&f, "x", "{\"model\":\"a\"}");
	fx_expect(&f, "");
	fx_event(&f, "x", "{\"model\":\"b\"}");
	fx_expect(&f, "fired r/b\n");
	fx_free(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_matching_event_fires_once),
		cmocka_unit_test(every_matched_event_has_one_fate),
		cmocka_unit_test(an_error_in_when_is_a_decision_and_no_data_is_not),
		cmocka_unit_test(policies_turn_no_data_into_true),
		cmocka_unit_test(a_parameter_that_fails_is_an_error_and_no_run),
		cmocka_unit_test(rules_decide_in_their_order),
		cmocka_unit_test(a_trigger_uses_the_kept_event_and_given_parameters),
		cmocka_unit_test(a_trigger_of_nothing_is_refused),
		cmocka_unit_test(the_kept_event_survives_a_restart_and_an_edit),
		cmocka_unit_test(the_facts_of_the_key_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
