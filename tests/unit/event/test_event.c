/* Messages to events: CloudEvents 1.0 in its three modes over three transports, plain
 * JSON, maps, Alertmanager; what is refused, why and where.  The expectations come from
 * the CloudEvents JSON format and bindings, and Alertmanager's webhook documentation. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/time.h"
#include "base/yaml.h"
#include "base/zone.h"
#include "event/event.h"

#define NOW INT64_C(1772335800000)	/* 2026-03-01T03:30:00Z */
#define CE                                                                               \
	"\"specversion\":\"1.0\",\"id\":\"a1\",\"source\":\"/"                           \
	"ci\",\"type\":\"dataset.new\""

enum { DATA, ROWS, NAME, ID, TYPE, SUBJECT, TIME, TEAM, CONTENT, SLOTS };

static const char *const slots[SLOTS][4] = {
	{"data"}, {"data", "rows"}, {"data", "meta", "name"}, {"event", "id"},
	{"event", "type"}, {"event", "subject"}, {"event", "time"}, {"event", "team"},
	{"event", "datacontenttype"},
};

static struct world {
	struct arena	*rules, *turn;
	struct plan	 plan;
	struct zones	*zones;
	struct message	 m;
	struct event_limits limits;
	struct event	*v[600];
	unsigned	 n;
	GString		*why;
	uint32_t	 at;
	char		*body;
} w;

static int setup(void **state)
{
	(void)state;
	w = (struct world){.rules = arena_new(0),
	    .turn = arena_new(0),
	    .zones = zones_new(),
	    .why = g_string_new(NULL)};
	plan_init(&w.plan, w.rules);
	for (unsigned i = 0; i < SLOTS; i++) {
		struct str seg[4];
		uint32_t n = 0;

		for (; slots[i][n]; n++)
			seg[n] = str_of(slots[i][n]);
		assert_int_equal(plan_add(&w.plan, seg, n), i);
		assert_int_equal(plan_add(&w.plan, seg, n), i);
	}
	plan_finish(&w.plan);
	w.m = (struct message){.source = 7,
	    .origin = STR("lake"),
	    .part = STR("c1/topic/3"),
	    .topic = STR("topic"),
	    .pos = 4711,
	    .time_ms = NOW};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(w.body);
	arena_free(w.rules);
	arena_free(w.turn);
	zones_free(w.zones);
	g_string_free(w.why, TRUE);
	return 0;
}

static void take(void *ctx, struct event *e)
{
	assert_ptr_equal(ctx, &w);
	w.v[w.n++] = e;
}

static struct event_format *format(const char *preset, const char *map)
{
	struct text text = {STR("source.yaml"), str_of(map)};
	struct diags *diags = diags_new(&text, 1);
	struct yaml *node = map ? yaml_parse(0, w.rules, diags) : NULL;
	struct event_format *f =
	    event_format_build(str_of(preset), node, w.zones, w.rules, diags);

	if (!f) {
		g_string_truncate(w.why, 0);
		diags_render(diags, w.why);
	}
	diags_free(diags);
	return f;
}

/* The body lies in a block of exactly its size. */
static enum event_refusal decode_as(const struct event_format *f, const char *body)
{
	size_t n = strlen(body);

	free(w.body);
	w.body = malloc(n ? n : 1);
	memcpy(w.body, body, n);
	w.m.body = (struct str){w.body, (uint32_t)n};
	w.n = 0;
	g_string_truncate(w.why, 0);
	return event_decode(&w.m, f, &w.plan, &w.limits, w.turn, take, &w, &w.at, w.why);
}

static enum event_refusal decode(const char *body)
{
	return decode_as(format("", NULL), body);
}

static void expect(struct str s, const char *want)
{
	if (!str_is(s, str_of(want)))
		fail_msg("'%.*s', expected '%s'", STR_ARG(s), want);
}

static void expect_slot(unsigned slot, const char *want)
{
	struct value v = w.v[0]->field[slot];

	if (!want) {
		assert_int_equal(v.tag, VALUE_ABSENT);
		return;
	}
	assert_int_equal(v.tag, VALUE_STRING);
	expect((struct str){v.s, v.len}, want);
}

