/* pause, resume, reload, sources, version: short requests. */
#include <stdio.h>

#include "cmd/retrainctl/ctl.h"

extern const struct verb verb_get;

static int rule_or_all(struct ctl *c, const char *path, int argc, char **argv)
{
	json_t *body = json_object();

	if (argc == 1)
		json_object_set_new(body, "rule", json_string(argv[0]));
	return client_show(c, "POST", path, body, NULL);
}

static int run_pause(struct ctl *c, int argc, char **argv)
{
	if (argc > 1)
		return usage_error("pause", "expected at most one rule");
	return rule_or_all(c, "/api/v1/pause", argc, argv);
}

static int run_resume(struct ctl *c, int argc, char **argv)
{
	if (argc > 1)
		return usage_error("resume", "expected at most one rule");
	return rule_or_all(c, "/api/v1/resume", argc, argv);
}

static int run_reload(struct ctl *c, int argc, char **argv)
{
	(void)argv;
	if (argc)
		return usage_error("reload", "expected no argument");
	return client_show(c, "POST", "/api/v1/reload", json_object(), NULL);
}

static int run_sources(struct ctl *c, int argc, char **argv)
{
	char *args[] = { (char *)(uintptr_t)"sources" };

	(void)argv;
	if (argc)
		return usage_error("sources", "expected no argument");
	return verb_get.run(c, 1, args);
}

static int run_version(struct ctl *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	puts("retrainctl " RETRAIND_VERSION);
	return CTL_OK;
}

const struct verb verb_pause = {
	.name = "pause",
	.args = "[RULE]",
	.summary = "stop a rule, or everything, until resume",
	.help = "Without a rule no source is read and no schedule fires; runs go on.",
	.run = run_pause,
};
const struct verb verb_resume = {
	.name = "resume",
	.args = "[RULE]",
	.summary = "end a pause",
	.run = run_resume,
};
const struct verb verb_reload = {
	.name = "reload",
	.args = "",
	.summary = "read the rule files again",
	.help = "The answer has the diagnostics, and each bundle's state: one with an"
	    " error goes on with its last good set, the others are loaded; then it exits"
	    " 1.",
	.run = run_reload,
};
const struct verb verb_sources = {
	.name = "sources",
	.args = "",
	.summary = "list sources with their state and lag",
	.run = run_sources,
};
const struct verb verb_version = {
	.name = "version",
	.args = "",
	.summary = "print the version of this program",
	.offline = true,
	.run = run_version,
};
