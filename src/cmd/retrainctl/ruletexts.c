/* Rule files for the verbs that try rules without a daemon: test, backtest, diff. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "cmd/config.h"
#include "cmd/retrainctl/ctl.h"
#include "cmd/retrainctl/ruletexts.h"

static bool read_file(const char *path, struct arena *a, struct rule_text *ret,
    struct err *err)
{
	GError *e = NULL;
	char *bytes, *dir, *full;
	gsize n;

	if (!g_file_get_contents(path, &bytes, &n, &e)) {
		err_set(err, ERR_IO, "%s", e->message);
		g_error_free(e);
		return false;
	}
	full = g_canonicalize_filename(path, NULL);
	dir = g_path_get_dirname(full);
	*ret = (struct rule_text){ .bundle = STR(""), .name = arena_str(a, str_of(path)),
		.dir = arena_str(a, str_of(dir)),
		.bytes = arena_str(a, (struct str){ bytes, (uint32_t)n }) };
	g_free(bytes);
	g_free(dir);
	g_free(full);
	return true;
}

struct list {
	struct arena	*a;
	struct rule_text *v;
	uint32_t	 n, cap;
};

static void add(struct list *l, const struct rule_text *t)
{
	for (uint32_t i = 0; i < l->n; i++)
		if (str_is(l->v[i].dir, t->dir) && str_is(l->v[i].name, t->name))
			return;
	l->v = arena_grow(l->a, l->v, l->n, &l->cap, sizeof(*l->v));
	l->v[l->n++] = *t;
}

static gint by_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* What a rule file takes from its directory without being asked: the defaults, and the
 * calendars that it may name. */
static bool add_beside(struct list *l, const char *path, struct err *err)
{
	g_autofree char *dir = g_path_get_dirname(path);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	GDir *d = g_dir_open(dir, 0, NULL);
	const char *name;
	bool ok = true;

	while (d && (name = g_dir_read_name(d)))
		if (strcmp(name, "defaults.yaml") == 0 || g_str_has_suffix(name, ".ics"))
			g_ptr_array_add(names, strcmp(dir, ".") == 0 ? g_strdup(name) :
			    g_build_filename(dir, name, NULL));
	if (d)
		g_dir_close(d);
	g_ptr_array_sort(names, by_text);
	for (guint i = 0; ok && i < names->len; i++) {
		struct rule_text t;

		ok = read_file(names->pdata[i], l->a, &t, err);
		t.companion = ok && g_str_has_suffix(names->pdata[i], ".ics");
		if (ok)
			add(l, &t);
	}
	g_ptr_array_free(names, TRUE);
	return ok;
}

static bool add_path(struct list *l, const char *path, struct err *err)
{
	struct reload_options o = { .dir = path };
	struct rule_text *some, one;
	struct stat st;
	uint32_t n;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		if (!read_file(path, l->a, &one, err))
			return false;
		add(l, &one);
		return add_beside(l, path, err);
	}
	if (!rules_read(&o, l->a, &some, &n, err))
		return false;
	for (uint32_t i = 0; i < n; i++)
		add(l, &some[i]);
	return true;
}

bool ruletexts_read(const char *const *paths, uint32_t n, struct arena *a,
    struct rule_text **ret, uint32_t *ret_n, struct err *err)
{
	struct list l = { .a = a };

	for (uint32_t i = 0; i < n; i++)
		if (!add_path(&l, paths[i], err))
			return false;
	*ret = l.v;
	*ret_n = l.n;
	return true;
}

struct ruleset *ruletexts_build(const struct rule_text *v, uint32_t n,
    const struct catalog *catalog, struct arena *a, GString *why)
{
	struct text *names = ARENA_ARRAY(a, struct text, n + 1);
	struct diags *d;
	struct ruleset *rs;

	for (uint32_t i = 0; i < n; i++)
		names[i] = (struct text){ v[i].name, v[i].bytes };
	d = diags_new(names, n);
	rs = ruleset_build(v, n, catalog, d);
	if (!rs) {
		diags_sort(d);
		diags_render(d, why);
	}
	diags_free(d);
	return rs;
}
