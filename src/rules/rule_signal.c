/* Signals of a rule: windows, values, and the hash that is their state's identity.
 *
 * The hash is over what the definition means (milliseconds, the selector's hash, the
 * value's text), so that `60m` for `1h` or another order of keys keeps the window. */
#include "rules/build.h"
#include "rules/rule_detect.h"
#include "rules/rule_test.h"

#include "base/json.h"
#include "base/zone.h"

#define EXACT_SAMPLES 10000
#define YEAR_2000 INT64_C(946684800000)

#define PANES_MAX 1000		/* of a hopping window */

static const char *const window_keys[] = {"over", "tumbling", "session", "last", "since"};

/* A zone with one offset for all times to come is a shift. */
static void read_zone(struct reading *rd, const struct yaml *map,
    const struct signal_keys *k, struct signal_spec *spec)
{
	const struct yaml *y = yaml_get(map, STR("timezone"));
	const struct zone *z;
	struct err err = {0};
	int64_t off;

	if (spec->window != WINDOW_TUMBLING) {
		BAD(rd->ld, load_key(map, "timezone"),
		    "'timezone' belongs to 'tumbling' windows");
		return;
	}
	z = zones_get(rd->ld->zones, k->timezone, &err);
	if (!z) {
		BAD(rd->ld, y, "%s", err.msg);
		return;
	}
	if (zone_next_transition(z, YEAR_2000) != INT64_MAX) {
		spec->zone = z;
		return;
	}
	off = (spec->offset_ms - zone_offset_ms(z, YEAR_2000)) % spec->over_ms;
	spec->offset_ms = off < 0 ? off + spec->over_ms : off;
}

static enum signal_window window_of(struct reading *rd, const struct yaml *map,
    const struct signal_keys *k)
{
	const struct yaml *first = NULL;

	for (size_t i = 0; i < G_N_ELEMENTS(window_keys); i++) {
		const struct yaml *y = load_get(map, window_keys[i]);

		if (!y)
			continue;
		if (first)
			BAD(rd->ld, load_key(map, window_keys[i]),
			    "a signal has one window: '%.*s' is"
			    " given already",
			    STR_ARG(first->scalar));
		first = first ? first : load_key(map, window_keys[i]);
	}
	if (k->over_ms)
		return k->hop_ms ? WINDOW_HOPPING : WINDOW_SLIDING;
	if (k->tumbling_ms)
		return WINDOW_TUMBLING;
	if (k->session_ms)
		return WINDOW_SESSION;
	if (k->last)
		return WINDOW_COUNT;
	if (k->since)
		return WINDOW_SINCE;
	if (!first && !load_later(signal_options, map))
		BAD(rd->ld, map, "a signal needs a window: one of over, tumbling,"
		    " session, last and since");
	return WINDOW_SINCE;
}

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static void read_hop(struct reading *rd, const struct yaml *map,
    const struct signal_keys *k, struct signal_spec *spec)
{
	spec->every_ms = k->hop_ms;
	if (!k->over_ms)
		BAD(rd->ld, load_key(map, "every"),
		    "'every' belongs to hopping windows, beside 'over'");
	else if (k->hop_ms > k->over_ms)
		BAD(rd->ld, load_get(map, "every"),
		    "'every' is more than 'over': what falls between two windows would be"
		    " in none");
	else if (k->over_ms / gcd(k->over_ms, k->hop_ms) > PANES_MAX)
		BAD(rd->ld, load_get(map, "every"),
		    "the window would be of %lld parts, at most %d: choose 'over' and"
		    " 'every' as multiples of something larger",
		    (long long)(k->over_ms / gcd(k->over_ms, k->hop_ms)), PANES_MAX);
}

static void read_window(struct reading *rd, const struct yaml *map,
    const struct signal_keys *k, struct signal_spec *spec)
{
	spec->window = window_of(rd, map, k);
	spec->over_ms = spec->window == WINDOW_TUMBLING ? k->tumbling_ms :
	    spec->window == WINDOW_SESSION ? k->session_ms : k->over_ms;
	if (k->hop_ms)
		read_hop(rd, map, k, spec);
	spec->last_n = (uint32_t)k->last;
	spec->min_count = (uint32_t)k->min_count;
	spec->exact = k->resolution != 0;
	spec->max_samples = (uint32_t)k->max_samples;
	if (spec->exact && spec->window != WINDOW_SLIDING)
		BAD(rd->ld, load_key(map, "resolution"),
		    "'resolution' belongs to sliding windows"
		    " ('over')");
	else if (k->max_samples && !spec->exact)
		BAD(rd->ld, load_key(map, "max_samples"),
		    "'max_samples' needs 'resolution: exact'");
	else if (spec->exact && !spec->max_samples)
		spec->max_samples = EXACT_SAMPLES;
	if (spec->last_n && spec->min_count > spec->last_n)
		BAD(rd->ld, load_key(map, "min_count"),
		    "'min_count' is more than the window holds");
	if (spec->window == WINDOW_TUMBLING)
		spec->offset_ms = k->offset_ms % spec->over_ms;
	else if (spec->window == WINDOW_HOPPING)
		spec->offset_ms = k->offset_ms % spec->every_ms;
	else if (k->offset_ms)
		BAD(rd->ld, load_key(map, "offset"),
		    "'offset' belongs to 'tumbling' and hopping windows");
	if (k->timezone.len)
		read_zone(rd, map, k, spec);
}

