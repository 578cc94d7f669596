/* Results of backtests: the decisions of one variant and a line for each; as JSON
 * everything. */
#include <stdio.h>

#include "base/json.h"
#include "base/time.h"
#include "cmd/retrainctl/backtest_show.h"

#define TABLE_ROWS 1000		/* more only with -o wide or json */

static json_t *text(struct str s)
{
	return json_stringn(s.p ? s.p : "", s.len);
}

static json_t *time_or_dash(int64_t ms)
{
	char buf[TIME_TEXT];

	return json_string(ms == TIME_NONE ? "-" : time_print(ms, buf));
}

static json_t *table_row(const struct backtest_row *r)
{
	json_t *j = json_object();

	json_object_set_new(j, "time", time_or_dash(r->at_ms));
	json_object_set_new(j, "rule", text(r->rule));
	json_object_set_new(j, "key", r->key.len ? text(r->key) : json_string("-"));
	json_object_set_new(j, "outcome", json_string(outcome_name(r->outcome)));
	json_object_set_new(j, "by", json_string(r->by ? suppressor_name(r->by) : "-"));
	json_object_set_new(j, "events", r->run ? json_integer(r->events) :
	    r->count > 1 ? json_sprintf("%ux", r->count) : json_string("-"));
	json_object_set_new(j, "run_end", time_or_dash(r->end_ms));
	json_object_set_new(j, "reason", text(r->reason));
	return j;
}

static void show_rows(struct ctl *c, const struct backtest *b)
{
	static const struct column columns[] = {
		{ "TIME", "time", false, COL_TEXT },
		{ "RULE", "rule", false, COL_TEXT },
		{ "KEY", "key", false, COL_TEXT },
		{ "OUTCOME", "outcome", false, COL_STATE },
		{ "BY", "by", false, COL_TEXT },
		{ "EVENTS", "events", false, COL_TEXT },
		{ "RUN_END", "run_end", false, COL_TEXT },
		{ "REASON", "reason", true, COL_TEXT },
		{ NULL, NULL, false, COL_TEXT },
	};
	uint32_t n = c->format == FORMAT_WIDE ? b->rows_n : MIN(b->rows_n, TABLE_ROWS);
	json_t *v = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(v, table_row(&b->rows[i]));
	if (n)
		output(c, v, columns);
	json_decref(v);
	if (b->rows_n + b->unseen > n)
		printf("and %llu more%s\n",
		    (unsigned long long)(b->rows_n - n + b->unseen),
		    n < b->rows_n ? " (-o wide shows them)" : "");
	if (n)
		putchar('\n');
}

static double per_day(const struct backtest *b)
{
	double days = (double)(b->to_ms - b->from_ms) / 86400e3;

	return b->from_ms == TIME_NONE || days <= 0 ? 0 :
	    (double)(b->fired + b->observed) / days;
}

static json_t *summary_row(const struct variant *v)
{
	const struct backtest *b = v->b;
	json_t *j = json_object();

	json_object_set_new(j, "variant", text(v->name));
	json_object_set_new(j, "fired",
	    json_integer((json_int_t)(b->fired + b->observed)));
	json_object_set_new(j, "suppressed", json_integer((json_int_t)b->suppressed));
	json_object_set_new(j, "errors", json_integer((json_int_t)b->errors));
	json_object_set_new(j, "coalesced", json_integer((json_int_t)b->coalesced));
	json_object_set_new(j, "keys", json_integer(b->keys));
	json_object_set_new(j, "per_day", json_sprintf("%.2f", per_day(b)));
	json_object_set_new(j, "hours", b->hours < 0 ? json_string("-") :
	    json_sprintf("%.1f", b->hours));
	json_object_set_new(j, "first", time_or_dash(b->first_ms));
	json_object_set_new(j, "last", time_or_dash(b->last_ms));
	return j;
}

static void show_summary(struct ctl *c, const struct variant *v, uint32_t n)
{
	static const struct column columns[] = {
		{ "VARIANT", "variant", false, COL_TEXT },
		{ "FIRED", "fired", false, COL_TEXT },
		{ "SUPPRESSED", "suppressed", false, COL_TEXT },
		{ "ERRORS", "errors", true, COL_TEXT },
		{ "COALESCED", "coalesced", false, COL_TEXT },
		{ "KEYS", "keys", false, COL_TEXT },
		{ "PER_DAY", "per_day", false, COL_TEXT },
		{ "HOURS", "hours", false, COL_TEXT },
		{ "FIRST", "first", false, COL_TEXT },
		{ "LAST", "last", false, COL_TEXT },
		{ NULL, NULL, false, COL_TEXT },
	};
	json_t *list = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(list, summary_row(&v[i]));
	output(c, list, columns);
	json_decref(list);
}

