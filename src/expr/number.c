/* Numbers, times and durations to text and back.
 *
 * Nothing here depends on the locale: digits come from %e, whose decimal point
 * is skipped by position, and numbers are read by g_ascii_strtod(). */
#include "expr/number.h"

#include <math.h>
#include <stdlib.h>

#include "base/time.h"
#include "expr/ops.h"

#define NS INT64_C(1000000000)

/* Shortest digits of d > 0: d = 0.DIGITS * 10^(*ret_exp + 1).  Returns how many. */
static int shortest(double d, char digits[32], int *ret_exp)
{
	char buf[40];
	int n = 0;

	for (int prec = 0; prec <= 16; prec++) {
		g_snprintf(buf, sizeof(buf), "%.*e", prec, d);
		if (g_ascii_strtod(buf, NULL) == d)
			break;
	}
	for (const char *p = buf; *p && *p != 'e'; p++)
		if (g_ascii_isdigit(*p))
			digits[n++] = *p;
	*ret_exp = (int)strtol(strchr(buf, 'e') + 1, NULL, 10);
	while (n > 1 && digits[n - 1] == '0')
		n--;
	return n;
}

static void print_exponent(const char *digits, int n, int exp, GString *out)
{
	g_string_append_c(out, digits[0]);
	if (n > 1) {
		g_string_append_c(out, '.');
		g_string_append_len(out, digits + 1, n - 1);
	}
	g_string_append_printf(out, "e%+03d", exp);
}

void print_double(double d, GString *out)
{
	char digits[32];
	int exp, n;

	if (isnan(d)) {
		g_string_append(out, "NaN");
		return;
	}
	if (signbit(d))
		g_string_append_c(out, '-');
	if (isinf(d)) {
		g_string_append(out, "Infinity");
		return;
	}
	if (d == 0) {
		g_string_append_c(out, '0');
		return;
	}
	n = shortest(fabs(d), digits, &exp);
	if (exp < -4 || exp >= 21) {
		print_exponent(digits, n, exp, out);
		return;
	}
	if (exp < 0) {
		g_string_append(out, "0.");
		for (int i = -1; i > exp; i--)
			g_string_append_c(out, '0');
		g_string_append_len(out, digits, n);
		return;
	}
	for (int i = 0; i < n || i <= exp; i++) {
		if (i == exp + 1)
			g_string_append_c(out, '.');
		g_string_append_c(out, i < n ? digits[i] : '0');
	}
}

static void print_fraction(uint32_t nanos, GString *out)
{
	char buf[16];
	int n = 9;

	if (nanos == 0)
		return;
	g_snprintf(buf, sizeof(buf), "%09u", nanos);
	while (buf[n - 1] == '0')
		n--;
	g_string_append_c(out, '.');
	g_string_append_len(out, buf, n);
}

void print_timestamp(struct value t, GString *out)
{
	struct civil c;

	civil_of_ms(t.i * 1000, &c);
	g_string_append_printf(out, "%04d-%02d-%02dT%02d:%02d:%02d", (int)c.year, c.month,
	    c.day, c.hour, c.minute, c.second);
	print_fraction(t.len, out);
	g_string_append_c(out, 'Z');
}

void print_duration(int64_t ns, GString *out)
{
	uint64_t u = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;

	if (ns < 0)
		g_string_append_c(out, '-');
	g_string_append_printf(out, "%" G_GUINT64_FORMAT, u / (uint64_t)NS);
	print_fraction((uint32_t)(u % (uint64_t)NS), out);
	g_string_append_c(out, 's');
}

/* [+-]digits[.digits][e[+-]digits] */
static bool decimal_shape(struct str s)
{
	uint32_t i = 0, digits = 0;

	if (i < s.len && (s.p[i] == '-' || s.p[i] == '+'))
		i++;
	for (; i < s.len && g_ascii_isdigit(s.p[i]); i++)
		digits++;
	if (i < s.len && s.p[i] == '.')
		for (i++; i < s.len && g_ascii_isdigit(s.p[i]); i++)
			digits++;
	if (digits == 0)
		return false;
	if (i < s.len && (s.p[i] == 'e' || s.p[i] == 'E')) {
		i++;
		if (i < s.len && (s.p[i] == '-' || s.p[i] == '+'))
			i++;
		if (i == s.len)
			return false;
		while (i < s.len && g_ascii_isdigit(s.p[i]))
			i++;
	}
	return i == s.len;
}