static void structured_mode_fills_attributes_and_slots(void **state)
{
	struct event *e;

	(void)state;
	assert_int_equal(decode("{" CE ",\"subject\":\"fra\\u0075d\",\"team\":\"risk\","
	    "\"time\":\"2026-03-01T01:00:00.250+01:00\", \"data\" : {\"rows\":5,"
	    "\"meta\":{\"name\":\"x\"}} }"), EVENT_OK);
	assert_int_equal(w.n, 1);
	e = w.v[0];
	expect(e->id, "a1");
	expect(e->source, "/ci");
	expect(e->type, "dataset.new");
	expect(e->subject, "fraud");
	expect(e->data, "{\"rows\":5,\"meta\":{\"name\":\"x\"}}");
	assert_ptr_equal(e->body.p, w.body);
	assert_int_equal(e->body.len, w.m.body.len);
	assert_int_equal(e->time_ms, NOW - 3 * 3600000 - 30 * 60000 + 250 + 0);
	assert_true(e->has_id);
	assert_false(e->clamped);
	assert_int_equal(e->via, 7);
	assert_int_equal(e->field[ROWS].tag, VALUE_INT);
	assert_int_equal(e->field[ROWS].i, 5);
	assert_int_equal(e->field[DATA].tag, VALUE_RAW);
	assert_ptr_equal(e->field[DATA].s, e->data.p);
	expect_slot(NAME, "x");
	expect_slot(ID, "a1");
	expect_slot(TYPE, "dataset.new");
	expect_slot(SUBJECT, "fraud");
	expect_slot(TEAM, "risk");
	assert_int_equal(value_ms(e->field[TIME]), e->time_ms);
}

static void missing_optional_parts_have_defaults(void **state)
{
	(void)state;
	assert_int_equal(decode("{" CE ",\"subject\":null,\"data\":null}"), EVENT_OK);
	assert_int_equal(w.v[0]->subject.len, 0);
	assert_int_equal(w.v[0]->time_ms, NOW);
	assert_int_equal(value_ms(w.v[0]->field[TIME]), NOW);
	expect(w.v[0]->data, "null");
	assert_int_equal(w.v[0]->field[DATA].tag, VALUE_NULL);
	assert_int_equal(decode("{" CE "}"), EVENT_OK);
	assert_int_equal(w.v[0]->data.len, 0);
	expect_slot(DATA, NULL);
	expect_slot(SUBJECT, NULL);
	assert_int_equal(event_document(w.v[0], w.turn).tag, VALUE_NULL);
}

static void the_last_duplicate_wins_with_all_below_it(void **state)
{
	(void)state;
	assert_int_equal(
	    decode("{\"data\":{\"rows\":1,\"meta\":{\"name\":\"old\"}},\"id\":\"x\"," CE
		   ",\"data\":{\"rows\":2,\"rows\":3,\"meta\":{}}}"),
	    EVENT_OK);
	expect(w.v[0]->id, "a1");
	assert_int_equal(w.v[0]->field[ROWS].i, 3);
	expect_slot(NAME, NULL);
	expect(w.v[0]->data, "{\"rows\":2,\"rows\":3,\"meta\":{}}");
}

