/* Journal frames of messages.
 *
 * 'm' frame: mode byte (f full, r ref, o off), source, part, pos, time; then the
 * events of it that were no inputs (duplicates, by index); full adds what the decoder
 * needs: topic, key, content type, retained, headers, body.
 *
 * 'r' frame: mode byte (r, o), source, part, pos, n: so many messages in a row, all of
 * their events inputs.  A log that is read in order leaves one frame per batch; what
 * else the decoder needs is in the log. */
#include "base/codec.h"
#include "turn/turn_priv.h"

/* ORDER journal_mode */
static const char marks[] = { 0, 'f', 'r', 'o' };

static void put_m(enum journal_mode mode, const struct message *m,
    const uint32_t *skipped, uint32_t skipped_n, GByteArray *out)
{
	put_u8(out, (uint8_t)marks[mode]);
	put_u64(out, m->source);
	put_str(out, m->part);
	put_i64(out, m->pos);
	put_i64(out, m->time_ms);
	put_u64(out, skipped_n);
	for (uint32_t i = 0; i < skipped_n; i++)
		put_u64(out, skipped[i]);
	if (mode != JOURNAL_FULL)
		return;
	put_str(out, m->topic);
	put_str(out, m->key);
	put_str(out, m->content_type);
	put_u8(out, m->retained);
	put_u64(out, m->headers_n);
	for (uint32_t i = 0; i < m->headers_n; i++) {
		put_str(out, m->headers[i].name);
		put_str(out, m->headers[i].value);
	}
	put_str(out, m->body);
}

/* `off` keeps no payload, but that a message came: the order of inputs is whole. */
static void store(struct turn *t, char kind)
{
	store_put_frame(t->p.store, JOURNAL_FULL, kind,
	    (struct str){ (const char *)t->frame->data, t->frame->len });
}

void frame_end_run(struct turn *t)
{
	struct message_run *r = &t->run;

	if (!r->n)
		return;
	g_byte_array_set_size(t->frame, 0);
	put_u8(t->frame, (uint8_t)marks[r->mode]);
	put_u64(t->frame, r->source);
	put_str(t->frame, r->part);
	put_i64(t->frame, r->pos);
	put_u64(t->frame, r->n);
	store(t, 'r');
	r->n = 0;
}

void frame_message(struct turn *t, enum journal_mode mode, const struct message *m,
    const uint32_t *skipped, uint32_t skipped_n)
{
	struct message_run *r = &t->run;

	if (mode == JOURNAL_FULL || skipped_n || m->pos < 0) {
		frame_end_run(t);
		g_byte_array_set_size(t->frame, 0);
		put_m(mode, m, skipped, skipped_n, t->frame);
		store(t, 'm');
	} else if (r->n && r->pos + r->n == m->pos && r->source == m->source &&
	    r->mode == mode && str_is(r->part, m->part)) {
		r->n++;
	} else {
		frame_end_run(t);
		*r = (struct message_run){ mode, m->source, m->part, m->pos, 1 };
	}
}
