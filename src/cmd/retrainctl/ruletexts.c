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

bool ruletexts_read(const char *const *paths, uint32_t n, struct arena *a,
    struct rule_text **ret, uint32_t *ret_n, struct err *err)
{
	struct rule_text *v = NULL, *some;
	uint32_t cap = 0, k;
	struct reload_options o = { 0 };
	struct stat st;

	*ret_n = 0;
	for (uint32_t i = 0; i < n; i++) {
		bool dir = stat(paths[i], &st) == 0 && S_ISDIR(st.st_mode);

		o.dir = paths[i];
		if (dir && !rules_read(&o, a, &some, &k, err))
			return false;
		for (uint32_t x = 0; dir && x < k; x++) {
			v = arena_grow(a, v, *ret_n, &cap, sizeof(*v));
			v[(*ret_n)++] = some[x];
		}
		if (dir)
			continue;
		v = arena_grow(a, v, *ret_n, &cap, sizeof(*v));
		if (!read_file(paths[i], a, &v[*ret_n], err))
			return false;
		(*ret_n)++;
	}
	*ret = v;
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
