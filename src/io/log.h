/* Logs: stderr as logfmt, or the systemd journal when JOURNAL_STREAM names stderr.
 * Control characters are escaped; a repeated line appears at most 10 times a minute
 * (then its count).  Writing happens on the caller's thread.  Pure floors never log. */
#ifndef IO_LOG_H
#define IO_LOG_H

enum log_level { LOG_ERROR = 1, LOG_WARN, LOG_INFO, LOG_DEBUG_ };

void log_open(enum log_level, const char *format);	/* "auto", "journal", "logfmt" */
/* ts=... level=warn msg="source events: broker down, next try in 4 s" */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_close(void);		/* prints pending counts of repeated lines */
#endif
