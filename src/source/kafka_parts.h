/* The partitions of a kafka source and their positions (private to this floor).
 *
 * What is stored, by part: "topic/partition" the offset read next, "topic" the word
 * absent where the topic was missing once, "@cluster" the id all of it belongs to. */
#ifndef SOURCE_KAFKA_PARTS_H
#define SOURCE_KAFKA_PARTS_H

#include <glib.h>

#include "io/kafka.h"
#include "source/options.h"
#include "source/source.h"

struct part {
	char		*name;		/* "topic/partition" */
	char		*topic;
	int32_t		 partition;
	const rd_kafka_topic_t *rkt;	/* of this handle, once a message came */
	int64_t		 next;		/* offset that is read next */
	int64_t		 stored;	/* `next` as of the last cut; -1: never */
	int64_t		 eof;		/* end met, beyond markers that are no messages */
	int64_t		 end;		/* end at the last connect */
	int64_t		 last_ms;	/* boot time of the last message; 0: none */
	bool		 wanted, behind, stopped, hole_told, idle;
};
struct parts {
	const struct kafka_options *options;
	GPtrArray	*v;		/* of struct part, in order of discovery */
	struct part	*last;		/* of the last message */
	GHashTable	*absent;	/* topics missing once: they start at 0 */
	char		*cluster;	/* id, or NULL */
	bool		 cluster_dirty, absent_dirty;
	uint32_t	 behind;	/* partitions that have not reached `end` */
};

void parts_init(struct parts *, const struct kafka_options *);
void parts_fini(struct parts *);
void parts_resume(struct parts *, struct str part, struct str position);
void parts_cut(struct parts *, source_cut_f, void *);
static inline struct part *parts_at(const struct parts *p, uint32_t i)
{
	return g_ptr_array_index(p->v, i);
}
struct part *parts_find(const struct parts *, const char *topic, int32_t partition);
struct part *parts_add(
    struct parts *, const char *topic, int32_t partition, int64_t next);
/* The partition of a message; NULL: not one of ours. */
struct part *parts_of(struct parts *, const rd_kafka_message_t *);
/* Has this topic been seen, or been seen to be missing? */
bool parts_know(const struct parts *, const char *topic);
void parts_miss(struct parts *, const char *topic);
/* Another cluster has other offsets: true, and everything is forgotten. */
bool parts_set_cluster(struct parts *, const char *id);
/* A new handle: nothing is known of its topics yet. */
void parts_detach(struct parts *);
/* Counts who is behind the ends that a survey found. */
void parts_measure(struct parts *);
/* The partition moved; true if it was the last that was behind. */
bool parts_reached(struct parts *, struct part *);
/* To be assigned at their next offsets, or reported at their stored ones. */
rd_kafka_topic_partition_list_t *parts_list(const struct parts *, bool stored);
int64_t parts_lag(const struct parts *, struct kafka *);
#endif
