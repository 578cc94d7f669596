/* Rule sets: what expressions read, identities, bundles, several files, packing, the
 * schema and the reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include <jansson.h>

#include "base/arena.h"
#include "rules_fixture.h"

#define PIPELINE "pipelines: [{name: p, steps: [{name: s, command: [x]}]}]\n"

static struct ruleset *build(const char *yaml)
{
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = fixture_build(yaml, msg);

	if (!rs)
		fail_msg("%s", msg->str);
	g_string_free(msg, true);
	return rs;
}

static void check_refused(const char *yaml, const char *expect)
{
	GString *msg = g_string_new(NULL);

	assert_null(fixture_build(yaml, msg));
	if (!strstr(msg->str, expect))
		fail_msg("%s", msg->str);
	g_string_free(msg, true);
}

/* "event.subject" or "data.a.b" of a slot. */
static void check_path(const struct ruleset *rs, uint32_t slot, const char *expect)
{
	GString *s = g_string_new(NULL);

	assert_true(slot < rs->plan.n);
	for (uint32_t i = 0; i < rs->plan.v[slot].n; i++)
		g_string_append_printf(s, "%s%.*s", i ? "." : "",
		    STR_ARG(rs->plan.v[slot].seg[i]));
	assert_string_equal(s->str, expect);
	g_string_free(s, true);
}

static void expressions_read_slots_and_vars(void **state)
{
	struct ruleset *rs = build("rules:\n"
				   "  - name: r\n"
				   "    on: {type: t, where: data.a == \"x\", key: "
				   "event.subject}\n"
				   "    when: data.b.c > 1 && event.data.b.c < 9 && "
				   "data[\"b\"].d == key\n"
				   "    dedupe: {key: data.v, for: 1h}\n"
				   "    run: {pipeline: p, params: {x: "
				   "\"${data.u}-${event.partitionkey}\"}}\n"
				   "pipelines: [{name: p, params: {x: \"\"}, steps: "
				   "[{name: s, command: [x]}]}]\n");
	const struct rule *r = &rs->rules[0];
	const struct expr_ref *in;
	struct expr_equal eq[4];
	uint32_t n;

	(void)state;
	n = expr_inputs(r->when, &in);
	assert_int_equal(n, 3);			/* b.c once, b.d, key */
	assert_int_equal(in[2].space, EXPR_VAR);
	assert_int_equal(in[2].input, RVAR_KEY);
	check_path(rs, in[0].input, "data.b.c");
	check_path(rs, in[1].input, "data.b.d");
	assert_int_equal(expr_conjuncts(r->selectors[0].where, eq, 4), 1);
	check_path(rs, eq[0].field, "data.a");
	assert_int_equal(r->reads_n, 5);	/* where and key are not among them */
	for (uint32_t i = 1; i < r->reads_n; i++)
		assert_true(r->reads[i - 1] < r->reads[i]);
	assert_false(r->reads_facts);
	assert_false(r->reads_now);
	assert_int_equal(r->kind, RULE_EVENT);
	assert_int_equal(r->on_suppressed, SUPPRESSED_DROP);
	assert_false(r->backoff);
	ruleset_unref(rs);
}

static void facts_now_and_signals_are_noted(void **state)
{
	struct ruleset *rs = build("rules:\n"
	    "  - name: r\n"
	    "    on: t\n"
	    "    signals: {a: {value: data.v, over: 1h}, b: {last: 5}}\n"
	    "    when: b.count > 2 && a.avg > 1.0 && now > last_run.finished\n"
	    "    recover: a.max < 1.0\n"
	    "    every: 1m\n"
	    "    run: p\n" PIPELINE);
	const struct rule *r = &rs->rules[0];
	const struct expr_ref *in;

	(void)state;
	assert_true(r->reads_facts);
	assert_true(r->reads_now);
	assert_int_equal(r->signals[0].spec.aggregates, AGG_AVG | AGG_MAX);
	assert_int_equal(r->signals[1].spec.aggregates, AGG_COUNT);
	assert_int_equal(r->signals[1].spec.window, WINDOW_COUNT);
	assert_int_equal(expr_inputs(r->recover, &in), 1);
	assert_int_equal(in[0].input, RVAR_SIGNALS);
	assert_int_equal(r->kind, RULE_SIGNAL);
	assert_int_equal(r->on_suppressed, SUPPRESSED_DEFER);
	assert_true(r->backoff);
	assert_int_equal(r->backoff_initial_ms, 300000);
	assert_int_equal(r->backoff_max_ms, 86400000);
	ruleset_unref(rs);
}

