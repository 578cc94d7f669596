/* Journal frames of messages.
 *
 * 'm' frame: mode byte (f full, r ref, o off), source, part, pos, time; then the
 * events of it that were no inputs (duplicates, by index); full adds what the decoder
 * needs: topic, key, content type, retained, headers, body. */
#include "base/codec.h"
#include "turn/turn_priv.h"

void frame_message(enum journal_mode mode, const struct message *m,
		   const uint32_t *skipped, uint32_t skipped_n, GByteArray *out)
{
	static const char marks[] = { 0, 'f', 'r', 'o' };

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
