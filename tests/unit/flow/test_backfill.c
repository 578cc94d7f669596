/* Backfills: what they take and refuse, and that two that know the same do not both
 * decide. */
#include "fixture.h"

static const char rules[] =
	"rules:\n"
	"  - name: nightly\n"
	"    schedule: {every: 1h}\n"
	"    run: train\n"
	"  - {name: each, on: x, run: train}\n"
	"  - {name: off, schedule: {every: 1h}, mode: disabled, run: train}\n"
	"pipelines:\n"
	"  - name: train\n"
	"    concurrency: {limit: 2, on_limit: skip}\n"
	"    steps: [{name: a, command: [a]}]\n";

static const struct answer *backfill(struct fix *f, const char *rule, const char *params)
{
	return fix_command(f, (struct command){ .kind = COMMAND_BACKFILL,
	    .actor = STR("ann"), .target = str_of(rule), .params = str_of(params) });
}

static bool says(const struct answer *a, const char *what)
{
	char *json = g_strndup(a->json.p, a->json.len);
	bool r = strstr(json, what) != NULL;

	g_free(json);
	return r;
}

/* 2026-02-28T22:00Z, 23:00Z and the next midnight: three runs, of which two may be. */
static void due_times_are_decided_as_their_own(void **state)
{
	struct fix *f = fix_new(rules);
	const struct answer *a = backfill(f, "nightly", "{\"as_of\":1000,\"due\":["
	    "1772316000000,1772319600000,1772323200000]}");

	(void)state;
	assert_true(a->ok);
	assert_true(says(a, "\"fired\":2"));
	assert_true(says(a, "\"due\":\"2026-02-28T22:00:00.000Z\",\"outcome\":"
	    "\"fired\""));
	assert_true(says(a, "\"due\":\"2026-03-01T00:00:00.000Z\",\"outcome\":"
	    "\"suppressed\",\"suppressor\":\"concurrency\",\"run\":null"));
	fix_free(f);
}

static void who_knows_less_than_the_last_is_refused(void **state)
{
	struct fix *f = fix_new(rules);
	const struct answer *a = backfill(f, "nightly",
	    "{\"as_of\":0,\"due\":[1772316000000]}");
	char *params;

	(void)state;
	assert_true(a->ok);
	ASSERT_REFUSED(backfill(f, "nightly", "{\"as_of\":0,\"due\":[1772319600000]}"),
	    409, "ask again");
	fix_restart(f);
	ASSERT_REFUSED(backfill(f, "nightly", "{\"as_of\":0,\"due\":[1772319600000]}"),
	    409, "ask again");
	params = g_strdup_printf("{\"as_of\":%llu,\"due\":[1772319600000]}",
	    (unsigned long long)world_seq(f->w));
	a = backfill(f, "nightly", params);
	assert_true(a->ok);
	assert_true(says(a, "\"fired\":1"));
	g_free(params);
	fix_free(f);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct fix *f = fix_new(rules);

	(void)state;
	ASSERT_REFUSED(backfill(f, "none", "{\"as_of\":0,\"due\":[]}"), 404,
	    "no rule 'none'");
	ASSERT_REFUSED(backfill(f, "each", "{\"as_of\":0,\"due\":[1]}"), 422,
	    "has no schedule");
	ASSERT_REFUSED(backfill(f, "off", "{\"as_of\":0,\"due\":[1]}"), 409, "disabled");
	ASSERT_REFUSED(backfill(f, "nightly", "{\"as_of\":0,\"due\":[2,1]}"), 422,
	    "ascending");
	ASSERT_REFUSED(backfill(f, "nightly", "{\"as_of\":0,\"due\":[1,1]}"), 422,
	    "ascending");
	ASSERT_REFUSED(backfill(f, "nightly", "{\"due\":[1]}"), 422, "as_of");
	ASSERT_REFUSED(backfill(f, "nightly", ""), 422, "as_of");
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_times_are_decided_as_their_own),
		cmocka_unit_test(who_knows_less_than_the_last_is_refused),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
