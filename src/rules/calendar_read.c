/* Reading `calendars:` and what rules say of them.
 *
 * A calendar is either weekdays, times and dates (all that are given must hold) or an
 * iCalendar file beside the rule file; `except` takes days out of either.
 */
#include <stdlib.h>

#include "base/json.h"
#include "base/time.h"
#include "base/zone.h"
#include "rules/build.h"
#include "rules/ics.h"

#define DAY_MS INT64_C(86400000)
#define MINUTE_MS INT64_C(60000)
#define DATES_MAX 1000
#define TIMES_MAX 48

static const char *const day_names[] = { "sunday", "monday", "tuesday", "wednesday",
	"thursday", "friday", "saturday" };

/* A list of texts, or one; calls f with each and its node.  At most `most`. */
static void each_text(struct load *ld, const struct yaml *y, const char *what,
    uint32_t most, void (*f)(struct load *, const struct yaml *, struct str, void *),
    void *arg)
{
	uint32_t n = y->kind == YAML_SEQ ? y->n : 1;

	if (n > most) {
		BAD(ld, y, "'%s' has more than %u entries", what, most);
		return;
	}
	if (y->kind == YAML_SEQ && !n)
		BAD(ld, y, "'%s' is empty", what);
	for (uint32_t i = 0; i < n; i++) {
		const struct yaml *one = y->kind == YAML_SEQ ? y->items[i] : y;

		if (one->kind != YAML_SCALAR)
			BAD(ld, one, "'%s' must be a text or a list of texts", what);
		else
			f(ld, one, one->scalar, arg);
	}
}

/* The text before `sep`, and what is behind it. */
static bool cut(struct str s, const char *sep, struct str *left, struct str *right)
{
	uint32_t n = (uint32_t)strlen(sep);

	for (uint32_t i = 0; i + n <= s.len; i++)
		if (memcmp(s.p + i, sep, n) == 0) {
			*left = (struct str){s.p, i};
			*right = (struct str){s.p + i + n, s.len - i - n};
			return true;
		}
	return false;
}

/* `mon` or `monday`, in any case. */
static int day_of(struct str s)
{
	for (int i = 0; i < 7; i++)
		if ((s.len == 3 || s.len == strlen(day_names[i])) &&
		    g_ascii_strncasecmp(s.p, day_names[i], s.len) == 0)
			return i;
	return -1;
}

static void add_weekday(struct load *ld, const struct yaml *y, struct str s, void *arg)
{
	struct calendar *c = arg;
	struct str a = s, b = s;
	int from, to;

	cut(s, "-", &a, &b);
	from = day_of(a);
	to = day_of(b);
	if (from < 0 || to < 0) {
		BAD(ld, y, "'%.*s' is not a weekday: expected mon .. sun, or mon-fri",
		    STR_ARG(s));
		return;
	}
	for (int d = from;; d = (d + 1) % 7) {
		c->weekdays |= (uint8_t)(1u << d);
		if (d == to)
			break;
	}
}

/* H:MM or HH:MM; 24:00 is the end of the day. */
static int64_t minute_of(struct str s)
{
	struct str h, m;
	int64_t v[2] = { 0, 0 };

	if (!cut(s, ":", &h, &m) || h.len < 1 || h.len > 2 || m.len != 2)
		return -1;
	for (uint32_t i = 0; i < h.len + 3; i++) {
		if (i == h.len)
			continue;
		if (!g_ascii_isdigit(s.p[i]))
			return -1;
		v[i > h.len] = v[i > h.len] * 10 + (s.p[i] - '0');
	}
	return v[1] > 59 || v[0] * 60 + v[1] > 1440 ? -1 : v[0] * 60 + v[1];
}

static void add_times(struct load *ld, const struct yaml *y, struct str s, void *arg)
{
	struct calendar *c = arg;
	struct calendar_times *t = (struct calendar_times *)(uintptr_t)c->times;
	struct str a, b;
	int64_t from = -1, to = -1;

	if (cut(s, "-", &a, &b)) {
		from = minute_of(a);
		to = minute_of(b);
	}
	if (from < 0 || from == 1440 || to < 0)
		BAD(ld, y, "'%.*s' is not a time of day: expected 22:00-06:00",
		    STR_ARG(s));
	else if (from == to)
		BAD(ld, y, "'%.*s' is empty: leave 'times' out for the whole day",
		    STR_ARG(s));
	else
		t[c->times_n++] = (struct calendar_times){from * MINUTE_MS,
			(to + (to < from ? 1440 : 0)) * MINUTE_MS};
}

