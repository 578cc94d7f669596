/* Several events in one run, through the world: coalesce that waits for the end of the
 * active run, deferred events, a sequence.  Every event is in the parameters (`events`)
 * and in the input of the run's steps (trigger.events). */
#include "fixture.h"

#define MINUTE 60000

static const char rules[] =
	"rules:\n"
	"  - name: burst\n"
	"    on: {type: part, key: event.subject}\n"
	"    coalesce: {quiet: 10m}\n"
	"    run: {pipeline: train, params: {ns: \"${events.map(e, e.data.n)}\"}}\n"
	"  - name: owed\n"
	"    on: asked\n"
	"    cooldown: 1h\n"
	"    on_suppressed: defer\n"
	"    run: {pipeline: side, params: {ns: \"${events.map(e, e.data.n)}\"}}\n"
	"  - name: pair\n"
	"    on: {a: {type: a}, b: {type: b}}\n"
	"    sequence: [a, b]\n"
	"    within: 1h\n"
	"    run: {pipeline: side, params: {ns: \"${[a.data.n, b.data.n]}\"}}\n"
	"pipelines:\n"
	"  - name: train\n"
	"    params: {ns: {type: list, default: []}}\n"
	"    steps: [{name: fit, command: [fit]}]\n"
	"  - name: side\n"
	"    params: {ns: {type: list, default: []}}\n"
	"    steps: [{name: fit, command: [fit]}]\n";

static struct fix *f;

static int setup(void **state)
{
	(void)state;
	f = fix_new(rules);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fix_free(f);
	return 0;
}

static void event(const char *type, int n, uint8_t depth)
{
	struct event_limits limits = { 0 };
	struct arena *a = arena_new(0);
	g_autofree char *id = g_strdup_printf("e%d", n);
	g_autofree char *data = g_strdup_printf("{\"n\":%d}", n);
	struct event e = { .id = str_of(id), .source = STR("/t"), .type = str_of(type),
		.subject = STR("m"), .has_id = true, .time_ms = f->wall,
		.data = str_of(data), .body = str_of(data), .depth = depth };
	struct input in = { .kind = INPUT_EVENT, .event = &e };

	assert_true(event_fill(&e, &f->rules->plan, &limits, a));
	fix_input(f, &in);
	arena_free(a);
}

/* The ids of trigger.events in the input of the turn's one START. */
static void expect_events(const char *ids)
{
	GString *s = g_string_new(NULL);
	struct value v;

	assert_int_equal(f->fx.ops_n, 1);
	v = value_from_json(f->fx.ops[0].input, f->arena);
	v = value_member(v, STR("trigger"), f->arena);
	v = value_member(v, STR("events"), f->arena);
	assert_int_equal(v.tag, VALUE_LIST);
	for (uint32_t i = 0; i < v.list->n; i++)
		g_string_append_printf(s, "%.*s ", STR_ARG(value_as_str(value_member(
		    v.list->v[i], STR("id"), f->arena))));
	assert_string_equal(s->str, ids);
	g_string_free(s, TRUE);
}

static void a_burst_waits_for_the_active_run(void **state)
{
	(void)state;
	event("part", 1, 0);
	event("part", 2, 0);
	fix_wait(f, 10 * MINUTE - 1);
	assert_int_equal(g_hash_table_size(f->runs), 0);
	fix_wait(f, 1);
	assert_string_equal(fix_row(f, "train-1")->params, "{\"ns\":[1,2]}");
	expect_events("e1 e2 ");
	event("part", 3, 2);
	fix_wait(f, 60 * MINUTE);
	event("part", 4, 5);
	fix_restart(f);
	fix_started(f, "train-1", "fit", 1);
	fix_wait(f, 60 * MINUTE);
	assert_int_equal(g_hash_table_size(f->runs), 1);
	fix_completed(f, "train-1", "fit", 1, "", "");
	assert_int_equal(g_hash_table_size(f->runs), 1);
	fix_due(f);
	assert_string_equal(fix_row(f, "train-2")->params, "{\"ns\":[3,4]}");
	expect_events("e3 e4 ");
	for (uint32_t i = 0; i < f->fx.outbox_n; i++)	/* of the deepest cause */
		assert_int_equal(f->fx.outbox[i].depth, 6);
	fix_completed(f, "train-2", "fit", 1, "", "");
	fix_wait(f, 60 * MINUTE);
	assert_int_equal(g_hash_table_size(f->runs), 2);
}

static void deferred_events_go_once_together(void **state)
{
	(void)state;
	event("asked", 1, 0);
	expect_events("e1 ");
	fix_completed(f, "side-1", "fit", 1, "", "");
	event("asked", 2, 0);
	event("asked", 3, 0);
	fix_restart(f);
	fix_wait(f, 60 * MINUTE - 1);
	assert_int_equal(g_hash_table_size(f->runs), 1);
	fix_wait(f, 1);
	assert_string_equal(fix_row(f, "side-2")->params, "{\"ns\":[2,3]}");
	expect_events("e2 e3 ");
	fix_completed(f, "side-2", "fit", 1, "", "");
	fix_wait(f, 180 * MINUTE);
	assert_int_equal(g_hash_table_size(f->runs), 2);
}

static void both_events_of_a_sequence_are_the_cause(void **state)
{
	(void)state;
	event("a", 1, 4);
	fix_restart(f);
	event("b", 2, 1);
	assert_string_equal(fix_row(f, "side-1")->params, "{\"ns\":[1,2]}");
	expect_events("e1 e2 ");
	for (uint32_t i = 0; i < f->fx.outbox_n; i++)
		assert_int_equal(f->fx.outbox[i].depth, 5);
	event("b", 3, 0);
	assert_int_equal(g_hash_table_size(f->runs), 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_burst_waits_for_the_active_run),
		T(deferred_events_go_once_together),
		T(both_events_of_a_sequence_are_the_cause),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
