/* Where recorded events come from, and what a virtual run is: the options that backtest
 * and diff have in common. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/option.h"
#include "base/time.h"
#include "cmd/retrainctl/recorded.h"

struct recorded_words recorded_words;

static bool bad(const struct recorded *r, int *ret_exit, const char *option,
    const char *text, const char *want)
{
	*ret_exit = usage_error(r->verb, "%s '%s': expected %s", option, text, want);
	return false;
}

static bool duration(const struct recorded *r, int *ret_exit, const char *option,
    const char *text, int64_t *ret)
{
	return !text || duration_parse(str_of(text), ret) ||
	    bad(r, ret_exit, option, text, "a duration, as 30m or 7d");
}

static bool read_span(struct recorded *r, int *ret_exit)
{
	const struct recorded_words *w = &recorded_words;
	struct timespec ts;
	int64_t ms = 0;

	if (w->since && w->from)
		return bad(r, ret_exit, "--since", w->since, "no --from beside it");
	if (!duration(r, ret_exit, "--since", w->since, &ms) ||
	    !duration(r, ret_exit, "--warm", w->warm, &r->warm_ms) ||
	    !duration(r, ret_exit, "--run-time", w->run_time, &r->run_time_ms))
		return false;
	clock_gettime(CLOCK_REALTIME, &ts);
	r->since = w->since != NULL;
	if (w->since)
		r->from_ms = (int64_t)ts.tv_sec * 1000 - ms;
	if (w->from && !time_parse(str_of(w->from), &r->from_ms, NULL))
		return bad(r, ret_exit, "--from", w->from, "RFC 3339 with a zone");
	if (w->to && !time_parse(str_of(w->to), &r->to_ms, NULL))
		return bad(r, ret_exit, "--to", w->to, "RFC 3339 with a zone");
	return true;
}

static bool read_outcome(struct recorded *r, int *ret_exit)
{
	static const struct {
		const char *name;
		enum run_state state;
		enum run_outcome outcome;
	} words[] = {
		{ "completed", RUN_COMPLETED, RUN_NONE },
		{ "promoted", RUN_COMPLETED, RUN_PROMOTED },
		{ "rejected", RUN_COMPLETED, RUN_REJECTED },
		{ "failed", RUN_FAILED, RUN_NO_OUTCOME },
		{ "aborted", RUN_ABORTED, RUN_NO_OUTCOME },
	};
	const char *want = recorded_words.run_outcome;

	for (size_t i = 0; i < G_N_ELEMENTS(words); i++)
		if (strcmp(want ? want : "completed", words[i].name) == 0) {
			r->run_state = words[i].state;
			r->run_outcome = words[i].outcome;
			return true;
		}
	return bad(r, ret_exit, "--run-outcome", want,
	    "completed, promoted, rejected, failed or aborted");
}

bool recorded_open(struct ctl *c, const char *verb, struct config *config,
    struct recorded *r, int *ret_exit)
{
	const struct recorded_words *w = &recorded_words;
	struct err err = { 0 };
	bool ok;

	*r = (struct recorded){ .verb = verb, .config = config, .from_ms = TIME_NONE,
		.to_ms = TIME_NONE, .warm_ms = -1, .run_time_ms = -1,
		.bar = isatty(2), .catalog = &catalog_kinds };
	if (!read_span(r, ret_exit) || !read_outcome(r, ret_exit))
		return false;
	if (w->file && w->topic)
		return bad(r, ret_exit, "--from-file", w->file, "one source of events");
	if (w->file)
		ok = recorded_file(r, w->file, &err);
	else if (w->topic)
		ok = recorded_kafka(r, w->topic, w->brokers, &err);
	else if (r->from_ms != TIME_NONE)
		return recorded_journal(c, r, ret_exit);
	else {
		*ret_exit = usage_error(verb, "where are the events: --from-file FILE,"
		    " --from-kafka TOPIC, or --since DURATION of the daemon's journal");
		return false;
	}
	if (!ok) {
		fprintf(stderr, "retrainctl %s: %s\n", verb, err.msg);
		*ret_exit = CTL_USAGE;
	}
	return ok;
}

bool recorded_begin(struct recorded *r, int64_t window_ms, struct err *err)
{
	if (r->from_ms == TIME_NONE)
		return true;
	r->warm_ms = r->warm_ms < 0 ? window_ms : r->warm_ms;
	return !r->begin || r->begin(r, r->from_ms - r->warm_ms, err);
}

void recorded_close(struct recorded *r)
{
	if (r->close)
		r->close(r);
	r->close = NULL;
}

/* ---- the options that it fills ---- */

static int64_t run_time(void *ctx, struct str pipeline)
{
	struct recorded *r = ctx;

	return r->run_time ? r->run_time(r, pipeline) : r->run_time_ms;
}

static bool progress(void *ctx, double done)
{
	struct recorded *r = ctx;
	int n = (int)(done * 40);

	if (r->bar && done >= 0)
		fprintf(stderr, "\r[%-40.*s] %3.0f %%", n,
		    "########################################", done * 100);
	return true;
}

static void refused(void *ctx, uint64_t item, const char *why, struct str text)
{
	struct recorded *r = ctx;

	if (r->refused++ < 5)
		fprintf(stderr, "retrainctl %s: event %llu is refused: %s: %.*s\n",
		    r->verb, (unsigned long long)item, why, STR_ARG(text));
}

void recorded_options(struct recorded *r, struct backtest_options *o)
{
	o->from_ms = r->from_ms;
	o->to_ms = r->to_ms;
	o->warm_ms = r->warm_ms;
	o->run_time = run_time;
	o->run_state = r->run_state;
	o->run_outcome = r->run_outcome;
	o->progress = progress;
	o->refused = refused;
	o->catalog = r->catalog;
	o->champions = r->champions;
	o->champions_n = r->champions_n;
	o->ctx = r;
}