static void bad_attributes_are_named(void **state)
{
	static const struct {
		const char *body, *why;
		enum event_refusal refusal;
	} cases[] = {
	    {"{\"specversion\":\"1.0\",\"id\":\"a\",\"source\":\"s\"}",
		"attribute 'type' is missing, expected a CloudEvent", EVENT_NO_ATTRIBUTE},
	    {"{}", "attribute 'specversion' is missing, expected a CloudEvent",
		EVENT_NO_ATTRIBUTE},
	    {"[1]", "attribute 'specversion' is missing, expected a CloudEvent",
		EVENT_NO_ATTRIBUTE},
	    {"{\"specversion\":\"0.3\",\"id\":\"a\",\"source\":\"s\",\"type\":\"t\"}",
		"specversion '0.3' is not known, expected '1.0'", EVENT_BAD_ATTRIBUTE},
	    {"{\"specversion\":\"1.0\",\"id\":7,\"source\":\"s\",\"type\":\"t\"}",
		"attribute 'id' must be a string that is not empty", EVENT_BAD_ATTRIBUTE},
	    {"{\"specversion\":\"1.0\",\"id\":\"\",\"source\":\"s\",\"type\":\"t\"}",
		"attribute 'id' must be a string that is not empty", EVENT_BAD_ATTRIBUTE},
	    {"{" CE ",\"time\":\"yesterday\"}",
		"time 'yesterday' is not RFC 3339 with a zone", EVENT_BAD_TIME},
	    {"{" CE ",\"time\":12}",
		"attribute 'time' must be a string that is not empty",
		EVENT_BAD_ATTRIBUTE},
	    {"{" CE ",\"retraindepth\":256}",
		"attribute 'retraindepth' must be a number from 0 to 255",
		EVENT_BAD_ATTRIBUTE},
	    {"{" CE ",\"data\":1,\"data_base64\":\"e30=\"}",
		"both data and data_base64 are given, expected one of them",
		EVENT_BAD_ATTRIBUTE},
	    {"{" CE ",\"data_base64\":\"e30\"}", "data_base64 is not base64",
		EVENT_BAD_ATTRIBUTE},
	    {"", "the text is not JSON at byte 0", EVENT_NOT_JSON},
	    {"{\"a\":\"\xff\"}", "the text is not UTF-8 at byte 6", EVENT_NOT_UTF8},
	    {"{\"a\":1,}", "the text is not JSON at byte 7", EVENT_NOT_JSON},
	    {"{\"a\":1} x", "the text is not JSON at byte 8", EVENT_NOT_JSON},
	};

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		assert_int_equal(decode(cases[i].body), cases[i].refusal);
		assert_string_equal(w.why->str, cases[i].why);
		assert_int_equal(w.n, 0);
	}
	assert_int_equal(
	    decode("{" CE ",\"time\":\"2026-02-30T00:00:00Z\"}"), EVENT_BAD_TIME);
	assert_int_equal(w.at, strlen("{" CE ",\"time\":\""));
	assert_string_equal(event_refusal_name(EVENT_BAD_TIME), "bad_time");
	assert_string_equal(event_refusal_name(EVENT_BATCH_TOO_LARGE), "batch_too_large");
}

static void limits_hold(void **state)
{
	GString *s = g_string_new("{" CE ",\"data\":");

	(void)state;
	for (unsigned i = 0; i < 63; i++)
		g_string_append_c(s, '[');
	for (unsigned i = 0; i < 63; i++)
		g_string_append_c(s, ']');
	g_string_append_c(s, '}');
	assert_int_equal(decode(s->str), EVENT_OK);
	g_string_insert_c(s, (gssize)strlen("{" CE ",\"data\":"), '[');
	g_string_insert_c(s, (gssize)s->len - 1, ']');
	assert_int_equal(decode(s->str), EVENT_TOO_DEEP);
	assert_int_equal(w.at, strlen("{" CE ",\"data\":") + 63);
	g_string_assign(s, "{" CE ",\"data\":{\"k\":0");
	for (unsigned i = 0; i < 9994; i++)
		g_string_append_printf(s, ",\"k%u\":0", i);
	g_string_append(s, "}}");
	assert_int_equal(decode(s->str), EVENT_OK);	/* 5 + 1 + 9,994 keys */
	g_string_insert(s, (gssize)s->len - 2, ",\"one\":1");
	assert_int_equal(decode(s->str), EVENT_TOO_MANY_KEYS);
	w.limits.bytes = 100;
	assert_int_equal(decode(s->str), EVENT_TOO_LARGE);
	w.limits = (struct event_limits){.depth = 2};
	assert_int_equal(json_check(STR("[[[]]]"), &w.limits, &w.at), EVENT_TOO_DEEP);
	assert_int_equal(w.at, 2);
	g_string_free(s, TRUE);
}

