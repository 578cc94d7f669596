/* The shipped configuration file and the reference page, out of the option tables. */
#include <string.h>

#include "cmd/config.h"

static void value(const struct option *r, GString *out)
{
	if (r->fallback && strcmp(r->fallback, "\"\"") == 0)
		g_string_append(out, " \"\"");
	else if (r->fallback)
		g_string_append_printf(out, " %s", r->fallback);
}

static void row(const struct option *r, int depth, bool off, GString *out)
{
	gsize start = out->len;
	gsize width;

	if (r->flags & (OPT_OMIT | OPT_LATER))
		return;
	g_string_append_printf(out, "%*s%s%s:", 2 * depth, "", off ? "# " : "", r->name);
	value(r, out);
	if (r->type == OPT_STRS && !r->fallback)
		g_string_append(out, " []");
	width = out->len - start;
	g_string_append_printf(out, "%*s# %s", width < 36 ? (int)(36 - width) : 1, "", r->doc);
	if (r->type == OPT_ENUM)
		g_string_append_printf(out, " (%s)", r->words);
	g_string_append_c(out, '\n');
}

static void rows(const struct option *r, int depth, bool off, GString *out)
{
	for (; r->name; r++) {
		/* a secret, or a map of secrets, has no default that could stand there */
		bool hide = off || r->type == OPT_SECRET || strcmp(r->name, "tls") == 0;
		row(r, depth, hide, out);
		if (r->type == OPT_MAP)
			rows(r->sub, depth + 1, hide, out);
	}
}

static void instance(const struct catalog_kind *k, const char *name, bool list, bool off,
    GString *out)
{
	const char *mark = off ? "# " : "";

	g_string_append_printf(out, "  %s%s%s\n", mark, list ? "- name: " : "", name);
	if (!list)
		g_string_insert_c(out, (gssize)out->len - 1, ':');
	g_string_append_printf(out, "  %s  kind: %s%*s# %s\n", mark, k->name,
	    (int)(24 - strlen(k->name)), "", k->doc);
	for (const struct option *r = k->options; r->name; r++) {
		if (r->flags & (OPT_OMIT | OPT_LATER))
			continue;
		GString *line = g_string_new(NULL);
		g_string_append_printf(line, "  %s  %s:", r->type == OPT_SECRET && !off ? "# " :
		    mark, r->name);
		value(r, line);
		g_string_append_printf(out, "%-35s # %s\n", line->str, r->doc);
		g_string_free(line, TRUE);
	}
}

void config_print(GString *out)
{
	g_string_append(out, "# retraind configuration.  Every value below is the default; a key"
	    " without a\n# value takes its default too.  Relative paths: from this file."
	    "  Secrets are\n# mappings: {file: PATH}, {env: NAME} or {credential: NAME}."
	    "  Durations: 30s 6h 7d;\n# sizes: 64Mi 2Gi.\n");
	for (const struct option *r = config_rows; r->name; r++) {
		row(r, 0, false, out);
		if (r->type == OPT_MAP)
			rows(r->sub, 1, false, out);
		if (strcmp(r->name, "sources") == 0) {
			instance(&source_http_kind, "http", true, false, out);
			instance(&source_kafka_kind, "events", true, true, out);
			instance(&source_mqtt_kind, "sensors", true, true, out);
		}
		if (strcmp(r->name, "executors") == 0)
			instance(&exec_process_kind, "local", false, false, out);
	}
}

void config_reference(GString *out)
{
	g_string_append(out, "# retraind.yaml\n\nOne table per section; names are dotted paths."
	    "  Keys that need a restart say so in the log\nwhen a reload (SIGHUP) finds them"
	    " changed.\n\n");
	options_markdown(config_rows, "", out);
	for (uint32_t i = 0; i < catalog_kinds.kinds_n; i++) {
		const struct catalog_kind *k = catalog_kinds.kinds[i];
		g_string_append_printf(out, "\n## %s: kind %s\n\n%s.\n\n",
		    k->what == CATALOG_SOURCE ? "Source" : "Executor", k->name, k->doc);
		options_markdown(k->options, "", out);
	}
	g_string_append(out, "\n## http.tokens\n\n");
	options_markdown(config_token_rows, "", out);
}
