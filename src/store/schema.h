/* The tables (design 13) and how an older file becomes the newest. */
#ifndef STORE_SCHEMA_H
#define STORE_SCHEMA_H

#include <sqlite3.h>

#include "base/err.h"

#define STORE_SCHEMA 2
#define STORE_APPLICATION_ID 0x52545244	/* "RTRD" */

/* Creates the tables, or checks their version; *fresh tells which.  ERR_USAGE: the
 * file is newer than this program. */
bool schema_open(sqlite3 *, bool *fresh, struct err *);
#endif
