/* Option tables: every type read, every complaint in its exact words, fallbacks,
 * durations and sizes, and the schema and page that come from a table. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include <glib.h>
#include <jansson.h>

#include "base/arena.h"
#include "base/option.h"

struct inner {
	int64_t		 attempts, backoff;
};
struct target {
	struct str	 name;
	int64_t		 limit, wait, memory, mode;
	double		 ratio;
	bool		 on;
	struct option_secret secret;
	struct option_strs needs;
	const struct yaml *with, *extra;
	struct inner	 retry;
};

#define AT(f) offsetof(struct target, f)
#define END { NULL, OPT_STR, 0, NULL, 0, 0, NULL, 0, NULL, NULL }

static const struct option inner_options[] = {
	{ "attempts", OPT_INT, 0, "1", 1, 0, NULL, offsetof(struct inner, attempts), NULL,
	    "how often at most" },
	{ "backoff", OPT_DURATION, 0, "30s", 1000, 3600000, NULL,
	    offsetof(struct inner, backoff), NULL, "first wait" },
	END
};

static const struct option options[] = {
    {"name", OPT_STR, OPT_REQUIRED, NULL, 0, 0, NULL, AT(name), NULL, "its name"},
    {"limit", OPT_INT, 0, "3", 1, 10, NULL, AT(limit), NULL, "how many"},
    {"wait", OPT_DURATION, 0, "1h30m", 0, 0, NULL, AT(wait), NULL, "how long"},
    {"memory", OPT_SIZE, OPT_RESTART, "64Mi", 1024, INT64_C(1) << 40, NULL, AT(memory),
     NULL, "how large"},
    {"mode", OPT_ENUM, 0, "active", 0, 0, "active|observe|disabled", AT(mode), NULL,
     "how"},
    {"ratio", OPT_DOUBLE, 0, "0.5", 0, 0, NULL, AT(ratio), NULL, "part"},
    {"on", OPT_BOOL, 0, "true", 0, 0, NULL, AT(on), NULL, "whether"},
    {"secret", OPT_SECRET, 0, NULL, 0, 0, NULL, AT(secret), NULL, "where the secret is"},
    {"needs", OPT_STRS, 0, "[a, \"b c\"]", 0, 0, NULL, AT(needs), NULL, "before it"},
    {"with", OPT_NODE, 0, "{x: [1, 2]}", 0, 0, NULL, AT(with), NULL, "anything"},
    {"extra", OPT_NODE, OPT_EXPR, NULL, 0, 0, NULL, AT(extra), NULL, "an expression"},
    {"retry", OPT_MAP, 0, NULL, 0, 0, NULL, AT(retry), inner_options, "again"},
    {"detect", OPT_NODE, OPT_LATER, NULL, 0, 0, NULL, AT(extra), NULL, "a|b"},
    END};

/* Reads `yaml` with `options`; gives what was complained about. */
struct got {
	struct text	 text;
	struct arena	*arena;
	struct diags	*diags;
	struct yaml	*root;
	struct target	 t;
	bool		 ok;
};

static void read_yaml(struct got *g, const char *yaml)
{
	g->text = (struct text){ STR("f"), str_of(yaml) };
	g->arena = arena_new(0);
	g->diags = diags_new(&g->text, 1);
	g->root = yaml_parse(0, g->arena, g->diags);
	assert_non_null(g->root);
	memset(&g->t, 0xa5, sizeof(g->t));
	g->ok = options_read(options, g->root, &g->t, g->arena, g->diags);
	assert_int_equal(g->ok, diags_errors(g->diags) == 0);
}

static void done(struct got *g)
{
	diags_free(g->diags);
	arena_free(g->arena);
}

static void check_fallbacks(const struct target *t)
{
	assert_int_equal(t->limit, 3);
	assert_int_equal(t->wait, 5400000);
	assert_int_equal(t->memory, 64 << 20);
	assert_int_equal(t->mode, 1);
	assert_true(t->ratio == 0.5);
	assert_true(t->on);
	assert_int_equal(t->secret.from, SECRET_NONE);
	assert_int_equal(t->needs.n, 2);
	assert_true(str_is(t->needs.v[1], STR("b c")));
	assert_int_equal(yaml_get(t->with, STR("x"))->n, 2);
	assert_null(t->extra);
	assert_int_equal(t->retry.attempts, 1);
	assert_int_equal(t->retry.backoff, 30000);
}

