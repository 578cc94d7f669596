/* Bytes of state and journal.
 *
 * Invariants
 *   (1) A varint is read only in its shortest form and within 64 bits, so that
 *       one value has one encoding and equal states have equal bytes.
 *   (2) A reader that turned bad stays bad: every later get returns 0, empty or
 *       NULL, and a caller checks once, at the end.
 */
#include "base/codec.h"

struct reader reader_of(struct str s)
{
	const uint8_t *p = (const uint8_t *)s.p;

	return (struct reader){ .p = p, .end = p ? p + s.len : p };
}

bool reader_done(const struct reader *r)
{
	return !r->bad && r->p == r->end;
}

void put_u8(GByteArray *out, uint8_t v)
{
	g_byte_array_append(out, &v, 1);
}

void put_u64(GByteArray *out, uint64_t v)
{
	uint8_t buf[10];
	guint n = 0;

	while (v >= 0x80) {
		buf[n++] = (uint8_t)(v | 0x80);
		v >>= 7;
	}
	buf[n++] = (uint8_t)v;
	g_byte_array_append(out, buf, n);
}

void put_i64(GByteArray *out, int64_t v)
{
	uint64_t u = (uint64_t)v << 1;

	put_u64(out, v < 0 ? ~u : u);
}

void put_double(GByteArray *out, double v)
{
	uint64_t bits;
	uint8_t buf[8];

	memcpy(&bits, &v, sizeof(bits));
	for (unsigned i = 0; i < 8; i++)
		buf[i] = (uint8_t)(bits >> (8 * i));
	g_byte_array_append(out, buf, sizeof(buf));
}

void put_str(GByteArray *out, struct str s)
{
	put_u64(out, s.len);
	put_raw(out, s.p, s.len);
}

void put_raw(GByteArray *out, const void *p, size_t n)
{
	if (n)
		g_byte_array_append(out, p, (guint)n);
}

static void fail(struct reader *r)
{
	r->bad = true;
	r->p = r->end;
}

uint8_t get_u8(struct reader *r)
{
	if (r->p == r->end) {
		fail(r);
		return 0;
	}
	return *r->p++;
}

uint64_t get_u64(struct reader *r)
{
	uint64_t v = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t b = get_u8(r);

		if (r->bad)
			return 0;
		/* The tenth byte holds one bit; a zero last byte is not shortest. */
		if ((shift == 63 && b > 1) || (shift > 0 && b == 0))
			break;
		v |= (uint64_t)(b & 0x7f) << shift;
		if (b < 0x80)
			return v;
	}
	fail(r);
	return 0;
}

int64_t get_i64(struct reader *r)
{
	uint64_t u = get_u64(r), v = (u & 1) ? ~(u >> 1) : u >> 1;
	int64_t s;

	memcpy(&s, &v, sizeof(s));
	return s;
}

double get_double(struct reader *r)
{
	const uint8_t *p = get_raw(r, 8);
	uint64_t bits = 0;
	double v;

	if (!p)
		return 0;
	for (unsigned i = 0; i < 8; i++)
		bits |= (uint64_t)p[i] << (8 * i);
	memcpy(&v, &bits, sizeof(v));
	return v;
}

struct str get_str(struct reader *r)
{
	uint64_t n = get_u64(r);
	const void *p;

	if (n > UINT32_MAX) {
		fail(r);
		return (struct str){ NULL, 0 };
	}
	p = get_raw(r, (size_t)n);
	return (struct str){ p, p ? (uint32_t)n : 0 };
}

const void *get_raw(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || (size_t)(r->end - p) < n) {
		fail(r);
		return NULL;
	}
	r->p += n;
	return p;
}
