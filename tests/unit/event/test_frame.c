/* Journal frames of messages: what goes in comes out, and no cut breaks the reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "event/frame.h"

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

static struct str bytes_of(GByteArray *out)
{
	struct str s = arena_str(arena, (struct str){ (char *)out->data, out->len });

	g_byte_array_free(out, TRUE);
	return s;
}

static struct frame_message again(char kind, struct str body)
{
	struct frame_message ret;
	struct err err = { 0 };

	assert_true(frame_get_message(kind, body, arena, &ret, &err));
	for (uint32_t cut = 0; cut < body.len; cut++) {
		struct frame_message x;

		assert_false(frame_get_message(kind, (struct str){ body.p, cut },
		    arena, &x, &err));
		assert_int_equal(err.code, ERR_CORRUPT);
	}
	return ret;
}

#define SAME(a, b, member) assert_true(str_is((a).member, (b).member))

static void a_whole_message_comes_back(void **state)
{
	const struct header h[] = { { STR("ce-type"), STR("x") }, { STR("n"), STR("") } };
	const struct message m = { .source = UINT32_MAX, .part = STR("c/t/0"),
		.topic = STR("t"), .key = STR("k\0k"), .pos = -1, .time_ms = -7,
		.body = STR("{\"a\":1}"), .content_type = STR("application/json"),
		.headers = h, .headers_n = 2, .retained = true, .token = 9 };
	const uint32_t skipped[] = { 0, 499 };
	GByteArray *out = g_byte_array_new();
	struct frame_message f;

	(void)state;
	frame_put_message(out, JOURNAL_FULL, &m, skipped, 2);
	f = again('m', bytes_of(out));
	assert_int_equal(f.mode, JOURNAL_FULL);
	assert_int_equal(f.n, 1);
	assert_int_equal(f.skipped_n, 2);
	assert_int_equal(f.skipped[1], 499);
	assert_int_equal(f.m.source, UINT32_MAX);
	assert_int_equal(f.m.pos, -1);
	assert_int_equal(f.m.time_ms, -7);
	assert_true(f.m.retained);
	assert_int_equal(f.m.headers_n, 2);
	SAME(f.m, m, part), SAME(f.m, m, topic), SAME(f.m, m, key), SAME(f.m, m, body);
	SAME(f.m, m, content_type), SAME(f.m.headers[0], h[0], name);
	SAME(f.m.headers[0], h[0], value), SAME(f.m.headers[1], h[1], value);
}

static void a_position_and_a_run_come_back(void **state)
{
	const struct message m = { .source = 3, .part = STR("c/t/1"), .pos = 1ll << 40,
		.time_ms = 5, .body = STR("not kept") };
	GByteArray *one = g_byte_array_new(), *run = g_byte_array_new();
	struct frame_message f;

	(void)state;
	frame_put_message(one, JOURNAL_OFF, &m, NULL, 0);
	f = again('m', bytes_of(one));
	assert_int_equal(f.mode, JOURNAL_OFF);
	assert_int_equal(f.m.time_ms, 5);
	assert_int_equal(f.m.body.len, 0);
	frame_put_run(run, JOURNAL_REF, 3, m.part, m.pos, 256);
	f = again('r', bytes_of(run));
	assert_int_equal(f.mode, JOURNAL_REF);
	assert_int_equal(f.m.pos, 1ll << 40);
	assert_int_equal(f.n, 256);
	assert_int_equal(f.m.source, 3);
	SAME(f.m, m, part);
}

/* Counts are believed only as far as bytes follow. */
static void damaged_frames_are_refused(void **state)
{
	static const struct { char kind; struct str body; } bad[] = {
		{ 'm', STR("x\x01\x00\x00\x00\x00") },
		{ 'm', STR("r\x01\x00\x00\x00\xff\xff\xff\xff\x0f") },
		{ 'm', STR("f\x01\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x7f") },
		{ 'r', STR("f\x01\x00\x00\x01") },	/* full, without bytes */
		{ 'r', STR("r\x01\x00\x00\x00") },	/* none in a row */
		{ 'q', STR("r\x01\x00\x00\x01") },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct frame_message f;
		struct err err = { 0 };

		assert_false(frame_get_message(bad[i].kind, bad[i].body, arena, &f,
		    &err));
		assert_int_equal(err.code, ERR_CORRUPT);
	}
}

static void frames_follow_each_other(void **state)
{
	GByteArray *out = g_byte_array_new();
	struct str all, body;
	struct reader r;
	char kind;

	(void)state;
	frame_put(out, 'i', STR("one"));
	frame_put(out, 'm', STR(""));
	all = bytes_of(out);
	r = reader_of(all);
	assert_true(frame_next(&r, &kind, &body));
	assert_int_equal(kind, 'i');
	assert_true(str_is(body, STR("one")));
	assert_true(frame_next(&r, &kind, &body));
	assert_int_equal(kind, 'm');
	assert_int_equal(body.len, 0);
	assert_false(frame_next(&r, &kind, &body));
	assert_true(reader_done(&r));
	r = reader_of((struct str){ all.p, all.len - 1 });
	assert_true(frame_next(&r, &kind, &body));
	assert_false(frame_next(&r, &kind, &body));
	assert_false(reader_done(&r));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_whole_message_comes_back),
		TEST(a_position_and_a_run_come_back),
		TEST(damaged_frames_are_refused),
		TEST(frames_follow_each_other),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
