/* Fixed-size error: reporting cannot fail, nothing to free, and a zeroed
 * struct is "no error".  Message: lower case, no full stop, quotes around
 * user text, what was expected. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdbool.h>

enum err_code {
	ERR_NONE = 0,
	ERR_SYNTAX,		/* the input is malformed */
	ERR_LIMIT,		/* a bound was exceeded */
	ERR_CONFLICT,		/* the state does not allow it */
	ERR_NOT_FOUND,
	ERR_FULL,		/* no space: try again later */
	ERR_IO,
	ERR_CORRUPT,
	ERR_UNAVAILABLE,	/* the other side is not there now */
	ERR_DENIED,
	ERR_USAGE,
};

struct err {
	enum err_code	 code;
	unsigned	 line, col;	/* 1-based; line 0: no source position */
	char		 msg[400];	/* outermost context first */
};

/* Both return false, so a failing path is one line: return err_set(e, ...); */
bool err_set(struct err *, enum err_code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
bool err_in(struct err *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#endif
