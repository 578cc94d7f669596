/* The routes, and how a path finds its own.
 *
 * Deny by default: a row without a role is ROLE_DENY and answers 403 to everybody.  The
 * OpenAPI document and the checks of query and body come from the same rows.
 *
 * To add a route: a row here, its handler in the file of its kind, a line in
 * docs/api.md; tests/unit/api/test_routes.c asks for its role. */
#include <string.h>

#include "api/priv.h"
#include "base/diag.h"

#define LIST "since:t until:t before:i limit:i"
#define ROW(method, path, role, handle, query, body, doc) \
	{ method, path, ROLE_##role, handle, query, body, doc }
#define V1 "/api/v1"

const struct route api_routes[] = {
	ROW("GET", "/healthz", OPEN, on_healthz, NULL, NULL, "ok while the loop answers"),
	ROW("GET", "/readyz", OPEN, on_readyz, NULL, NULL,
	    "200 when the daemon decides, else 503 with the reasons"),
	ROW("GET", "/metrics", VIEWER, on_metrics, NULL, NULL, "Prometheus text"),
	ROW("GET", V1 "/version", VIEWER, on_version, NULL, NULL,
	    "Version, instance and epoch"),
	ROW("GET", V1 "/openapi.json", VIEWER, on_openapi, NULL, NULL, "This document"),

	ROW("POST", V1 "/events", INGEST, on_events, "source:s", "*",
	    "One CloudEvent or a batch; answered after the commit"),
	ROW("GET", V1 "/events", VIEWER, on_list, "before:i limit:i", NULL,
	    "Events that the daemon sent, newest first"),
	ROW("GET", V1 "/events/tail", VIEWER, on_tail, NULL, NULL,
	    "Accepted events as they come (server-sent events)"),
	ROW("POST", "/hooks/{name}", INGEST, on_hook, NULL, "*",
	    "A webhook that an http source lists in its hooks"),

	ROW("GET", V1 "/rules", VIEWER, on_rules, "rule:s", NULL,
	    "Rules with their state"),
	ROW("GET", V1 "/rules/{name}", VIEWER, on_rule, "limit:i", NULL,
	    "One rule with the state of its keys"),
	ROW("POST", V1 "/rules/{name}/trigger", OPERATOR, on_trigger, NULL,
	    "key:s params:o force:b",
	    "An emission by hand; suppressors apply unless forced"),
	ROW("POST", V1 "/rules/{name}/backfill", OPERATOR, on_backfill, NULL,
	    "from:s! to:s! limit:i reprocess:s dry_run:b",
	    "Decides due times of the past that the rule did not fire at"),
	ROW("GET", V1 "/pipelines", VIEWER, on_pipelines, NULL, NULL, "Pipelines"),
	ROW("GET", V1 "/pipelines/{name}", VIEWER, on_pipeline, NULL, NULL,
	    "One pipeline with its parameters"),
	ROW("POST", V1 "/pipelines/{name}/run", OPERATOR, on_start, NULL,
	    "key:s params:o force:b", "A run by hand"),

	ROW("GET", V1 "/runs", VIEWER, on_list,
	    "rule:s pipeline:s key:s state:s outcome:s model:s " LIST, NULL,
	    "Runs, newest first"),
	ROW("GET", V1 "/runs/{id}", VIEWER, on_run, NULL, NULL,
	    "One run with its attempts, parameters and artifacts"),
	ROW("GET", V1 "/runs/{id}/logs", VIEWER, on_logs, "step:s attempt:i follow:b",
	    NULL, "What an attempt of a step wrote"),
	ROW("POST", V1 "/runs/{id}/abort", OPERATOR, on_abort, NULL, "reason:s",
	    "Ends a run and its processes"),
	ROW("POST", V1 "/runs/{id}/retry", OPERATOR, on_retry, NULL, "reason:s force:b",
	    "A new run that adopts the completed steps of an ended one"),
	ROW("POST", V1 "/abort-all", OPERATOR, on_abort_all, NULL, "reason:s",
	    "Ends every run"),

	ROW("GET", V1 "/decisions", VIEWER, on_list,
	    "rule:s key:s outcome:s event:s " LIST, NULL, "Decisions, newest first"),
	ROW("GET", V1 "/decisions/{id}", VIEWER, on_decision, NULL, NULL,
	    "One decision with its trace"),
	ROW("GET", V1 "/explain", VIEWER, on_explain,
	    "rule:s key:s event:s decision:s at:t", NULL, "Why a rule fired or did not"),
	ROW("POST", V1 "/explain", VIEWER, on_explain_unsent, NULL, "*",
	    "What every rule would do with a CloudEvent that is not sent"),

	ROW("GET", V1 "/sources", VIEWER, on_sources, NULL, NULL,
	    "Sources with their lag"),
	ROW("GET", V1 "/models", VIEWER, on_list, "model:s limit:i", NULL,
	    "Versions of models: candidate, champion, archived"),
	ROW("POST", V1 "/models/{name}/promote", OPERATOR, on_promote, NULL,
	    "version:s! run:s metrics:o baseline:o", "Makes a version the champion"),
	ROW("GET", V1 "/dues", VIEWER, on_list, "rule:s since:t limit:i", NULL,
	    "Due times of schedules, decided or skipped"),
	ROW("GET", V1 "/quarantine", VIEWER, on_list, "before:i limit:i", NULL,
	    "Messages that could not be read"),
	ROW("GET", V1 "/audit", VIEWER, on_list, "before:i limit:i", NULL,
	    "What people changed"),

	ROW("POST", V1 "/pause", OPERATOR, on_pause, NULL, "rule:s",
	    "Stops a rule, or all reading"),
	ROW("POST", V1 "/resume", OPERATOR, on_resume, NULL, "rule:s", "Ends a pause"),
	ROW("GET", V1 "/budgets", VIEWER, on_budgets, NULL, NULL,
	    "Accounts of budgets in their current period"),
	ROW("GET", V1 "/silences", VIEWER, on_silences, NULL, NULL,
	    "Silences that have not ended"),
	ROW("POST", V1 "/silences", OPERATOR, on_silence, NULL,
	    "match:l! for:s until:s reason:s", "Nothing that matches fires for a while"),
	ROW("POST", V1 "/silences/{id}/end", OPERATOR, on_unsilence, NULL, "",
	    "Ends a silence; what it held back may fire"),
	ROW("POST", V1 "/reload", EDITOR, on_reload, NULL, "",
	    "Reads the rule files again"),
	ROW("GET", V1 "/reload", VIEWER, on_reload_status, NULL, NULL,
	    "How the last reload ended"),
	ROW("GET", V1 "/bundles", VIEWER, on_bundles, NULL, NULL,
	    "Bundles of rules: which run as their files say, which do not"),
	{ 0 },
};

/* One segment, decoded once; NULL: a bad escape, NUL or no UTF-8. */
static char *segment(const char *from, const char *to)
{
	char *s = g_uri_unescape_segment(from, to, NULL);

	if (s && g_utf8_validate(s, -1, NULL))
		return s;
	g_free(s);
	return NULL;
}

static bool matches(const char *pattern, const char *path, char **vars)
{
	unsigned n = 0;

	while (*pattern == '/' && *path == '/') {
		const char *p = pattern + 1, *s = path + 1;
		char *got;
		bool var = *p == '{', same;

		pattern = p + strcspn(p, "/");
		path = s + strcspn(s, "/");
		got = segment(s, path);
		same = got && *got &&
		    (var || ((size_t)(pattern - p) == strlen(got) &&
			memcmp(p, got, strlen(got)) == 0));
		if (same && var && n < ROUTE_VARS) {
			g_free(vars[n]);
			vars[n++] = got;
		} else
			g_free(got);
		if (!same)
			return false;
	}
	return !*pattern && !*path;
}

const struct route *route_find(const char *method, const char *path, char **vars,
    const char **ret_allow)
{
	*ret_allow = NULL;
	if (strcmp(method, "HEAD") == 0)
		method = "GET";		/* the server leaves the body out */
	for (const struct route *r = api_routes; r->method; r++) {
		if (!matches(r->path, path, vars))
			continue;
		if (strcmp(r->method, method) == 0)
			return r;
		*ret_allow = *ret_allow ? "GET, POST" : r->method;
	}
	return NULL;
}

const char *route_nearest(const char *path)
{
	struct str words[G_N_ELEMENTS(api_routes)], near;
	uint32_t n = 0;

	for (const struct route *r = api_routes; r->method; r++)
		words[n++] = str_of(r->path);
	near = nearest_word((struct str){ path, (uint32_t)strnlen(path, 200) }, words, n);
	return near.len ? near.p : NULL;
}

bool route_changes(const struct route *r)
{
	return strcmp(r->method, "GET") != 0;
}

bool route_streams(const struct route *r)
{
	return r->handle == on_tail || r->handle == on_logs;
}

bool route_word(const char **list, struct route_word *ret)
{
	const char *at = *list, *colon;

	while (at && *at == ' ')
		at++;
	colon = at ? strchr(at, ':') : NULL;
	if (!colon)
		return false;
	*ret = (struct route_word){ { at, (uint32_t)(colon - at) }, colon[1],
		colon[2] == '!' };
	*list = colon + 2 + ret->required;
	return true;
}
