/* Recorded events for backtest and diff: a file of CloudEvents, a Kafka topic, or the
 * daemon's journal. */
#ifndef CMD_RETRAINCTL_RECORDED_H
#define CMD_RETRAINCTL_RECORDED_H

#include "cmd/config.h"
#include "cmd/retrainctl/ctl.h"
#include "replay/backtest.h"

/* ORDER RECORDED_ROWS.  How the events are given on the command line. */
struct recorded_words {
	char		*file, *topic, *brokers, *since, *from, *to;
	char		*run_time, *run_outcome, *warm;
};
extern struct recorded_words recorded_words;
#define RECORDED_ROWS \
	{ "from-file", 0, 0, G_OPTION_ARG_FILENAME, &recorded_words.file, \
	  "events of this file, one CloudEvent per line", "FILE" }, \
	{ "from-kafka", 0, 0, G_OPTION_ARG_STRING, &recorded_words.topic, \
	  "events of this topic, from its beginning to its end", "TOPIC" }, \
	{ "brokers", 0, 0, G_OPTION_ARG_STRING, &recorded_words.brokers, \
	  "of the topic", "HOST:PORT" }, \
	{ "since", 0, 0, G_OPTION_ARG_STRING, &recorded_words.since, \
	  "from so long ago until now", "DURATION" }, \
	{ "from", 0, 0, G_OPTION_ARG_STRING, &recorded_words.from, \
	  "from then", "RFC3339" }, \
	{ "to", 0, 0, G_OPTION_ARG_STRING, &recorded_words.to, "until then", \
	  "RFC3339" }, \
	{ "run-time", 0, 0, G_OPTION_ARG_STRING, &recorded_words.run_time, \
	  "how long a run takes", "DURATION" }, \
	{ "run-outcome", 0, 0, G_OPTION_ARG_STRING, &recorded_words.run_outcome, \
	  "completed (default), promoted, rejected, failed, aborted", "OUTCOME" }, \
	{ "warm", 0, 0, G_OPTION_ARG_STRING, &recorded_words.warm, \
	  "so long before --from windows begin to fill (the longest)", \
	  "DURATION" }

struct recorded {
	struct sim_iter	 iter;
	int64_t		 from_ms, to_ms, warm_ms;	/* as backtest_options has them */
	int64_t		 run_time_ms;	/* -1: not given */
	int64_t		 (*run_time)(struct recorded *, struct str pipeline);	/* or */
	const struct backtest_champion *champions;	/* at from_ms - warm */
	uint32_t	 champions_n;
	const struct catalog *catalog;	/* what rules are to be built with */
	enum run_state	 run_state;
	enum run_outcome run_outcome;
	bool		 (*begin)(struct recorded *, int64_t at_ms, struct err *);
	void		 (*close)(struct recorded *);
	void		*ctx;
	struct config	*config;	/* borrowed */
	const char	*verb;
	bool		 since;		/* from_ms is of --since */
	bool		 bar;		/* a progress bar is on the terminal */
	uint64_t	 refused;
};
/* False: said, *ret_exit is set. */
bool recorded_open(struct ctl *, const char *verb, struct config *, struct recorded *,
    int *ret_exit);
void recorded_close(struct recorded *);
/* What of it belongs into the options; ctx is set to the struct recorded. */
void recorded_options(struct recorded *, struct backtest_options *);
/* With the rules' longest window, where --warm does not say: before the first pass. */
bool recorded_begin(struct recorded *, int64_t window_ms, struct err *);
/* recorded_file.c, recorded_kafka.c, recorded_journal.c; false: *err. */
bool recorded_file(struct recorded *, const char *path, struct err *);
bool recorded_kafka(struct recorded *, const char *topic, const char *brokers,
    struct err *);
/* False: said, *ret_exit is set. */
bool recorded_journal(struct ctl *, struct recorded *, int *ret_exit);
#endif
