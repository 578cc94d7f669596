/* Option tables of the source kinds: defaults, refusals, urls, partitions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"
#include "source/options.h"
#include "source/source.h"

static struct arena *arena;
static char message[400];

/* Reads YAML into `out` and checks it; the first complaint is in `message`. */
static bool take(const struct catalog_kind *kind, const char *yaml, void *out)
{
	struct text text = { STR("f"), str_of(yaml) };
	struct diags *diags = diags_new(&text, 1);
	struct yaml *map = yaml_parse(0, arena, diags);
	struct err err = { 0 };
	bool ok = map && options_read(kind->options, map, out, arena, diags) &&
	    source_options_check(kind, out, &err);

	message[0] = '\0';
	if (diags_kept(diags) > 0)
		g_snprintf(
		    message, sizeof(message), "%.*s", STR_ARG(diags_at(diags, 0)->msg));
	else if (!ok)
		g_snprintf(message, sizeof(message), "%s", err.msg);
	diags_free(diags);
	return ok;
}

static void kafka_takes_its_defaults(void **state)
{
	struct kafka_options o;

	(void)state;
	assert_true(
	    take(&source_kafka_kind, "brokers: ['h:9092']\ntopics: [a, b]\n", &o));
	assert_int_equal(o.topics.n, 2);
	assert_int_equal(o.start, START_END);
	assert_int_equal(o.security, 1);
	assert_int_equal(o.common.journal, JOURNAL_REF);
	assert_int_equal(o.discovery_ms, 60000);
	assert_false(take(&source_kafka_kind, "topics: [a]\n", &o));
	assert_false(take(&source_kafka_kind, "brokers: [b]\ntopics: []\n", &o));
}

static void what_would_load_code_or_move_positions_is_refused(void **state)
{
	static const char *const bad[] = { "plugin.library.paths", "ssl.ca.location",
		"ssl.key.location", "enable.auto.commit", "enable.auto.offset.store",
		"auto.offset.reset", "group.id", "bootstrap.servers", "check.crcs",
		"sasl.password", "log.queue", "nonsense" };
	struct kafka_options o;
	char yaml[200];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		g_snprintf(yaml, sizeof(yaml),
		    "brokers: [b]\ntopics: [a]\nproperties: {%s: x}\n", bad[i]);
		assert_false(take(&source_kafka_kind, yaml, &o));
		assert_non_null(strstr(message, bad[i]));
	}
	assert_true(take(&source_kafka_kind,
	    "brokers: [b]\ntopics: [a]\nproperties: {fetch.wait.max.ms: 100}\n", &o));
	assert_false(take(&source_kafka_kind,
	    "brokers: [b]\ntopics: [a]\nproperties: {fetch.wait.max: 100}\n", &o));
	assert_non_null(strstr(message, "did you mean 'fetch.wait.max.ms'"));
}

static void partitions_are_numbers_and_ranges(void **state)
{
	struct kafka_options o;

	(void)state;
	assert_true(take(&source_kafka_kind,
	    "brokers: [b]\ntopics: [a]\npartitions: [0-3, 7]\n", &o));
	assert_true(kafka_partition_wanted(&o.partitions, 0));
	assert_true(kafka_partition_wanted(&o.partitions, 3));
	assert_true(kafka_partition_wanted(&o.partitions, 7));
	assert_false(kafka_partition_wanted(&o.partitions, 4));
	assert_true(kafka_partition_wanted(&(struct option_strs){ 0 }, 4));
	assert_false(take(&source_kafka_kind,
	    "brokers: [b]\ntopics: [a]\npartitions: [3-1]\n", &o));
	assert_false(take(&source_kafka_kind,
	    "brokers: [b]\ntopics: [a]\npartitions: [x]\n", &o));
}

static void qos_2_is_refused_with_the_reason(void **state)
{
	struct mqtt_options o;

	(void)state;
	assert_true(take(&source_mqtt_kind, "url: mqtt://h\ntopics: [a/#]\n", &o));
	assert_int_equal(o.qos, 1);
	assert_int_equal(o.keepalive_ms, 60000);
	assert_int_equal(o.common.journal, JOURNAL_FULL);
	assert_true(take(&source_mqtt_kind, "url: mqtt://h\ntopics: [a]\nqos: 1\n", &o));
	assert_false(take(&source_mqtt_kind, "url: mqtt://h\ntopics: [a]\nqos: 2\n", &o));
	assert_non_null(strstr(message, "a crash loses it"));
	assert_false(take(&source_mqtt_kind, "url: mqtt://h\ntopics: [a]\nqos: 0\n", &o));
}