static void a_time_too_far_ahead_is_clamped(void **state)
{
	(void)state;
	assert_int_equal(decode("{" CE ",\"time\":\"2026-03-01T03:35:00Z\"}"), EVENT_OK);
	assert_false(w.v[0]->clamped);
	assert_int_equal(w.v[0]->time_ms, NOW + 300000);
	assert_int_equal(decode("{" CE ",\"time\":\"2036-03-01T03:35:00Z\"}"), EVENT_OK);
	assert_true(w.v[0]->clamped);
	assert_int_equal(w.v[0]->time_ms, NOW + 300000);
	assert_int_equal(value_ms(w.v[0]->field[TIME]), NOW + 300000);
	w.limits.max_future_ms = 1000;
	assert_int_equal(decode("{" CE ",\"time\":\"2026-03-01T03:35:00Z\"}"), EVENT_OK);
	assert_int_equal(w.v[0]->time_ms, NOW + 1000);
}

static void base64_data_is_decoded(void **state)
{
	(void)state;
	assert_int_equal(
	    decode("{" CE ",\"data_base64\":\"eyJyb3dzIjo5fQ==\"}"), EVENT_OK);
	expect(w.v[0]->data, "{\"rows\":9}");
	assert_int_equal(w.v[0]->field[ROWS].i, 9);
	assert_int_equal(decode("{" CE ",\"datacontenttype\":\"text/plain\","
	    "\"data_base64\":\"YSJi\"}"), EVENT_OK);
	expect(w.v[0]->data, "\"a\\\"b\"");
	assert_int_equal(decode("{" CE ",\"data_base64\":\"YSJi\"}"), EVENT_NOT_JSON);
	assert_int_equal(decode("{" CE ",\"datacontenttype\":\"image/png\","
	    "\"data_base64\":\"YSJi\"}"), EVENT_NOT_JSON);
}

static void binary(const struct header *h, uint32_t n, const char *body)
{
	w.m.headers = h;
	w.m.headers_n = n;
	assert_int_equal(decode(body), EVENT_OK);
	assert_int_equal(w.n, 1);
	expect(w.v[0]->id, "a1");
	expect(w.v[0]->source, "/ci");
	expect(w.v[0]->type, "dataset.new");
	expect(w.v[0]->subject, "Zo\xc3\xab \"x\"");
	assert_int_equal(w.v[0]->time_ms, NOW - 30 * 60000);
	assert_int_equal(w.v[0]->depth, 3);
	assert_int_equal(w.v[0]->field[ROWS].i, 12);
	expect(w.v[0]->data, body);
	expect_slot(TEAM, "risk");
	expect_slot(ID, "a1");
	expect_slot(SUBJECT, "Zo\xc3\xab \"x\"");
	expect_slot(CONTENT, "application/json");
	assert_int_equal(w.v[0]->ext_n, 1);
	expect(w.v[0]->ext[0].name, "team");
}

#define H(prefix, subject)                                                               \
	{STR(prefix "specversion"), STR("1.0")}, {STR(prefix "id"), STR("a1")},          \
	    {STR(prefix "source"), STR("/ci")},                                          \
	    {STR(prefix "type"), STR("dataset.new")},                                    \
	    {STR(prefix "time"), STR("2026-03-01T03:00:00Z")},                           \
	    {STR(prefix "team"), STR("risk")}, {STR(prefix "retraindepth"), STR("3")},   \
	{                                                                                \
		STR(prefix "subject"), STR(subject)                                      \
	}

