/* Kinds and layouts of decide's cells (native plain data, versioned by CELLS_CODEC),
 * and the one hash that is used for identities. */
#ifndef DECIDE_CELL_H
#define DECIDE_CELL_H

#include <stdint.h>

#include "base/str.h"
#include "decide/machine.h"

enum cell_kind { CELL_META = 32, CELL_RULE, CELL_KEY, CELL_SIGNAL, CELL_LAST, CELL_DEDUPE,
	CELL_SELECTOR, CELL_SOURCE, CELL_SCHEDULE, CELL_FACT, CELL_CHUNK,
	CELL_ITEM = 43, CELL_WAIT, CELL_JOIN, CELL_SILENCE = 47 };

#define OWNER_BYTES 8		/* of a hash of 128 bits: the first 64 */
#define KEY_BYTES_MAX 256	/* longer rule keys are refused, dedupe keys hashed */

/* FNV-1a, 64 bits: for indexes and for identities that a collision only shares. */
#define HASH64 0xcbf29ce484222325ull
static inline uint64_t hash64(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ b[i]) * 0x100000001b3ull;
	return h;
}

struct meta_cell {		/* one */
	uint64_t	 decision;	/* the last id given out */
	uint32_t	 rule_id;	/* the last one given out */
	uint32_t	 pad;
	int64_t		 sweep_at;	/* tick of the next sweep; 0: none */
	uint64_t	 silence;	/* the last number given out */
};
enum { REASONS = 24 };		/* >= SUPP_MAX + 1: the last is for errors */
struct rule_cell {		/* followed by uid and name */
	uint32_t	 id;
	uint16_t	 uid_len, name_len;
	uint8_t		 paused;
	uint8_t		 off;		/* was disabled or paused */
	uint8_t		 observe;	/* was in observe mode */
	uint8_t		 anchored;	/* clock comes from events */
	uint8_t		 has_clock;
	uint8_t		 counting;	/* minute_at is valid */
	uint8_t		 pad[2];
	int64_t		 ttl_ms;
	int64_t		 clock;		/* the rule's clock */
	int64_t		 base_wall, base_tick;	/* of a clock without events */
	int64_t		 minute_at;	/* tick at which the counting minute ends */
	uint32_t	 rows[REASONS];	/* written this minute, by reason */
	uint32_t	 over[REASONS];	/* counted only */
	uint64_t	 backfilled;	/* seq of the last backfill */
};
/* What is found by (kind, owner, key).  The key's bytes follow the struct of its kind. */
struct keyed_cell {		/* several per key, so kept to 24 bytes */
	uint64_t	 state : 16;	/* CELL_SIGNAL: where its state begins */
	uint64_t	 used_at : 48;	/* tick */
	uint64_t	 ttl : 42;	/* ms: a hundred years fit */
	uint64_t	 key_off : 12;
	uint64_t	 key_len : 10;
	uint8_t		 owner[OWNER_BYTES];	/* rule id, or hash of a definition */
};
_Static_assert(sizeof(struct keyed_cell) == 24, "the head of a keyed cell is packed");

static inline int64_t head_used(const struct keyed_cell *h)
{
	return (int64_t)h->used_at;
}

static inline int64_t head_ttl(const struct keyed_cell *h)
{
	return (int64_t)h->ttl;
}

static inline void head_use(struct keyed_cell *h, int64_t tick)
{
	h->used_at = (uint64_t)tick & ((UINT64_C(1) << 48) - 1);
}

static inline void head_set_ttl(struct keyed_cell *h, int64_t ms)
{
	h->ttl = (uint64_t)ms & ((UINT64_C(1) << 42) - 1);
}

