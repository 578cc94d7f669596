/* Which frame a message leaves (event/frame.h has their bytes): several in a row by
 * position share one. */
#include "turn/turn_priv.h"

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
	frame_put_run(t->frame, r->mode, r->source, r->part, r->pos, r->n);
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
		frame_put_message(t->frame, mode, m, skipped, skipped_n);
		store(t, 'm');
	} else if (r->n && r->pos + r->n == m->pos && r->source == m->source &&
	    r->mode == mode && str_is(r->part, m->part)) {
		r->n++;
	} else {
		frame_end_run(t);
		*r = (struct message_run){ mode, m->source, m->part, m->pos, 1 };
	}
}