static void what_is_not_said_takes_its_fallback(void **state)
{
	struct arena *a = arena_new(0);
	struct target t;
	struct got g;

	(void)state;
	read_yaml(&g, "name: x\nlimit:\nwait: ~\nretry: null\n");
	assert_true(g.ok);
	assert_true(str_is(g.t.name, STR("x")));
	check_fallbacks(&g.t);
	done(&g);
	memset(&t, 0xa5, sizeof(t));
	options_default(options, &t, a);
	assert_int_equal(t.name.len, 0);
	check_fallbacks(&t);
	arena_free(a);
}

static void every_type_is_read(void **state)
{
	struct got g;

	(void)state;
	read_yaml(
	    &g, "{name: 1.0, limit: 10, wait: 7d, memory: 2Ki, mode: disabled, ratio: 2, "
		"on: false, secret: {env: TOKEN}, needs: one, with: [1], extra: a > b, "
		"retry: {attempts: 99, backoff: 1m}}");
	assert_true(g.ok);
	assert_true(str_is(g.t.name, STR("1.0")));
	assert_int_equal(g.t.limit, 10);
	assert_int_equal(g.t.wait, 7 * 86400000);
	assert_int_equal(g.t.memory, 2048);
	assert_int_equal(g.t.mode, 3);
	assert_true(g.t.ratio == 2);
	assert_false(g.t.on);
	assert_int_equal(g.t.secret.from, SECRET_ENV);
	assert_true(str_is(g.t.secret.name, STR("TOKEN")));
	assert_int_equal(g.t.needs.n, 1);
	assert_true(str_is(g.t.needs.v[0], STR("one")));
	assert_int_equal(g.t.with->kind, YAML_SEQ);
	assert_true(str_is(g.t.extra->scalar, STR("a > b")));
	assert_int_equal(g.t.retry.attempts, 99);
	assert_int_equal(g.t.retry.backoff, 60000);
	done(&g);
}

static void every_complaint_in_its_words(void **state)
{
	static const struct { const char *yaml, *msg, *hint; } rows[] = {
	    {"limits: 3", "unknown key 'limits'", "did you mean 'limit'?"},
	    {"zzzzzz: 3", "unknown key 'zzzzzz'", ""},
	    {"b): ", "unknown key 'b)'", "quote this expression"},
	    {"detect: 1", "'detect' is not available in this version", ""},
	    {"limit: x", "'limit' expects a whole number, not 'x'", ""},
	    {"limit: '3'", "'limit' expects a whole number, not '3'", ""},
	    {"limit: 1.5", "'limit' expects a whole number, not '1.5'", ""},
	    {"limit: 11", "'limit' must be between 1 and 10, not 11", ""},
	    {"limit: []", "'limit' expects a whole number, not a list", ""},
	    {"wait: 30",
	     "'wait' expects a duration such as 500ms, 30s, 1h30m or 7d, "
	     "not '30'",
	     ""},
	    {"memory: 1k",
	     "'memory' expects a size such as 512, 64Ki, 10Mi or 1Gi, "
	     "not '1k'",
	     ""},
	    {"memory: 5", "'memory' must be between 1Ki and 1024Gi, not 5", ""},
	    {"mode: activ",
	     "'mode' expects one of active, observe or disabled, not 'activ'",
	     "did you mean 'active'?"},
	    {"mode: {}", "'mode' expects one of active, observe or disabled, not a map",
	     ""},
	    {"ratio: .inf", "'ratio' expects a number, not '.inf'", ""},
	    {"on: yes", "'on' expects true or false, not 'yes'", ""},
	    {"secret: s3cr3t",
	     "'secret' expects {file: path}, {env: name} or "
	     "{credential: name}, never the secret itself",
	     ""},
	    {"secret: {vault: x}",
	     "unknown key 'vault', expected file, env or credential", ""},
	    {"secret: {env: }", "'env' expects text", ""},
	    {"secret: {env: a, file: b}",
	     "'secret' expects one of {file: path}, {env: name}, "
	     "{credential: name}, not a map",
	     ""},
	    {"needs: [a, {b: c}]", "'needs' expects a list of texts, not a map", ""},
	    {"retry: 3", "'retry' expects a map, not '3'", ""},
	    {"retry: {attempts: 0}", "'attempts' must be at least 1, not 0", ""},
	    {"retry: {backoff: 2h}", "'backoff' must be between 1s and 1h, not 2h", ""},
	    {"retry: {backof: 2h}", "unknown key 'backof'", "did you mean 'backoff'?"},
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *yaml = g_strdup_printf("name: x\n%s\n", rows[i].yaml);
		const struct diag *d;
		struct got g;

		read_yaml(&g, yaml);
		assert_false(g.ok);
		assert_int_equal(diags_kept(g.diags), 1);
		d = diags_at(g.diags, 0);
		assert_string_equal(d->msg.p, rows[i].msg);
		assert_string_equal(d->hint.len ? d->hint.p : "", rows[i].hint);
		assert_true(d->at.off >= 8);
		check_fallbacks(&g.t);
		done(&g);
	}
}