static const struct rule_signal *signal_of(struct ruleset *rs, uint32_t rule)
{
	return &rs->rules[rule].signals[0];
}

static void equal_definitions_have_equal_hashes(void **state)
{
#define RULE(name, on, sig) "  - {name: " name ", on: " on ", run: p,\n" \
	"     when: v.avg > 1.0, signals: {v: " sig "}}\n"
	struct ruleset *rs = build("vars: {k: 2}\nrules:\n" RULE("a",
	    "{type: t, key: data.m}", "{value: data.v, over: 1h}") RULE("b",
	    "{key: data.m, type: t}", "{over: 60m, value: data.v}") RULE("c",
	    "{type: t, key: data.m}", "{value: data.w, over: 1h}") RULE("d",
	    "{type: t, key: data.n}", "{value: data.v, over: 1h}") RULE("e",
	    "{type: t, key: data.m}", "{value: data.v, over: 1h, min_count: 3}") RULE("f",
	    "{type: t, key: data.m}", "{value: data.v, tumbling: 1h}") RULE("g",
	    "{type: t, key: data.m, lateness: 5s}", "{value: data.v, over: 1h}") RULE("h",
	    "{type: t, key: data.m}", "{value: data.v * vars.k, over: 1h}") PIPELINE);
	struct ruleset *other = build("vars: {k: 3}\nrules:\n" RULE("h",
	    "{type: t, key: data.m}", "{value: data.v * vars.k, over: 1h}") PIPELINE);
#undef RULE

	(void)state;
	assert_memory_equal(signal_of(rs, 0)->spec.hash, signal_of(rs, 1)->spec.hash, 16);
	/* how many samples are wanted is no part of the samples' identity */
	assert_memory_equal(signal_of(rs, 0)->spec.hash, signal_of(rs, 4)->spec.hash, 16);
	for (uint32_t i = 2; i < 8; i++)
		if (i != 4)
			assert_memory_not_equal(signal_of(rs, 0)->spec.hash,
			    signal_of(rs, i)->spec.hash, 16);
	assert_memory_not_equal(signal_of(rs, 7)->spec.hash, signal_of(other,
	    0)->spec.hash, 16);
	assert_memory_equal(rs->rules[0].selectors[0].hash,
	    rs->rules[1].selectors[0].hash, 16);
	assert_memory_not_equal(rs->rules[0].hash, rs->rules[1].hash, 16);
	assert_int_equal(signal_of(rs, 6)->spec.lateness_ms, 5000);
	ruleset_unref(rs);
	ruleset_unref(other);
}

static void a_shared_state_keeps_what_any_rule_reads(void **state)
{
	struct ruleset *rs = build("rules:\n"
				   "  - {name: a, on: t, run: p, when: v.avg > 1.0, "
				   "signals: {v: {value: data.v, over: 1h}}}\n"
				   "  - {name: b, on: t, run: p, when: w.max > 1.0, "
				   "signals: {w: {value: data.v, over: 1h}}}\n"
				   "  - {name: c, on: t, run: p, when: v.min > 1.0, "
				   "signals: {v: {value: data.v, over: 2h}}}\n" PIPELINE);

	(void)state;
	assert_int_equal(signal_of(rs, 0)->spec.aggregates, AGG_AVG | AGG_MAX);
	assert_int_equal(signal_of(rs, 1)->spec.aggregates, AGG_AVG | AGG_MAX);
	assert_int_equal(signal_of(rs, 2)->spec.aggregates, AGG_MIN);
	ruleset_unref(rs);
}

