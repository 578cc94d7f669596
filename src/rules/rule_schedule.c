/* Schedules of a rule: one or several, each a cron line, an interval or a list of times.
 *
 * A definition is what decides the due times: line, zone, interval, times.  Its hash
 * owns the cursor; jitter, catch_up and deadline may change without losing it. */
#include <stdlib.h>

#include "base/json.h"
#include "base/time.h"
#include "base/zone.h"
#include "rules/build.h"

#define TIMES_MAX 1000
#define CRON_BYTES 256

static const struct schedule *read_cron(struct reading *rd, const struct yaml *y,
    const struct zone *z)
{
	struct err err = {0};
	const struct schedule *s;
	uint32_t col;

	if (y->scalar.len > CRON_BYTES) {
		BAD(rd->ld, y, "a cron line has at most %d bytes", CRON_BYTES);
		return NULL;
	}
	s = schedule_cron(load_keep(rd->ld, y->scalar), z, rd->ld->keep, &err);
	if (s)
		return s;
	col = err.col ? err.col - 1 : 0;
	diag_add(rd->ld->diags, SEV_ERROR,
	    yaml_sub(y, rd->ld->diags, MIN(col, y->scalar.len),
	    col < y->scalar.len ? 1 : 0),
	    "%s", err.msg);
	return NULL;
}

/* With an offset as RFC 3339 has it; else a local time of the zone, whose seconds may be
 * left out.  One that does not exist moves, one that occurs twice is the first. */
static bool time_of(struct str s, const struct zone *z, int64_t *ret)
{
	char text[32];
	int64_t at[2];

	if (time_parse(s, ret, NULL))
		return true;
	if ((s.len != 16 && s.len != 19) || (s.p[10] != ' ' && s.p[10] != 'T'))
		return false;
	g_snprintf(text, sizeof text, "%.10sT%.*s%sZ", s.p, (int)s.len - 11, s.p + 11,
	    s.len == 16 ? ":00" : "");
	if (!time_parse(str_of(text), ret, NULL))
		return false;
	zone_instants(z, *ret, at);
	*ret = at[0];
	return true;
}

