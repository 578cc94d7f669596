/* schema: JSON schemas and reference pages out of the key tables. */
#include <stdio.h>
#include <string.h>

#include "base/option.h"
#include "cmd/config.h"
#include "cmd/retrainctl/ctl.h"

static gboolean reference, example;

static const GOptionEntry rows[] = {
	{ "reference", 0, 0, G_OPTION_ARG_NONE, &reference,
	  "the page for people (Markdown)", NULL },
	{ "example", 0, 0, G_OPTION_ARG_NONE, &example, "config: the shipped file",
	  NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static int run(struct ctl *c, int argc, char **argv)
{
	bool config = argc == 1 && strcmp(argv[0], "config") == 0;
	GString *s = g_string_new(NULL);

	(void)c;
	if (!config && (argc != 1 || strcmp(argv[0], "rules") != 0 || example)) {
		g_string_free(s, TRUE);
		return usage_error("schema", "expected rules or config");
	}
	if (config && example)
		config_print(s);
	else if (config && reference)
		config_reference(s);
	else if (config)
		options_schema(config_rows, s);
	else if (reference)
		rules_reference(s);
	else
		rules_schema(s);
	fputs(s->str, stdout);
	if (s->len && s->str[s->len - 1] != '\n')
		putchar('\n');
	g_string_free(s, TRUE);
	return CTL_OK;
}

const struct verb verb_schema = {
	.name = "schema",
	.args = "rules|config [--reference | --example]",
	.summary = "print the JSON schema or the reference page of a kind of file",
	.rows = rows,
	.offline = true,
	.run = run,
};