static void tumbling_windows_in_a_zone(void **state)
{
	struct ruleset *rs = build("rules:\n"
				   "  - {name: a, on: t, run: p, when: v.avg > 1.0,\n"
				   "     signals: {v: {value: data.v, tumbling: 1d, "
				   "timezone: Asia/Shanghai}}}\n"
				   "  - {name: b, on: t, run: p, when: v.avg > 1.0,\n"
				   "     signals: {v: {value: data.v, tumbling: 1h, "
				   "timezone: \"+05:45\", offset: 10m}}}\n" PIPELINE);

	(void)state;
	/* midnight in Shanghai is 16:00 UTC; full hours at +05:45 are :15 UTC */
	assert_int_equal(signal_of(rs, 0)->spec.offset_ms, 16 * 3600000);
	assert_int_equal(signal_of(rs, 1)->spec.offset_ms, 25 * 60000);
	ruleset_unref(rs);
}

static void schedules_and_their_identity(void **state)
{
	struct ruleset *rs = build("rules:\n"
				   "  - {name: a, schedule: \"0 2 * * *\", run: p}\n"
				   "  - {name: b, schedule: {cron: \"0 2 * * *\", "
				   "jitter: 5m, catch_up: all}, run: p}\n"
				   "  - {name: c, schedule: {cron: \"0 2 * * *\", "
				   "timezone: Asia/Tokyo}, run: p}\n"
				   "  - {name: d, schedule: {every: 6h, catch_up: none, "
				   "deadline: 1h}, run: p}\n" PIPELINE);

	(void)state;
	assert_memory_equal(rs->rules[0].schedules[0].hash,
	    rs->rules[1].schedules[0].hash, 16);
	assert_memory_not_equal(rs->rules[0].schedules[0].hash,
	    rs->rules[2].schedules[0].hash, 16);
	assert_int_equal(rs->rules[0].schedules[0].catch_up, CATCH_UP_LAST);
	assert_int_equal(rs->rules[1].schedules[0].catch_up, CATCH_UP_ALL);
	assert_int_equal(rs->rules[1].schedules[0].jitter_ms, 300000);
	assert_int_equal(rs->rules[3].schedules[0].deadline_ms, 3600000);
	assert_int_equal(schedule_next(rs->rules[2].schedules[0].at, 0),
	    17 * 3600000); /* 02:00 JST */
	assert_int_equal(schedule_next(rs->rules[3].schedules[0].at, 0), 6 * 3600000);
	ruleset_unref(rs);
}

struct file {
	const char	*bundle, *name, *bytes;
};

static struct ruleset *build_files(const struct file *f, uint32_t n,
    const struct catalog *c, GString *msg)
{
	struct rule_text *v = g_new0(struct rule_text, n);
	struct text *shown = g_new0(struct text, n);
	struct diags *diags;
	struct ruleset *rs;

	for (uint32_t i = 0; i < n; i++) {
		v[i] = (struct rule_text){.bundle = str_of(f[i].bundle),
		    .name = str_of(f[i].name),
		    .dir = *f[i].bundle ? STR("/r/sub") : STR("/r"),
		    .bytes = str_of(f[i].bytes)};
		shown[i] = (struct text){v[i].name, v[i].bytes};
	}
	diags = diags_new(shown, n);
	rs = ruleset_build(v, n, c, diags);
	diags_render(diags, msg);
	diags_free(diags);
	g_free(v);
	g_free(shown);
	return rs;
}

static void files_share_pipelines_and_defaults(void **state)
{
	static const struct file files[] = {
	    {"", "rules/a.yaml",
		"vars: {x: 1}\nrules: [{name: r, on: t, when: data.x > vars.x,"
		" run: p, cooldown: 2h}]\n"},
	    {"", "rules/b.yaml",
		"rules: [{name: q, uid: old, on: t, run: p}]\n" PIPELINE},
	    {"", "rules/defaults.yaml", "defaults: {rule: {cooldown: 1h, owner: us}}\n"},
	};
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build_files(files, 3, fixture_catalog(), msg);

	(void)state;
	assert_string_equal(msg->str, "");
	assert_int_equal(rs->rules_n, 2);
	assert_int_equal(rs->rules[0].cooldown_ms, 7200000);
	assert_int_equal(rs->rules[1].cooldown_ms, 3600000);
	assert_true(str_is(rs->rules[0].owner, STR("us")));
	assert_ptr_equal(rs->rules[0].pipeline, rs->rules[1].pipeline);
	assert_ptr_equal(ruleset_rule(rs, STR("q")), &rs->rules[1]);
	assert_ptr_equal(ruleset_rule(rs, STR("old")), &rs->rules[1]);
	assert_null(ruleset_rule(rs, STR("z")));
	assert_ptr_equal(ruleset_pipeline(rs, STR("p")), rs->pipelines[0]);
	assert_null(ruleset_pipeline(rs, STR("x")));
	ruleset_unref(rs);
	g_string_free(msg, true);
}