static void wildcards_of_filters_fill_their_level(void **state)
{
	static const char *const good[] = { "a", "#", "+", "a/#", "+/b", "a/+/c", "/",
		"a//b", "$SYS/#" };
	static const char *const bad[] = { "a/#/b", "a#", "#/a", "a+", "+a/b", "a/b+/c",
		"##", "" };
	struct mqtt_options o;
	char *text;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(good); i++) {
		text = g_strdup_printf("url: mqtt://h\ntopics: ['%s']\n", good[i]);
		assert_true(take(&source_mqtt_kind, text, &o));
		g_free(text);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++) {
		text = g_strdup_printf("url: mqtt://h\ntopics: ['%s']\n", bad[i]);
		assert_false(take(&source_mqtt_kind, text, &o));
		assert_non_null(strstr(message, "is not a topic filter"));
		g_free(text);
	}
}

static void urls_name_a_host_and_a_port(void **state)
{
	static const struct { const char *url, *host; int port; bool tls;
	} good[] = {
		{ "mqtt://h", "h", 1883, false },
		{ "mqtts://h", "h", 8883, true },
		{ "mqtt://10.0.0.1:1", "10.0.0.1", 1, false },
		{ "mqtts://[::1]:99", "::1", 99, true },
		{ "mqtt://[fe80::1]", "fe80::1", 1883, false },
	};
	static const char *const bad[] = { "", "h", "http://h", "mqtt://", "mqtt://:1883",
		"mqtt://h:", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:1x", "mqtt://h/t",
		"mqtt://u:p@h", "mqtt://[::1", "mqtt://[]:1" };
	struct mqtt_url u;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_true(mqtt_url_parse(str_of(good[i].url), &u, &err));
		assert_true(str_is(u.host, str_of(good[i].host)));
		assert_int_equal(u.port, good[i].port);
		assert_int_equal(u.tls, good[i].tls);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(mqtt_url_parse(str_of(bad[i]), &u, &err));
}

static void secrets_are_no_plain_strings(void **state)
{
	struct mqtt_options o;

	(void)state;
	assert_false(take(&source_mqtt_kind,
	    "url: mqtt://h\ntopics: [a]\nuser: u\npassword: hunter2\n", &o));
	assert_true(take(&source_mqtt_kind,
	    "url: mqtt://h\ntopics: [a]\nuser: u\npassword: {file: p}\n", &o));
	assert_int_equal(o.password.from, SECRET_FILE);
}

static void every_row_is_documented(void **state)
{
	const struct catalog_kind *const kinds[] = { &source_kafka_kind,
		&source_mqtt_kind, &source_http_kind };

	(void)state;
	for (size_t i = 0; i < 3; i++)
		for (const struct option *row = kinds[i]->options; row->name; row++) {
			assert_true(row->doc && strlen(row->doc) > 3);
			assert_int_not_equal(row->doc[strlen(row->doc) - 1], '.');
		}
}

static void hooks_of_later_versions_are_named(void **state)
{
	struct http_options o;

	(void)state;
	assert_true(take(&source_http_kind, "hooks: [alertmanager]\n", &o));
	assert_int_equal(o.queue, 500);
	assert_false(take(&source_http_kind, "hooks: [mlflow]\n", &o));
	assert_non_null(strstr(message, "not available in this version"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kafka_takes_its_defaults),
		cmocka_unit_test(what_would_load_code_or_move_positions_is_refused),
		cmocka_unit_test(partitions_are_numbers_and_ranges),
		cmocka_unit_test(qos_2_is_refused_with_the_reason),
		cmocka_unit_test(wildcards_of_filters_fill_their_level),
		cmocka_unit_test(urls_name_a_host_and_a_port),
		cmocka_unit_test(secrets_are_no_plain_strings),
		cmocka_unit_test(every_row_is_documented),
		cmocka_unit_test(hooks_of_later_versions_are_named),
	};
	int rc;

	arena = arena_new(0);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	arena_free(arena);
	return rc;
}
