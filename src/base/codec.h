/* Bytes of state and journal: LEB128 varints, zigzag for signed, doubles as 8
 * little-endian bytes, spans as length + bytes.  Readers never go past the
 * end: a short or malformed input sets `bad`, after which every get returns 0. */
#ifndef BASE_CODEC_H
#define BASE_CODEC_H

#include <glib.h>

#include "base/str.h"

struct reader {
	const uint8_t	*p, *end;
	bool		 bad;
};

struct reader reader_of(struct str);
bool reader_done(const struct reader *);	/* at the end, and not bad */
void put_u8(GByteArray *, uint8_t);
void put_u64(GByteArray *, uint64_t);
void put_i64(GByteArray *, int64_t);
void put_double(GByteArray *, double);
void put_str(GByteArray *, struct str);
void put_raw(GByteArray *, const void *, size_t);	/* without a length */
uint8_t get_u8(struct reader *);
uint64_t get_u64(struct reader *);
int64_t get_i64(struct reader *);
double get_double(struct reader *);
struct str get_str(struct reader *);		/* borrowed from the input */
const void *get_raw(struct reader *, size_t);	/* NULL when short */
#endif
