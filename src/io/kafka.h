/* A Kafka consumer handle: librdkafka with its blocking calls on the helper and its
 * queue on the loop.  All calls are made on the loop's thread.
 *
 * Life: new -> survey (makes the client, asks for topics and offsets; may be repeated)
 * -> assign, once -> read ... close.  Positions are changed by a new handle, never by
 * seek or pause, because batch calls of librdkafka 2.0 skip offsets beside them. */
#ifndef IO_KAFKA_H
#define IO_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <stdbool.h>

#include "base/err.h"

struct loop;
struct pool;
struct kafka;

struct kafka_setting {		/* both allocated; the value may be a secret */
	char		*name, *value;
};
struct kafka_topic {
	char		*name;
	bool		 missing;	/* the cluster has no such topic */
	int32_t		 n;		/* partitions */
	int64_t		*low, *high;	/* offsets per partition, if asked for */
};
struct kafka_survey {
	bool		 ok;		/* every broker asked has answered */
	char		 why[256];	/* if not */
	char		*cluster;	/* id, or NULL */
	struct kafka_topic *topics;
	uint32_t	 n;
};
struct kafka_host {
	struct loop	*loop;
	struct pool	*helper;
	const char	*label;		/* for log lines; copied */
	void		(*on_readable)(void *);
	/* The survey is lent for the call. */
	void		(*on_survey)(void *, const struct kafka_survey *);
	/* No broker is reachable; called from inside kafka_read(). */
	void		(*on_down)(void *, const char *why);
	void		*ctx;
};

/* Are these settings ones that librdkafka takes?  Connects to nothing. */
bool kafka_settings_check(const struct kafka_setting *, uint32_t n, struct err *);
/* Takes the settings and wipes them after use. */
struct kafka *kafka_new(const struct kafka_host *, struct kafka_setting *, uint32_t n);
void kafka_settings_free(struct kafka_setting *, uint32_t n);
/* Asks on the helper; on_survey answers, always.  `ends`: with offsets.  False: one
 * is under way or the helper is full. */
bool kafka_survey(struct kafka *, const char *const *topics, uint32_t n, bool ends);
/* Starts fetching.  After a survey that was ok. */
bool kafka_assign(struct kafka *, const rd_kafka_topic_partition_list_t *, struct err *);
/* Up to n messages without waiting; the wake-up is an edge, so after one that gave
 * any it has to be called again until it gives none. */
uint32_t kafka_read(struct kafka *, rd_kafka_message_t **, uint32_t n);
/* End of a partition as the last fetch saw it, or -1. */
int64_t kafka_high(struct kafka *, const char *topic, int32_t partition);
/* Reports positions to the group of the settings, without waiting for an answer. */
void kafka_report(struct kafka *, const rd_kafka_topic_partition_list_t *);
/* Every message read must have been destroyed.  NULL is fine; no callback follows. */
void kafka_close(struct kafka *);
#endif
