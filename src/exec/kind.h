/* Inside exec: the process kind, and what the host gives it beyond the ABI. */
#ifndef EXEC_KIND_H
#define EXEC_KIND_H

#include <stdbool.h>

#include <glib.h>

#include <retrain/plugin.h>

struct loop;
struct option;

extern const struct retrain_executor exec_process;

struct loop *exec_host_loop(const struct retrain_host *);
/* SIGTERM to every shim, without an abort file: their steps end as interrupted. */
void process_interrupt(void *);
unsigned process_running(const void *);
/* Adds `"name":value` for each row of the table to an open object. */
void options_json_add(GString *, const struct option *, const void *filled);
bool exec_key_valid(const char *);	/* "rt-" + 20 of a-z 2-7 */
#endif