static void all_complaints_in_one_pass(void **state)
{
	struct got g;

	(void)state;
	read_yaml(&g, "limit: x\nmode: y\nretry: {attempts: -1, zz: 1}\nfoo: 1\n");
	assert_int_equal(diags_errors(g.diags), 6);
	assert_string_equal(diags_at(g.diags, 5)->msg.p, "missing key 'name'");
	done(&g);
	read_yaml(&g, "[a]");
	assert_string_equal(diags_at(g.diags, 0)->msg.p, "expected a map, not a list");
	check_fallbacks(&g.t);
	done(&g);
	read_yaml(&g, "name: ~\n");
	assert_string_equal(diags_at(g.diags, 0)->msg.p, "missing key 'name'");
	done(&g);
}

static void a_secret_in_place_of_its_mapping_is_never_printed(void **state)
{
	GString *s = g_string_new(NULL);
	struct got g;

	(void)state;
	read_yaml(&g, "name: x\nsecret: s3cr3t\n");
	diags_render(g.diags, s);
	diags_json(g.diags, s);
	assert_non_null(strstr(s->str, "f:2:9: error: 'secret' expects"));
	assert_null(strstr(s->str, "s3cr3t"));
	g_string_free(s, TRUE);
	done(&g);
}

static void tables_can_share_a_map(void **state)
{
	const struct option *const both[] = { options, inner_options };
	struct inner in;
	struct target t;
	struct got g;

	(void)state;
	read_yaml(&g, "name: x\n");
	done(&g);
	g.text.bytes = STR("{name: x, attempts: 4, backof: 1s}");
	g.arena = arena_new(0);
	g.diags = diags_new(&g.text, 1);
	g.root = yaml_parse(0, g.arena, g.diags);
	assert_true(options_read_some(options, g.root, &t, g.arena, g.diags));
	assert_true(options_read_some(inner_options, g.root, &in, g.arena, g.diags));
	assert_int_equal(in.attempts, 4);
	assert_int_equal(diags_errors(g.diags), 0);
	assert_false(options_known(both, 2, g.root, g.diags));
	assert_string_equal(diags_at(g.diags, 0)->msg.p, "unknown key 'backof'");
	assert_string_equal(diags_at(g.diags, 0)->hint.p, "did you mean 'backoff'?");
	done(&g);
}

static void durations(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
		const char *printed; } rows[] = {
	    {"0", 0, "0"},
	    {"500ms", 500, "500ms"},
	    {"90s", 90000, "1m30s"},
	    {"6h", 21600000, "6h"},
	    {"7d", 604800000, "7d"},
	    {"1w", 604800000, "7d"},
	    {"1h30m", 5400000, "1h30m"},
	    {"1w1d1h1m1s1ms", 694861001, "8d1h1m1s1ms"},
	    {"0s", 0, "0"},
	    {"1000ms", 1000, "1s"},
	    {"9223372036854775807ms", INT64_MAX, "106751991167d7h12m55s807ms"},
	};
	static const char *const bad[] = {"",
					  "1",
					  "s",
					  "1x",
					  "1.5h",
					  "-1s",
					  "1m1h",
					  "1s1s",
					  "1h ",
					  " 1h",
					  "1h 30m",
					  "00",
					  "1H",
					  "9223372036854775808ms",
					  "99999999999999w",
					  "9223372036854775807ms1s",
					  "1h30"};
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GString *s = g_string_new(NULL);

		assert_true(duration_parse(str_of(rows[i].text), &ms));
		assert_true(ms == rows[i].ms);
		duration_print(ms, s);
		assert_string_equal(s->str, rows[i].printed);
		g_string_free(s, TRUE);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		if (duration_parse(str_of(bad[i]), &ms))
			fail_msg("accepted '%s'", bad[i]);
}

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
		const char *printed; } rows[] = {
	    {"0", 0, "0"},
	    {"512", 512, "512"},
	    {"64Ki", 65536, "64Ki"},
	    {"1024Ki", 1048576, "1Mi"},
	    {"64Mi", 67108864, "64Mi"},
	    {"1Gi", 1073741824, "1Gi"},
	    {"1025", 1025, "1025"},
	};
	static const char *const bad[] = {"",
					  "Mi",
					  "1M",
					  "1mi",
					  "-1",
					  "1 Mi",
					  "1Mi1Ki",
					  "1.5Gi",
					  "9223372036854775808",
					  "9223372036854775807Ki"};
	int64_t bytes;

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		GString *s = g_string_new(NULL);

		assert_true(size_parse(str_of(rows[i].text), &bytes));
		assert_true(bytes == rows[i].bytes);
		size_print(bytes, s);
		assert_string_equal(s->str, rows[i].printed);
		g_string_free(s, TRUE);
	}
	for (size_t i = 0; i < G_N_ELEMENTS(bad); i++)
		if (size_parse(str_of(bad[i]), &bytes))
			fail_msg("accepted '%s'", bad[i]);
}

