/* Diagnostics and their printer.
 *
 * Invariants
 *   (1) Everything is counted; the first DIAGS_MAX are kept, so a hostile file
 *       costs a bounded amount of memory and an error is never lost as a fact.
 *   (2) A span is trusted no further than its text is long: positions past the
 *       end are shown at the end.
 * To add an output form, write a function beside diags_render(); whoever adds a
 * diagnostic knows nothing of how it is shown.
 */
#include "base/diag.h"

#include <stdarg.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/json.h"

#define SNIPPET_MAX 16384	/* longer source lines are not shown */
#define MSG_MAX 2048		/* bytes of a message; user text may be long */
#define WORD_MAX 64		/* longer words have no neighbours */

struct diags {
	const struct text *texts;
	uint32_t	 texts_n;
	uint32_t	 errors, warnings, n;
	struct arena	*arena;
	struct diag	 v[DIAGS_MAX];
	struct diag	 spill;		/* what diag_add() returns past the bound */
};

struct diags *diags_new(const struct text *texts, uint32_t n)
{
	struct diags *d = g_new0(struct diags, 1);

	d->texts = texts;
	d->texts_n = n;
	d->arena = arena_new(0);
	return d;
}

void diags_free(struct diags *d)
{
	if (!d)
		return;
	arena_free(d->arena);
	g_free(d);
}

const struct text *diags_text(const struct diags *d, uint32_t i)
{
	CHECK(i < d->texts_n);
	return &d->texts[i];
}

uint32_t diags_errors(const struct diags *d)
{
	return d->errors;
}

uint32_t diags_warnings(const struct diags *d)
{
	return d->warnings;
}

uint32_t diags_kept(const struct diags *d)
{
	return d->n;
}

const struct diag *diags_at(const struct diags *d, uint32_t i)
{
	CHECK(i < d->n);
	return &d->v[i];
}

/* Text order; at one place errors first, then by message, so that the order
 * does not depend on the order of the checks. */
static int by_place(const void *pa, const void *pb)
{
	const struct diag *a = pa, *b = pb;

	if (a->at.text != b->at.text)
		return a->at.text < b->at.text ? -1 : 1;
	if (a->at.off != b->at.off)
		return a->at.off < b->at.off ? -1 : 1;
	if (a->severity != b->severity)
		return a->severity < b->severity ? -1 : 1;
	return str_cmp(a->msg, b->msg);
}

void diags_sort(struct diags *d)
{
	qsort(d->v, d->n, sizeof(d->v[0]), by_place);
}

static struct str __attribute__((format(printf, 2, 0)))
format(struct arena *a, const char *fmt, va_list ap)
{
	g_autofree char *s = g_strdup_vprintf(fmt, ap);
	g_autofree char *valid = g_utf8_make_valid(s, -1);
	size_t n = strlen(valid);
	bool cut = n > MSG_MAX;

	if (cut) {
		n = MSG_MAX;
		while (((unsigned char)valid[n] & 0xc0) == 0x80)
			n--;
	}
	return arena_printf(a, "%.*s%s", (int)n, valid, cut ? "..." : "");
}

struct diag *diag_add(struct diags *d, enum severity severity, struct span at,
    const char *fmt, ...)
{
	struct diag *x = d->n < DIAGS_MAX ? &d->v[d->n++] : &d->spill;
	va_list ap;

	*x = (struct diag){ .severity = severity, .at = at };
	if (severity == SEV_ERROR)
		d->errors++;
	else
		d->warnings++;
	if (x == &d->spill)
		return x;
	va_start(ap, fmt);
	x->msg = format(d->arena, fmt, ap);
	va_end(ap);
	return x;
}

