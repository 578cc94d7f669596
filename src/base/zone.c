/* Time zones: which names exist, and what GLib knows about them as a table.
 *
 * A zone is a list of changes, each the instant from which an offset holds, the
 * first from -infinity; neighbours differ.  Everything asked later is arithmetic
 * on that list, so GLib and the files are touched by zones_get() alone.
 *
 * Invariants
 *   (1) GLib sees only names that stand in tzdata's own list: it would open any
 *       path it is given, "../../etc/passwd" included.
 *   (2) The list is tzdata.zi (Z lines are zones, L lines are their other names);
 *       where a system ships without it, zone1970.tab, which has no other names.
 *   (3) Changes are taken up to TABLE_END; later instants keep the last offset.
 */
#include "base/zone.h"

#include <glib.h>

#include "base/check.h"
#include "base/diag.h"

#define ZONEINFO "/usr/share/zoneinfo/"
#define TABLE_START (-INT64_C(5000000000))	/* 1811, before any railway */
#define TABLE_END INT64_C(4102444800)		/* 2100 */
#define FIXED_MAX (24 * 60 - 1)			/* minutes either way */
#define DAY_MS INT64_C(86400000)

struct change {
	int64_t	 from_ms;		/* INT64_MIN in the first */
	int64_t	 offset_ms;
};
struct zone {
	struct str	 name;
	struct change	*v;
	uint32_t	 n;		/* 0: a fixed offset not used yet */
};
struct fixed {
	struct zone	 zone;
	struct change	 change;
	char		 name[8];
};
struct zones {
	GPtrArray	*loaded;	/* of struct zone, in the order of first use */
	struct fixed	*fixed;		/* by minute; filled when asked, always alike */
	char		*list;		/* text of the names, NULL until needed */
	GArray		*names;		/* of struct str, into list */
};

static void zone_free(void *p)
{
	struct zone *z = p;

	g_free((char *)z->name.p);
	g_free(z->v);
	g_free(z);
}

struct zones *zones_new(void)
{
	struct zones *zs = g_new0(struct zones, 1);

	zs->loaded = g_ptr_array_new_with_free_func(zone_free);
	zs->fixed = g_new0(struct fixed, 2 * FIXED_MAX + 1);
	return zs;
}

void zones_free(struct zones *zs)
{
	if (!zs)
		return;
	g_ptr_array_unref(zs->loaded);
	g_free(zs->fixed);
	g_free(zs->list);
	if (zs->names)
		g_array_unref(zs->names);
	g_free(zs);
}

/* "UTC" or [+-]HH:MM as minutes east. */
static bool fixed_minutes(struct str s, int *ret)
{
	int sign = 1, h, m;

	if (str_is(s, STR("UTC"))) {
		*ret = 0;
		return true;
	}
	if (s.len && (s.p[0] == '+' || s.p[0] == '-')) {
		sign = s.p[0] == '-' ? -1 : 1;
		s.p++, s.len--;
	}
	if (s.len != 5 || s.p[2] != ':')
		return false;
	for (int i = 0; i < 5; i++)
		if (i != 2 && !g_ascii_isdigit(s.p[i]))
			return false;
	h = (s.p[0] - '0') * 10 + s.p[1] - '0';
	m = (s.p[3] - '0') * 10 + s.p[4] - '0';
	if (h > 23 || m > 59)
		return false;
	*ret = sign * (h * 60 + m);
	return true;
}

static const struct zone *fixed_zone(const struct zones *zs, int minutes)
{
	struct fixed *f = &zs->fixed[minutes + FIXED_MAX];
	int abs = minutes < 0 ? -minutes : minutes;

	if (f->zone.n)
		return &f->zone;
	if (minutes == 0)
		g_strlcpy(f->name, "UTC", sizeof f->name);
	else
		g_snprintf(f->name, sizeof f->name, "%c%02d:%02d",
		    minutes < 0 ? '-' : '+', abs / 60 % 24, abs % 60);
	f->change = (struct change){INT64_MIN, (int64_t)minutes * 60000};
	f->zone = (struct zone){str_of(f->name), &f->change, 1};
	return &f->zone;
}

const struct zone *zones_find(const struct zones *zs, struct str name)
{
	int minutes;

	if (fixed_minutes(name, &minutes))
		return fixed_zone(zs, minutes);
	for (guint i = 0; i < zs->loaded->len; i++) {
		const struct zone *z = g_ptr_array_index(zs->loaded, i);

		if (str_is(z->name, name))
			return z;
	}
	return NULL;
}

/* The word number `n` (from 0) of a line, split at `sep`. */
static struct str word(struct str line, unsigned n, char sep)
{
	const char *p = line.p, *end = line.p + line.len, *q;

	for (;; n--, p = q + 1) {
		q = memchr(p, sep, (size_t)(end - p));
		if (n == 0)
			return (struct str){p, (uint32_t)((q ? q : end) - p)};
		if (!q)
			return (struct str){NULL, 0};
	}
}

