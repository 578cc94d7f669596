/* The partitions of a kafka source and their positions.
 *
 * A partition is never removed while the cluster is the same: one that is not wanted,
 * or whose topic is not configured any more, keeps its stored position.
 */
#include "source/kafka_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "source/kafka_settings.h"

#define CLUSTER_PART	"@cluster"	/* no topic can be called so */

static void part_free(void *p)
{
	struct part *part = p;

	g_free(part->name);
	g_free(part->topic);
	g_free(part);
}

void parts_init(struct parts *p, const struct kafka_options *options)
{
	*p = (struct parts){ .options = options };
	p->v = g_ptr_array_new_with_free_func(part_free);
	p->absent = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

void parts_fini(struct parts *p)
{
	g_ptr_array_free(p->v, true);
	g_hash_table_destroy(p->absent);
	g_free(p->cluster);
}

struct part *parts_find(const struct parts *p, const char *topic, int32_t partition)
{
	for (uint32_t i = 0; i < p->v->len; i++) {
		struct part *part = parts_at(p, i);

		if (part->partition == partition && strcmp(part->topic, topic) == 0)
			return part;
	}
	return NULL;
}

struct part *parts_add(
    struct parts *p, const char *topic, int32_t partition, int64_t next)
{
	struct part *part = g_new0(struct part, 1);

	part->name = g_strdup_printf("%s/%" PRId32, topic, partition);
	part->topic = g_strdup(topic);
	part->partition = partition;
	part->next = next;
	part->stored = -1;
	part->wanted = kafka_topic_wanted(p->options, topic) &&
	    kafka_partition_wanted(&p->options->partitions, partition);
	g_ptr_array_add(p->v, part);
	return part;
}

static int64_t number(struct str s)
{
	char text[24];

	snprintf(text, sizeof(text), "%.*s", STR_ARG(s));
	return g_ascii_strtoll(text, NULL, 10);
}

void parts_resume(struct parts *p, struct str part, struct str position)
{
	const char *slash = part.len ? memrchr(part.p, '/', part.len) : NULL;
	struct part *added;
	struct str tail;
	char *topic;

	if (str_is(part, STR(CLUSTER_PART))) {
		g_free(p->cluster);
		p->cluster = g_strndup(position.p, position.len);
		return;
	}
	if (!slash) {
		g_hash_table_add(p->absent, g_strndup(part.p, part.len));
		return;
	}
	topic = g_strndup(part.p, (gsize)(slash - part.p));
	tail = (struct str){ slash + 1, (uint32_t)(part.p + part.len - slash - 1) };
	added = parts_add(p, topic, (int32_t)number(tail), number(position));
	added->stored = added->next;
	g_free(topic);
}

void parts_cut(struct parts *p, source_cut_f f, void *ctx)
{
	GHashTableIter it;
	void *topic;
	char text[24];

	if (p->cluster_dirty)
		f(ctx, STR(CLUSTER_PART), str_of(p->cluster));
	if (p->absent_dirty) {
		g_hash_table_iter_init(&it, p->absent);
		while (g_hash_table_iter_next(&it, &topic, NULL))
			f(ctx, str_of(topic), STR("absent"));
	}
	p->cluster_dirty = p->absent_dirty = false;
	for (uint32_t i = 0; i < p->v->len; i++) {
		struct part *part = parts_at(p, i);

		if (part->next == part->stored)
			continue;
		snprintf(text, sizeof(text), "%" PRId64, part->next);
		f(ctx, str_of(part->name), str_of(text));
		part->stored = part->next;
	}
}

/* Most messages follow one of the same partition. */
struct part *parts_of(struct parts *p, const rd_kafka_message_t *m)
{
	struct part *part = p->last;

	if (part && part->rkt == m->rkt && part->partition == m->partition)
		return part;
	if (!m->rkt)
		return NULL;
	for (uint32_t i = 0; i < p->v->len; i++) {
		part = parts_at(p, i);
		if (part->rkt == m->rkt && part->partition == m->partition)
			return p->last = part;
	}
	part = parts_find(p, rd_kafka_topic_name(m->rkt), m->partition);
	if (part)
		part->rkt = m->rkt;
	return p->last = part;
}

bool parts_know(const struct parts *p, const char *topic)
{
	for (uint32_t i = 0; i < p->v->len; i++)
		if (strcmp(parts_at(p, i)->topic, topic) == 0)
			return true;
	return g_hash_table_contains(p->absent, topic);
}

void parts_miss(struct parts *p, const char *topic)
{
	g_hash_table_add(p->absent, g_strdup(topic));
	p->absent_dirty = true;
}

bool parts_set_cluster(struct parts *p, const char *id)
{
	bool other = id && p->cluster && strcmp(id, p->cluster) != 0 && p->v->len > 0;

	if (!id || g_strcmp0(id, p->cluster) == 0)
		return false;
	if (other) {
		g_ptr_array_set_size(p->v, 0);
		g_hash_table_remove_all(p->absent);
		p->last = NULL;
	}
	g_free(p->cluster);
	p->cluster = g_strdup(id);
	p->cluster_dirty = true;
	return other;
}

void parts_detach(struct parts *p)
{
	p->last = NULL;
	for (uint32_t i = 0; i < p->v->len; i++) {
		parts_at(p, i)->rkt = NULL;
		parts_at(p, i)->eof = 0;
	}
}

void parts_measure(struct parts *p)
{
	p->behind = 0;
	for (uint32_t i = 0; i < p->v->len; i++) {
		struct part *part = parts_at(p, i);

		part->behind = part->wanted && !part->stopped &&
		    MAX(part->next, part->eof) < part->end;
		p->behind += part->behind;
	}
}

bool parts_reached(struct parts *p, struct part *part)
{
	if (!part->behind || (!part->stopped && MAX(part->next, part->eof) < part->end))
		return false;
	part->behind = false;
	return --p->behind == 0;
}

rd_kafka_topic_partition_list_t *parts_list(const struct parts *p, bool stored)
{
	rd_kafka_topic_partition_list_t *list =
	    rd_kafka_topic_partition_list_new((int)p->v->len);

	for (uint32_t i = 0; i < p->v->len; i++) {
		const struct part *part = parts_at(p, i);

		if (part->wanted && !part->stopped)
			rd_kafka_topic_partition_list_add(
			    list, part->topic, part->partition)
			    ->offset = stored ? part->stored : part->next;
	}
	return list;
}

int64_t parts_lag(const struct parts *p, struct kafka *handle)
{
	int64_t lag = 0;

	for (uint32_t i = 0; i < p->v->len; i++) {
		const struct part *part = parts_at(p, i);
		int64_t high;

		if (!part->wanted)
			continue;
		high = MAX(part->end, kafka_high(handle, part->topic, part->partition));
		lag += MAX(0, high - MAX(part->next, part->eof));
	}
	return lag;
}
