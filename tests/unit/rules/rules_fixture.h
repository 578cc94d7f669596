/* What the tests of rules share: a configuration with one source of each sort and the
 * executors `local` (process) and `airflow` (http), and building from a text. */
#ifndef TESTS_RULES_FIXTURE_H
#define TESTS_RULES_FIXTURE_H

#include "rules/ruleset.h"

static inline const struct catalog *fixture_catalog(void)
{
	static const struct option none[] = {{.name = NULL}};
	static const struct option dag[] = {
		{.name = "dag", .type = OPT_STR, .flags = OPT_REQUIRED, .doc = "the DAG"},
		{.name = "conf", .type = OPT_NODE, .doc = "its parameters"},
		{.name = NULL},
	};
	static const struct catalog_kind process = {
	    CATALOG_EXECUTOR, "process", "", none, 0, NULL};
	static const struct catalog_kind http = {
	    CATALOG_EXECUTOR, "http", "", none, 0, dag};
	static const struct catalog_kind kafka = {
	    CATALOG_SOURCE, "kafka", "", none, 0, NULL};
	static const struct catalog_kind *kinds[] = {&process, &http, &kafka};
	static struct catalog_instance instances[] = {
		{CATALOG_EXECUTOR, 1, {"local", 5}, &process, {NULL, 0}, NULL},
		{CATALOG_EXECUTOR, 2, {"airflow", 7}, &http, {NULL, 0}, NULL},
		{CATALOG_SOURCE, 1, {"plant", 5}, &kafka, {NULL, 0}, NULL},
		{CATALOG_SOURCE, 2, {"lab", 3}, &kafka, {NULL, 0}, NULL},
	};
	static const struct catalog c = {kinds, 3, instances, 4, true};

	return &c;
}

/* A rule set from one text; NULL, with the diagnostics in *msg, if it does not load. */
static inline struct ruleset *fixture_build(const char *yaml, GString *msg)
{
	struct rule_text text = {
	    .name = STR("rules.yaml"),
	    .dir = STR("/srv/rules"),
	    .bytes = str_of(yaml),
	};
	struct text one = {text.name, text.bytes};
	struct diags *diags = diags_new(&one, 1);
	struct ruleset *rs = ruleset_build(&text, 1, fixture_catalog(), diags);

	if (msg)
		diags_render(diags, msg);
	diags_free(diags);
	return rs;
}

#endif
