/* Journal frames: what came in, in the order of inputs.
 *
 * The open commit's bytes are frames side by side: a kind byte and a length-prefixed
 * body.  'm' is one message, 'r' messages in a row by position, 'i' an input that is
 * no message (flow/world.h has its codec).  Whoever writes and whoever reads use this
 * file; the bytes are kept as long as the journal is. */
#ifndef EVENT_FRAME_H
#define EVENT_FRAME_H

#include <glib.h>

#include "base/codec.h"
#include "base/err.h"
#include "event/event.h"

/* full: the bytes; ref: the position in a log that keeps them; off: that it came. */
enum journal_mode { JOURNAL_FULL = 1, JOURNAL_REF, JOURNAL_OFF };

struct frame_message {		/* 'm' or 'r' */
	enum journal_mode mode;
	struct message	 m;		/* full: all but origin and token; else source,
					 * part, pos (and, of an 'm', time) */
	uint32_t	 n;		/* messages in a row from m.pos; 1 of an 'm' */
	const uint32_t	*skipped;	/* its events that were no inputs, by index */
	uint32_t	 skipped_n;
};

void frame_put(GByteArray *, char kind, struct str body);
/* The next frame; false: the end, or bad (reader_done() tells). */
bool frame_next(struct reader *, char *kind, struct str *body);

void frame_put_message(GByteArray *body, enum journal_mode, const struct message *,
    const uint32_t *skipped, uint32_t skipped_n);
void frame_put_run(GByteArray *body, enum journal_mode, uint32_t source, struct str part,
    int64_t pos, uint32_t n);
/* Borrowed from the body, lists from the arena.  False: malformed. */
bool frame_get_message(char kind, struct str body, struct arena *,
    struct frame_message *ret, struct err *);
#endif