static int by_time(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static const struct schedule *read_times(struct reading *rd, const struct yaml *y,
    const struct zone *z)
{
	int64_t *v;

	if (y->kind != YAML_SEQ || y->n == 0 || y->n > TIMES_MAX) {
		BAD(rd->ld, y, "'times' must be a list of 1 to %d times", TIMES_MAX);
		return NULL;
	}
	v = ARENA_ARRAY(rd->ld->keep, int64_t, y->n);
	for (uint32_t i = 0; i < y->n; i++) {
		const struct yaml *e = y->items[i];

		if (e->kind == YAML_SCALAR && time_of(e->scalar, z, &v[i]))
			continue;
		BAD(rd->ld, e, "expected a time, as 2026-12-24T18:00:00Z, or 2026-12-24"
		    " 18:00 in 'timezone'");
		return NULL;
	}
	for (uint32_t i = 0; i < y->n; i++)
		for (uint32_t k = 0; k < i; k++)
			if (v[k] == v[i]) {
				BAD(rd->ld, y->items[i], "this time is there twice");
				return NULL;
			}
	qsort(v, y->n, sizeof *v, by_time);
	return schedule_times(v, y->n, z, rd->ld->keep);
}

/* What the definition is, as text that is equal when and only when the due times are
 * meant to be. */
static void identify(struct reading *rd, struct rule_schedule *s, struct str cron,
    struct str zone, int64_t every_ms)
{
	GString *j = g_string_new(NULL), *name = g_string_new(NULL);

	json_open(j, '{');
	json_key(j, "cron"), json_str(j, cron);
	json_key(j, "timezone"), json_str(j, zone);
	json_key(j, "every"), json_i64(j, every_ms);
	json_key(j, "times"), json_open(j, '[');
	schedule_times_json(s->at, j);
	json_close(j, ']');
	json_close(j, '}');
	load_hash16(j, s->hash);
	if (cron.len)
		g_string_printf(name, "%.*s %.*s", STR_ARG(cron), STR_ARG(zone));
	else if (every_ms)
		schedule_print(s->at, name);
	else
		g_string_printf(name, "times #%02x%02x%02x%02x", s->hash[0], s->hash[1],
		    s->hash[2], s->hash[3]);
	s->name = load_keep(rd->ld, (struct str){name->str, (uint32_t)name->len});
	g_string_free(j, true);
	g_string_free(name, true);
}

/* Exactly one of them. */
static const struct yaml *one_of(struct reading *rd, const struct yaml *map)
{
	static const char *const names[] = {"cron", "every", "times"};
	const struct yaml *found = NULL, *y;
	const char *first = NULL;

	for (int i = 0; i < 3; i++) {
		y = load_get(map, names[i]);
		if (y && found)
			BAD(rd->ld, load_key(map, names[i]),
			    "a schedule has either '%s' or '%s': write a list of two",
			    first, names[i]);
		if (y && !found) {
			found = y;
			first = names[i];
		}
	}
	if (!found)
		BAD(rd->ld, map, "a schedule needs 'cron', 'every' or 'times'");
	return found;
}

static void read_map(struct reading *rd, const struct yaml *map, struct rule_schedule *s)
{
	struct schedule_keys k;
	const struct yaml *what;
	const struct zone *z;
	struct err err = {0};
	struct str zone;

	options_read(schedule_options, map, &k, rd->ld->tree, rd->ld->diags);
	s->catch_up = (enum catch_up)k.catch_up;
	s->jitter_ms = k.jitter_ms;
	s->deadline_ms = k.deadline_ms;
	zone = k.timezone.len ? k.timezone : STR("UTC");
	what = one_of(rd, map);
	z = zones_get(rd->ld->zones, zone, &err);
	if (!z)
		BAD(rd->ld, yaml_get(map, STR("timezone")), "%s", err.msg);
	if (k.every_ms && k.timezone.len)
		BAD(rd->ld, load_key(map, "timezone"),
		    "'timezone' belongs to 'cron' and 'times': an interval counts from"
		    " the epoch");
	if (!what || !z)
		return;
	if (k.every_ms)
		s->at = schedule_every(k.every_ms, rd->ld->keep);
	else if (k.times)
		s->at = read_times(rd, k.times, z);
	else if (what->kind == YAML_SCALAR)
		s->at = read_cron(rd, what, z);
	identify(rd, s, k.cron, k.cron.len ? zone : STR(""), k.every_ms);
}

static void read_one(struct reading *rd, const struct yaml *y)
{
	struct rule *r = rd->r;
	struct rule_schedule *s = &r->schedules[r->schedules_n];

	*s = (struct rule_schedule){.catch_up = CATCH_UP_LAST};
	if (y->kind == YAML_SEQ) {
		BAD(rd->ld, y, "a schedule is a cron line or a map");
		return;
	}
	if (y->kind == YAML_SCALAR) {
		s->at = read_cron(rd, y, zones_get(rd->ld->zones, STR("UTC"), NULL));
		identify(rd, s, y->scalar, STR("UTC"), 0);
	} else {
		read_map(rd, y, s);
	}
	for (uint32_t i = 0; s->at && i < r->schedules_n; i++)
		if (memcmp(r->schedules[i].hash, s->hash, 16) == 0) {
			BAD(rd->ld, y, "the rule has this schedule already");
			return;
		}
	r->schedules_n += s->at != NULL;
}

void rule_schedules(struct reading *rd)
{
	const struct yaml *y = rd->k.schedule;

	if (!y)
		return;
	rd->r->schedules = ARENA_ARRAY(rd->ld->keep, struct rule_schedule,
	    RULE_SCHEDULES_MAX);
	if (y->kind != YAML_SEQ) {
		read_one(rd, y);
		return;
	}
	if (y->n == 0 || y->n > RULE_SCHEDULES_MAX) {
		BAD(rd->ld, y, "a rule has 1 to %d schedules", RULE_SCHEDULES_MAX);
		return;
	}
	for (uint32_t i = 0; i < y->n; i++)
		read_one(rd, y->items[i]);
}

int64_t rule_due_next(const struct rule *r, int64_t after_ms)
{
	int64_t best = INT64_MAX;

	for (uint32_t i = 0; i < r->schedules_n; i++)
		best = MIN(best, schedule_next(r->schedules[i].at, after_ms));
	return best;
}

int64_t rule_due_prev(const struct rule *r, int64_t before_ms)
{
	int64_t best = INT64_MIN;

	for (uint32_t i = 0; i < r->schedules_n; i++)
		best = MAX(best, schedule_prev(r->schedules[i].at, before_ms));
	return best;
}
