/* trigger and run: by hand, through a rule or straight to its pipeline. */
#include <string.h>

#include "cmd/retrainctl/ctl.h"

static char **sets, *key, *params_text;
static gboolean force;

static const GOptionEntry trigger_rows[] = {
	{ "key", 'k', 0, G_OPTION_ARG_STRING, &key, "the rule's key", "KEY" },
	{ "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &sets, "a parameter (JSON, else text)",
	  "NAME=VALUE" },
	{ "params", 0, 0, G_OPTION_ARG_STRING, &params_text, "all parameters as JSON",
	  "JSON" },
	{ "force", 0, 0, G_OPTION_ARG_NONE, &force, "ask no suppressor", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};
static const GOptionEntry run_rows[] = {
	{ "key", 'k', 0, G_OPTION_ARG_STRING, &key, "key of the run", "KEY" },
	{ "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &sets, "a parameter (JSON, else text)",
	  "NAME=VALUE" },
	{ "params", 0, 0, G_OPTION_ARG_STRING, &params_text, "all parameters as JSON",
	  "JSON" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

/* "epochs=5" is the number 5, "name=x" the text x. */
static bool add_set(json_t *params, const char *set)
{
	const char *eq = strchr(set, '=');
	char *name;
	json_t *v;

	if (!eq || eq == set)
		return false;
	name = g_strndup(set, (gsize)(eq - set));
	v = json_loads(eq + 1, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	json_object_set_new(params, name, v ? v : json_string(eq + 1));
	g_free(name);
	return true;
}

static json_t *read_params(const char *verb)
{
	json_t *p = params_text ? json_loads(params_text, 0, NULL) : json_object();

	if (!json_is_object(p)) {
		usage_error(verb, "--params: expected a JSON object");
		json_decref(p);
		return NULL;
	}
	for (char **s = sets; s && *s; s++)
		if (!add_set(p, *s)) {
			usage_error(verb, "--set '%s': expected NAME=VALUE", *s);
			json_decref(p);
			return NULL;
		}
	return p;
}

static int ask(struct ctl *c, const char *verb, const char *pattern, const char *target)
{
	json_t *p = read_params(verb), *body;
	char *path;
	int status;

	if (!p)
		return CTL_USAGE;
	body = json_object();
	json_object_set_new(body, "params", p);
	if (key)
		json_object_set_new(body, "key", json_string(key));
	if (force)
		json_object_set_new(body, "force", json_true());
	path = client_path(pattern, target);
	status = client_show(c, "POST", path, body, NULL);
	g_free(path);
	return status;
}

static int trigger(struct ctl *c, int argc, char **argv)
{
	if (argc != 1)
		return usage_error("trigger", "expected one rule");
	return ask(c, "trigger", "/api/v1/rules/%s/trigger", argv[0]);
}

static int run(struct ctl *c, int argc, char **argv)
{
	if (argc != 1)
		return usage_error("run", "expected one pipeline");
	return ask(c, "run", "/api/v1/pipelines/%s/run", argv[0]);
}

const struct verb verb_trigger = {
	.name = "trigger",
	.args = "RULE [--key K] [--set P=V] [--force]",
	.summary = "make a rule fire now",
	.help = "The rule's suppressors apply unless --force is given.",
	.rows = trigger_rows,
	.run = trigger,
};
const struct verb verb_run = {
	.name = "run",
	.args = "PIPELINE [--set P=V] [--key K]",
	.summary = "start a run of a pipeline",
	.rows = run_rows,
	.run = run,
};