static void the_schema_knows_what_the_reader_knows(void **state)
{
	GString *s = g_string_new(NULL);
	json_t *v, *props, *mode;

	(void)state;
	options_schema(options, s);
	v = json_loadb(s->str, s->len, 0, NULL);
	assert_non_null(v);
	props = json_object_get(v, "properties");
	assert_int_equal(json_object_size(props), 12);
	assert_null(json_object_get(props, "detect"));
	mode = json_object_get(json_object_get(props, "mode"), "enum");
	assert_int_equal(json_array_size(mode), 3);
	assert_string_equal(json_string_value(json_array_get(mode, 2)), "disabled");
	assert_true(json_is_false(json_object_get(v, "additionalProperties")));
	assert_string_equal(
	    json_string_value(json_array_get(json_object_get(v, "required"), 0)), "name");
	assert_non_null(json_object_get(json_object_get(json_object_get(props, "retry"),
	    "properties"), "backoff"));
	json_decref(v);
	g_string_free(s, TRUE);
}

static json_t *schema_of(const struct option *table)
{
	GString *s = g_string_new(NULL);
	json_t *v;

	options_schema(table, s);
	v = json_loadb(s->str, s->len, 0, NULL);
	g_string_free(s, TRUE);
	return v;
}

static void defaults_in_the_schema_have_their_type(void **state)
{
	json_t *v = schema_of(options), *props = json_object_get(v, "properties");
	static const struct { const char *key; json_type type; } rows[] = {
		{ "limit", JSON_INTEGER }, { "ratio", JSON_REAL }, { "on", JSON_TRUE },
		{ "mode", JSON_STRING }, { "wait", JSON_STRING },
	};

	(void)state;
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		json_t *p = json_object_get(props, rows[i].key);

		assert_int_equal(json_typeof(json_object_get(p, "default")),
		    rows[i].type);
	}
	json_decref(v);
}

/* `on_error: false` without quotes is a boolean to an editor. */
static void words_that_yaml_takes_for_booleans_are_allowed_as_such(void **state)
{
	static const struct option table[] = {
		{ "on_error", OPT_ENUM, 0, "keep", 0, 0, "keep|false|true", 0, NULL,
		    "how" },
		END
	};
	json_t *v = schema_of(table), *props = json_object_get(v, "properties"), *words;

	(void)state;
	words = json_object_get(json_object_get(props, "on_error"), "enum");
	assert_int_equal(json_array_size(words), 5);
	assert_true(json_is_true(json_array_get(words, 3)));
	assert_true(json_is_false(json_array_get(words, 4)));
	json_decref(v);
}

static void the_page_has_a_row_for_every_key(void **state)
{
	GString *s = g_string_new(NULL);

	(void)state;
	options_markdown(options, "step.", s);
	assert_non_null(strstr(s->str, "| `step.name` | text | required | its name |\n"));
	assert_non_null(
	    strstr(s->str, "| `step.memory` | size | `64Mi` | how large (takes effect "
			   "at the next start) |\n"));
	assert_non_null(strstr(s->str,
	    "| `step.mode` | active\\|observe\\|disabled | `active` | how |\n"));
	assert_non_null(
	    strstr(s->str, "| `step.retry.backoff` | duration | `30s` | first wait |\n"));
	assert_non_null(strstr(s->str, "a\\|b (not available in this version) |\n"));
	g_string_free(s, TRUE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_said_takes_its_fallback),
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(every_complaint_in_its_words),
		cmocka_unit_test(all_complaints_in_one_pass),
		cmocka_unit_test(a_secret_in_place_of_its_mapping_is_never_printed),
		cmocka_unit_test(tables_can_share_a_map),
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(the_schema_knows_what_the_reader_knows),
		cmocka_unit_test(defaults_in_the_schema_have_their_type),
		cmocka_unit_test(words_that_yaml_takes_for_booleans_are_allowed_as_such),
		cmocka_unit_test(the_page_has_a_row_for_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
