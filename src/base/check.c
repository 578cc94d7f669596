/* The end of the process when an invariant is broken.  g_error() aborts. */
#include "base/check.h"

#include <glib.h>

void check_failed(const char *expr, const char *func, const char *file, int line)
{
	g_error("%s:%d: %s: broken invariant: %s", file, line, func, expr);
}
