/* What an MQTT session handed over last.
 *
 * Invariants
 *   (1) Members stand in order of arrival; a repeat moves to the end, so it outlives
 *       what was not sent again.
 *   (2) Only an unbroken run of members after a resume is taken for repeats: the
 *       broker sends again what it has in flight before anything new.  Packet ids are
 *       used again after that, so a later member may be a new message.
 *   (3) It survives connections and kills, and goes only when the broker says that it
 *       has no session: forgetting the connection before last doubles decisions.
 */
#include "source/memory.h"

#include "base/codec.h"

#define FORMAT 1

static uint64_t fnv(uint64_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(1099511628211);
	return h;
}

/* FNV-1a over the topic's length, the topic and the payload. */
uint64_t memory_hash(struct str topic, struct str payload)
{
	uint64_t h = fnv(UINT64_C(14695981039346656037), &topic.len, sizeof(topic.len));

	return fnv(fnv(h, topic.p, topic.len), payload.p, payload.len);
}

static struct memory_item *at(struct memory *m, uint32_t i)
{
	return &m->v[(m->first + i) % MEMORY_MAX];
}

void memory_clear(struct memory *m)
{
	m->first = m->n = 0;
	m->testing = false;
}

void memory_resumed(struct memory *m)
{
	m->testing = m->n > 0;
}

static void append(struct memory *m, struct memory_item item)
{
	if (m->n == MEMORY_MAX)
		m->first = (m->first + 1) % MEMORY_MAX;
	else
		m->n++;
	*at(m, m->n - 1) = item;
}

bool memory_is_repeat(struct memory *m, uint16_t mid, uint64_t hash)
{
	struct memory_item item = { hash, mid };

	if (mid == 0)
		return false;
	for (uint32_t i = 0; m->testing && i < m->n; i++) {
		if (at(m, i)->mid != mid || at(m, i)->hash != hash)
			continue;
		for (; i + 1 < m->n; i++)
			*at(m, i) = *at(m, i + 1);
		*at(m, m->n - 1) = item;
		return true;
	}
	m->testing = false;
	return false;
}

void memory_add(struct memory *m, uint16_t mid, uint64_t hash)
{
	if (mid != 0)
		append(m, (struct memory_item){ hash, mid });
}

void memory_put(const struct memory *m, GByteArray *out)
{
	put_u8(out, FORMAT);
	put_u64(out, m->n);
	for (uint32_t i = 0; i < m->n; i++) {
		const struct memory_item *item = &m->v[(m->first + i) % MEMORY_MAX];

		put_u64(out, item->mid);
		put_raw(out, &(uint64_t){ GUINT64_TO_LE(item->hash) }, sizeof(uint64_t));
	}
}

bool memory_get(struct memory *m, struct str bytes)
{
	struct reader r = reader_of(bytes);
	uint64_t n, mid, hash;
	const void *raw;

	memory_clear(m);
	if (get_u8(&r) != FORMAT || (n = get_u64(&r)) > MEMORY_MAX)
		return false;
	for (uint64_t i = 0; i < n; i++) {
		mid = get_u64(&r);
		raw = get_raw(&r, sizeof(hash));
		if (!raw || mid == 0 || mid > UINT16_MAX) {
			memory_clear(m);
			return false;
		}
		memcpy(&hash, raw, sizeof(hash));
		append(m, (struct memory_item){ GUINT64_FROM_LE(hash), (uint16_t)mid });
	}
	if (!reader_done(&r))
		memory_clear(m);
	return reader_done(&r);
}
