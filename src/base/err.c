/* The error object: text is cut at the size of the buffer, never allocated,
 * and never cut inside a UTF-8 sequence, because it ends up in JSON. */
#include "base/err.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* After a cut: drops a last code point that is not whole. */
static void trim_utf8(char *s, size_t size, int wanted)
{
	size_t n = strlen(s), i = n;
	unsigned char lead;

	if (wanted < 0 || (size_t)wanted < size)
		return;
	while (i > 0 && n - i < 4 && ((unsigned char)s[i - 1] & 0xc0) == 0x80)
		i--;
	lead = i > 0 ? (unsigned char)s[i - 1] : 0;
	if (lead >= 0xc0 && !g_utf8_validate(s + i - 1, -1, NULL))
		s[i - 1] = '\0';
}

bool err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
	va_list ap;
	int n;

	e->code = code;
	e->line = e->col = 0;
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	trim_utf8(e->msg, sizeof(e->msg), n);
	return false;
}

/* Prepends "fmt: ". */
bool err_in(struct err *e, const char *fmt, ...)
{
	char inner[sizeof(e->msg)];
	size_t room;
	va_list ap;
	int n;

	memcpy(inner, e->msg, sizeof(inner));
	va_start(ap, fmt);
	n = vsnprintf(e->msg, sizeof(e->msg), fmt, ap);
	va_end(ap);
	trim_utf8(e->msg, sizeof(e->msg), n);
	room = strlen(e->msg);
	n = snprintf(e->msg + room, sizeof(e->msg) - room, ": %.*s",
	    (int)(sizeof(inner) - 1), inner);
	trim_utf8(e->msg, sizeof(e->msg), n < 0 ? n : n + (int)room);
	return false;
}
