/* check: rule files, without a daemon; the same code path as a reload. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "cmd/config.h"
#include "cmd/retrainctl/check_journal.h"
#include "cmd/retrainctl/ctl.h"

static gboolean strict, with_journal;
static char *state;

static const GOptionEntry rows[] = {
	{ "strict", 0, 0, G_OPTION_ARG_NONE, &strict, "exit 3 if there is a warning",
	  NULL },
	{ "with-journal", 0, 0, G_OPTION_ARG_NONE, &with_journal,
	  "try the rules on recorded events, and warn of what never happened", NULL },
	{ "state", 0, 0, G_OPTION_ARG_FILENAME, &state,
	  "with --with-journal: state directory (of the configuration)", "DIR" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

static bool read_file(const char *path, struct arena *a, struct rule_text *ret)
{
	GError *e = NULL;
	char *bytes, *dir, *full;
	gsize n;

	if (!g_file_get_contents(path, &bytes, &n, &e)) {
		fprintf(stderr, "retrainctl check: %s\n", e->message);
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

/* Files as they are; of a directory the files a daemon would load. */
static bool gather(const struct config *c, int argc, char **argv, struct arena *a,
    struct rule_text **ret, uint32_t *ret_n)
{
	struct rule_text *v = NULL, *some;
	uint32_t n = 0, cap = 0, k;
	struct reload_options o;
	struct err err = { 0 };
	struct stat st;

	config_reload_options(c, &o);
	char *fallback[] = { (char *)(uintptr_t)o.dir };
	if (!argc) {
		argc = 1;
		argv = fallback;
	}
	for (int i = 0; i < argc; i++) {
		if (stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode)) {
			o.dir = argv[i];
			if (!rules_read(&o, a, &some, &k, &err)) {
				fprintf(stderr, "retrainctl check: %s\n", err.msg);
				return false;
			}
			for (uint32_t x = 0; x < k; x++) {
				v = arena_grow(a, v, n, &cap, sizeof(*v));
				v[n++] = some[x];
			}
			continue;
		}
		v = arena_grow(a, v, n, &cap, sizeof(*v));
		if (!read_file(argv[i], a, &v[n]))
			return false;
		n++;
	}
	*ret = v;
	*ret_n = n;
	return true;
}

static int report(struct ctl *c, struct diags *d, const struct ruleset *rs)
{
	GString *s = g_string_new(NULL);
	uint32_t warnings = diags_warnings(d);

	diags_sort(d);
	if (c->format == FORMAT_JSON) {
		diags_json(d, s);
		puts(s->str);
	} else {
		diags_render(d, s);
		fputs(s->str, stdout);
		if (rs)
			printf("ok: %u rules, %u pipelines, %u warnings\n", rs->rules_n,
			    rs->pipelines_n, warnings);
		else
			printf("%u errors, %u warnings\n", diags_errors(d), warnings);
	}
	g_string_free(s, TRUE);
	return !rs ? CTL_NO : strict && warnings ? CTL_LINT : CTL_OK;
}

static int run(struct ctl *c, int argc, char **argv)
{
	GString *why = g_string_new(NULL);
	struct config *cfg = config_read(c->config, c->dir, why);
	struct arena *a = arena_new(0);
	struct rule_text *v = NULL;
	uint32_t n = 0;
	int status = CTL_USAGE;

	fputs(why->str, stderr);
	g_string_free(why, TRUE);
	if (cfg && gather(cfg, argc, argv, a, &v, &n)) {
		struct text *names = ARENA_ARRAY(a, struct text, n);
		for (uint32_t i = 0; i < n; i++)
			names[i] = (struct text){ v[i].name, v[i].bytes };
		struct diags *d = diags_new(names, n);
		/* without a config file, instances are not known */
		struct ruleset *rs = ruleset_build(v, n, cfg->path[0] ? &cfg->catalog :
		    &catalog_kinds, d);
		if (rs)
			ruleset_lint(rs, d);
		if (!rs || !with_journal || check_journal(c, state, rs, d, &status))
			status = report(c, d, rs);
		ruleset_unref(rs);
		diags_free(d);
	}
	arena_free(a);
	config_free(cfg);
	return status;
}

const struct verb verb_check = {
	.name = "check",
	.args = "[FILE|DIR...] [--strict] [--with-journal]",
	.summary = "check rule files: every error and warning at once",
	.help = "Without arguments the configured rules directory is checked.",
	.rows = rows,
	.offline = true,
	.run = run,
};
