/* Backfills: what they take and refuse, and that two that know the same do not both
 * decide. */
#include "fixture.h"

static const char rules[] =
	"rules:\n"
	"  - name: nightly\n"
	"    schedule: {every: 1h}\n"
	"    run: train\n"
	"  - {name: each, on: x, run: train}\n"
	"  - name: keyed\n"
	"    on: {type: y, key: data.k, where: data.v > 1}\n"
	"    dedupe: {key: data.v, for: 1h}\n"
	"    run: wide\n"
	"  - {name: batched, on: y, coalesce: {quiet: 1m, max_delay: 5m},\n"
	"     run: {pipeline: wide, params: {n: \"${size(events)}\"}}}\n"
	"  - name: both\n"
	"    on:\n"
	"      l: {type: x, key: data.k}\n"
	"      r: {type: y, key: data.k}\n"
	"    sequence: [l, r]\n"
	"    within: 1h\n"
	"    run: wide\n"
	"  - {name: off, schedule: {every: 1h}, mode: disabled, run: train}\n"
	"pipelines:\n"
	"  - name: wide\n"
	"    params: {n: {type: int, default: 0}}\n"
	"    concurrency: {limit: 9}\n"
	"    steps: [{name: a, command: [a]}]\n"
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

#define EVENT(ID, K, V) "{\"event\":\"{\\\"specversion\\\":\\\"1.0\\\",\\\"id\\\":" \
	"\\\"" ID "\\\",\\\"source\\\":\\\"/t\\\",\\\"type\\\":\\\"y\\\",\\\"time\\\":" \
	"\\\"2026-02-01T00:00:00Z\\\",\\\"data\\\":{\\\"k\\\":\\\"" K "\\\",\\\"v\\\":" \
	V \
	"}}\",\"source\":1,\"part\":\"p\",\"retained\":false,\"fired\":[\"done\"]}"

/* What does not match is left, as is a key that fired; dedupe acts. */
static void events_are_decided_as_their_own(void **state)
{
	struct fix *f = fix_new(rules);
	const struct answer *a = backfill(f, "keyed", "{\"as_of\":1000,\"events\":["
	    EVENT("e1", "a", "2") "," EVENT("e2", "a", "1") "," EVENT("e3", "b", "2") ","
	    EVENT("e4", "done", "3") "," EVENT("e5", "a", "4") "],"
	    "\"already_fired\":7,\"next\":null}");

	(void)state;
	assert_true(a->ok);
	assert_true(says(a, "\"fired\":2,\"already_fired\":7,\"next\":null,"
	    "\"suppressed\":{\"dedupe\":1}"));
	assert_true(says(a, "\"event\":\"e1\",\"key\":\"a\",\"outcome\":\"fired\""));
	assert_true(says(a, "\"event\":\"e3\",\"key\":\"b\",\"outcome\":\"suppressed\","
	    "\"suppressor\":\"dedupe\""));
	assert_true(says(a, "\"event\":\"e5\",\"key\":\"a\",\"outcome\":\"fired\""));
	assert_false(says(a, "e2"));
	assert_false(says(a, "e4"));
	assert_int_equal(f->fx.decided.decisions_n, 3);
	ASSERT_REFUSED(backfill(f, "keyed", "{\"as_of\":1,\"events\":[]}"), 409,
	    "ask again");
	fix_free(f);
}

/* An event that waits in a batch is not put there again. */
static void batches_take_an_event_once(void **state)
{
	struct fix *f = fix_new(rules);
	const struct fix_run *r;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_true(backfill(f, "batched", "{\"as_of\":1000,\"events\":["
		    EVENT("e1", "a", "2") "," EVENT("e2", "a", "2") ","
		    EVENT("e1", "a", "2") "]}")->ok);
		fix_restart(f);
	}
	fix_wait(f, 60000);
	r = fix_row(f, "wide-1");
	assert_non_null(r);
	assert_string_equal(r->params, "{\"n\":2}");
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
	ASSERT_REFUSED(backfill(f, "both", "{\"as_of\":0,\"events\":[]}"), 422,
	    "joins several events");
	ASSERT_REFUSED(backfill(f, "nightly", "{\"as_of\":0,\"events\":[]}"), 422,
	    "not of single events");
	ASSERT_REFUSED(backfill(f, "each", "{\"as_of\":0,\"events\":[{\"event\":\"\","
	    "\"source\":1}]}"), 422, "number 1 is no event");
	ASSERT_REFUSED(backfill(f, "each", "{\"as_of\":0,\"events\":[],\"due\":[]}"),
	    422, "'due' times or 'events'");
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
		cmocka_unit_test(events_are_decided_as_their_own),
		cmocka_unit_test(batches_take_an_event_once),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
