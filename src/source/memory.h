/* What an MQTT session handed over last (private to this floor).
 *
 * The newest 1,024 (packet id, hash of topic and payload) in arrival order.  It tells
 * a message that the broker sends again after a resume from a new one, where the
 * sender gave no id.  Pure data; stored in the cut. */
#ifndef SOURCE_MEMORY_H
#define SOURCE_MEMORY_H

#include <glib.h>

#include "base/str.h"

#define MEMORY_MAX 1024

struct memory_item {
	uint64_t	 hash;
	uint16_t	 mid;
};
struct memory {
	struct memory_item v[MEMORY_MAX];	/* a ring */
	uint32_t	 first, n;
	bool		 testing;	/* since a resume only members came */
};

uint64_t memory_hash(struct str topic, struct str payload);
void memory_clear(struct memory *);	/* the broker has no session of ours */
void memory_resumed(struct memory *);	/* it has: test what comes now */
/* One arrival.  True: it is a repeat, to be dropped, and now the newest member.
 * Packet id 0 (QoS 0) is never a member and ends no test. */
bool memory_is_repeat(struct memory *, uint16_t mid, uint64_t hash);
/* It was given to a turn. */
void memory_add(struct memory *, uint16_t mid, uint64_t hash);
void memory_put(const struct memory *, GByteArray *);
bool memory_get(struct memory *, struct str bytes);	/* false: malformed; then empty */
#endif
