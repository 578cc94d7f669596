/* abort and retry: what a person does to a run. */
#include "cmd/retrainctl/ctl.h"

static char *reason;
static gboolean all, force;

static const GOptionEntry abort_rows[] = {
	{ "reason", 0, 0, G_OPTION_ARG_STRING, &reason, "why, for the record", "TEXT" },
	{ "all", 0, 0, G_OPTION_ARG_NONE, &all, "every unfinished run", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static const GOptionEntry retry_rows[] = {
	{ "force", 0, 0, G_OPTION_ARG_NONE, &force,
	  "with the pipeline as it is now, if its definition changed", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static int each(struct ctl *c, const char *pattern, int argc, char **argv)
{
	int status = CTL_OK;

	for (int i = 0; i < argc; i++) {
		json_t *body = json_object();
		char *path = client_path(pattern, argv[i]);
		int s;

		if (reason)
			json_object_set_new(body, "reason", json_string(reason));
		if (force)
			json_object_set_new(body, "force", json_true());
		s = client_show(c, "POST", path, body, NULL);
		status = s > status ? s : status;
		g_free(path);
	}
	return status;
}

static int abort_runs(struct ctl *c, int argc, char **argv)
{
	if (all && argc == 0) {
		json_t *body = json_object();
		if (reason)
			json_object_set_new(body, "reason", json_string(reason));
		return client_show(c, "POST", "/api/v1/abort-all", body, NULL);
	}
	if (argc < 1 || all)
		return usage_error("abort", "expected runs, or --all");
	return each(c, "/api/v1/runs/%s/abort", argc, argv);
}

static int retry(struct ctl *c, int argc, char **argv)
{
	if (argc < 1)
		return usage_error("retry", "expected runs");
	return each(c, "/api/v1/runs/%s/retry", argc, argv);
}

const struct verb verb_abort = {
	.name = "abort",
	.args = "RUN... | --all [--reason TEXT]",
	.summary = "end runs, with all their processes",
	.rows = abort_rows,
	.run = abort_runs,
};
const struct verb verb_retry = {
	.name = "retry",
	.args = "RUN... [--force]",
	.summary = "start a run that adopts the completed steps of an ended one",
	.rows = retry_rows,
	.run = retry,
};
