/* The daemon's parts, opened in the order of the floors and closed in reverse. */
#ifndef CMD_RETRAIND_H
#define CMD_RETRAIND_H

#include "cmd/config.h"
#include "cmd/fingerprint.h"
#include "io/loop.h"
#include "io/pool.h"

enum { EXIT_STOPPED = 0, EXIT_RUNTIME = 1, EXIT_CONFIG = 2, EXIT_LOCKED = 3 };

struct daemon {
	const char	*config_path, *dir;	/* as given; may be NULL */
	struct config	*config;
	struct loop	*loop;
	struct pool	*helper, *readers, *checkpointer;
	struct store	*store;
	struct exec	*exec;
	struct turn	*turn;
	struct source	**sources;
	uint32_t	 sources_n;
	struct reload	*reload;
	struct sweep	*sweep;
	struct api	*api;
	struct io_watch	*signals[3], *watchdog;
	char		*fingerprint;
	bool		 container;	/* PID 1 of its namespace is our parent */
	bool		 stopping;
	int		 status;	/* to exit with */
};
/* retraind_parts.c */
bool parts_open(struct daemon *, bool force);
void parts_close(struct daemon *);
/* retraind_signals.c */
void signals_open(struct daemon *);
void signals_close(struct daemon *);
void notify_ready(struct daemon *);
void daemon_stop(struct daemon *, int status);
/* As PID 1: forks once before any thread; the parent forwards signals, reaps and
 * never returns.  True in the child. */
bool pid1_split(void);
#endif