/* Why a drift's rule waits; see rearm.c */
enum disarm { DISARM_NONE = 0, DISARM_RUN, DISARM_BACKOFF, DISARM_DEPLOY, DISARM_IDLE };
struct key_cell {		/* CELL_KEY: one rule and key */
	struct keyed_cell head;
	struct machine	 m;
	int64_t		 backoff_ms, backoff_until;	/* tick; 0: none */
	int64_t		 every_at;	/* tick; 0: no */
	int64_t		 wake_at;	/* tick: evaluate again; INT64_MAX: no */
	int64_t		 since_ms;	/* wall at which the state was entered */
	int64_t		 release_at;	/* end of what blocks, on the clock of `blocked`
					 * (suppressor_on_wall()); 0: unknown */
	uint64_t	 model;		/* hash64 of the model it read last */
	uint64_t	 decision;	/* the last one */
	uint8_t		 observed;	/* the last emission was only observed */
	uint8_t		 blocked;	/* enum suppressor that stops what is owed */
	uint8_t		 slot;		/* became free since concurrency blocked */
	uint8_t		 result;	/* enum result of the last evaluation */
	uint32_t	 fails;		/* rejected or failed runs in a row */
	int64_t		 breaker_until;	/* tick: open until then, half-open from then on;
					 * 0: closed */
	uint64_t	 probe;		/* the run that a half-open breaker let through */
	uint32_t	 wait, join;	/* wait_cell, join_cell; 0: none */
	uint32_t	 run;		/* that answered the drift: its number's end */
	uint8_t		 disarm;	/* enum disarm, of its detectors: rearm.c */
	uint8_t		 pad[3];
	int64_t		 rearm_at;	/* tick; 0: no */
};
/* CELL_SIGNAL, one signal definition and key: keyed_cell, key, the signal's own state. */
struct last_cell {		/* CELL_LAST: one selector and key; see last.c */
	struct keyed_cell head;
	int64_t		 time_ms;
	int64_t		 tick;		/* at which it came */
	uint8_t		 depth;
	uint8_t		 cut;		/* values were left out: too large */
	uint8_t		 pad[2];
	uint32_t	 bytes;		/* encoded, after the key */
};
struct item_cell {		/* CELL_ITEM: an event that waits; see item.c */
	uint32_t	 next;		/* the one behind it in its batch; 0: none */
	uint16_t	 selector;
	uint16_t	 dedupe_len;
	uint8_t		 has_dedupe;
	uint8_t		 pad[3];
	uint32_t	 schedule;	/* whose due_ms: its schedule_mark() */
	uint64_t	 seq;		/* of its input */
	int64_t		 due_ms;	/* schedule rules; else 0 */
	struct last_cell ev;
};
enum { BATCHES_MAX = 10, BATCH_EVENTS = 1000 };
struct batch {
	uint32_t	 first, last, n, bytes;
	int64_t		 opened, newest;	/* ticks */
};
struct wait_cell {		/* CELL_WAIT: of one key_cell; see wait.c */
	uint32_t	 n;
	uint32_t	 pad;
	struct batch	 v[BATCHES_MAX];
};
struct join_cell {		/* CELL_JOIN: of one key_cell; see join.c */
	uint64_t	 def;		/* of the join it belongs to */
	uint32_t	 n;
	uint32_t	 pad;
	uint32_t	 slot[];	/* by selector: its item; 0: none */
};
struct dedupe_cell {		/* CELL_DEDUPE: one rule and dedupe key */
	struct keyed_cell head;
	uint64_t	 decision;
	uint8_t		 observed;
	uint8_t		 pad[7];
};
struct silence_cell {		/* CELL_SILENCE; followed by author, reason, terms */
	uint64_t	 id;
	int64_t		 created_ms, until_ms;	/* wall */
	uint16_t	 author_len, reason_len;
	uint16_t	 terms_n;	/* each: its length in two bytes, its text */
	uint16_t	 pad;
};
struct part_clock {
	uint64_t	 part;		/* hash64 of its name */
	uint32_t	 source;
	uint32_t	 idle;		/* the source said so */
	int64_t		 max_ms;	/* greatest matching event time */
	int64_t		 tick;		/* of the last matching event */
};
struct selector_cell {
	uint8_t		 hash[OWNER_BYTES];
	int64_t		 mark;		/* greatest watermark so far */
	int64_t		 tick;		/* of the last matching event */
	uint32_t	 parts;
	uint32_t	 pad;
	struct part_clock part[];
};
struct source_cell {
	uint32_t	 source;
	uint32_t	 state;		/* enum source_state */
	int64_t		 tick;		/* since when */
};
enum { DECIDED_MAX = 128 };
struct schedule_cell {		/* one per schedule of a rule, known by `hash` */
	uint32_t	 rule_id;
	uint32_t	 decided_n;
	uint8_t		 hash[16];
	uint8_t		 has_cursor;
	uint8_t		 began;		/* closed is the beginning: nothing fired there */
	uint8_t		 pad[2];
	uint32_t	 born_s;	/* wall, rounded up, of the beginning, of the last
					 * edit or enabling; 0: unknown */
	int64_t		 cursor;	/* due times up to here were dealt with */
	int64_t		 closed;	/* ... and up to here never open again */
	int64_t		 decided[DECIDED_MAX];	/* ascending: decided, not skipped */
};
#endif
