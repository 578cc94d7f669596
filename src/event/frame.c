/* Journal frames of messages.
 *
 * 'm': mode byte (f full, r ref, o off), source, part, pos, time; then the events of
 * it that were no inputs (duplicates, by index); full adds what the decoder needs:
 * topic, key, content type, retained, headers, body.
 *
 * 'r': mode byte (r, o), source, part, pos, n: so many messages in a row, all of their
 * events inputs.  A log that is read in order leaves one frame per batch; what else
 * the decoder needs is in the log.
 *
 * To add a member: append it, and let the reader take an absent one as zero. */
#include "event/frame.h"

#include "base/arena.h"

/* ORDER journal_mode */
static const char marks[] = { 0, 'f', 'r', 'o' };

void frame_put(GByteArray *out, char kind, struct str body)
{
	put_u8(out, (uint8_t)kind);
	put_str(out, body);
}

bool frame_next(struct reader *r, char *kind, struct str *body)
{
	if (r->bad || r->p == r->end)
		return false;
	*kind = (char)get_u8(r);
	*body = get_str(r);
	return !r->bad;
}

void frame_put_message(GByteArray *out, enum journal_mode mode, const struct message *m,
    const uint32_t *skipped, uint32_t skipped_n)
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

void frame_put_run(GByteArray *out, enum journal_mode mode, uint32_t source,
    struct str part, int64_t pos, uint32_t n)
{
	put_u8(out, (uint8_t)marks[mode]);
	put_u64(out, source);
	put_str(out, part);
	put_i64(out, pos);
	put_u64(out, n);
}

/* A count of elements of at least one byte each, so that a damaged one allocates
 * nothing. */
static uint32_t get_count(struct reader *r)
{
	uint64_t n = get_u64(r);

	if (n > (uint64_t)(r->end - r->p))
		r->bad = true;
	return r->bad ? 0 : (uint32_t)n;
}

static void get_whole(struct reader *r, struct arena *a, struct message *m)
{
	struct header *h;

	m->topic = get_str(r);
	m->key = get_str(r);
	m->content_type = get_str(r);
	m->retained = get_u8(r) != 0;
	m->headers_n = get_count(r);
	h = ARENA_ARRAY(a, struct header, m->headers_n);
	for (uint32_t i = 0; i < m->headers_n; i++) {
		h[i].name = get_str(r);
		h[i].value = get_str(r);
	}
	m->headers = h;
	m->body = get_str(r);
}

static void get_m(struct reader *r, struct arena *a, struct frame_message *f)
{
	uint32_t *skipped;

	f->n = 1;
	f->m.time_ms = get_i64(r);
	f->skipped_n = get_count(r);
	skipped = ARENA_ARRAY(a, uint32_t, f->skipped_n);
	for (uint32_t i = 0; i < f->skipped_n; i++) {
		uint64_t v = get_u64(r);

		if (v > UINT32_MAX)
			r->bad = true;
		skipped[i] = (uint32_t)v;
	}
	f->skipped = skipped;
	if (f->mode == JOURNAL_FULL)
		get_whole(r, a, &f->m);
}

static enum journal_mode mode_of(uint8_t mark)
{
	for (unsigned i = JOURNAL_FULL; i <= JOURNAL_OFF; i++)
		if (marks[i] == (char)mark)
			return (enum journal_mode)i;
	return 0;
}

bool frame_get_message(char kind, struct str body, struct arena *a,
    struct frame_message *ret, struct err *err)
{
	struct reader r = reader_of(body);
	struct frame_message f = { .mode = mode_of(get_u8(&r)) };
	uint64_t source = get_u64(&r), n;

	f.m.source = (uint32_t)source;
	f.m.part = get_str(&r);
	f.m.pos = get_i64(&r);
	if (!f.mode || source > UINT32_MAX)
		r.bad = true;
	if (kind == 'm') {
		get_m(&r, a, &f);
	} else {
		n = get_u64(&r);
		if (kind != 'r' || f.mode == JOURNAL_FULL || n == 0 || n > UINT32_MAX)
			r.bad = true;
		f.n = (uint32_t)n;
	}
	if (!reader_done(&r))
		return err_set(err, ERR_CORRUPT, "malformed journal frame '%c' of %u"
		    " bytes", g_ascii_isprint(kind) ? kind : '?', body.len);
	*ret = f;
	return true;
}