static void a_bundle_prefixes_its_names(void **state)
{
	static const struct file files[] = {
	    {"risk", "rules/risk/a.yaml",
		"rules: [{name: r, on: t, run: p}, {name: s, on: t,"
		" run: common}]\n" PIPELINE},
	    {"shared", "rules/shared/b.yaml",
		"pipelines: [{name: common, steps: [{name: s,"
		" command: [x]}]}]\n"},
	};
	static const struct file outside[] = {
		{"", "rules/a.yaml", PIPELINE},
		{"risk", "rules/risk/a.yaml", "rules: [{name: r, on: t, run: p}]\n"},
	};
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build_files(files, 2, fixture_catalog(), msg);

	(void)state;
	assert_string_equal(msg->str, "");
	assert_non_null(ruleset_rule(rs, STR("risk/r")));
	assert_true(str_is(rs->rules[0].pipeline->name, STR("risk/p")));
	assert_true(str_is(rs->rules[1].pipeline->name, STR("shared/common")));
	ruleset_unref(rs);
	assert_null(build_files(outside, 2, fixture_catalog(), msg));
	assert_non_null(strstr(msg->str, "there is no pipeline 'p'"));
	g_string_free(msg, true);
}

static void errors_of_all_files_are_told(void **state)
{
	static const struct file files[] = {
	    {"", "rules/a.yaml", "rules: [{name: r, on: t, run: nix}]\n"},
	    {"", "rules/b.yaml", "rules: [{name: q\n"},
	    {"", "rules/c.yaml", "rules: [{name: q, on: t, run: p, fro: 1}]\n" PIPELINE},
	};
	GString *msg = g_string_new(NULL);

	(void)state;
	assert_null(build_files(files, 3, fixture_catalog(), msg));
	assert_non_null(strstr(msg->str,
	    "rules/a.yaml:1:31: error: there is no pipeline 'nix'"));
	assert_non_null(strstr(msg->str, "rules/b.yaml:"));
	assert_non_null(strstr(msg->str, "rules/c.yaml:1:34: error: unknown key 'fro'"));
	g_string_free(msg, true);
}

static void without_a_config_names_of_it_are_warnings(void **state)
{
	static const struct file files[] = {
	    {"", "rules/a.yaml",
		"rules: [{name: r, on: {source: s, type: t}, run: p}]\n"
		"pipelines: [{name: p, steps: [{name: a, executor: k8s, with: {image: "
		"x}},"
		" {name: b, command: [x]}]}]\n"},
	};
	struct catalog none = {.configured = false};
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build_files(files, 1, &none, msg);

	(void)state;
	assert_non_null(rs);
	assert_non_null(strstr(msg->str, "warning: source 's' is not checked"));
	assert_non_null(strstr(msg->str, "warning: executor 'k8s' is not checked"));
	assert_null(strstr(msg->str, "local"));
	ruleset_unref(rs);
	g_string_free(msg, true);
}

