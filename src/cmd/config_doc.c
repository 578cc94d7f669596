/* The shipped configuration file and the reference page, out of the option tables.
 *
 * The file is for people: one key a line, its meaning beside it in a column of its
 * own.  What has no default that could stand there (secrets, connections) is
 * commented out; such a key without a value takes its default, so that removing the
 * marks of a block gives a valid file.  Required keys need an example below. */
#include <string.h>

#include "cmd/config.h"

#define DOC_COLUMN 36
#define LINE_MAX_COLUMN 90

static const char intro[] =
    "# retraind.yaml: the configuration of retraind, see retraind.yaml(5).\n"
    "#\n"
    "# Every value is the default, but for the hook of sources.http; what is\n"
    "# commented out is an example.  A key without a value takes its default.\n"
    "# Relative paths start from this file.  Durations: 500ms 30s 6h 7d; sizes:\n"
    "# 512 64Ki 64Mi 2Gi.  A secret is never written here, only where it is:\n"
    "# {file: PATH}, {env: NAME} or {credential: NAME}.\n";

/* Of keys that are required, or that nobody would guess. */
static const struct { const char *kind, *key, *text; } examples[] = {
	{ "http", "hooks", "[alertmanager]" },
	{ "kafka", "brokers", "[\"127.0.0.1:9092\"]" },
	{ "kafka", "topics", "[ml.events]" },
	{ "kafka", "password", "{file: kafka.password}" },
	{ "kafka", "key", "{file: kafka.key}" },
	{ "mqtt", "url", "mqtt://127.0.0.1:1883" },
	{ "mqtt", "topics", "[\"ml/+/metrics\"]" },
	{ "mqtt", "password", "{file: mqtt.password}" },
	{ "mqtt", "key", "{file: mqtt.key}" },
	{ "tls", "cert", "tls.crt" },
	{ "tls", "key", "{file: tls.key}" },
	{ "tokens", "name", "alertmanager" },
	{ "tokens", "role", "ingest" },
	{ "tokens", "sources", "[http]" },
	{ "tokens", "secret", "{file: alertmanager.token}" },
};

static const char *example(const char *kind, const char *key)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(examples); i++)
		if (strcmp(examples[i].kind, kind) == 0 &&
		    strcmp(examples[i].key, key) == 0)
			return examples[i].text;
	return NULL;
}

static void put_column(GString *out, gsize line)
{
	gsize width = out->len - line;

	g_string_append_printf(out, "%*s#",
			       width < DOC_COLUMN ? (int)(DOC_COLUMN - width) : 1, "");
}

/* `head`, then its meaning beside it, broken between words. */
static void put_line(const char *head, const char *doc, GString *out)
{
	g_auto(GStrv) words = g_strsplit(doc, " ", -1);
	gsize line = out->len;

	g_string_append(out, head);
	put_column(out, line);
	for (char **w = words; *w; w++) {
		if (out->len - line + 1 + strlen(*w) > LINE_MAX_COLUMN) {
			g_string_append_c(out, '\n');
			line = out->len;
			put_column(out, line);
		}
		g_string_append_printf(out, " %s", *w);
	}
	g_string_append_c(out, '\n');
}

static char *doc_of(const struct option *r)
{
	g_auto(GStrv) words = r->type == OPT_ENUM ? g_strsplit(r->words, "|", -1) : NULL;
	g_autofree char *list = words ? g_strjoinv(" | ", words) : NULL;

	return list ? g_strdup_printf("%s (%s)", r->doc, list) : g_strdup(r->doc);
}

/* One key: `before` is its indentation, with the mark of a comment where it is one. */
static void put_key(const char *before, const char *kind, const struct option *r,
    GString *out)
{
	const char *text = example(kind, r->name);
	g_autofree char *doc = doc_of(r);
	g_autofree char *head = NULL;

	if (!text)
		text = r->fallback ? r->fallback : r->type == OPT_STRS ? "[]" : "";
	head = g_strdup_printf("%s%s:%s%s", before, r->name, *text ? " " : "", text);
	put_line(head, doc, out);
}

