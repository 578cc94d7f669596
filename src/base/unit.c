/* Numbers with units, as option tables read and print them.  A duration is
 * whole numbers with units, each unit once and smaller than the one before. */
#include "base/option.h"

struct unit {
	const char	*name;
	int64_t		 factor;
};

static const struct unit durations[] = {	/* ORDER: greatest first */
	{ "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 },
	{ "s", 1000 }, { "ms", 1 },
};
static const struct unit sizes[] = {
	{ "Gi", 1 << 30 }, { "Mi", 1 << 20 }, { "Ki", 1 << 10 },
};

/* Digits and the letters behind them; moves *s. */
static bool take(struct str *s, int64_t *ret, struct str *ret_unit)
{
	int64_t v = 0;
	uint32_t i = 0, from;

	for (; i < s->len && g_ascii_isdigit(s->p[i]); i++)
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, s->p[i] - '0', &v))
			return false;
	if (i == 0)
		return false;
	for (from = i; i < s->len && g_ascii_isalpha(s->p[i]); i++)
		;
	*ret_unit = (struct str){ s->p + from, i - from };
	*ret = v;
	s->p += i;
	s->len -= i;
	return true;
}

bool duration_parse(struct str s, int64_t *ret_ms)
{
	int64_t sum = 0, v;
	struct str unit;
	size_t next = 0;

	if (str_is(s, STR("0"))) {
		*ret_ms = 0;
		return true;
	}
	if (!s.len)
		return false;
	while (s.len) {
		if (!take(&s, &v, &unit))
			return false;
		while (next < G_N_ELEMENTS(durations) &&
		    !str_is(unit, str_of(durations[next].name)))
			next++;
		if (next == G_N_ELEMENTS(durations) ||
		    __builtin_mul_overflow(v, durations[next].factor, &v) ||
		    __builtin_add_overflow(sum, v, &sum))
			return false;
		next++;
	}
	*ret_ms = sum;
	return true;
}

bool size_parse(struct str s, int64_t *ret_bytes)
{
	struct str unit;
	int64_t v;

	if (!take(&s, &v, &unit) || s.len)
		return false;
	if (!unit.len) {
		*ret_bytes = v;
		return true;
	}
	for (size_t i = 0; i < G_N_ELEMENTS(sizes); i++)
		if (str_is(unit, str_of(sizes[i].name)))
			return !__builtin_mul_overflow(v, sizes[i].factor, ret_bytes);
	return false;
}

/* Days are the greatest unit printed: people say 14d. */
void duration_print(int64_t ms, GString *out)
{
	uint64_t rest = ms < 0 ? -(uint64_t)ms : (uint64_t)ms;

	if (ms < 0)
		g_string_append_c(out, '-');
	if (ms == 0)
		g_string_append_c(out, '0');
	for (size_t i = 1; i < G_N_ELEMENTS(durations); i++) {
		uint64_t n = rest / (uint64_t)durations[i].factor;

		rest %= (uint64_t)durations[i].factor;
		if (n)
			g_string_append_printf(out, "%" G_GUINT64_FORMAT "%s", n,
			    durations[i].name);
	}
}

/* The greatest unit that divides it. */
void size_print(int64_t bytes, GString *out)
{
	for (size_t i = 0; bytes && i < G_N_ELEMENTS(sizes); i++)
		if (bytes % sizes[i].factor == 0) {
			g_string_append_printf(out, "%" G_GINT64_FORMAT "%s",
			    bytes / sizes[i].factor, sizes[i].name);
			return;
		}
	g_string_append_printf(out, "%" G_GINT64_FORMAT, bytes);
}