static void packing_keeps_the_texts_and_the_hash(void **state)
{
	static const struct file files[] = {
		{"", "rules/a.yaml", "rules: [{name: r, on: t, run: p}]\n"},
		{"", "rules/b.yaml", PIPELINE},
	};
	struct arena *arena = arena_new(0);
	GString *msg = g_string_new(NULL);
	struct ruleset *rs = build_files(files, 2, fixture_catalog(), msg), *again,
		       *other;
	struct text shown[2];
	struct rule_text *v;
	struct diags *diags;
	uint32_t n;

	(void)state;
	assert_true(ruleset_unpack(rs->packed, &v, &n, arena));
	assert_int_equal(n, 2);
	assert_true(str_is(v[1].name, STR("rules/b.yaml")));
	assert_true(str_is(v[0].dir, STR("/r")));
	for (uint32_t i = 0; i < n; i++)
		shown[i] = (struct text){v[i].name, v[i].bytes};
	diags = diags_new(shown, n);
	again = ruleset_build(v, n, fixture_catalog(), diags);
	assert_memory_equal(rs->hash, again->hash, 32);
	other = build_files(files + 1, 1, fixture_catalog(), msg);
	assert_memory_not_equal(rs->hash, other->hash, 32);
	/* no such blob: cut off, another version, nothing */
	for (uint32_t i = 0; i < rs->packed.len; i++)
		assert_false(ruleset_unpack((struct str){rs->packed.p, i}, &v, &n,
		    arena));
	assert_false(ruleset_unpack(STR("\x09\x01"), &v, &n, arena));
	diags_free(diags);
	ruleset_unref(rs);
	ruleset_unref(again);
	ruleset_unref(other);
	g_string_free(msg, true);
	arena_free(arena);
}

static void an_empty_set_works(void **state)
{
	struct ruleset *rs = ruleset_empty(fixture_catalog());
	struct arena *arena = arena_new(0);
	const struct dispatch_hit *hits;
	struct event e = {.type = STR("t")};

	(void)state;
	assert_int_equal(rs->rules_n, 0);
	assert_int_equal(rs->formats_n, 3);
	assert_non_null(rs->formats[1]);
	assert_non_null(rs->formats[2]);
	assert_int_equal(ruleset_dispatch(rs, &e, &hits, arena), 0);
	assert_ptr_equal(ruleset_ref(rs), rs);
	ruleset_unref(rs);
	ruleset_unref(rs);
	arena_free(arena);
}

static void defaults_leave_out_what_a_kind_lacks(void **state)
{
	struct ruleset *rs = build("defaults: {rule: {for: 5m, cooldown: 1h, labels: {a: "
				   "x}}}\n"
				   "rules:\n"
				   "  - {name: e, on: t, run: p}\n"
				   "  - {name: s, on: t, run: p, when: v.avg > 1.0, "
				   "signals: {v: {over: 1h}},"
				   " labels: {b: y}}\n"
				   "  - {name: c, schedule: \"@daily\", run: p, "
				   "cooldown: 2h}\n" PIPELINE);

	(void)state;
	assert_int_equal(rs->rules[0].for_ms, 0);
	assert_int_equal(rs->rules[1].for_ms, 300000);
	assert_int_equal(rs->rules[1].labels.map->n, 2);	/* maps merge */
	assert_int_equal(rs->rules[2].cooldown_ms, 7200000);
	ruleset_unref(rs);
	check_refused("rules: [{name: e, on: t, run: p, for: 5m}]\n" PIPELINE,
	    "'for' belongs to signal rules");
}

static void advice_is_no_error(void **state)
{
	static const char yaml[] = "rules:\n"
				   "  - {name: a, on: t, run: p, when: v.avg > 1.0 && "
				   "now > last_run.finished,\n"
				   "     signals: {v: {over: 1h}, w: {over: 1h}}, "
				   "cooldown: 2h, refire: 1h}\n"
				   "  - {name: b, on: {subject: s}, run: p}\n"
				   "  - {name: c, schedule: {every: 6h, jitter: 2h, "
				   "deadline: 1h}, run: p}\n" PIPELINE;
	struct text shown = {STR("rules.yaml"), str_of(yaml)};
	struct diags *diags = diags_new(&shown, 1);
	struct ruleset *rs = build(yaml);

	(void)state;
	ruleset_lint(rs, diags);
	assert_int_equal(diags_errors(diags), 0);
	assert_int_equal(diags_warnings(diags), 5);
	ruleset_unref(rs);
	diags_free(diags);
}

