/* logs: what a step wrote. */
#include <stdio.h>

#include "cmd/retrainctl/ctl.h"

static char *step;
static int attempt;
static gboolean follow;

static const GOptionEntry rows[] = {
	{ "step", 0, 0, G_OPTION_ARG_STRING, &step, "which step (the last one started)",
	  "STEP" },
	{ "attempt", 0, 0, G_OPTION_ARG_INT, &attempt, "which attempt (the last)", "N" },
	{ "follow", 'f', 0, G_OPTION_ARG_NONE, &follow, "go on until the step ends",
	  NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static bool print(void *ctx, struct str piece)
{
	(void)ctx;
	fwrite(piece.p, 1, piece.len, stdout);
	fflush(stdout);
	return !ferror(stdout);
}

static int run(struct ctl *c, int argc, char **argv)
{
	GString *path;
	char *base;
	bool ok;

	if (argc != 1)
		return usage_error("logs", "expected one run");
	base = client_path("/api/v1/runs/%s/logs", argv[0]);
	path = g_string_new(base);
	g_string_append_printf(path, "?follow=%d", follow ? 1 : 0);
	if (step) {
		char *e = g_uri_escape_string(step, NULL, FALSE);
		g_string_append_printf(path, "&step=%s", e);
		g_free(e);
	}
	if (attempt)
		g_string_append_printf(path, "&attempt=%d", attempt);
	ok = client_stream(c, path->str, print, NULL);
	g_string_free(path, TRUE);
	g_free(base);
	return ok ? CTL_OK : CTL_NO;
}

const struct verb verb_logs = {
	.name = "logs",
	.args = "RUN [--step S] [-f]",
	.summary = "show what a step wrote",
	.rows = rows,
	.run = run,
};
