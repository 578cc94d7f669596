/* Messages of which the journal keeps only the position, out of the log that keeps them.
 * One reader per source of the configuration, opened when it is first asked for. */
#include "cmd/retrainctl/history.h"
#include "source/kafka_fetch.h"

static void close_fetch(void *f)
{
	kafka_fetch_free(f);
}

static const struct config_instance *source_of(const struct config *c, uint32_t id)
{
	for (uint32_t i = 0; i < c->instances_n; i++) {
		const struct config_instance *in = &c->instances[i];

		if (in->kind->what == CATALOG_SOURCE && in->id == id)
			return in;
	}
	return NULL;
}

bool history_may_fetch(const struct history *h)
{
	for (uint32_t i = 0; i < h->config->instances_n; i++)
		if (strcmp(h->config->instances[i].kind->name, "kafka") == 0)
			return true;
	return false;
}

bool history_fetch(void *history, struct message *m, struct arena *a, struct err *err)
{
	struct history *h = history;
	const struct config_instance *in = source_of(h->config, m->source);
	gpointer id = GUINT_TO_POINTER(m->source);
	struct kafka_fetch *f;

	if (!in || strcmp(in->kind->name, "kafka") != 0)
		return err_set(err, ERR_NOT_FOUND, "the journal keeps the position of the"
		    " message of %.*s at %lld, and its source is no kafka source of the"
		    " configuration any more", STR_ARG(m->part), (long long)m->pos);
	if (!h->fetch)
		h->fetch = g_hash_table_new_full(NULL, NULL, NULL, close_fetch);
	f = g_hash_table_lookup(h->fetch, id);
	if (!f) {
		f = kafka_fetch_new(in->options, in->name, h->config->dir, err);
		if (!f)
			return false;
		g_hash_table_insert(h->fetch, id, f);
	}
	return kafka_fetch_message(f, m, a, err);
}