static void show_span(const struct backtest *b)
{
	char from[TIME_TEXT], to[TIME_TEXT];

	if (b->from_ms == TIME_NONE) {
		puts("no events");
		return;
	}
	printf("%s to %s, %llu events", time_print(b->from_ms, from),
	    time_print(b->to_ms, to), (unsigned long long)b->events);
	if (b->refused)
		printf(", %llu refused", (unsigned long long)b->refused);
	puts("\n");
}

/* ---- JSON ---- */

static void maybe_time(GString *j, const char *key, int64_t ms)
{
	json_key(j, key);
	json_time(j, ms);
}

void backtest_row_json(GString *j, const struct backtest_row *r)
{
	json_key(j, "time"), json_time(j, r->at_ms);
	json_key(j, "rule"), json_str(j, r->rule);
	json_key(j, "key"), json_str(j, r->key);
	json_key(j, "outcome"), json_cstr(j, outcome_name(r->outcome));
	json_key(j, "by"), json_cstr(j, r->by ? suppressor_name(r->by) : NULL);
	json_key(j, "count"), json_i64(j, MAX(r->count, 1u));
	json_key(j, "event");
	if (r->event.len)
		json_str(j, r->event);
	else
		json_nil(j);
	maybe_time(j, "due", r->due_ms ? r->due_ms : TIME_NONE);
	json_key(j, "run");
	if (r->run)
		json_str(j, r->run_id);
	else
		json_nil(j);
	json_key(j, "events"), json_i64(j, r->events);
	maybe_time(j, "run_end", r->end_ms);
	json_key(j, "params"), json_raw(j, r->params);
	json_key(j, "reason"), json_str(j, r->reason);
}

static void variant_json(GString *j, const struct variant *v)
{
	const struct backtest *b = v->b;

	json_open(j, '{');
	json_key(j, "variant"), json_str(j, v->name);
	json_key(j, "set"), json_open(j, '{');
	for (uint32_t i = 0; i < v->axes_n; i++)
		json_key_str(j, v->paths[i]), json_str(j, v->values[i]);
	json_close(j, '}');
	json_key(j, "fired"), json_i64(j, (int64_t)b->fired);
	json_key(j, "observed"), json_i64(j, (int64_t)b->observed);
	json_key(j, "suppressed"), json_i64(j, (int64_t)b->suppressed);
	json_key(j, "errors"), json_i64(j, (int64_t)b->errors);
	json_key(j, "coalesced"), json_i64(j, (int64_t)b->coalesced);
	json_key(j, "keys"), json_i64(j, b->keys);
	json_key(j, "per_day"), json_double(j, per_day(b));
	json_key(j, "hours");
	if (b->hours < 0)
		json_nil(j);
	else
		json_double(j, b->hours);
	maybe_time(j, "first", b->first_ms);
	maybe_time(j, "last", b->last_ms);
	json_key(j, "not_shown"), json_i64(j, (int64_t)b->unseen);
	json_key(j, "decisions"), json_open(j, '[');
	for (uint32_t i = 0; i < b->rows_n; i++) {
		json_open(j, '{');
		backtest_row_json(j, &b->rows[i]);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

static void show_json(const struct variant *v, uint32_t n)
{
	GString *j = g_string_new(NULL);

	json_open(j, '{');
	maybe_time(j, "from", v[0].b->from_ms);
	maybe_time(j, "to", v[0].b->to_ms);
	json_key(j, "events"), json_i64(j, (int64_t)v[0].b->events);
	json_key(j, "refused"), json_i64(j, (int64_t)v[0].b->refused);
	json_key(j, "variants"), json_open(j, '[');
	for (uint32_t i = 0; i < n; i++)
		variant_json(j, &v[i]);
	json_close(j, ']');
	json_close(j, '}');
	puts(j->str);
	g_string_free(j, TRUE);
}

void backtest_show(struct ctl *c, const struct variant *v, uint32_t n)
{
	if (c->format == FORMAT_JSON) {
		show_json(v, n);
		return;
	}
	show_span(v[0].b);
	if (n == 1)
		show_rows(c, v[0].b);
	show_summary(c, v, n);
}