void diag_hint(struct diags *d, struct diag *x, const char *fmt, ...)
{
	va_list ap;

	if (x == &d->spill)
		return;
	va_start(ap, fmt);
	x->hint = format(d->arena, fmt, ap);
	va_end(ap);
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Where the line that holds `off` begins, and its number. */
static uint32_t line_start(const struct text *t, uint32_t off, unsigned *line)
{
	uint32_t start = 0;

	*line = 1;
	for (uint32_t i = 0; i < off; i++)
		if (t->bytes.p[i] == '\n') {
			start = i + 1;
			++*line;
		}
	return start;
}

void text_locate(const struct text *t, uint32_t off, unsigned *line, unsigned *col)
{
	uint32_t start;

	off = MIN(off, t->bytes.len);
	start = line_start(t, off, line);
	*col = 1;
	/* A byte inside a code point is at the column where that begins. */
	for (uint32_t i = start + 1; i <= off; i++)
		if (i == t->bytes.len || !continues(t->bytes.p[i]))
			++*col;
}

/* One mark under the character at i: as wide as that is on a terminal. */
static void mark(const struct text *t, uint32_t i, uint32_t end, bool caret, GString *out)
{
	bool wide = i < end && g_unichar_iswide(g_utf8_get_char(t->bytes.p + i));

	if (caret)
		g_string_append(out, wide ? "\xef\xbc\xbe" : "^");
	else
		g_string_append(out, wide ? "\xef\xbc\x8e" : ".");
}

/* The source line and the caret under it.  A tab is shown as one space. */
static void snippet(const struct text *t, uint32_t off, GString *out)
{
	const char *p = t->bytes.p;
	unsigned line;
	uint32_t start = line_start(t, off, &line), end = start, caret;

	while (end < t->bytes.len && p[end] != '\n')
		end++;
	if (end > start && p[end - 1] == '\r')
		end--;
	if (end - start > SNIPPET_MAX)
		return;
	if (end > start && !g_utf8_validate(p + start, end - start, NULL))
		return;
	g_string_append(out, " | ");
	for (uint32_t i = start; i < end; i++)
		g_string_append_c(out, g_ascii_iscntrl(p[i]) ? ' ' : p[i]);
	g_string_append(out, "\n | ");
	caret = MIN(off, end);
	while (caret > start && caret < end && continues(p[caret]))
		caret--;
	for (uint32_t i = start; i < caret; i++)
		if (!continues(p[i]))
			mark(t, i, end, false, out);
	mark(t, caret, end, true, out);
	g_string_append_c(out, '\n');
}

static const char *severity_name(enum severity s)
{
	return s == SEV_ERROR ? "error" : "warning";
}

static void render_one(const struct diags *d, const struct diag *x, GString *out)
{
	const struct text *t = diags_text(d, x->at.text);
	uint32_t off = MIN(x->at.off, t->bytes.len);
	unsigned line, col;

	text_locate(t, off, &line, &col);
	g_string_append_printf(out, "%.*s:%u:%u: %s: %.*s", STR_ARG(t->name), line, col,
	    severity_name(x->severity), STR_ARG(x->msg));
	if (x->hint.len)
		g_string_append_printf(out, " (%.*s)", STR_ARG(x->hint));
	g_string_append_c(out, '\n');
	if (!x->hide_source)
		snippet(t, off, out);
}

void diag_render(const struct diags *d, uint32_t i, GString *out)
{
	render_one(d, diags_at(d, i), out);
}

void diags_render(const struct diags *d, GString *out)
{
	uint32_t lost = d->errors + d->warnings - d->n;

	for (uint32_t i = 0; i < d->n; i++)
		render_one(d, &d->v[i], out);
	if (lost)
		g_string_append_printf(out, "and %u more\n", lost);
}

static void json_one(const struct diags *d, const struct diag *x, GString *out)
{
	const struct text *t = diags_text(d, x->at.text);
	unsigned line, col;

	text_locate(t, x->at.off, &line, &col);
	json_open(out, '{');
	json_key(out, "file");
	json_str(out, t->name);
	json_key(out, "line");
	json_i64(out, line);
	json_key(out, "column");
	json_i64(out, col);
	json_key(out, "length");
	json_i64(out, x->at.len);
	json_key(out, "severity");
	json_cstr(out, severity_name(x->severity));
	json_key(out, "message");
	json_str(out, x->msg);
	json_key(out, "hint");
	json_cstr(out, x->hint.len ? x->hint.p : NULL);
	json_close(out, '{');
}

void diag_json(const struct diags *d, uint32_t i, GString *out)
{
	json_one(d, diags_at(d, i), out);
}

void diags_json(const struct diags *d, GString *out)
{
	json_open(out, '[');
	for (uint32_t i = 0; i < d->n; i++)
		json_one(d, &d->v[i], out);
	json_close(out, '[');
}

/* Optimal string alignment distance: an edit is one byte more, less or other,
 * or two neighbours exchanged.  Case does not count. */
static uint32_t distance(struct str a, struct str b)
{
	uint32_t rows[3][WORD_MAX + 1];
	uint32_t *before = rows[0], *prev = rows[1], *row = rows[2];

	for (uint32_t j = 0; j <= b.len; j++)
		prev[j] = j;
	memset(before, 0, sizeof(rows[0]));
	for (uint32_t i = 1; i <= a.len; i++) {
		uint32_t *spare = before;

		row[0] = i;
		for (uint32_t j = 1; j <= b.len; j++) {
			char x = g_ascii_tolower(a.p[i - 1]);
			char y = g_ascii_tolower(b.p[j - 1]);
			uint32_t best = MIN(prev[j], row[j - 1]) + 1;

			best = MIN(best, prev[j - 1] + (x != y));
			if (i > 1 && j > 1 && x == g_ascii_tolower(b.p[j - 2]) &&
			    y == g_ascii_tolower(a.p[i - 2]))
				best = MIN(best, before[j - 2] + 1);
			row[j] = best;
		}
		before = prev;
		prev = row;
		row = spare;
	}
	return prev[b.len];
}

/* Of equally near words the first in the list. */
struct str nearest_word(struct str s, const struct str *words, uint32_t n)
{
	struct str best = { NULL, 0 };
	uint32_t least = 2 + s.len / 3;

	if (s.len == 0 || s.len > WORD_MAX)
		return best;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t d;

		if (words[i].len == 0 || words[i].len > WORD_MAX)
			continue;
		d = distance(s, words[i]);
		/* A word that shares no letter is no suggestion. */
		if (d < least && d < MAX(s.len, words[i].len)) {
			least = d;
			best = words[i];
		}
	}
	return best;
}
