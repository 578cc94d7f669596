/* The commands that begin and end a silence; what one is, decide/silence.c knows. */
#include <inttypes.h>

#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "flow/engine.h"

#define MATCH_MAX 64		/* decide takes fewer, and says how many */
#define FOR_MAX INT64_C(3155760000000)	/* 100 years */

/* False: answered already. */
static bool read_terms(struct world *w, const struct command *cmd, struct value given,
    struct silence_order *o)
{
	struct value v = value_member(given, STR("match"), w->arena);
	uint32_t n = v.tag == VALUE_LIST ? v.list->n : 0;
	struct str *terms = ARENA_ARRAY(w->arena, struct str, MATCH_MAX);

	for (uint32_t i = 0; i < n && i < MATCH_MAX; i++) {
		if (v.list->v[i].tag != VALUE_STRING) {
			answer_error(w, cmd, 422, "match: expected a list of texts");
			return false;
		}
		terms[i] = value_as_str(v.list->v[i]);
	}
	o->terms = terms;
	o->terms_n = MIN(n, MATCH_MAX);
	return true;
}

static bool read_end(struct world *w, const struct command *cmd, struct value given,
    struct silence_order *o)
{
	struct str span = map_text(w, given, "for"), until = map_text(w, given, "until");
	int64_t ms = 0;

	if (!span.len == !until.len)
		answer_error(w, cmd, 422, "expected either 'for' or 'until'");
	else if (span.len && (!duration_parse(span, &ms) || ms <= 0 || ms > FOR_MAX))
		answer_error(w, cmd, 422, "for: '%.*s' is not a duration, as 2h",
		    STR_ARG(span));
	else if (until.len && !time_parse(until, &o->until_ms, NULL))
		answer_error(w, cmd, 422, "until: '%.*s' is not a time, as"
		    " 2026-03-01T08:00:00Z", STR_ARG(until));
	else {
		if (span.len)
			o->until_ms = w->wall + ms;
		return true;
	}
	return false;
}

static void answer_silence(struct world *w, const struct command *cmd, struct str id,
    int64_t until_ms)
{
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "silence");
	json_str(s, id);
	json_key(s, "until");
	json_time(s, until_ms);
	answer_ok(w, cmd, s);
}

void command_silence(struct world *w, const struct command *cmd)
{
	struct silence_order o = { .author = cmd->actor };
	struct err err = { 0 };
	struct value given;
	uint64_t id;

	if (!command_params(w, cmd, &given) || !read_terms(w, cmd, given, &o) ||
	    !read_end(w, cmd, given, &o))
		return;
	o.reason = map_text(w, given, "reason");
	if (!decide_silence(w->decide, &o, &id, &err)) {
		answer_error(w, cmd, err.code == ERR_LIMIT ? 409 : 422, "%s", err.msg);
		return;
	}
	answer_silence(w, cmd, arena_printf(w->arena, "s-%" PRIu64, id), o.until_ms);
}

void command_unsilence(struct world *w, const struct command *cmd)
{
	struct err err = { 0 };

	if (decide_silence_end(w->decide, cmd->target, &err))
		answer_silence(w, cmd, cmd->target, w->wall);
	else
		answer_error(w, cmd, 404, "%s", err.msg);
}