/* 2026-12-24 as a day, 12-24 as month * 32 + day; -1: neither. */
static int64_t date_of(struct str s, bool *ret_yearly)
{
	char *text = g_strndup(s.p ? s.p : "", s.len);
	int64_t ms, day = -1;
	char *full;

	*ret_yearly = s.len == 5;
	full = g_strdup_printf("%s%sT00:00:00Z", *ret_yearly ? "2000-" : "", text);
	if ((s.len == 5 || s.len == 10) && time_parse(str_of(full), &ms, NULL)) {
		struct civil c;

		civil_of_ms(ms, &c);
		day = *ret_yearly ? c.month * 32 + c.day : ms / DAY_MS;
	}
	g_free(text);
	g_free(full);
	return day;
}

struct dates { struct calendar_dates *v; uint32_t n; };

static void add_date(struct load *ld, const struct yaml *y, struct str s, void *arg)
{
	struct dates *d = arg;
	struct calendar_dates *one = &d->v[d->n];
	struct str a = s, b = s;
	bool yearly;

	cut(s, "..", &a, &b);
	one->from = date_of(a, &one->yearly);
	one->to = date_of(b, &yearly);
	if (one->from < 0 || one->to < 0 || one->yearly != yearly)
		BAD(ld, y, "'%.*s' is not a date: expected 2026-12-24, 12-24, or two of"
		    " a kind as 2026-12-24..2027-01-02", STR_ARG(s));
	else if (!yearly && one->to < one->from)
		BAD(ld, y, "'%.*s' ends before it begins", STR_ARG(s));
	else
		d->n++;
}

static struct dates read_dates(struct load *ld, const struct yaml *y, const char *what)
{
	struct dates d = { 0 };

	if (!y)
		return d;
	d.v = ARENA_ARRAY(ld->keep, struct calendar_dates, DATES_MAX);
	each_text(ld, y, what, DATES_MAX, add_date, &d);
	return d;
}

/* Dates of a year each bound the days on which a window may begin. */
static void bound_days(struct calendar *c)
{
	int64_t first = INT64_MAX, last = INT64_MIN;

	c->first_day = INT64_MIN;
	c->last_day = INT64_MAX;
	for (uint32_t i = 0; i < c->dates_n; i++) {
		if (c->dates[i].yearly)
			return;
		first = MIN(first, c->dates[i].from);
		last = MAX(last, c->dates[i].to);
	}
	if (c->dates_n) {
		c->first_day = first;
		c->last_day = last;
	}
}

static void read_fields(struct load *ld, const struct calendar_keys *k,
    struct calendar *c)
{
	struct calendar_times *t = ARENA_ARRAY(ld->keep, struct calendar_times,
	    k->times ? TIMES_MAX : 1);
	struct dates d;

	if (k->weekdays)
		each_text(ld, k->weekdays, "weekdays", 14, add_weekday, c);
	else
		c->weekdays = 0x7f;
	c->times = t;
	if (k->times) {
		each_text(ld, k->times, "times", TIMES_MAX, add_times, c);
	} else {
		t[0] = (struct calendar_times){0, DAY_MS};
		c->times_n = 1;
	}
	d = read_dates(ld, k->dates, "dates");
	c->dates = d.v;
	c->dates_n = d.n;
	bound_days(c);
}

/* The bytes are a part of what the calendar means. */
static void read_ics(struct build *b, const struct rule_file *f, const struct yaml *map,
    const struct calendar_keys *k, struct calendar *c, GString *json)
{
	const struct rule_text *t = scope_companion(b, f, k->file);
	uint8_t sum[32];

	if (k->weekdays || k->times || k->dates)
		BAD(&b->ld, load_key(map, "file"), "a calendar has either 'file' or"
		    " 'weekdays', 'times' and 'dates'");
	if (!t) {
		BAD(&b->ld, yaml_get(map, STR("file")), "there is no file '%.*s' beside"
		    " this one: expected the name of an .ics file in the same directory",
		    STR_ARG(k->file));
		return;
	}
	for (uint32_t i = 0; i < b->files_n; i++)
		if (b->files[i].text == t)
			ics_read(&b->ld, i, c->zone, &c->events, &c->events_n);
	load_sha256(t->bytes, sum);
	json_key(json, "file");
	for (int i = 0; i < 32; i++)
		g_string_append_printf(json, "%s%02x%s", i ? "" : "\"", sum[i],
		    i < 31 ? "" : "\"");
}

