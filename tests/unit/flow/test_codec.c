/* Journal frames: what goes in comes out, and no byte string breaks the reader. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/arena.h"
#include "flow/world.h"

static struct arena *arena;

static int setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	arena_free(arena);
	return 0;
}

static struct input again(const struct input *in, struct str *ruleset)
{
	GByteArray *out = g_byte_array_new();
	struct input ret = { 0 };
	struct err err = { 0 };
	struct str frame;

	input_encode(in, out);
	frame = arena_str(arena, (struct str){ (char *)out->data, out->len });
	g_byte_array_free(out, TRUE);
	assert_true(input_decode(frame, arena, &ret, ruleset, &err));
	for (uint32_t cut = 0; cut < frame.len; cut++) {
		struct input x;
		struct str r;

		assert_false(
		    input_decode((struct str){frame.p, cut}, arena, &x, &r, &err));
		assert_int_equal(err.code, ERR_CORRUPT);
	}
	assert_int_equal(ret.kind, in->kind);
	assert_int_equal(ret.wall_ms, in->wall_ms);
	assert_int_equal(ret.tick_ms, in->tick_ms);
	return ret;
}

#define SAME(a, b, member) assert_true(str_is((a)->member, (b)->member))

static void start_comes_back(void **state)
{
	const struct start s = { .instance = STR("i1"), .epoch = STR("e\0x"),
		.boot = STR("b"), .fingerprint = STR(""), .fresh = true };
	const struct input in = { .kind = INPUT_START, .wall_ms = -5, .tick_ms = 7,
		.start = &s };
	struct str ruleset;
	struct input out = again(&in, &ruleset);

	(void)state;
	SAME(&s, out.start, instance);
	SAME(&s, out.start, epoch);
	SAME(&s, out.start, boot);
	SAME(&s, out.start, fingerprint);
	assert_true(out.start->fresh);
}

static void command_comes_back(void **state)
{
	struct str ruleset;

	(void)state;
	for (unsigned kind = 1; kind < COMMAND_MAX; kind++) {
		const struct command c = { .kind = kind, .token = UINT64_MAX - kind,
			.actor = STR("uid 0"), .target = STR("fraud-1"), .key = STR("k"),
			.params = STR("{\"a\":1}"), .reason = STR("why"),
			.force = kind % 2, .all = kind % 3 == 0 };
		const struct input in = { .kind = INPUT_COMMAND, .wall_ms = 1754000000000,
			.tick_ms = 12, .command = &c };
		struct input out = again(&in, &ruleset);

		assert_int_equal(out.command->kind, kind);
		assert_true(out.command->token == c.token);
		SAME(&c, out.command, actor);
		SAME(&c, out.command, target);
		SAME(&c, out.command, key);
		SAME(&c, out.command, params);
		SAME(&c, out.command, reason);
		assert_int_equal(out.command->force, c.force);
		assert_int_equal(out.command->all, c.all);
	}
}

static void report_comes_back(void **state)
{
	const struct report r = {.key = STR("rt-abc"),
	    .op = EXEC_POLL,
	    .answer = REPORT_BUSY,
	    .state = REPORT_FAILED,
	    .native_id = STR("77"),
	    .native_state = STR("NODE_FAIL"),
	    .reason = STR("r"),
	    .outputs = STR("{}"),
	    .metrics = STR("{\"auc\":0.5}"),
	    .artifacts = STR("[]"),
	    .exit_code = -1,
	    .started_ms = 1,
	    .finished_ms = INT64_MAX,
	    .again_ms = 250};
	const struct input in = { .kind = INPUT_REPORT, .wall_ms = 1, .report = &r };
	struct str ruleset;
	const struct report *o = again(&in, &ruleset).report;

	(void)state;
	SAME(&r, o, key);
	SAME(&r, o, native_id);
	SAME(&r, o, native_state);
	SAME(&r, o, reason);
	SAME(&r, o, outputs);
	SAME(&r, o, metrics);
	SAME(&r, o, artifacts);
	assert_int_equal(o->op, r.op);
	assert_int_equal(o->answer, r.answer);
	assert_int_equal(o->state, r.state);
	assert_int_equal(o->exit_code, -1);
	assert_int_equal(o->started_ms, 1);
	assert_true(o->finished_ms == INT64_MAX);
	assert_int_equal(o->again_ms, 250);
}

static void source_change_comes_back(void **state)
{
	const struct input in = {.kind = INPUT_SOURCE,
	    .wall_ms = 9,
	    .tick_ms = 9,
	    .source = {.source = 3, .part = STR("t/0"), .state = SOURCE_PART_IDLE}};
	struct str ruleset;
	struct input out = again(&in, &ruleset);

	(void)state;
	assert_int_equal(out.source.source, 3);
	assert_true(str_is(out.source.part, STR("t/0")));
	assert_int_equal(out.source.state, SOURCE_PART_IDLE);
}

static void deadline_comes_back(void **state)
{
	const struct input in = { .kind = INPUT_DEADLINE, .deadline = { .clock = DUE_WALL,
		.floor = DUE_DECIDE, .at_ms = INT64_MIN, .id = 1ULL << 63 } };
	struct str ruleset;
	struct input out = again(&in, &ruleset);

	(void)state;
	assert_int_equal(out.deadline.clock, DUE_WALL);
	assert_int_equal(out.deadline.floor, DUE_DECIDE);
	assert_true(out.deadline.at_ms == INT64_MIN);
	assert_true(out.deadline.id == 1ULL << 63);
}

static void rule_set_is_given_by_its_hash(void **state)
{
	struct ruleset rs = { .refs = 1 };
	const struct input in = { .kind = INPUT_RULESET, .ruleset = &rs };
	struct str hash;
	struct input out;

	(void)state;
	for (unsigned i = 0; i < 32; i++)
		rs.hash[i] = (uint8_t)(i * 7);
	out = again(&in, &hash);
	assert_null(out.ruleset);
	assert_int_equal(hash.len, 32);
	assert_memory_equal(hash.p, rs.hash, 32);
}

static void trailing_bytes_and_unknown_kinds_are_refused(void **state)
{
	const struct input in = { .kind = INPUT_DEADLINE, .deadline = { .clock = DUE_TICK,
		.floor = DUE_FLOW } };
	GByteArray *out = g_byte_array_new();
	struct input x;
	struct str r;
	struct err err = { 0 };

	(void)state;
	input_encode(&in, out);
	g_byte_array_append(out, (const guint8 *)"", 1);
	assert_false(
	    input_decode((struct str){(char *)out->data, out->len}, arena, &x, &r, &err));
	for (unsigned kind = 0; kind < 256; kind++) {
		out->data[0] = (guint8)kind;
		g_byte_array_set_size(out, 4);
		(void)input_decode(
		    (struct str){(char *)out->data, out->len}, arena, &x, &r, &err);
	}
	out->data[0] = INPUT_EVENT;
	assert_false(
	    input_decode((struct str){(char *)out->data, out->len}, arena, &x, &r, &err));
	g_byte_array_free(out, TRUE);
}

/* Not a measurement of anything: the sanitizers are the judge. */
static void random_frames_never_read_past_the_end(void **state)
{
	uint64_t x = 88172645463325252u;

	(void)state;
	for (unsigned n = 0; n < 20000; n++) {
		char *bytes;
		uint32_t len = 1 + n % 60;
		struct input in;
		struct str r;
		struct err err = { 0 };

		bytes = g_malloc(len);
		for (uint32_t i = 0; i < len; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			bytes[i] = (char)(x >> 32 & (i == 0 ? 7 : 31));
		}
		(void)input_decode((struct str){ bytes, len }, arena, &in, &r, &err);
		g_free(bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(start_comes_back),
		cmocka_unit_test(command_comes_back),
		cmocka_unit_test(report_comes_back),
		cmocka_unit_test(source_change_comes_back),
		cmocka_unit_test(deadline_comes_back),
		cmocka_unit_test(rule_set_is_given_by_its_hash),
		cmocka_unit_test(trailing_bytes_and_unknown_kinds_are_refused),
		cmocka_unit_test(random_frames_never_read_past_the_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
