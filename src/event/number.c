/* JSON numbers, read once.
 *
 * Most reals of events ("0.0831") have few digits: a mantissa below 2^53 and a
 * power of ten up to 22 are both exact doubles, so one rounding of their product or
 * quotient gives the correctly rounded value (Clinger 1990).  Everything else goes
 * through strtod.  Whether a number is in range is decided also when its value is
 * not wanted: what is accepted must not depend on who reads it.
 */
#include "event/number.h"

#include <math.h>

#define EXPONENT_CAP 1000000		/* beyond any double, far from overflow */
#define DIGITS_KEPT 19			/* fit in 64 bits */

struct digits {
	uint64_t	 mantissa;	/* the first DIGITS_KEPT significant digits */
	int		 kept;		/* how many */
	int64_t		 scale;		/* power of ten that the mantissa is short of */
	bool		 cut;		/* significant digits were left out */
};

static bool is_digit(const char *p, const char *end)
{
	return p < end && *p >= '0' && *p <= '9';
}

static void take(struct digits *d, char c, bool fraction)
{
	if (d->kept == DIGITS_KEPT) {
		d->cut |= c != '0';
		d->scale += !fraction;
		return;
	}
	d->mantissa = d->mantissa * 10 + (uint64_t)(c - '0');
	d->kept += d->mantissa != 0;
	d->scale -= fraction;
}

static bool integer(const struct digits *d, bool negative, struct value *out)
{
	uint64_t limit = (uint64_t)INT64_MAX + negative;

	if (d->scale > 0 || d->mantissa > limit)
		return false;
	if (out)
		*out = value_int(
		    negative ? (int64_t)(0 - d->mantissa) : (int64_t)d->mantissa);
	return true;
}

static double slow(const char *from, const char *end)
{
	char small[64], *copy = small;
	size_t n = (size_t)(end - from);
	double v;

	if (n >= sizeof small)		/* longer than any writer prints */
		copy = g_malloc(n + 1);
	memcpy(copy, from, n);
	copy[n] = '\0';
	v = g_ascii_strtod(copy, NULL);
	if (copy != small)
		g_free(copy);
	return v;
}

static bool real(const struct digits *d, const char *from, const char *end,
    struct value *out)
{
	static const double ten[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9,
		1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21,
		1e22};
	double v;

	if (!out && (!d->mantissa || d->scale + d->kept < 300))
		return true;		/* below 1e300: in range */
	if (!d->cut && d->mantissa <= UINT64_C(1) << 53 && d->scale >= -22 &&
	    d->scale <= 22) {
		v = (double)d->mantissa;
		v = d->scale < 0 ? v / ten[-d->scale] : v * ten[d->scale];
		v = *from == '-' ? -v : v;
	} else {
		v = slow(from, end);
	}
	if (!isfinite(v))
		return false;
	if (out)
		*out = value_double(v);
	return true;
}

static bool fraction(const char **p, const char *end, struct digits *d)
{
	++*p;
	if (!is_digit(*p, end))
		return false;
	for (; is_digit(*p, end); ++*p)
		take(d, **p, true);
	return true;
}

static bool exponent(const char **p, const char *end, struct digits *d)
{
	int64_t e = 0;
	bool negative = false;

	++*p;
	if (*p < end && (**p == '+' || **p == '-'))
		negative = *(*p)++ == '-';
	if (!is_digit(*p, end))
		return false;
	for (; is_digit(*p, end); ++*p)
		if (e < EXPONENT_CAP)
			e = e * 10 + (**p - '0');
	d->scale += negative ? -e : e;
	return true;
}

bool number_scan(const char **p, const char *end, struct value *out)
{
	const char *from = *p;
	struct digits d = {0, 0, 0, false};
	bool is_real = false, ok;

	if (*p < end && **p == '-')
		++*p;
	if (!is_digit(*p, end))
		return false;
	if (**p == '0') {
		++*p;
		if (is_digit(*p, end))
			return false;
	}
	for (; is_digit(*p, end); ++*p)
		take(&d, **p, false);
	if (*p < end && **p == '.') {
		is_real = true;
		if (!fraction(p, end, &d))
			return false;
	}
	if (*p < end && (**p == 'e' || **p == 'E')) {
		is_real = true;
		if (!exponent(p, end, &d))
			return false;
	}
	ok = is_real ? real(&d, from, *p, out) : integer(&d, *from == '-', out);
	if (!ok)
		*p = from;
	return ok;
}
