/* describe: one thing whole. */
#include <string.h>

#include "cmd/retrainctl/ctl.h"

struct ask { char *path; };

static int once(struct ctl *c, void *arg)
{
	return client_show(c, "GET", ((struct ask *)arg)->path, NULL, NULL);
}

static int run(struct ctl *c, int argc, char **argv)
{
	static const char *const kinds[] = { "run", "decision", "rule", "pipeline" };
	struct ask a = { NULL };
	int status;

	/* "describe fraud-412" is a run: the most asked for */
	if (argc == 1)
		a.path = client_path("/api/v1/runs/%s", argv[0]);
	for (unsigned i = 0; argc == 2 && i < G_N_ELEMENTS(kinds); i++)
		if (strcmp(argv[0], kinds[i]) == 0) {
			char *base = g_strdup_printf("/api/v1/%ss/", kinds[i]);
			char *name = client_path("%s", argv[1]);
			a.path = g_strconcat(base, name, NULL);
			g_free(base);
			g_free(name);
		}
	if (!a.path)
		return usage_error("describe",
				   "expected [run|decision|rule|pipeline] NAME");
	status = watch_loop(c, once, &a);
	g_free(a.path);
	return status;
}

const struct verb verb_describe = {
	.name = "describe",
	.args = "[run|decision|rule|pipeline] NAME",
	.summary = "show one thing whole",
	.run = run,
};
