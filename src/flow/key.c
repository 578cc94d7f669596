/* The key of an attempt: the name under which a job is known outside, the same whenever
 * it is asked for.  It holds the instance and the epoch that made the run, so that a
 * second or a restored database never adopts another's job. */
#include <glib.h>

#include "flow/world.h"

void step_key(struct str instance, struct str epoch, struct str run, struct str step,
    uint32_t attempt, char ret[24])
{
	static const char base32[] = "abcdefghijklmnopqrstuvwxyz234567";
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	const struct str parts[] = { instance, epoch, run, step };
	char number[16];
	guint8 hash[32];
	gsize n = sizeof(hash);

	for (unsigned i = 0; i < 4; i++) {
		g_checksum_update(sum, (const guchar *)parts[i].p, (gssize)parts[i].len);
		g_checksum_update(sum, (const guchar *)"", 1);
	}
	g_snprintf(number, sizeof(number), "%u", attempt);
	g_checksum_update(sum, (const guchar *)number, -1);
	g_checksum_get_digest(sum, hash, &n);
	g_checksum_free(sum);
	memcpy(ret, "rt-", 3);
	for (unsigned i = 0; i < 20; i++) {
		unsigned bit = i * 5, byte = bit / 8;
		unsigned two = (unsigned)hash[byte] << 8 | hash[byte + 1];

		ret[3 + i] = base32[two >> (11 - bit % 8) & 31];
	}
	ret[23] = '\0';
}
