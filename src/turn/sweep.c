/* Sweeping run directories: oldest ended ones first, never a champion's.
 *
 *	timer ─► helper: which keys have ended, how large is each ─► rm in a child
 *
 * Only directories of attempts that the database knows as ended are touched; what it
 * does not know, or what is not ended, stays.  Deleting a tree takes as long as it
 * takes, so it is a child's work; rm follows no symbolic link. */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <glib.h>
#include <jansson.h>

#include "base/time.h"
#include "io/clock.h"
#include "io/log.h"
#include "io/loop.h"
#include "io/metrics.h"
#include "io/pool.h"
#include "io/spawn.h"
#include "store/query.h"
#include "turn/sweep.h"

#define FIRST_MS 1000
#define EVERY_MS 600000
#define AT_ONCE 200		/* directories per child */

struct sweep {
	struct loop	*loop;
	struct pool	*helper;
	struct io_watch	*timer;
	struct child	*child;
	struct look	*look;		/* with the helper now; NULL: none */
	char		*database, *runs_dir;
	int64_t		 keep_ms, keep_bytes;
};
struct look {			/* owned by the helper, then by the loop */
	const struct sweep *s;	/* its texts and bounds alone, which never change */
	int64_t		 now_ms;
	GPtrArray	*paths;	/* char *: what may go */
	int64_t		 bytes;	/* of all run directories */
};

static _Thread_local int64_t tree_sum;	/* nftw() has no argument of ours */

static int add_size(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)path;
	(void)type;
	(void)at;
	tree_sum += st->st_blocks * 512;
	return 0;
}

static int64_t tree_bytes(const char *path)
{
	tree_sum = 0;
	nftw(path, add_size, 16, FTW_PHYS);
	return tree_sum;
}

/* Sizes of the directories that are there, by key; the sum of all, and the oldest
 * change: no step whose directory is still there ended before it. */
static GHashTable *measure(const char *dir, int64_t *sum, int64_t *oldest_ms)
{
	GHashTable *sizes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
	    g_free);
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;
	struct stat st;

	*sum = 0;
	*oldest_ms = INT64_MAX;
	while (d && (name = g_dir_read_name(d))) {
		char *path = g_build_filename(dir, name, NULL);
		int64_t *n = g_new(int64_t, 1);

		*n = tree_bytes(path);
		*sum += *n;
		if (lstat(path, &st) == 0)
			*oldest_ms = MIN(*oldest_ms, (int64_t)st.st_mtime * 1000);
		g_hash_table_insert(sizes, g_strdup(name), n);
		g_free(path);
	}
	if (d)
		g_dir_close(d);
	return sizes;
}

static void choose(struct look *l, GHashTable *sizes, int64_t sum, const json_t *ended)
{
	const struct sweep *s = l->s;
	const json_t *row;
	int64_t finished;
	size_t i;

	json_array_foreach(ended, i, row) {
		const char *key = json_string_value(json_object_get(row, "key"));
		const char *at = json_string_value(json_object_get(row, "finished"));
		const int64_t *size = key ? g_hash_table_lookup(sizes, key) : NULL;

		if (!size || !at || !time_parse(str_of(at), &finished, NULL))
			continue;
		if (finished > l->now_ms - s->keep_ms && sum <= s->keep_bytes)
			continue;
		sum -= *size;
		g_ptr_array_add(l->paths, g_build_filename(s->runs_dir, key, NULL));
		if (l->paths->len == AT_ONCE)
			break;
	}
}

static void *look(void *arg)
{
	struct look *l = arg;
	struct err err = { 0 };
	struct reader_db *db = reader_open(l->s->database, &err);
	struct query q = { .kind = QUERY_ENDED };
	int64_t sum;
	GHashTable *sizes = measure(l->s->runs_dir, &sum, &q.since_ms);

	l->bytes = sum;
	GString *json = g_string_new(NULL);
	json_t *ended = NULL;

	if (db && query_run(db, &q, json, &err))
		ended = json_loadb(json->str, json->len, JSON_ALLOW_NUL, NULL);
	if (ended)
		choose(l, sizes, sum, ended);
	json_decref(ended);
	g_hash_table_destroy(sizes);
	g_string_free(json, TRUE);
	reader_close(db);
	return l;
}

static void on_removed(void *arg, struct child *c, int status)
{
	struct sweep *s = arg;

	(void)c;
	s->child = NULL;
	if (status)
		log_warn("some run directories could not be removed (rm: status %d)",
		    status);
	io_watch_after(s->timer, status ? EVERY_MS : FIRST_MS);	/* there may be more */
}

static void remove_all(struct sweep *s, const GPtrArray *paths)
{
	GPtrArray *argv = g_ptr_array_new();
	char *envp[] = { NULL };
	struct spawn_options o = { .path = "/bin/rm", .exec_fd = -1, .envp = envp,
		.in = -1, .out = -1, .err = -1 };
	struct err err = { 0 };

	g_ptr_array_add(argv, (char *)(uintptr_t)"rm");
	g_ptr_array_add(argv, (char *)(uintptr_t)"-rf");
	g_ptr_array_add(argv, (char *)(uintptr_t)"--");
	for (unsigned i = 0; i < paths->len; i++)
		g_ptr_array_add(argv, g_ptr_array_index(paths, i));
	g_ptr_array_add(argv, NULL);
	o.argv = (char *const *)argv->pdata;
	s->child = spawn_child(s->loop, &o, on_removed, s, &err);
	if (!s->child) {
		log_warn("run directories stay: %s", err.msg);
		io_watch_after(s->timer, EVERY_MS);
	} else {
		log_info("removing %u directories of ended runs", paths->len);
	}
	g_ptr_array_free(argv, TRUE);
}

static void on_looked(void *arg, void *ret)
{
	struct sweep *s = arg;
	struct look *l = s->look;	/* ret is NULL where the helper ended before */

	s->look = NULL;
	if (ret)
		metric_set("store_bytes", (double)l->bytes, "part", "runs", NULL);
	if (ret && l->paths->len)
		remove_all(s, l->paths);
	else
		io_watch_after(s->timer, EVERY_MS);
	g_ptr_array_free(l->paths, TRUE);
	g_free(l);
}

static void on_timer(void *arg)
{
	struct sweep *s = arg;
	struct look *l = g_new0(struct look, 1);

	*l = (struct look){ .s = s, .now_ms = clock_read().wall_ms,
		.paths = g_ptr_array_new_with_free_func(g_free) };
	if (pool_run(s->helper, look, on_looked, l, s)) {
		s->look = l;
		return;
	}
	g_ptr_array_free(l->paths, TRUE);
	g_free(l);
	io_watch_after(s->timer, EVERY_MS);
}

struct sweep *sweep_new(struct loop *loop, struct pool *helper,
    const struct sweep_options *o)
{
	struct sweep *s = g_new0(struct sweep, 1);

	s->loop = loop;
	s->helper = helper;
	s->database = g_strdup(o->database);
	s->runs_dir = g_strdup(o->runs_dir);
	s->keep_ms = o->keep_ms;
	s->keep_bytes = o->keep_bytes;
	s->timer = loop_timer(loop, on_timer, s);
	io_watch_after(s->timer, FIRST_MS);
	return s;
}

void sweep_free(struct sweep *s)
{
	if (!s)
		return;
	child_forget(s->child);
	io_watch_free(s->timer);
	g_free(s->database);
	g_free(s->runs_dir);
	g_free(s);
}