static void add_names(struct zones *zs, bool tab)
{
	const char *p = zs->list, *nl;

	for (; (nl = strchr(p, '\n')); p = nl + 1) {
		struct str line = {p, (uint32_t)(nl - p)}, name = {NULL, 0};

		if (tab)
			name = line.p[0] == '#' ? name : word(line, 2, '\t');
		else if (str_starts(line, STR("Z ")))
			name = word(line, 1, ' ');
		else if (str_starts(line, STR("L ")))
			name = word(line, 2, ' ');
		if (name.len)
			g_array_append_val(zs->names, name);
	}
}

static bool load_names(struct zones *zs, struct err *err)
{
	if (zs->names)
		return true;
	if (!g_file_get_contents(ZONEINFO "tzdata.zi", &zs->list, NULL, NULL) &&
	    !g_file_get_contents(ZONEINFO "zone1970.tab", &zs->list, NULL, NULL))
		return err_set(err, ERR_NOT_FOUND,
		    "no list of time zones in " ZONEINFO " (package tzdata)");
	zs->names = g_array_new(false, false, sizeof(struct str));
	add_names(zs, !g_str_has_prefix(zs->list, "# version"));
	return true;
}

static bool known(const struct zones *zs, struct str name, struct err *err)
{
	const struct str *v = (const struct str *)(void *)zs->names->data;
	struct str near;

	for (guint i = 0; i < zs->names->len; i++)
		if (str_is(v[i], name))
			return true;
	near = nearest_word(name, v, zs->names->len);
	return near.len
	    ? err_set(err, ERR_NOT_FOUND, "unknown time zone '%.*s', did you mean '%.*s'",
		  STR_ARG(name), STR_ARG(near))
	    : err_set(err, ERR_NOT_FOUND,
		  "unknown time zone '%.*s', expected an IANA name"
		  " such as Europe/Berlin, UTC, or an offset such as +02:00",
		  STR_ARG(name));
}

/* The least instant after `lo` whose interval is later than that of `lo`. */
static int64_t interval_end(GTimeZone *tz, int64_t lo, int64_t hi)
{
	int at = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, lo);

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, mid) > at)
			hi = mid;
		else
			lo = mid;
	}
	return hi;
}

static void tabulate(struct zone *z, GTimeZone *tz)
{
	GArray *v = g_array_new(false, false, sizeof(struct change));
	int last = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, TABLE_END);
	int64_t t = TABLE_START;
	int i = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, t);
	struct change c = {INT64_MIN, (int64_t)g_time_zone_get_offset(tz, i) * 1000};

	g_array_append_val(v, c);
	while (i < last) {
		int64_t offset;

		t = interval_end(tz, t, TABLE_END);
		i = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, t);
		offset = (int64_t)g_time_zone_get_offset(tz, i) * 1000;
		if (offset == c.offset_ms)	/* only the abbreviation changed */
			continue;
		c = (struct change){t * 1000, offset};
		g_array_append_val(v, c);
	}
	z->n = v->len;
	z->v = (struct change *)(void *)g_array_free(v, false);
}

const struct zone *zones_get(struct zones *zs, struct str name, struct err *err)
{
	const struct zone *have = zones_find(zs, name);
	struct zone *z;
	GTimeZone *tz;

	if (have)
		return have;
	if (!load_names(zs, err) || !known(zs, name, err))
		return NULL;
	z = g_new0(struct zone, 1);
	z->name = (struct str){g_strndup(name.p, name.len), name.len};
	tz = g_time_zone_new_identifier(z->name.p);
	if (!tz) {
		err_set(err, ERR_NOT_FOUND, "time zone '%s' is listed but its file is"
		    " missing (package tzdata)", z->name.p);
		zone_free(z);
		return NULL;
	}
	tabulate(z, tz);
	g_time_zone_unref(tz);
	g_ptr_array_add(zs->loaded, z);
	return z;
}

struct str zone_name(const struct zone *z)
{
	return z->name;
}

/* Number of the change in force at utc_ms. */
static uint32_t change_at(const struct zone *z, int64_t utc_ms)
{
	uint32_t lo = 0, hi = z->n;

	while (hi - lo > 1) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (z->v[mid].from_ms <= utc_ms)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int64_t zone_offset_ms(const struct zone *z, int64_t utc_ms)
{
	return z->v[change_at(z, utc_ms)].offset_ms;
}

/* No offset reaches a day, so what can answer lies within two days around. */
int zone_instants(const struct zone *z, int64_t local_ms, int64_t ret[2])
{
	int64_t gap = INT64_MAX;
	int n = 0;

	for (uint32_t i = change_at(z, local_ms - DAY_MS); i < z->n && n < 2; i++) {
		int64_t from = z->v[i].from_ms;
		int64_t until = i + 1 < z->n ? z->v[i + 1].from_ms : INT64_MAX;
		int64_t utc = local_ms - z->v[i].offset_ms;

		if (utc >= from && utc < until)
			ret[n++] = utc;
		else if (utc < from && gap == INT64_MAX)
			gap = from;		/* the first that starts too late */
		if (until > local_ms + DAY_MS)
			break;
	}
	if (n == 0) {
		CHECK(gap != INT64_MAX);
		ret[0] = gap;
	}
	return n;
}

int64_t zone_next_transition(const struct zone *z, int64_t utc_ms)
{
	uint32_t i = change_at(z, utc_ms) + 1;

	return i < z->n ? z->v[i].from_ms : INT64_MAX;
}
