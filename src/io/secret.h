/* Secrets by file, environment or systemd credential; never a plain string. */
#ifndef IO_SECRET_H
#define IO_SECRET_H

#include <glib.h>

#include "base/err.h"
#include "base/option.h"

/* Reads it now (they are reread at each connect).  Relative files are below `dir`.
 * One trailing newline is dropped; a file writable by others is refused, readable by
 * others warned about.  The caller frees with secret_free(). */
bool secret_read(const struct option_secret *, const char *dir, char **ret,
		 size_t *ret_len, struct err *);
void secret_free(char *, size_t);	/* wipes */
#endif
