/* Invariants that stay on in release: a broken one prints the expression and
 * ends the process, because the state is in the database and a restart is the
 * recovery path.  check_failed() is the one place in the pure floors that
 * writes anything (it ends in g_error()); it never returns. */
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

void check_failed(const char *expr, const char *func, const char *file, int line)
    __attribute__((noreturn));

#define CHECK(c) ((c) ? (void)0 : check_failed(#c, __func__, __FILE__, __LINE__))
#endif
