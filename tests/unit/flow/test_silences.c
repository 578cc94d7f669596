/* The commands about silences: what they take, what they refuse, what they stop. */
#include "fixture.h"

static const char rules[] =
	"rules:\n"
	"  - name: nightly\n"
	"    schedule: {every: 1h}\n"
	"    run: train\n"
	"pipelines:\n"
	"  - name: train\n"
	"    steps: [{name: a, command: [a]}]\n";

static const struct answer *silence(struct fix *f, const char *params)
{
	return fix_command(f, (struct command){ .kind = COMMAND_SILENCE,
	    .actor = STR("ann"), .params = str_of(params) });
}

static void a_silence_begins_and_ends(void **state)
{
	struct fix *f = fix_new(rules);
	const struct answer *a = silence(f, "{\"match\":[\"rule=night*\"],\"for\":\"2h\","
	    "\"reason\":\"feast\"}");

	(void)state;
	assert_true(a->ok);
	assert_true(str_is(a->json, STR("{\"silence\":\"s-1\","
	    "\"until\":\"2026-03-01T02:00:00.000Z\"}")));
	fix_restart(f);
	f->wall += 3600000;
	f->tick += 3600000;
	fix_due(f);
	a = fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("nightly") });
	ASSERT_REFUSED(a, 409, "silence: s-1 of ann, 1h left: feast");
	a = fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("nightly"), .force = true });
	assert_true(a->ok);
	a = fix_command(f, (struct command){ .kind = COMMAND_UNSILENCE,
	    .target = STR("s-1") });
	assert_true(a->ok);
	a = fix_command(f, (struct command){ .kind = COMMAND_TRIGGER,
	    .target = STR("nightly") });
	assert_true(a->ok);
	fix_free(f);
}

static void what_makes_no_sense_is_refused(void **state)
{
	struct fix *f = fix_new(rules);

	(void)state;
	ASSERT_REFUSED(silence(f, "{\"for\":\"2h\"}"), 422, "1 to 16 terms");
	ASSERT_REFUSED(silence(f, "{\"match\":[1],\"for\":\"2h\"}"), 422,
	    "list of texts");
	ASSERT_REFUSED(silence(f, "{\"match\":[\"rul=x\"],\"for\":\"2h\"}"), 422,
	    "did you mean 'rule'?");
	ASSERT_REFUSED(silence(f, "{\"match\":[\"rule=x\"]}"), 422, "either");
	ASSERT_REFUSED(silence(f, "{\"match\":[\"rule=x\"],\"for\":\"2h\","
	    "\"until\":\"2026-03-02T00:00:00Z\"}"), 422, "either");
	ASSERT_REFUSED(silence(f, "{\"match\":[\"rule=x\"],\"for\":\"-2h\"}"), 422,
	    "not a duration");
	ASSERT_REFUSED(silence(f, "{\"match\":[\"rule=x\"],\"until\":\"noon\"}"), 422,
	    "not a time");
	ASSERT_REFUSED(silence(f, "{\"match\":[\"rule=x\"],"
	    "\"until\":\"2026-02-28T23:59:59Z\"}"), 422, "ended already");
	ASSERT_REFUSED(fix_command(f, (struct command){ .kind = COMMAND_UNSILENCE,
	    .target = STR("s-1") }), 404, "no silence 's-1'");
	fix_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_silence_begins_and_ends),
		cmocka_unit_test(what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