bool parse_double(struct str s, double *ret)
{
	char buf[400];
	struct str bare = s;
	bool minus = s.len && s.p[0] == '-';

	if (minus || (s.len && s.p[0] == '+'))
		bare = (struct str){ s.p + 1, s.len - 1 };
	if (str_is(s, STR("NaN"))) {
		*ret = (double)NAN;
		return true;
	}
	if (str_is(bare, STR("Infinity")) || str_is(bare, STR("Inf"))) {
		*ret = minus ? -(double)INFINITY : (double)INFINITY;
		return true;
	}
	if (s.len >= sizeof(buf) || !decimal_shape(s))
		return false;
	memcpy(buf, s.p, s.len);
	buf[s.len] = '\0';
	*ret = g_ascii_strtod(buf, NULL);
	return isfinite(*ret);
}

bool parse_uint(struct str s, uint64_t *ret)
{
	uint64_t u = 0;

	if (s.len == 0)
		return false;
	for (uint32_t i = 0; i < s.len; i++)
		if (!g_ascii_isdigit(s.p[i]) || __builtin_mul_overflow(u, 10u, &u) ||
		    __builtin_add_overflow(u, (uint64_t)(s.p[i] - '0'), &u))
			return false;
	*ret = u;
	return true;
}

bool parse_int(struct str s, int64_t *ret)
{
	bool minus = s.len && s.p[0] == '-';
	uint64_t u;

	if (minus || (s.len && s.p[0] == '+'))
		s = (struct str){ s.p + 1, s.len - 1 };
	if (!parse_uint(s, &u) || u > (uint64_t)INT64_MAX + minus)
		return false;
	*ret = minus ? (int64_t)(0 - u) : (int64_t)u;
	return true;
}

static int64_t duration_unit(struct str *s)
{
	static const struct { const char *name; int64_t ns; } units[] = {
		{ "ns", 1 }, { "us", 1000 }, { "\u00b5s", 1000 }, { "\u03bcs", 1000 },
		{ "ms", 1000000 }, { "s", NS }, { "m", 60 * NS }, { "h", 3600 * NS },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(units); i++) {
		struct str name = str_of(units[i].name);

		if (str_starts(*s, name)) {
			*s = (struct str){ s->p + name.len, s->len - name.len };
			return units[i].ns;
		}
	}
	return 0;
}

/* One `number unit` in ns, negative so that the whole of int64 is reachable. */
static bool duration_part(struct str *s, int64_t *ret)
{
	uint64_t whole = 0, frac = 0, scale = 1;
	uint32_t digits = 0;
	int64_t unit, ns;

	for (; s->len && g_ascii_isdigit(*s->p); s->p++, s->len--, digits++)
		if (__builtin_mul_overflow(whole, 10u, &whole) ||
		    __builtin_add_overflow(whole, (uint64_t)(*s->p - '0'), &whole))
			return false;
	if (s->len && *s->p == '.')
		for (s->p++, s->len--; s->len && g_ascii_isdigit(*s->p);
		    s->p++, s->len--, digits++)
			if (scale < 1000000000000u) {
				frac = frac * 10 + (uint64_t)(*s->p - '0');
				scale *= 10;
			}
	unit = digits ? duration_unit(s) : 0;
	if (unit == 0 || whole > (uint64_t)INT64_MAX + 1)
		return false;
	if (__builtin_mul_overflow((int64_t)(0 - whole), unit, &ns))
		return false;
	return !__builtin_sub_overflow(ns,
	    (int64_t)((__int128)frac * unit / (__int128)scale), ret);
}

bool parse_duration(struct str s, int64_t *ret_ns)
{
	bool minus = s.len && s.p[0] == '-';
	int64_t sum = 0, part;

	if (minus || (s.len && s.p[0] == '+'))
		s = (struct str){ s.p + 1, s.len - 1 };
	if (str_is(s, STR("0"))) {
		*ret_ns = 0;
		return true;
	}
	if (s.len == 0)
		return false;
	while (s.len)
		if (!duration_part(&s, &part) || __builtin_add_overflow(sum, part, &sum))
			return false;
	if (!minus && sum == INT64_MIN)
		return false;
	*ret_ns = minus ? sum : -sum;
	return true;
}

bool duration_has_days(struct str s, int64_t *ret_hours)
{
	int64_t n = 0, hours;

	if (s.len < 2 || (s.p[s.len - 1] != 'd' && s.p[s.len - 1] != 'w'))
		return false;
	hours = s.p[s.len - 1] == 'w' ? 168 : 24;
	if (!parse_int((struct str){ s.p, s.len - 1 }, &n) || n < 0 || n > 100000)
		return false;
	*ret_hours = n * hours;
	return true;
}

bool parse_timestamp(struct str s, struct value *ret)
{
	int64_t ms;
	int32_t nanos = 0;

	if (!time_parse(s, &ms, &nanos))
		return false;
	*ret = value_time_ms(ms);
	ret->len = (uint32_t)nanos;
	return time_in_range(ret->i);
}