static void binary_mode_is_the_same_over_three_transports(void **state)
{
	const struct header kafka[] = {H("ce_", "Zo\xc3\xab \"x\""),
	    {STR("content-type"), STR("application/json")}, {STR("other"), STR("\xff")}};
	const struct header http[] = {H("Ce-", "Zo%C3%AB%20%22x%22"),
		{STR("Accept"), STR("*/*")}};
	const struct header mqtt[] = {H("", "Zo\xc3\xab \"x\"")};

	(void)state;
	binary(kafka, G_N_ELEMENTS(kafka), "{\"rows\":12}");
	w.m.content_type = STR("application/json");
	binary(http, G_N_ELEMENTS(http), "{\"rows\":12}");
	binary(mqtt, G_N_ELEMENTS(mqtt), " {\"rows\" : 12} ");
	assert_int_equal(decode("{\"rows\":12"), EVENT_NOT_JSON);
	assert_int_equal(w.at, 10);
	assert_int_equal(decode(""), EVENT_OK);
	assert_int_equal(w.v[0]->data.len, 0);
	w.m.content_type = STR("text/plain; charset=utf-8");
	assert_int_equal(decode("a\"b"), EVENT_OK);
	expect(w.v[0]->data, "\"a\\\"b\"");
	w.m.content_type = STR("application/avro");
	assert_int_equal(decode("xx"), EVENT_NOT_JSON);
	assert_string_equal(w.why->str,
	    "content type 'application/avro' is neither JSON nor text");
	w.m.content_type = STR("");
	w.m.headers_n = 2;
	assert_int_equal(decode("{}"), EVENT_NO_ATTRIBUTE);
}

static void a_batch_is_taken_whole_or_not_at_all(void **state)
{
	GString *s = g_string_new("[{" CE ",\"data\":{\"rows\":1}} , {" CE "}]");

	(void)state;
	w.m.content_type = STR("application/cloudevents-batch+json; charset=UTF-8");
	assert_int_equal(decode(s->str), EVENT_OK);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.v[0]->field[ROWS].i, 1);
	assert_int_equal(w.v[1]->field[ROWS].tag, VALUE_ABSENT);
	expect(w.v[1]->body, "{" CE "}");
	assert_int_equal(decode("[]"), EVENT_OK);
	assert_int_equal(w.n, 0);
	assert_int_equal(decode("[{" CE "},{\"id\":\"x\"}]"), EVENT_NO_ATTRIBUTE);
	assert_int_equal(w.n, 0);
	assert_int_equal(decode("[{" CE "},]"), EVENT_NOT_JSON);
	assert_int_equal(decode("[{" CE "}]]"), EVENT_NOT_JSON);
	assert_int_equal(decode("{" CE "}"), EVENT_NOT_JSON);
	g_string_assign(s, "[{" CE "}");
	for (unsigned i = 1; i < 500; i++)
		g_string_append(s, ",{" CE "}");
	g_string_append_c(s, ']');
	assert_int_equal(decode(s->str), EVENT_OK);
	assert_int_equal(w.n, 500);
	w.limits.keys = 4;	/* of each event, not of the batch */
	assert_int_equal(decode(s->str), EVENT_OK);
	w.limits.keys = 3;
	assert_int_equal(decode(s->str), EVENT_TOO_MANY_KEYS);
	g_string_insert(s, 1, "{" CE "},");
	w.limits.keys = 0;
	assert_int_equal(decode(s->str), EVENT_BATCH_TOO_LARGE);
	assert_int_equal(w.n, 0);
	g_string_free(s, TRUE);
}

/* Of a source that the rules know no format of: recorded events are tried so. */
static void without_a_format_as_with_the_default(void **state)
{
	(void)state;
	assert_int_equal(decode_as(NULL, "{" CE "}"), EVENT_OK);
	assert_int_equal(w.n, 1);
	assert_int_equal(decode_as(NULL, "{\"a\": 1}"), decode("{\"a\": 1}"));
	assert_int_equal(w.n, 0);
}