static void read_calendar(struct build *b, const struct rule_file *f,
    const struct yaml *map, struct calendar *c)
{
	struct calendar_keys k;
	struct err err = { 0 };
	GString *json = g_string_new(NULL);
	struct dates d;

	options_read(calendar_options, map, &k, b->ld.tree, b->ld.diags);
	c->zone = zones_get(b->ld.zones, k.timezone.len ? k.timezone : STR("UTC"), &err);
	if (!c->zone) {
		BAD(&b->ld, yaml_get(map, STR("timezone")), "%s", err.msg);
		c->zone = zones_get(b->ld.zones, STR("UTC"), NULL);
	}
	json_open(json, '{');
	json_key(json, "is"), load_canonical(map, json);
	if (k.file.len)
		read_ics(b, f, map, &k, c, json);
	else if (!k.weekdays && !k.times && !k.dates)
		BAD(&b->ld, map, "the calendar says nothing: expected 'weekdays',"
		    " 'times', 'dates' or 'file'");
	else
		read_fields(&b->ld, &k, c);
	d = read_dates(&b->ld, k.except, "except");
	c->except = d.v;
	c->except_n = d.n;
	json_close(json, '}');
	load_hash16(json, c->hash);
	g_string_free(json, TRUE);
}

static void add(struct build *b, const struct rule_file *f, const struct yaml *map)
{
	const struct yaml *y = yaml_get(map, STR("name"));
	struct calendar *c = ARENA_NEW(b->ld.keep, struct calendar);
	const char *key;

	if (map->kind != YAML_MAP) {
		BAD(&b->ld, map, "a calendar must be a map with a name");
		return;
	}
	read_calendar(b, f, map, c);
	if (!y || y->kind != YAML_SCALAR || !load_name(&b->ld, y, y->scalar, "calendar"))
		return;
	c->name = scope_name(b, f, y->scalar);
	key = scope_key(b, f, y->scalar);
	if (g_hash_table_lookup(b->calendars, key))
		BAD(&b->ld, y, "there is a calendar '%.*s' already", STR_ARG(c->name));
	else
		g_hash_table_insert(b->calendars, (gpointer)(uintptr_t)key, c);
	g_ptr_array_add(b->calendar_names, (gpointer)(uintptr_t)y);
}

void calendars_read(struct build *b)
{
	for (uint32_t i = 0; i < b->files_n; i++) {
		const struct yaml *list = b->files[i].keys.calendars;

		if (list && list->kind != YAML_SEQ) {
			BAD(&b->ld, list, "'calendars' must be a list");
			continue;
		}
		for (uint32_t j = 0; list && j < list->n; j++)
			add(b, &b->files[i], list->items[j]);
	}
}

/* ---- rules ---- */

struct using { struct reading *rd; const struct calendar **v; uint32_t n; };

static void use(struct load *ld, const struct yaml *y, struct str name, void *arg)
{
	struct using *u = arg;
	struct build *b = u->rd->b;
	const struct calendar *c = scope_find(b, b->calendars, u->rd->file, name);
	struct str *known;
	struct diag *d;

	if (c) {
		u->v[u->n++] = c;
		return;
	}
	known = ARENA_ARRAY(ld->tree, struct str, b->calendar_names->len);
	for (guint i = 0; i < b->calendar_names->len; i++)
		known[i] = ((const struct yaml *)b->calendar_names->pdata[i])->scalar;
	d = BAD(ld, y, "there is no calendar '%.*s'", STR_ARG(name));
	load_near(ld, d, name, known, b->calendar_names->len);
}

static uint32_t use_all(struct reading *rd, const struct yaml *y, const char *what,
    const struct calendar ***ret)
{
	struct using u = { rd, NULL, 0 };

	if (!y)
		return 0;
	u.v = ARENA_ARRAY(rd->ld->keep, const struct calendar *, CALENDARS_OF_RULE);
	each_text(rd->ld, y, what, CALENDARS_OF_RULE, use, &u);
	*ret = u.v;
	return u.n;
}

void rule_calendar(struct reading *rd)
{
	struct calendar_use *u = &rd->r->calendar;
	const struct yaml *y = rd->k.calendar;
	struct calendar_use_keys k;

	if (!y)
		return;
	if (y->kind != YAML_MAP) {
		BAD(rd->ld, y, "'calendar' must be a map, as {only: NAME, not: NAME}");
		return;
	}
	if (!options_read(calendar_use_options, y, &k, rd->ld->tree, rd->ld->diags))
		return;
	if (!k.only && !k.not)
		BAD(rd->ld, y, "'calendar' names none: expected 'only' or 'not'");
	u->only_n = use_all(rd, k.only, "only", &u->only);
	u->not_n = use_all(rd, k.not, "not", &u->not);
}

/* A rule changes when a calendar that it names does. */
void calendar_use_hash(const struct calendar_use *u, GString *json)
{
	json_key(json, "calendars"), json_open(json, '[');
	for (uint32_t i = 0; i < u->only_n + u->not_n; i++) {
		const struct calendar *c = i < u->only_n ? u->only[i] :
		    u->not[i - u->only_n];
		char hex[33];

		for (int j = 0; j < 16; j++)
			g_snprintf(hex + 2 * j, 3, "%02x", c->hash[j]);
		json_cstr(json, hex);
	}
	json_close(json, ']');
}