/* Neither a default nor an example that a running daemon could do with. */
static bool is_off(const struct option *r, const char *kind)
{
	if (r->type == OPT_SECRET)
		return strcmp(kind, "tls") != 0;
	return !r->fallback && r->type != OPT_STRS && r->type != OPT_MAP &&
	    !example(kind, r->name);
}

static void put_rows(const struct option *r, const char *indent, const char *kind,
    GString *out)
{
	for (; r->name; r++) {
		g_autofree char *before = g_strdup_printf("%s%s", indent,
		    is_off(r, kind) ? "# " : "");

		if (!(r->flags & (OPT_OMIT | OPT_LATER)))
			put_key(before, kind, r, out);
	}
}

static void put_tokens(GString *out)
{
	const char *before = "  # - ";

	for (const struct option *r = config_token_rows; r->name; r++) {
		put_key(before, "tokens", r, out);
		before = "  #   ";
	}
}

static void put_section(const struct option *rows, GString *out)
{
	for (const struct option *r = rows; r->name; r++) {
		if (strcmp(r->name, "tls") == 0) {
			put_key("  # ", "", r, out);
			put_rows(r->sub, "  #   ", r->name, out);
		} else if (strcmp(r->name, "tokens") == 0) {
			put_key("  ", "", r, out);
			put_tokens(out);
		} else if (!(r->flags & (OPT_OMIT | OPT_LATER))) {
			put_key("  ", "", r, out);
		}
	}
}

/* `mark` is "# " for an instance that is an example only. */
static void put_source(const struct catalog_kind *k, const char *name, const char *mark,
    GString *out)
{
	g_autofree char *head = g_strdup_printf("  %s- name: %s", mark, name);
	g_autofree char *kind = g_strdup_printf("  %s  kind: %s", mark, k->name);
	g_autofree char *indent = g_strdup_printf("  %s  ", mark);

	put_line(head, k->doc, out);
	g_string_append_printf(out, "%s\n", kind);
	put_rows(k->options, indent, k->name, out);
}

static void put_instances(const char *section, GString *out)
{
	if (strcmp(section, "sources") == 0) {
		put_source(&source_http_kind, "http", "", out);
		put_source(&source_kafka_kind, "events", "# ", out);
		put_source(&source_mqtt_kind, "sensors", "# ", out);
	} else if (strcmp(section, "executors") == 0) {
		put_line("  local:", exec_process_kind.doc, out);
		g_string_append_printf(out, "    kind: %s\n", exec_process_kind.name);
		put_rows(exec_process_kind.options, "    ", exec_process_kind.name, out);
	}
}

void config_print(GString *out)
{
	g_string_append(out, intro);
	for (const struct option *r = config_rows; r->name; r++) {
		bool block = r->type == OPT_MAP || r->type == OPT_NODE;

		if (block || r == config_rows)
			g_string_append_c(out, '\n');
		put_key("", "", r, out);
		if (r->type == OPT_MAP)
			put_section(r->sub, out);
		put_instances(r->name, out);
	}
}

void config_reference(GString *out)
{
	g_string_append(out,
			"Names are dotted paths.  A key that takes effect at the next"
			" start only is named in\nthe log when a reload (SIGHUP) finds "
			"it changed.\n\n");
	options_markdown(config_rows, "", out);
	g_string_append(out, "\n## http.tokens\n\nA list of maps.\n\n");
	options_markdown(config_token_rows, "", out);
	for (uint32_t i = 0; i < catalog_kinds.kinds_n; i++) {
		const struct catalog_kind *k = catalog_kinds.kinds[i];

		g_string_append_printf(out, "\n## %s, kind %s\n\n%s.\n\n",
		    k->what == CATALOG_SOURCE ? "Source" : "Executor", k->name, k->doc);
		options_markdown(k->options, "", out);
	}
}
