/* cron: the next due times of a schedule, with notes on clock changes. */
#include <stdio.h>
#include <time.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/option.h"
#include "base/time.h"
#include "base/zone.h"
#include "cmd/retrainctl/ctl.h"
#include "rules/schedule.h"

static char *zone_text, *from;
static int count = 5;

static const GOptionEntry rows[] = {
	{ "timezone", 'z', 0, G_OPTION_ARG_STRING, &zone_text, "IANA name (UTC)",
	  "ZONE" },
	{ "from", 0, 0, G_OPTION_ARG_STRING, &from, "after this time (now)", "RFC3339" },
	{ "count", 'n', 0, G_OPTION_ARG_INT, &count, "how many (5)", "N" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static void print_local(GString *s, const struct zone *z, int64_t at)
{
	struct civil v;
	int64_t off = zone_offset_ms(z, at) / 60000;

	civil_of_ms(at + off * 60000, &v);
	g_string_append_printf(s, "%04lld-%02d-%02d %02d:%02d:%02d %c%02lld:%02lld",
			       (long long)v.year, v.month, v.day, v.hour, v.minute,
			       v.second, off < 0 ? '-' : '+',
			       (long long)(off < 0 ? -off : off) / 60,
			       (long long)(off < 0 ? -off : off) % 60);
}

static int print(struct ctl *c, const struct schedule *sc, const struct zone *z,
		 int64_t at)
{
	GString *s = g_string_new(NULL), *note = g_string_new(NULL);
	char utc[TIME_TEXT];

	if (c->format == FORMAT_JSON)
		json_open(s, '[');
	for (int i = 0; i < count && (at = schedule_next(sc, at)) != INT64_MAX; i++) {
		g_string_truncate(note, 0);
		schedule_note(sc, at, note);
		if (c->format == FORMAT_JSON) {
			json_open(s, '{');
			json_key(s, "due"), json_time(s, at);
			json_key(s, "note"), json_cstr(s, note->len ? note->str : NULL);
			json_close(s, '}');
			continue;
		}
		print_local(s, z, at);
		g_string_append_printf(s, "  %s%s%s\n", time_print(at, utc),
		    note->len ? "  " : "", note->str);
	}
	if (c->format == FORMAT_JSON)
		json_close(s, ']');
	puts(s->str);
	g_string_free(s, TRUE);
	g_string_free(note, TRUE);
	return CTL_OK;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct zones *zs = zones_new();
	struct arena *a = arena_new(0);
	struct err err = { 0 };
	struct timespec ts;
	struct schedule *sc = NULL;
	int64_t at, every;
	const struct zone *z = zones_get(zs, str_of(zone_text ? zone_text : "UTC"), &err);
	int status;

	clock_gettime(CLOCK_REALTIME, &ts);
	at = (int64_t)ts.tv_sec * 1000;
	if (argc != 1)
		status = usage_error("cron", "expected one schedule, quoted");
	else if (!z)
		status = usage_error("cron", "%s", err.msg);
	else if (from && !time_parse(str_of(from), &at, NULL))
		status = usage_error("cron", "--from '%s': expected RFC 3339", from);
	else if (duration_parse(str_of(argv[0]), &every) && every > 0)
		status = print(c, schedule_every(every, a), z, at);
	else if (!(sc = schedule_cron(str_of(argv[0]), z, a, &err)))
		status = usage_error("cron", "column %u: %s", err.col, err.msg);
	else
		status = print(c, sc, z, at);
	arena_free(a);
	zones_free(zs);
	return status;
}

const struct verb verb_cron = {
	.name = "cron",
	.args = "'EXPR' [-z ZONE] [-n N]",
	.summary = "show the next due times, with notes on clock changes",
	.help = "EXPR is a cron expression (0 2 * * *) or an interval (6h).",
	.rows = rows,
	.offline = true,
	.run = run,
};