static void plain_json_becomes_data_with_defaults(void **state)
{
	struct event_format *f = format("json", NULL);

	(void)state;
	assert_int_equal(decode_as(f, "{\"rows\":4}"), EVENT_OK);
	expect(w.v[0]->id, "c1/topic/3/4711");
	expect(w.v[0]->source, "/lake/topic");
	expect(w.v[0]->type, "topic");
	assert_false(w.v[0]->has_id);
	assert_int_equal(w.v[0]->field[ROWS].i, 4);
	expect_slot(TYPE, "topic");
	assert_int_equal(decode_as(f, "17"), EVENT_OK);
	assert_int_equal(w.v[0]->field[DATA].i, 17);
	assert_int_equal(decode_as(f, "{" CE ",\"data\":{\"rows\":1}}"), EVENT_OK);
	expect(w.v[0]->type, "dataset.new");
	assert_int_equal(w.v[0]->field[ROWS].i, 1);
	assert_int_equal(decode_as(f, "rows=4"), EVENT_NOT_JSON);
	assert_int_equal(decode_as(f, " "), EVENT_NOT_JSON);
}

static void a_map_makes_events_out_of_payloads(void **state)
{
	struct event_format *f = format("", "id: body.run + '-' + string(body.n)\n"
	    "type: \"'mlflow.' + topic\"\nsubject: body.tag\ntime: body.ts\n"
	    "source: headers['from']\ndata: '{\"rows\": body.n * 2}'\n");
	const struct header h = {STR("from"), STR("/lab")};

	(void)state;
	w.m.headers = &h;
	w.m.headers_n = 1;
	assert_int_equal(decode_as(f, "{\"run\":\"r7\",\"n\":21,\"tag\":null,"
	    "\"ts\":\"2026-03-01T03:00:00Z\"}"), EVENT_OK);
	expect(w.v[0]->id, "r7-21");
	expect(w.v[0]->type, "mlflow.topic");
	expect(w.v[0]->source, "/lab");
	assert_int_equal(w.v[0]->subject.len, 0);
	assert_int_equal(w.v[0]->time_ms, NOW - 30 * 60000);
	assert_int_equal(w.v[0]->field[ROWS].i, 42);
	assert_true(w.v[0]->has_id);
	assert_int_equal(
	    decode_as(f, "{\"run\":\"r7\",\"n\":21,\"ts\":1000,\"tag\":\"x\"}"),
	    EVENT_OK);
	assert_int_equal(w.v[0]->time_ms, 1000);
	expect(w.v[0]->subject, "x");
	assert_int_equal(decode_as(f, "{\"n\":21}"), EVENT_MAP_ERROR);
	assert_true(g_str_has_prefix(w.why->str, "map: 'id': "));
	assert_int_equal(decode_as(f, "{\"run\":\"r\",\"n\":1,\"tag\":\"\",\"ts\":1}"),
	    EVENT_MAP_ERROR);
	assert_string_equal(w.why->str,
	    "map: 'subject' is empty, expected a string that is not empty");
	assert_int_equal(
	    decode_as(f, "{\"run\":\"r\",\"n\":1,\"tag\":\"a\",\"ts\":\"1\"}"),
	    EVENT_BAD_TIME);
	assert_int_equal(decode_as(f, "{\"n\":"), EVENT_NOT_JSON);
	assert_int_equal(decode_as(f, "{" CE "}"), EVENT_OK);
	expect(w.v[0]->id, "a1");
}

static void a_map_may_read_the_whole_body(void **state)
{
	struct event_format *f = format("json",
	    "id: \"body.filter(x, x > 1)[0] == 2 ? 'two' : 'other'\"\n"
	    "type: \"has(headers.kind) ? headers.kind : 'none'\"\n");

	(void)state;
	assert_int_equal(decode_as(f, "[1, 2, 3]"), EVENT_OK);
	expect(w.v[0]->id, "two");
	expect(w.v[0]->type, "none");
	expect(w.v[0]->data, "[1, 2, 3]");
	f = format("", "subject: \"has(body.tag) ? body.tag : 'untagged'\"\ntype: key\n");
	w.m.key = STR("k1");
	assert_int_equal(decode_as(f, "{\"rows\":1}"), EVENT_OK);
	expect(w.v[0]->subject, "untagged");
	expect(w.v[0]->type, "k1");
	assert_int_equal(w.v[0]->field[ROWS].i, 1);
}

