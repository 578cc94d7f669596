/* Log lines: one line, one write.
 *
 * To the journal (when stderr is its stream, as JOURNAL_STREAM says) with the
 * priority as prefix "<N>", which needs no library; else logfmt with a time. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>

#include "base/time.h"
#include "io/clock.h"
#include "io/log.h"

#define REPEATS_PER_MINUTE 10
#define REPEATS_KEPT 64		/* distinct lines watched at a time */

struct repeat {
	char		*line;
	int64_t		 since_ms;
	unsigned	 n;
	enum log_level	 level;
};

static struct {
	enum log_level	 level;
	bool		 journal;
	struct repeat	 repeats[REPEATS_KEPT];
	unsigned	 next;
} out = { .level = LOG_INFO };

static const char *const level_names[] = { "", "error", "warn", "info", "debug" };
static const int priorities[] = { 0, 3, 4, 6, 7 };

/* The journal sets JOURNAL_STREAM to device:inode of the stream it gave us. */
static bool stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(2, &st) == 0 &&
	    st.st_dev == (dev_t)dev && st.st_ino == (ino_t)ino;
}

void log_open(enum log_level level, const char *format)
{
	out.level = level;
	out.journal = strcmp(format, "journal") == 0 ||
	    (strcmp(format, "auto") == 0 && stderr_is_journal());
}

static void escape(GString *s, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_printf(s, "\\%c", *p);
		else if (*p == '\n')
			g_string_append(s, "\\n");
		else if (*p < 0x20 || *p == 0x7f)
			g_string_append_printf(s, "\\x%02x", *p);
		else
			g_string_append_c(s, (char)*p);
	}
}

static void emit(enum log_level level, const char *text)
{
	GString *s = g_string_new(NULL);
	char when[TIME_TEXT];

	if (out.journal) {
		g_string_append_printf(s, "<%d>", priorities[level]);
		escape(s, text);
	} else {
		g_string_append_printf(s, "ts=%s level=%s msg=\"",
		    time_print(clock_read().wall_ms, when), level_names[level]);
		escape(s, text);
		g_string_append_c(s, '"');
	}
	g_string_append_c(s, '\n');
	/* A log that can't be written has nowhere to say so. */
	if (write(2, s->str, s->len) < 0)
		(void)0;
	g_string_free(s, TRUE);
}

static void flush_repeat(struct repeat *r)
{
	if (r->line && r->n > REPEATS_PER_MINUTE) {
		char *t = g_strdup_printf("%s (%u more like this)", r->line,
		    r->n - REPEATS_PER_MINUTE);
		emit(r->level, t);
		g_free(t);
	}
	g_free(r->line);
	*r = (struct repeat){ 0 };
}

/* True when the line is to be written now. */
static bool admit(enum log_level level, const char *text)
{
	int64_t now = clock_read().boot_ms;
	struct repeat *r;

	for (unsigned i = 0; i < REPEATS_KEPT; i++)
		if (out.repeats[i].line && now - out.repeats[i].since_ms > 60000)
			flush_repeat(&out.repeats[i]);
	for (unsigned i = 0; i < REPEATS_KEPT; i++)
		if (out.repeats[i].line && strcmp(out.repeats[i].line, text) == 0)
			return ++out.repeats[i].n <= REPEATS_PER_MINUTE;
	r = &out.repeats[out.next++ % REPEATS_KEPT];
	flush_repeat(r);
	*r = (struct repeat){ g_strdup(text), now, 1, level };
	return true;
}

static void vlog(enum log_level level, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));

static void vlog(enum log_level level, const char *fmt, va_list ap)
{
	char *text;

	if (level > out.level)
		return;
	text = g_strdup_vprintf(fmt, ap);
	if (admit(level, text))
		emit(level, text);
	g_free(text);
}

#define LOG_FUNCTION(name, level)		\
	void name(const char *fmt, ...)		\
	{					\
		va_list ap;			\
		va_start(ap, fmt);		\
		vlog(level, fmt, ap);		\
		va_end(ap);			\
	}
LOG_FUNCTION(log_error, LOG_ERROR)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_debug, LOG_DEBUG_)
#undef LOG_FUNCTION

void log_close(void)
{
	for (unsigned i = 0; i < REPEATS_KEPT; i++)
		flush_repeat(&out.repeats[i]);
}