static void read_signal(struct reading *rd, const struct yaml *key,
    const struct yaml *map, struct rule_signal *s)
{
	struct signal_keys k;

	s->spec.name = load_keep(rd->ld, key->scalar);
	s->spec.min_count = 1;
	if (!load_ident(key->scalar))
		BAD(rd->ld, key,
		    "bad signal name '%.*s': expected letters, digits and '_', so that"
		    " expressions can read it",
		    STR_ARG(key->scalar));
	else if (names_reserved(key->scalar))
		BAD(rd->ld, key,
		    "a signal can't be called '%.*s': expressions know that name already",
		    STR_ARG(key->scalar));
	if (map->kind != YAML_MAP) {
		BAD(rd->ld, map,
		    "a signal must be a map, as {value: data.value, over: 6h}");
		return;
	}
	options_read(signal_options, map, &k, rd->ld->tree, rd->ld->diags);
	if (load_get(map, "detect"))
		rule_detect(rd, map, s);
	else
		read_window(rd, map, &k, &s->spec);
	if (load_get(map, "test"))
		rule_test(rd, map, s);
	else if (load_get(map, "baseline") && !load_get(map, "detect"))
		BAD(rd->ld, load_key(map, "baseline"),
		    "'baseline' needs 'detect' or 'test'");
	s->spec.by = load_get(map, "by") != NULL;
	s->spec.max_by = (uint32_t)k.max_by;
}

void rule_signals(struct reading *rd)
{
	const struct yaml *y = rd->k.signals;
	struct rule *r = rd->r;

	if (!y || r->kind != RULE_SIGNAL)
		return;
	if (y->kind != YAML_MAP || y->n == 0 || y->n > RULE_SIGNALS_MAX) {
		BAD(rd->ld, y, "'signals' must be a map of 1 to %d signals",
		    RULE_SIGNALS_MAX);
		return;
	}
	r->signals = ARENA_ARRAY(rd->ld->keep, struct rule_signal, y->n);
	r->signals_n = y->n;
	for (uint32_t i = 0; i < y->n; i++)
		read_signal(rd, y->pairs[i].key, y->pairs[i].value, &r->signals[i]);
	rd->names.signals = r->signals;
	rd->names.signals_n = r->signals_n;
}

static void hash_signal(struct reading *rd, const struct yaml *map,
    struct rule_signal *s, unsigned seen)
{
	const struct signal_spec *spec = &s->spec;
	GString *j = g_string_new(NULL);
	char hex[33];

	for (int i = 0; i < 16; i++)
		g_snprintf(hex + 2 * i, 3, "%02x", rd->r->selectors[s->from].hash[i]);
	json_open(j, '{');
	json_key(j, "selector"), json_cstr(j, hex);
	json_key(j, "value"), json_str(j, s->value ? expr_text(s->value) : STR(""));
	rule_sample_hash(s, j);
	if (spec->kind != SIGNAL_WINDOW)
		rule_detect_hash(rd, map, j);
	json_key(j, "window"), json_i64(j, spec->window);
	json_key(j, "over"), json_i64(j, spec->over_ms);
	json_key(j, "offset"), json_i64(j, spec->offset_ms);
	if (spec->window == WINDOW_HOPPING)
		json_key(j, "every"), json_i64(j, spec->every_ms);
	if (spec->zone)
		json_key(j, "zone"), json_str(j, zone_name(spec->zone));
	json_key(j, "last"), json_i64(j, spec->last_n);
	json_key(j, "exact"), json_i64(j, spec->exact ? spec->max_samples : 0);
	/* runs of (pipeline, key) cut it: not the same samples under another pipeline */
	if (spec->window == WINDOW_SINCE && rd->r->pipeline)
		json_key(j, "runs"), json_str(j, rd->r->pipeline->name);
	rule_context(rd, seen, j);
	json_close(j, '}');
	load_hash16(j, s->spec.hash);
	rule_test_seed(rd, s);
	s->identity = (struct str){(const char *)s->spec.hash, sizeof s->spec.hash};
	g_string_free(j, true);
}

static void read_from(struct reading *rd, const struct yaml *map, struct rule_signal *s)
{
	const struct yaml *y = yaml_get(map, STR("from"));
	const struct selector *sel = rd->r->selectors;
	struct str *known = ARENA_ARRAY(rd->ld->tree, struct str, rd->r->selectors_n);
	struct diag *d;

	if (!y || y->kind != YAML_SCALAR || y->scalar.len == 0) {
		if (rd->r->selectors_n > 1)
			BAD(rd->ld, map, "the rule has several selectors: expected 'from'"
			    " with the name of one");
		return;		/* the only one */
	}
	for (s->from = 0; s->from < rd->r->selectors_n; s->from++)
		if (str_is(sel[s->from].name, y->scalar))
			return;
	s->from = 0;
	d = BAD(rd->ld, y, "'on' has no selector named '%.*s'", STR_ARG(y->scalar));
	for (uint32_t i = 0; i < rd->r->selectors_n; i++)
		known[i] = sel[i].name;
	load_near(rd->ld, d, y->scalar, known, rd->r->selectors_n);
}

void rule_signal_values(struct reading *rd)
{
	struct rule *r = rd->r;

	if (r->selectors_n == 0)
		return;
	for (uint32_t i = 0; i < r->signals_n; i++) {
		struct rule_signal *s = &r->signals[i];
		const struct yaml *map = rd->k.signals->pairs[i].value;

		if (map->kind != YAML_MAP)
			continue;
		read_from(rd, map, s);
		s->spec.lateness_ms = r->selectors[s->from].lateness_ms;
		hash_signal(rd, map, s, rule_sample(rd, map, s));
		rule_detect_check(rd, map, s);
		rule_test_check(rd, map, s);
	}
}