static void bad_formats_are_diagnosed(void **state)
{
	(void)state;
	assert_null(format("cloudevent", NULL));
	assert_non_null(strstr(w.why->str, "unknown format 'cloudevent'"));
	assert_non_null(strstr(w.why->str, "did you mean 'cloudevents'"));
	assert_null(format("", "idd: body.x\n"));
	assert_non_null(strstr(w.why->str, "unknown attribute 'idd'"));
	assert_non_null(strstr(w.why->str, "did you mean 'id'"));
	assert_null(format("", "id: bdy.x\ntype: '1 +'\n"));
	assert_non_null(strstr(w.why->str, "source.yaml:1:"));
	assert_non_null(strstr(w.why->str, "source.yaml:2:"));
	assert_null(format("", "data: {rows: body.n}\n"));
	assert_non_null(strstr(w.why->str, "'data' must be an expression"));
	assert_null(format("alertmanager", "id: key\n"));
	assert_non_null(strstr(w.why->str, "'map' does not go with"));
}

/* The body is the one in Alertmanager's documentation, two alerts of one group. */
static void alertmanager_gives_one_event_per_alert(void **state)
{
	struct event_format *f = format("alertmanager", NULL);
	const char *body =
	    "{\"version\":\"4\",\"groupKey\":\"{}:{}\",\"status\":\"firing\","
	    "\"receiver\":\"retrain\",\"groupLabels\":{},\"commonLabels\":{},"
	    "\"commonAnnotations\":{},\"externalURL\":\"http://am:9093\",\"alerts\":["
	    "{\"status\":\"firing\",\"labels\":{\"alertname\":\"Drift\",\"model\":"
	    "\"fraud\"},"
	    "\"annotations\":{\"summary\":\"psi\"},\"startsAt\":\"2026-03-01T03:00:00."
	    "5Z\","
	    "\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":\"http://prom/g\","
	    "\"fingerprint\":\"c0ffee\"},"
	    "{\"status\":\"resolved\",\"labels\":{\"alertname\":\"Lag\"},\"annotations\":"
	    "{},"
	    "\"startsAt\":\"2026-03-01T02:00:00Z\",\"endsAt\":\"2026-03-01T03:10:00Z\","
	    "\"generatorURL\":\"\",\"fingerprint\":\"beef\"}]}";

	(void)state;
	assert_int_equal(decode_as(f, body), EVENT_OK);
	assert_int_equal(w.n, 2);
	expect(w.v[0]->id, "c0ffee/2026-03-01T03:00:00.5Z/firing");
	expect(w.v[0]->type, "prometheus.alert");
	expect(w.v[0]->source, "http://am:9093");
	expect(w.v[0]->subject, "Drift");
	assert_int_equal(w.v[0]->time_ms, NOW - 30 * 60000 + 500);
	expect(w.v[1]->id, "beef/2026-03-01T02:00:00Z/resolved");
	assert_int_equal(w.v[1]->time_ms, NOW - 20 * 60000);
	assert_true(w.v[1]->has_id);
	assert_int_equal(w.v[0]->field[DATA].tag, VALUE_RAW);
	assert_true(str_starts(w.v[1]->data, STR("{\"status\":\"resolved\",\"labels\"")));
	assert_int_equal(decode_as(f, "{\"alerts\":[{\"status\":\"firing\"}]}"),
	    EVENT_NO_ATTRIBUTE);
	assert_int_equal(decode_as(f, "{\"status\":\"firing\"}"), EVENT_NO_ATTRIBUTE);
	assert_int_equal(decode_as(f, "{\"alerts\":[]}"), EVENT_OK);
	assert_int_equal(w.n, 0);
	/* A source without the preset takes the hook's messages as well. */
	w.m.part = STR("/hooks/alertmanager");
	assert_int_equal(decode(body), EVENT_OK);
	assert_int_equal(w.n, 2);
	w.m.part = STR("/api/v1/events");
	assert_int_equal(decode(body), EVENT_NO_ATTRIBUTE);
}