static void loops_are_told_with_their_rules(void **state)
{
	static const char yaml[] = "rules:\n"
	    "  - {name: a, on: dataset.new, run: p}\n"
	    "  - {name: again, on: retraind.run.failed, run: p}\n"
	    "  - {name: other, on: {type: retraind.run.failed,"
	    " where: 'data.pipeline == \"q\"'}, run: p}\n"
	    "  - {name: b, on: {type: 'retraind.run.*', where: data.rule == \"c\"},"
	    " run: p}\n"
	    "  - {name: c, on: {type: 'retraind.*', where: data.rule == \"b\"}, run: p}\n"
	    PIPELINE;
	struct text shown = {STR("rules.yaml"), str_of(yaml)};
	struct diags *diags = diags_new(&shown, 1);
	struct ruleset *rs = build(yaml);
	GString *text = g_string_new(NULL);

	(void)state;
	ruleset_lint(rs, diags);
	diags_render(diags, text);
	assert_int_equal(diags_warnings(diags), 2);
	assert_non_null(strstr(text->str, "its own run: again -> again"));
	assert_non_null(strstr(text->str, "its own run: b -> c -> b"));
	g_string_free(text, TRUE);
	ruleset_unref(rs);
	diags_free(diags);
}

static void schema_and_reference_come_from_the_tables(void **state)
{
	GString *s = g_string_new(NULL), *md = g_string_new(NULL);
	json_t *schema, *rule;

	(void)state;
	rules_schema(s);
	schema = json_loads(s->str, 0, NULL);
	assert_non_null(schema);
	rule = json_object_get(json_object_get(
		json_object_get(json_object_get(schema, "properties"), "rules"), "items"),
	    "properties");
	assert_non_null(json_object_get(rule, "keep_firing_for"));
	assert_null(json_object_get(rule, "silence"));		/* of a later version */
	rules_reference(md);
	assert_non_null(strstr(md->str, "## Steps"));
	assert_non_null(strstr(md->str, "| `keep_firing_for` | duration | `0` |"));
	assert_non_null(strstr(md->str, "`coalesce`"));
	json_decref(schema);
	g_string_free(s, true);
	g_string_free(md, true);
}

/* What reads the event alone is one program for all rules; what reads a name that is
 * another thing in another rule is each rule's own, and errors are told of each. */
static void equal_expressions_of_events_are_one_program(void **state)
{
	struct ruleset *rs = build("vars: {k: 2}\nrules:\n"
	    "  - {name: a, on: {type: t, key: data.m}, when: data.n > 1, run: p}\n"
	    "  - {name: b, on: {type: u, key: data.m}, when: data.n > 1, run: p}\n"
	    "  - {name: c, on: t, when: data.n > vars.k, run: p}\n"
	    "  - {name: d, on: t, when: data.n > vars.k, run: p}\n" PIPELINE);
	const struct rule *r = rs->rules;

	(void)state;
	assert_non_null(r[0].when);
	assert_ptr_equal(r[0].when, r[1].when);
	assert_ptr_equal(r[0].selectors[0].key, r[1].selectors[0].key);
	assert_memory_not_equal(r[0].selectors[0].hash, r[1].selectors[0].hash, 16);
	assert_ptr_not_equal(r[2].when, r[3].when);
	assert_int_equal(r[0].reads_n, 1);
	assert_int_equal(r[1].reads_n, 1);
	ruleset_unref(rs);
	check_refused("rules:\n"
	    "  - {name: a, on: t, when: data.n > nothing, run: p}\n"
	    "  - {name: b, on: t, when: data.n > nothing, run: p}\n" PIPELINE,
	    "rules.yaml:3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_expressions_of_events_are_one_program),
		cmocka_unit_test(expressions_read_slots_and_vars),
		cmocka_unit_test(facts_now_and_signals_are_noted),
		cmocka_unit_test(equal_definitions_have_equal_hashes),
		cmocka_unit_test(a_shared_state_keeps_what_any_rule_reads),
		cmocka_unit_test(tumbling_windows_in_a_zone),
		cmocka_unit_test(schedules_and_their_identity),
		cmocka_unit_test(files_share_pipelines_and_defaults),
		cmocka_unit_test(a_bundle_prefixes_its_names),
		cmocka_unit_test(errors_of_all_files_are_told),
		cmocka_unit_test(without_a_config_names_of_it_are_warnings),
		cmocka_unit_test(packing_keeps_the_texts_and_the_hash),
		cmocka_unit_test(an_empty_set_works),
		cmocka_unit_test(defaults_leave_out_what_a_kind_lacks),
		cmocka_unit_test(advice_is_no_error),
		cmocka_unit_test(loops_are_told_with_their_rules),
		cmocka_unit_test(schema_and_reference_come_from_the_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
