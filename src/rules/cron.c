/* Cron lines: parsing, and arithmetic search over the calendar.
 *
 * The search goes by days, and by months where the month does not match; within a day
 * it looks at bits.  So a search costs at most a few thousand steps however rare the
 * line is.  Which days match: cron_day.c.
 *
 * SYNTAX of a part, days of the month:	* | a | a-b, with /step | L | L-n | LW | nW
 *	of the week:			* | a | a-b, with /step | weekday#n | weekdayL
 * Weekdays are cron's, 0 and 7 = Sunday; Quartz, which the letters come from, counts
 * from 1 = Sunday. */
#include "rules/cron.h"

#include <glib.h>

#include "base/diag.h"
#include "base/time.h"

#define DAY_MINUTES 1440
#define SEARCH_DAYS 36525	/* 100 years */

struct field {
	const char	*name;
	unsigned	 min, max;
	const char	*words;		/* names from min on, three letters each */
};
static const struct field fields[] = {
	{"minute", 0, 59, NULL}, {"hour", 0, 23, NULL}, {"day of month", 1, 31, NULL},
	{"month", 1, 12, "janfebmaraprmayjunjulaugsepoctnovdec"},
	{"day of week", 0, 7, "sunmontuewedthufrisat"},
};
static const struct { const char *name, *line; } macros[] = {
	{"@hourly", "0 * * * *"}, {"@daily", "0 0 * * *"}, {"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"}, {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

#define OF_MONTH (&fields[2])
#define OF_WEEK (&fields[4])

struct parser {
	struct str	 s;
	uint32_t	 i;
	const struct field *f;
	struct cron	*c;		/* takes the letters' days */
	struct err	*err;
};

static bool fail(struct parser *p, uint32_t at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
static bool fail(struct parser *p, uint32_t at, const char *fmt, ...)
{
	char msg[256];
	va_list ap;

	va_start(ap, fmt);
	g_vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	err_set(p->err, ERR_SYNTAX, "%s", msg);
	p->err->line = 1;
	p->err->col = at + 1;
	return false;
}

static char peek(const struct parser *p)
{
	return p->i < p->s.len ? p->s.p[p->i] : '\0';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_letter(char c, char upper)
{
	return g_ascii_toupper(c) == upper;
}

/* The number after a sign, `least` to `most`. */
static bool read_small(struct parser *p, unsigned least, unsigned most, const char *what,
    unsigned *ret)
{
	uint32_t start = ++p->i;
	unsigned n = 0;

	while (g_ascii_isdigit(peek(p)) && p->i - start < 4)
		n = n * 10 + (unsigned)(p->s.p[p->i++] - '0');
	if (p->i == start || n < least || n > most)
		return fail(p, start, "%s from %u to %u", what, least, most);
	*ret = n;
	return true;
}

static bool no_place(struct parser *p)
{
	char c = peek(p);

	if (c == '?')
		return fail(p, p->i, "'?' does not belong into a %s: write '*'",
		    p->f->name);
	if (is_letter(c, 'W') || is_letter(c, 'L') || c == '#')
		return fail(p, p->i, "'%c' does not belong here: %s", c,
		    p->f == OF_MONTH ? "expected a day as 15W, or L, L-3, LW" :
		    p->f == OF_WEEK ? "expected one weekday before it, as fri#2 or friL" :
		    "it belongs into the days");
	return fail(p, p->i, "'%c' does not belong into a %s: expected numbers, '*', '-',"
	    " ',' and '/'", c, p->f->name);
}

static bool read_word(struct parser *p, uint32_t start, unsigned *ret)
{
	struct str w;

	while (g_ascii_isalpha(peek(p)))
		p->i++;
	if (p->f == OF_WEEK && p->i - start == 4 && is_letter(p->s.p[p->i - 1], 'L'))
		p->i--;			/* friL */
	w = (struct str){p->s.p + start, p->i - start};
	if (p->f == OF_WEEK && w.len == 1 && is_letter(*w.p, 'L'))
		return fail(p, start, "'L' stands after a day of the week, as in friL;"
		    " Saturday is sat");
	for (unsigned k = 0; w.len == 3 && p->f->words && p->f->words[3 * k]; k++) {
		if (g_ascii_strncasecmp(w.p, p->f->words + 3 * k, 3) == 0) {
			*ret = p->f->min + k;
			return true;
		}
	}
	return fail(p, start, "'%.*s' is no %s: expected %s", STR_ARG(w), p->f->name,
	    !p->f->words ? "a number" : p->f->min ? "1-12 or jan-dec" : "0-7 or sun-sat");
}

/* A number or a name. */
static bool read_number(struct parser *p, unsigned *ret)
{
	uint32_t start = p->i;
	unsigned n = 0;

	if (g_ascii_isalpha(peek(p)))
		return read_word(p, start, ret);
	while (g_ascii_isdigit(peek(p)) && p->i - start < 4)
		n = n * 10 + (unsigned)(p->s.p[p->i++] - '0');
	if (p->i == start && peek(p))
		return no_place(p);
	if (p->i == start)
		return fail(p, start, "the %s is cut off", p->f->name);
	if (n < p->f->min || n > p->f->max)
		return fail(p, start, "%s %u is out of range: expected %u-%u", p->f->name,
		    n, p->f->min, p->f->max);
	*ret = n;
	return true;
}

static bool read_step(struct parser *p, unsigned *ret)
{
	char what[64];

	g_snprintf(what, sizeof what, "a step of the %s is a number", p->f->name);
	return read_small(p, 1, p->f->max, what, ret);
}

/* SYNTAX: L | L-n | LW */
static bool read_last(struct parser *p)
{
	unsigned n = 0;

	p->i++;
	if (is_letter(peek(p), 'W')) {
		p->i++;
		p->c->last_weekday = true;
		return true;
	}
	if (peek(p) == '-' &&
	    !read_small(p, 0, 30, "L-n counts days before the last: a number", &n))
		return false;
	p->c->last |= 1u << n;
	return true;
}

/* After a single number: nW, weekday#n, weekdayL.  *done: it was one of them. */
static bool read_letter(struct parser *p, unsigned a, bool *done)
{
	unsigned n = 0;

	if (p->f == OF_MONTH && is_letter(peek(p), 'W')) {
		p->i++;
		p->c->near |= 1u << a;
	} else if (p->f == OF_WEEK && is_letter(peek(p), 'L')) {
		p->i++;
		p->c->nth[0] |= 1u << a % 7;
	} else if (p->f == OF_WEEK && peek(p) == '#') {
		if (!read_small(p, 1, 5, "which one of the month: a number", &n))
			return false;
		p->c->nth[n] |= 1u << a % 7;
	} else {
		return true;
	}
	*done = true;
	return true;
}

/* One of: * | a | a-b, the first and last with an optional /step; or with letters. */
static bool read_part(struct parser *p, uint64_t *bits)
{
	unsigned a = p->f->min, b = p->f->max, step = 1;
	uint32_t start = p->i;
	bool range = peek(p) == '*', done = false;

	if (p->f == OF_MONTH && is_letter(peek(p), 'L'))
		return read_last(p);
	if (range) {
		p->i++;
		b -= p->f->max == 7;	/* 7 is Sunday again */
	} else if (!read_number(p, &a)) {
		return false;
	} else if (peek(p) == '-') {
		p->i++;
		if (!read_number(p, &b))
			return false;
		if (b < a)
			return fail(p, start, "the range of the %s goes backwards",
			    p->f->name);
		range = true;
	} else {
		if (!read_letter(p, a, &done) || done)
			return done;
		b = a;
	}
	if (peek(p) == '/' && !range)
		return fail(p, start, "a step needs a range: write %u-%u/...", a,
		    p->f->max);
	if (peek(p) == '/' && !read_step(p, &step))
		return false;
	for (; a <= b; a += step)
		*bits |= UINT64_C(1) << a;
	return true;
}

static bool read_field(struct parser *p, uint64_t *bits, bool *star)
{
	uint32_t start;

	while (is_blank(peek(p)))
		p->i++;
	start = p->i;
	if (!peek(p))
		return fail(p, p->i,
		    "the %s is missing: expected five fields, minute hour"
		    " day-of-month month day-of-week",
		    p->f->name);
	for (*bits = 0;; p->i++) {
		if (!read_part(p, bits))
			return false;
		if (peek(p) != ',')
			break;
	}
	if (peek(p) && !is_blank(peek(p)))
		return no_place(p);
	*star = memchr(p->s.p + start, '*', p->i - start) != NULL;
	return true;
}

static bool read_macro(struct parser *p, struct cron *ret)
{
	struct str names[G_N_ELEMENTS(macros)], near;

	for (size_t k = 0; k < G_N_ELEMENTS(macros); k++) {
		if (str_is(p->s, str_of(macros[k].name)))
			return cron_parse(str_of(macros[k].line), ret, p->err);
		names[k] = str_of(macros[k].name);
	}
	near = nearest_word(p->s, names, G_N_ELEMENTS(names));
	if (near.len)
		return fail(p, 0, "unknown '%.*s', did you mean '%.*s'", STR_ARG(p->s),
		    STR_ARG(near));
	return fail(p, 0, "unknown '%.*s': expected @hourly, @daily, @midnight, @weekly,"
	    " @monthly, @yearly or @annually", STR_ARG(p->s));
}

bool cron_parse(struct str s, struct cron *ret, struct err *err)
{
	struct parser p = {.s = s, .err = err, .c = ret};
	bool star[5];
	uint64_t bits[5];

	*ret = (struct cron){0};
	if (peek(&p) == '@')
		return read_macro(&p, ret);
	if (str_starts(s, STR("TZ=")) || str_starts(s, STR("CRON_TZ=")))
		return fail(&p, 0,
		    "a zone does not belong into the line: use 'timezone'");
	for (int k = 0; k < 5; k++) {
		p.f = &fields[k];
		if (!read_field(&p, &bits[k], &star[k]))
			return false;
	}
	while (is_blank(peek(&p)))
		p.i++;
	if (peek(&p))
		return fail(&p, p.i,
		    "expected five fields, found more: there are no seconds and no"
		    " years");
	ret->minutes = bits[0];
	ret->hours = (uint32_t)bits[1];
	ret->days = (uint32_t)bits[2];
	ret->months = (uint32_t)bits[3];
	ret->weekdays = (uint32_t)((bits[4] | bits[4] >> 7) & 0x7f);
	ret->any_day = star[2];
	ret->any_weekday = star[4];
	ret->interval = star[1];
	if (cron_up(ret, 0) == CRON_NEVER_UP)
		return fail(&p, 0, "this date never comes");
	return true;
}

static int64_t day_of(int64_t minute)
{
	return minute / DAY_MINUTES - (minute % DAY_MINUTES < 0);
}

static void civil_of_day(int64_t day, struct civil *ret)
{
	civil_of_ms(day * DAY_MINUTES * 60000, ret);
}

/* The first minute of the day >= m that matches, or -1. */
static int up_in_day(const struct cron *c, int m)
{
	for (int h = m / 60; h < 24; h++) {
		uint64_t left = c->minutes >> (h == m / 60 ? m % 60 : 0);

		if ((c->hours >> h & 1) && left)
			return h * 60 + (h == m / 60 ? m % 60 : 0) +
			    __builtin_ctzll(left);
	}
	return -1;
}

/* The last minute of the day <= m that matches, or -1. */
static int down_in_day(const struct cron *c, int m)
{
	for (int h = m / 60; h >= 0; h--) {
		uint64_t mask = h == m / 60 ? (UINT64_C(2) << m % 60) - 1 : UINT64_MAX;

		if ((c->hours >> h & 1) && (c->minutes & mask))
			return h * 60 + 63 - __builtin_clzll(c->minutes & mask);
	}
	return -1;
}

int64_t cron_up(const struct cron *c, int64_t from)
{
	int64_t day = day_of(from), last = day + SEARCH_DAYS;
	int m = (int)(from - day * DAY_MINUTES);
	struct civil d;

	for (; day <= last; m = 0) {
		civil_of_day(day, &d);
		if (!(c->months >> d.month & 1)) {
			day = d.month == 12 ? days_from_civil(d.year + 1, 1, 1)
			    : days_from_civil(d.year, d.month + 1, 1);
			continue;
		}
		m = cron_day(c, &d) ? up_in_day(c, m) : -1;
		if (m >= 0)
			return day * DAY_MINUTES + m;
		day++;
	}
	return CRON_NEVER_UP;
}

int64_t cron_down(const struct cron *c, int64_t from)
{
	int64_t day = day_of(from), last = day - SEARCH_DAYS;
	int m = (int)(from - day * DAY_MINUTES);
	struct civil d;

	for (; day >= last; m = DAY_MINUTES - 1) {
		civil_of_day(day, &d);
		if (!(c->months >> d.month & 1)) {
			day = days_from_civil(d.year, d.month, 1) - 1;
			continue;
		}
		m = cron_day(c, &d) ? down_in_day(c, m) : -1;
		if (m >= 0)
			return day * DAY_MINUTES + m;
		day--;
	}
	return CRON_NEVER_DOWN;
}

bool cron_matches(const struct cron *c, int64_t minute)
{
	return cron_up(c, minute) == minute;
}