static void an_event_of_parts_is_filled(void **state)
{
	struct event e = {.id = STR("r1"), .source = STR("/retraind"),
		.type = STR("retraind.run.completed"), .time_ms = NOW,
		.data = STR("{\"rows\":3}")};

	(void)state;
	assert_true(event_fill(&e, &w.plan, &w.limits, w.turn));
	w.v[0] = &e;
	expect_slot(ID, "r1");
	expect_slot(TYPE, "retraind.run.completed");
	expect_slot(SUBJECT, NULL);
	assert_int_equal(e.field[ROWS].i, 3);
	assert_int_equal(value_ms(e.field[TIME]), NOW);
	e.data = STR("{\"rows\":}");
	assert_false(event_fill(&e, &w.plan, &w.limits, w.turn));
	e.data = STR("");
	e.body = STR("");
	assert_true(event_fill(&e, &w.plan, &w.limits, w.turn));
	assert_int_equal(e.field[ROWS].tag, VALUE_ABSENT);
}

/* What is written is read back as the same event, extensions included. */
static void events_survive_being_written(void **state)
{
	const struct header h[] = {H("ce_", "s\"1")};
	const char *structured =
	    "{" CE ",\"time\":\"2026-03-01T03:00:00.000Z\",\"team\":\"risk\","
	    "\"retraindepth\":3,\"subject\":\"s\\\"1\",\"data\":{\"rows\":1}}";
	GString *out = g_string_new(NULL);

	(void)state;
	for (unsigned binary_mode = 0; binary_mode < 2; binary_mode++) {
		w.m.headers = h;
		w.m.headers_n = binary_mode ? G_N_ELEMENTS(h) : 0;
		assert_int_equal(
		    decode(binary_mode ? "{\"rows\":1}" : structured), EVENT_OK);
		g_string_truncate(out, 0);
		event_to_json(w.v[0], out);
		assert_string_equal(out->str,
		    "{\"specversion\":\"1.0\",\"id\":\"a1\","
		    "\"source\":\"/ci\",\"type\":\"dataset.new\",\"subject\":\"s\\\"1\","
		    "\"time\":\"2026-03-01T03:00:00.000Z\",\"retraindepth\":3,\"team\":"
		    "\"risk\","
		    "\"datacontenttype\":\"application/json\",\"data\":{\"rows\":1}}");
		w.m.headers_n = 0;
		assert_int_equal(decode(out->str), EVENT_OK);
		expect_slot(TEAM, "risk");
		expect(w.v[0]->subject, "s\"1");
		assert_int_equal(w.v[0]->depth, 3);
		expect(w.v[0]->data, "{\"rows\":1}");
	}
	g_string_free(out, TRUE);
}

static void a_plan_holds_many_paths(void **state)
{
	struct str seg[2] = {STR("data")};
	GString *body = g_string_new("{" CE ",\"data\":{\"x\":0");

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		seg[1] = arena_printf(w.rules, "field_%u", i * 7);
		assert_int_equal(plan_add(&w.plan, seg, 2), SLOTS + i);
		g_string_append_printf(body, ",\"field_%u\":%u", i * 7, i);
	}
	plan_finish(&w.plan);
	g_string_append(body, "}}");
	assert_int_equal(decode(body->str), EVENT_OK);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(w.v[0]->field[SLOTS + i].i, i);
	expect_slot(ID, "a1");
	g_string_free(body, TRUE);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(structured_mode_fills_attributes_and_slots),
		T(missing_optional_parts_have_defaults),
		T(the_last_duplicate_wins_with_all_below_it),
		T(bad_attributes_are_named),
		T(limits_hold),
		T(a_time_too_far_ahead_is_clamped),
		T(base64_data_is_decoded),
		T(binary_mode_is_the_same_over_three_transports),
		T(a_batch_is_taken_whole_or_not_at_all),
		T(without_a_format_as_with_the_default),
		T(plain_json_becomes_data_with_defaults),
		T(a_map_makes_events_out_of_payloads),
		T(a_map_may_read_the_whole_body),
		T(bad_formats_are_diagnosed),
		T(alertmanager_gives_one_event_per_alert),
		T(an_event_of_parts_is_filled),
		T(events_survive_being_written),
		T(a_plan_holds_many_paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
