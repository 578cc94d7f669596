/* An http source: one answer per request, after the commit, bounded queue. */
#include "fixture.h"

#include "source/options.h"

struct client {
	int		 answers, status;
	char		 json[200];
};

static void on_answer(void *ctx, int status, struct str json)
{
	struct client *c = ctx;

	c->answers++;
	c->status = status;
	g_snprintf(c->json, sizeof(c->json), "%.*s", STR_ARG(json));
}

static uint64_t push(struct fixture *fx, struct client *c, const char *body)
{
	char *copy = g_strdup(body);	/* lent for the call only */
	struct header header = { STR("ce-id"), STR("7") };
	struct http_push p = {
		.route = STR("/api/v1/events"),
		.body = str_of(copy),
		.content_type = STR("application/json"),
		.headers = &header,
		.headers_n = 1,
		.time_ms = 5,
	};
	uint64_t token;

	http_source_push(fx->source, &p, on_answer, c, &token);
	g_free(copy);
	return token;
}

static struct http_options options = {
	.common = { .journal = JOURNAL_FULL }, .queue = 2, .queue_bytes = 1000,
};

static void setup(struct fixture *fx)
{
	fx_init(fx, NULL, NULL);
	fx_open(fx, &source_http, &options);
	fx_start(fx, NULL);
	assert_string_equal(fx->states->str, "up caught_up ");
}

static void a_request_is_answered_after_the_commit(void **state)
{
	struct fixture fx;
	struct client c = { 0 };
	uint64_t token;

	(void)state;
	setup(&fx);
	token = push(&fx, &c, "{}");
	assert_true(fx.ready);
	assert_int_equal(fx_turn(&fx), 1);
	assert_int_equal(fx.messages[0].token, token);
	assert_string_equal(fx.bodies->str, "{};");
	assert_true(str_is(fx.messages[0].headers[0].value, STR("7")));
	source_http.accept(fx.source, token, 41, false);
	source_http.accept(fx.source, token, 42, false);
	assert_int_equal(c.answers, 0);
	fx_commit(&fx);
	assert_int_equal(c.answers, 1);
	assert_int_equal(c.status, 202);
	assert_string_equal(c.json, "{\"accepted\":2,\"seq\":41}");
	fx_commit(&fx);
	assert_int_equal(c.answers, 1);
	fx_fini(&fx);
}

static void a_repeat_gets_the_first_answer(void **state)
{
	struct fixture fx;
	struct client first = { 0 }, again = { 0 };
	uint64_t t1, t2;

	(void)state;
	setup(&fx);
	t1 = push(&fx, &first, "{}");
	t2 = push(&fx, &again, "{}");
	assert_int_equal(fx_turn(&fx), 2);
	source_http.accept(fx.source, t1, 9, false);
	source_http.accept(fx.source, t2, 9, true);
	fx_commit(&fx);
	assert_int_equal(again.status, 202);
	assert_string_equal(again.json, first.json);
	fx_fini(&fx);
}

static void a_refusal_says_why(void **state)
{
	static const struct { enum event_refusal why; int status;
	} rows[] = {
		{ EVENT_NOT_UTF8, 400 },
		{ EVENT_NOT_JSON, 400 },
		{ EVENT_TOO_LARGE, 413 },
		{ EVENT_BATCH_TOO_LARGE, 413 },
		{ EVENT_TOO_DEEP, 422 },
		{ EVENT_NO_ATTRIBUTE, 422 },
		{ EVENT_MAP_ERROR, 422 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture fx;
		struct client c = { 0 };
		uint64_t token;

		setup(&fx);
		token = push(&fx, &c, "{");
		fx_turn(&fx);
		source_http.refuse(fx.source, token, rows[i].why, STR("at byte 1"));
		assert_int_equal(c.answers, 0);
		fx_commit(&fx);
		assert_int_equal(c.status, rows[i].status);
		assert_non_null(strstr(c.json, "\"error\":\"at byte 1\""));
		assert_non_null(strstr(c.json, event_refusal_name(rows[i].why)));
		fx_fini(&fx);
	}
}

static void a_full_queue_answers_503_at_once(void **state)
{
	struct fixture fx;
	struct client c[3] = { 0 };
	char *large = g_strnfill(2000, 'x');

	(void)state;
	setup(&fx);
	assert_int_equal(push(&fx, &c[2], large), 0);
	assert_int_equal(c[2].status, 503);
	push(&fx, &c[0], "1");
	push(&fx, &c[1], "2");
	assert_int_equal(push(&fx, &c[2], "3"), 0);
	assert_int_equal(c[2].answers, 2);
	assert_int_equal(fx_turn(&fx), 2);
	fx_commit(&fx);
	source_http.release(fx.source);	/* the turn ends after its commit */
	assert_true(push(&fx, &c[2], "3") > 0);
	g_free(large);
	fx_fini(&fx);
	assert_int_equal(c[2].answers, 2);	/* the listener is gone by then */
}

static void who_went_away_is_still_decided(void **state)
{
	struct fixture fx;
	struct client c = { 0 };

	(void)state;
	setup(&fx);
	http_source_gone(fx.source, push(&fx, &c, "{}"));
	assert_int_equal(fx_turn(&fx), 1);
	fx_commit(&fx);
	assert_int_equal(c.answers, 0);
	fx_fini(&fx);
}

static void a_refused_commit_answers_503(void **state)
{
	struct fixture fx;
	struct client c = { 0 };

	(void)state;
	setup(&fx);
	push(&fx, &c, "{}");
	fx_turn(&fx);
	source_http.nack(fx.source);
	assert_int_equal(c.status, 503);
	fx_commit(&fx);
	assert_int_equal(c.answers, 1);
	fx_fini(&fx);
}

static void only_listed_hooks_are_open(void **state)
{
	struct str hooks[] = { STR("alertmanager") };
	struct http_options some = options;
	struct fixture fx;

	(void)state;
	some.hooks = (struct option_strs){ hooks, 1 };
	fx_init(&fx, NULL, NULL);
	fx_open(&fx, &source_http, &some);
	assert_true(http_source_has_hook(fx.source, STR("alertmanager")));
	assert_false(http_source_has_hook(fx.source, STR("alert")));
	assert_false(http_source_has_hook(fx.source, STR("")));
	fx_fini(&fx);
	setup(&fx);
	assert_false(http_source_has_hook(fx.source, STR("alertmanager")));
	fx_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_is_answered_after_the_commit),
		cmocka_unit_test(a_repeat_gets_the_first_answer),
		cmocka_unit_test(a_refusal_says_why),
		cmocka_unit_test(a_full_queue_answers_503_at_once),
		cmocka_unit_test(who_went_away_is_still_decided),
		cmocka_unit_test(a_refused_commit_answers_503),
		cmocka_unit_test(only_listed_hooks_are_open),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
