/* The key tables as JSON schema and reference page, and advice on finished rules. */
#include "base/json.h"
#include "rules/keys.h"
#include "rules/build.h"
#include "rules/rule_detect.h"
#include "rules/rule_test.h"

static const struct {
	const char	*title, *intro;
	const struct option *rows;
} sections[] = {
    {"Top level", "A rule file is a map with these keys.", file_options},
    {"Rules",
	"`rules` is a list of maps.  A rule with `signals` is a signal rule, one with"
	" `schedule` a schedule rule, any other an event rule.",
	rule_options},
    {"Selectors", "`on` is an event type, one selector, or selectors under names.",
	selector_options},
    {"Signals",
	"`signals` is a map from names to these keys.  A signal has one window:"
	" `over` (with `every`: hopping), `tumbling`, `session`, `last` or `since`, or a"
	" detector (`detect`, see Detectors).  With `test` (see Tests) its windows are"
	" judged against a baseline."
	"  Expressions read `NAME.count`, `.sum`, `.avg`, `.min`, `.max`, `.stddev`,"
	" `.first`, `.last`, `.rate`, `.delta`, `.distinct`, `.quantile(q)`, `.age`,"
	" `.ratio` and `.list`.",
	signal_options},
    {"dedupe", "", dedupe_options},
    {"schedule", "A plain text is a cron line in UTC; several are given as a list.",
	schedule_options},
    {"run", "A plain text is the name of a pipeline.", run_options},
    {"backoff", "`off`, or a map.", backoff_options},
    {"Pipelines", "`pipelines` is a list of maps.", pipeline_options},
    {"params", "`params` is a map from names to a default, or to these keys.",
	param_options},
    {"Steps",
	"`steps` is a list of maps.  A step has one of `command`, `executor` and"
	" `gate`.",
	step_options},
    {"on_success", "", success_options},
    {"promote", "", promote_options},
    {"defaults", "Each holds keys of the kind it is named after.", defaults_options},
};

void rules_reference(GString *md)
{
	for (size_t i = 0; i < G_N_ELEMENTS(sections); i++) {
		g_string_append_printf(md, "%s## %s\n\n", i ? "\n" : "",
		    sections[i].title);
		if (*sections[i].intro)
			g_string_append_printf(md, "%s\n\n", sections[i].intro);
		options_markdown(sections[i].rows, "", md);
	}
	rules_detectors(md);
	rules_tests(md);
}

static void list_of(const struct option *rows, const char *name, GString *out)
{
	json_key(out, name);
	json_open(out, '{');
	json_key(out, "type"), json_cstr(out, "array");
	json_key(out, "items"), options_schema(rows, out);
	json_close(out, '}');
}

void rules_schema(GString *out)
{
	json_open(out, '{');
	json_key(out, "$schema"),
	    json_cstr(out, "https://json-schema.org/draft/2020-12/schema");
	json_key(out, "title"), json_cstr(out, "retraind rule file");
	json_key(out, "type"), json_cstr(out, "object");
	json_key(out, "additionalProperties"), json_bool(out, false);
	json_key(out, "properties");
	json_open(out, '{');
	list_of(rule_options, "rules", out);
	list_of(pipeline_options, "pipelines", out);
	json_key(out, "defaults"), options_schema(defaults_options, out);
	json_key(out, "vars");
	json_open(out, '{');
	json_key(out, "type"), json_cstr(out, "object");
	json_close(out, '}');
	json_close(out, '}');
	json_close(out, '}');
}

static void lint_rule(const struct rule *r, struct diags *d)
{
	struct diag *x;

	for (uint32_t i = 0; i < r->signals_n; i++)
		if (!r->signals[i].read)
			diag_add(d, SEV_WARNING, r->at,
			    "rule '%.*s': signal '%.*s' is never read", STR_ARG(r->name),
			    STR_ARG(r->signals[i].spec.name));
	if (r->kind == RULE_SIGNAL && r->reads_now && !r->every_ms) {
		x = diag_add(d, SEV_WARNING, r->at,
		    "rule '%.*s' reads now but is asked at events"
		    " only",
		    STR_ARG(r->name));
		diag_hint(d, x, "add 'every'");
	}
	for (uint32_t i = 0; i < r->selectors_n; i++)
		if (!r->selectors[i].type.len && !r->selectors[i].source)
			diag_add(d, SEV_WARNING, r->at,
			    "rule '%.*s' looks at every event of every"
			    " source: give its selector a type",
			    STR_ARG(r->name));
	for (uint32_t i = 0; i < r->schedules_n; i++) {
		const struct rule_schedule *s = &r->schedules[i];

		if (!s->deadline_ms || s->jitter_ms < s->deadline_ms)
			continue;
		diag_add(d, SEV_WARNING, r->at,
		    "rule '%.*s': the jitter is not shorter than the"
		    " deadline, so due times may be skipped",
		    STR_ARG(r->name));
	}
	if (r->refire_ms && r->cooldown_ms > r->refire_ms)
		diag_add(d, SEV_WARNING, r->at,
		    "rule '%.*s': the cooldown is longer than refire and"
		    " decides",
		    STR_ARG(r->name));
}

void ruleset_lint(const struct ruleset *rs, struct diags *d)
{
	for (uint32_t i = 0; i < rs->rules_n; i++)
		lint_rule(&rs->rules[i], d);
	loops_lint(rs, d);
}
