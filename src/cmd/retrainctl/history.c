/* Opening the recorded past: the configuration for what the sources' messages mean, the
 * database beside it read-only.  The daemon may run meanwhile. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/time.h"
#include "cmd/retrainctl/history.h"

#define WAY_ON "events of before can still be tried with 'retrainctl backtest" \
	" --from-kafka' or '--from-file'"

int64_t history_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool history_time(const char *verb, const char *option, const char *text, int64_t *ms)
{
	int64_t ago;

	if (time_parse(str_of(text), ms, NULL))
		return true;
	if (duration_parse(str_of(text), &ago)) {
		*ms = history_now() - ago;
		return true;
	}
	usage_error(verb, "--%s '%s': expected a time (RFC 3339) or how long ago (90m,"
	    " 7d)", option, text);
	return false;
}

bool history_open(struct ctl *c, const char *verb, const char *state, struct history *h,
    int *ret_exit)
{
	GString *why = g_string_new(NULL);
	struct err err = { 0 };
	char *path;

	*h = (struct history){ .config = config_read(c->config, c->dir, why) };
	*ret_exit = CTL_USAGE;
	fputs(why->str, stderr);
	g_string_free(why, TRUE);
	if (!h->config)
		return false;
	path = g_build_filename(state ? state : h->config->state_dir.p, "retraind.db",
	    NULL);
	if (access(path, R_OK) < 0)
		fprintf(stderr, "retrainctl %s: '%s' can't be read; --state names the"
		    " state directory, --dir or --config the daemon's\n", verb, path);
	else if (!(h->past = past_open(path, &err)) ||
	    !past_span(h->past, &h->span, &err))
		fprintf(stderr, "retrainctl %s: %s\n", verb, err.msg);
	else if (!h->span.any) {
		fprintf(stderr, "retrainctl %s: nothing is covered: the journal has no"
		    " state snapshot yet, or the state is larger than half of"
		    " store.keep_bytes; " WAY_ON "\n", verb);
		*ret_exit = CTL_NO;
	}
	g_free(path);
	if (!h->span.any)
		history_close(h);
	return h->span.any;
}

void history_close(struct history *h)
{
	if (h->fetch)
		g_hash_table_destroy(h->fetch);
	h->fetch = NULL;
	past_close(h->past);
	config_free(h->config);
	h->past = NULL;
	h->config = NULL;
}

void history_span_text(const struct history *h, GString *s)
{
	char a[TIME_TEXT], b[TIME_TEXT];

	g_string_append_printf(s, "%s to %s", time_print(h->span.from_ms, a),
	    time_print(h->span.to_ms, b));
}

void history_span_json(const struct history *h, GString *s)
{
	json_open(s, '{');
	json_key(s, "from"), json_time(s, h->span.from_ms);
	json_key(s, "to"), json_time(s, h->span.to_ms);
	json_key(s, "snapshots"), json_i64(s, h->span.snapshots);
	json_close(s, '}');
}

bool history_snap(const struct history *h, const char *verb, int64_t ms,
    struct past_snap *ret)
{
	struct err err = { 0 };
	char at[TIME_TEXT];
	GString *span;

	if (past_snap(h->past, UINT64_MAX, ms, ret, &err))
		return true;
	span = g_string_new(NULL);
	history_span_text(h, span);
	fprintf(stderr, "retrainctl %s: %s: %s is outside of what the journal covers, %s;"
	    " " WAY_ON "\n", verb, err.msg, time_print(ms, at), span->str);
	g_string_free(span, TRUE);
	return false;
}
