/* Silences: what they match, how they end, and what they held back. */
#include "fixture.h"

#define RULES "rules:\n" \
	"  - name: drift-a\n" \
	"    owner: ann\n" \
	"    labels: {team: x}\n" \
	"    on: x\n" \
	"    run: train\n" \
	"  - name: drift-b\n" \
	"    owner: bob\n" \
	"    on: {type: x, key: data.k}\n" \
	"    model: \"m-${key}\"\n" \
	"    run: train\n"
#define SIGNAL_RULE "rules:\n" \
	"  - name: s\n" \
	"    on: x\n" \
	"    signals: {s: {over: 30d}}\n" \
	"    when: s.count >= 1\n" \
	"    run: train\n"
#define X "{\"k\":\"fraud\"}"

static bool silence(struct fx *f, int64_t for_ms, const char *a, const char *b,
    struct err *err)
{
	struct str terms[2] = { str_of(a), str_of(b) };
	struct silence_order o = { .terms = terms, .terms_n = b ? 2 : 1,
		.until_ms = START + f->tick + f->wall_off + for_ms,
		.author = STR("ann"), .reason = STR("moving house") };
	struct input in = { .kind = INPUT_COMMAND };
	uint64_t id;
	bool ok;

	fx_begin(f, &in);
	ok = decide_silence(f->d, &o, &id, err);
	fx_end(f);
	return ok;
}

static void end(struct fx *f, const char *id, bool expect)
{
	struct input in = { .kind = INPUT_COMMAND };
	struct err err = { 0 };

	fx_begin(f, &in);
	assert_int_equal(decide_silence_end(f->d, str_of(id), &err), expect);
	fx_end(f);
}

/* What of the two rules this silence stops. */
static void expect_stops(const char *a, const char *b, const char *lines)
{
	struct fx f = fx_new(RULES);
	struct err err = { 0 };

	if (!silence(&f, HOUR, a, b, &err))
		fail_msg("%s", err.msg);
	fx_event(&f, "x", X);
	fx_expect(&f, lines);
	fx_free(&f);
}

#define NONE "fired drift-a\nfired drift-b/fraud\n"
#define A "suppressed drift-a by silence\nfired drift-b/fraud\n"
#define B "fired drift-a\nsuppressed drift-b/fraud by silence\n"
#define BOTH "suppressed drift-a by silence\nsuppressed drift-b/fraud by silence\n"

static void terms_match_what_they_name(void **state)
{
	(void)state;
	expect_stops("rule=drift-*", NULL, BOTH);
	expect_stops("rule=*-a", NULL, A);
	expect_stops("rule=drift-?", NULL, BOTH);
	expect_stops("rule=drift", NULL, NONE);
	expect_stops("rule=*", NULL, BOTH);
	expect_stops("rule=d*-*b", NULL, B);
	expect_stops("rule!=drift-a", NULL, B);
	expect_stops("bundle=", NULL, BOTH);
	expect_stops("key=fr*", NULL, B);
	expect_stops("model=m-fraud", NULL, B);
	expect_stops("pipeline=train", NULL, BOTH);
	expect_stops("owner=bob", NULL, B);
	expect_stops("label.team=x", NULL, A);
	expect_stops("label.team!=x", NULL, B);
	expect_stops("rule=drift-*", "owner!=bob", A);
	expect_stops("rule=drift-a", "owner=bob", NONE);
}

