/* Damaged rule files: whatever is in them, the answer is a whole rule set or an error,
 * never something in between.  Fixed seed: the same files every time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "rules_fixture.h"

#define ROUNDS 150		/* per file */

static const char *const tokens[] = {
	"{", "}", "[", "]", ":", ",", "\n", "  ", "- ", "'", "\"", "${", "null", "~",
	"[]", "{}", "0", "-1", "1e999", "name", "key", "*", "9999999999999999999",
	"params", "event", ".", "(", ")", "\xc3\xa9",
};

static uint32_t next_random(uint32_t *x)
{
	*x = *x * 1664525 + 1013904223;
	return *x >> 8;
}

static void damage(GString *s, uint32_t *seed)
{
	uint32_t at = next_random(seed) % (uint32_t)s->len;
	uint32_t kind = next_random(seed) % 3;
	const char *token = tokens[next_random(seed) % G_N_ELEMENTS(tokens)];
	char *colon = strchr(s->str + at, ':');
	char *end = colon ? strpbrk(colon, ",}\n") : NULL;
	gssize from = colon ? colon - s->str + 1 : 0;

	if (kind == 0) {
		g_string_erase(s, at, (gssize)MIN(s->len - at, at % 12 + 1));
	} else if (kind == 1 || !end) {
		g_string_insert(s, at, token);
	} else {			/* another value */
		g_string_erase(s, from, end - colon - 1);
		g_string_insert(s, from, token);
		g_string_insert(s, from, " ");
	}
}

static void check_rule(const struct rule *r)
{
	assert_non_null(r->pipeline);
	assert_true(r->name.len && r->uid.len && r->mode && r->on_error && r->on_nodata);
	if (r->kind == RULE_SCHEDULE)
		assert_true(r->schedules_n && r->schedules[0].at &&
		    r->schedules[0].catch_up && r->selectors_n == 0);
	else
		assert_true(!r->schedules_n && r->selectors_n == 1);
	assert_true(r->kind == RULE_SIGNAL ? r->when && r->signals_n : r->signals_n == 0);
	for (uint32_t i = 0; i < r->signals_n; i++) {
		const struct signal_spec *s = &r->signals[i].spec;

		assert_true(s->name.len && s->window && s->min_count);
		assert_true(s->window != WINDOW_COUNT || s->last_n);
		assert_true(s->window > WINDOW_TUMBLING || s->over_ms > 0);
	}
}

static void check_pipeline(const struct pipeline *p)
{
	assert_true(p->name.len && p->dir.len && p->dir.p[0] == '/' && p->steps_n);
	for (uint32_t i = 0; i < p->steps_n; i++) {
		const struct step_spec *s = &p->steps[i];

		assert_true(s->name.len && s->kind && s->attempts && s->on_failure);
		assert_true(s->kind != STEP_GATE || s->gate);
		assert_true(s->kind != STEP_COMMAND ||
		    s->argv.items[0].kind == TMPL_CONST);
		for (uint32_t j = 0; j < s->needs_n; j++)
			assert_true(s->needs[j] < i);
	}
}

static uint32_t try_file(const char *bytes, uint32_t *seed)
{
	GString *s = g_string_new(bytes), *msg = g_string_new(NULL);
	struct ruleset *rs;
	uint32_t loaded;

	for (uint32_t n = 1 + next_random(seed) % 3; n && s->len; n--)
		damage(s, seed);
	rs = fixture_build(s->str, msg);
	loaded = rs != NULL;
	if (!rs && msg->len == 0)
		fail_msg("neither rules nor a word:\n%s", s->str);
	if (strstr(msg->str, "can't be written down"))
		fail_msg("%s", msg->str);
	for (uint32_t i = 0; rs && i < rs->rules_n; i++)
		check_rule(&rs->rules[i]);
	for (uint32_t i = 0; rs && i < rs->pipelines_n; i++)
		check_pipeline(rs->pipelines[i]);
	ruleset_unref(rs);
	g_string_free(s, true);
	g_string_free(msg, true);
	return loaded;
}

static void damaged_files_give_all_or_nothing(void **state)
{
	static const char *const files[] = {
		"design-new-data", "design-drift", "design-nightly", "windows", "params",
		"dag", "vars-and-defaults", "champion-in-where", "nulls", "quoting",
	};
	uint32_t seed = 1, loaded = 0;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *path = g_strdup_printf("tests/rules/good/%s.yaml",
		    files[i]);
		g_autofree char *bytes = NULL;

		if (!g_file_get_contents(path, &bytes, NULL, NULL))
			fail_msg("can't read %s: run from the top of the tree", path);
		for (int k = 0; k < ROUNDS; k++)
			loaded += try_file(bytes, &seed);
	}
	/* both answers must come up, or this says nothing */
	assert_in_range(loaded, ROUNDS / 5, 9 * ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(damaged_files_give_all_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