static void what_makes_no_sense_is_refused(void **state)
{
	static const struct { const char *term, *says; } rows[] = {
		{ "rule", "expected FIELD=GLOB" }, { "=x", "expected FIELD=GLOB" },
		{ "!=x", "'' is not one of" }, { "label.=x", "'label.' is not one of" },
		{ "ruel=x", "did you mean 'rule'?" }, { "", "expected FIELD=GLOB" },
	};
	struct fx f = fx_new(RULES);
	struct err err = { 0 };

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		assert_false(silence(&f, HOUR, rows[i].term, NULL, &err));
		if (!strstr(err.msg, rows[i].says))
			fail_msg("'%s': %s", rows[i].term, err.msg);
	}
	assert_false(silence(&f, 0, "rule=x", NULL, &err));
	for (int i = 0; i < 1000; i++)
		assert_true(silence(&f, HOUR, "rule=x", NULL, &err));
	assert_false(silence(&f, HOUR, "rule=x", NULL, &err));
	assert_int_equal(err.code, ERR_LIMIT);
	end(&f, "s-7", true);
	end(&f, "s-7", false);
	end(&f, "s-07", false);
	assert_true(silence(&f, HOUR, "rule=x", NULL, &err));
	end(&f, "s-1001", true);
	fx_free(&f);
}

static void it_ends_by_wall_across_restarts(void **state)
{
	struct fx f = fx_new(RULES);
	struct err err = { 0 };
	GString *json = g_string_new(NULL);

	(void)state;
	assert_true(silence(&f, HOUR, "owner=ann", NULL, &err));
	fx_restart(&f);
	fx_advance(&f, HOUR - 1);
	fx_event(&f, "x", X);
	fx_expect(&f, A);
	assert_non_null(strstr(f.why->str, "s-1 of ann, 1ms left: moving house"));
	decide_silences_json(f.d, json);
	assert_string_equal(json->str, "[{\"id\":\"s-1\",\"match\":[\"owner=ann\"],"
	    "\"author\":\"ann\",\"reason\":\"moving house\",\"created\":"
	    "\"2026-03-01T00:00:00.000Z\",\"until\":\"2026-03-01T01:00:00.000Z\"}]");
	fx_advance(&f, 1);
	g_string_truncate(json, 0);
	decide_silences_json(f.d, json);
	assert_string_equal(json->str, "[]");
	fx_event(&f, "x", X);
	fx_expect(&f, NONE);
	g_string_free(json, TRUE);
	fx_free(&f);
}

/* The wall clock is what counts, not how long it took. */
static void a_jump_of_the_wall_ends_it(void **state)
{
	struct fx f = fx_new(SIGNAL_RULE);
	struct err err = { 0 };

	(void)state;
	assert_true(silence(&f, DAY, "rule=s", NULL, &err));
	fx_event(&f, "x", "{}");
	fx_advance(&f, HOUR);
	fx_expect(&f, "suppressed s by silence\n");
	f.wall_off -= 2 * HOUR;
	fx_advance(&f, DAY);
	fx_expect(&f, "");
	f.wall_off += 2 * HOUR;
	fx_advance(&f, SECOND);
	fx_expect(&f, "fired s\n");
	fx_free(&f);
}

static void a_deferred_firing_is_released_once(void **state)
{
	(void)state;
	for (int early = 0; early < 2; early++) {
		struct fx f = fx_new(SIGNAL_RULE);
		struct err err = { 0 };

		assert_true(silence(&f, HOUR, "rule=s", NULL, &err));
		assert_true(silence(&f, 2 * HOUR, "rule=*", NULL, &err));
		fx_event(&f, "x", "{}");
		fx_restart(&f);
		fx_advance(&f, HOUR);
		fx_event(&f, "x", "{}");
		fx_expect(&f, "suppressed s by silence\n");
		if (early)
			end(&f, "s-2", true);
		fx_advance(&f, early ? 0 : HOUR - 1);
		fx_expect(&f, early ? "fired s\n" : "");
		fx_advance(&f, 1);
		fx_expect(&f, early ? "" : "fired s\n");
		fx_event(&f, "x", "{}");
		fx_advance(&f, 3 * HOUR);
		fx_expect(&f, "");
		fx_free(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(terms_match_what_they_name),
		cmocka_unit_test(what_makes_no_sense_is_refused),
		cmocka_unit_test(it_ends_by_wall_across_restarts),
		cmocka_unit_test(a_jump_of_the_wall_ends_it),
		cmocka_unit_test(a_deferred_firing_is_released_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
