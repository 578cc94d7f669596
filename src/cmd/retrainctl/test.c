/* test: rule tests in virtual time, without a daemon. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/json.h"
#include "cmd/config.h"
#include "cmd/retrainctl/ctl.h"
#include "cmd/retrainctl/ruletexts.h"
#include "replay/rtest.h"

static char *only, *junit;
static gboolean whole;

static const GOptionEntry rows[] = {
	{ "run", 0, 0, G_OPTION_ARG_STRING, &only,
	  "only tests whose name matches this regular expression", "RE" },
	{ "junit", 0, 0, G_OPTION_ARG_FILENAME, &junit, "write a JUnit XML report",
	  "FILE" },
	{ "diff", 0, 0, G_OPTION_ARG_NONE, &whole,
	  "in a difference show the lines that are equal, too", NULL },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct session {
	struct ctl	*c;
	GRegex		*only;
	GString		*xml, *json;
	uint32_t	 passed, failed, skipped;
	bool		 broken;	/* a file that cannot be read */
};
struct file {			/* one test file */
	struct session	*s;
	const char	*path;
	char		*dir;
	struct arena	*arena;
	GPtrArray	*fed;	/* char *: files of feeds */
};

static char *beside(const struct file *f, struct str path)
{
	g_autofree char *z = g_strndup(path.p, path.len);

	return g_path_is_absolute(z) ? g_strdup(z) : g_build_filename(f->dir, z, NULL);
}

static bool read_feed(void *ctx, struct str path, struct str *ret, struct err *err)
{
	struct file *f = ctx;
	g_autofree char *full = beside(f, path);
	GError *e = NULL;
	char *bytes;
	gsize n;

	if (!g_file_get_contents(full, &bytes, &n, &e)) {
		err_set(err, ERR_IO, "%s", e->message);
		g_error_free(e);
		return false;
	}
	g_ptr_array_add(f->fed, bytes);
	if (n > UINT32_MAX)
		return err_set(err, ERR_LIMIT, "'%s' is larger than 4 GiB", full);
	*ret = (struct str){ bytes, (uint32_t)n };
	return true;
}

static struct ruleset *load_rules(struct file *f, const struct rtest *t, GString *why)
{
	const char **paths = ARENA_ARRAY(f->arena, const char *, t->rules.n + 1);
	struct rule_text *v;
	struct err err = { 0 };
	uint32_t n;

	for (uint32_t i = 0; i < t->rules.n; i++) {
		g_autofree char *path = beside(f, t->rules.v[i]);

		paths[i] = arena_str(f->arena, str_of(path)).p;
	}
	if (!ruletexts_read(paths, t->rules.n, f->arena, &v, &n, &err)) {
		g_string_append_printf(why, "%s\n", err.msg);
		return NULL;
	}
	return ruletexts_build(v, n, &catalog_kinds, f->arena, why);
}

/* ---- reports ---- */

static void put_xml(GString *xml, struct str s)
{
	for (uint32_t i = 0; i < s.len; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == '<')
			g_string_append(xml, "&lt;");
		else if (c == '>')
			g_string_append(xml, "&gt;");
		else if (c == '&')
			g_string_append(xml, "&amp;");
		else if (c == '"')
			g_string_append(xml, "&quot;");
		else if (c >= 0x20 || c == '\n' || c == '\t')
			g_string_append_c(xml, s.p[i]);
	}
}

static void report_xml(const struct file *f, const struct rtest *t,
    const struct rtest_result *r)
{
	GString *x = f->s->xml;

	g_string_append(x, "    <testcase classname=\"");
	put_xml(x, str_of(f->path));
	g_string_append(x, "\" name=\"");
	put_xml(x, t->name);
	g_string_append(x, r->failures ? "\">\n      <failure message=\"" : "\"/>\n");
	if (!r->failures)
		return;
	put_xml(x, (struct str){ r->text->str,
	    (uint32_t)strcspn(r->text->str, "\n") });
	g_string_append(x, "\">");
	put_xml(x, (struct str){ r->text->str, (uint32_t)r->text->len });
	g_string_append(x, "</failure>\n    </testcase>\n");
}

static void report_json(const struct file *f, const struct rtest *t,
    const struct rtest_result *r)
{
	GString *j = f->s->json;

	json_open(j, '{');
	json_key(j, "file"), json_cstr(j, f->path);
	json_key(j, "name"), json_str(j, t->name);
	json_key(j, "ok"), json_bool(j, !r->failures);
	json_key(j, "expectations"), json_i64(j, r->expects);
	json_key(j, "inputs"), json_i64(j, (int64_t)r->inputs);
	json_key(j, "decisions"), json_i64(j, (int64_t)r->decisions);
	json_key(j, "failures"), json_cstr(j, r->failures ? r->text->str : NULL);
	json_close(j, '}');
}

static void report_text(const struct file *f, const struct rtest *t,
    const struct rtest_result *r)
{
	bool color = f->s->c->color;

	printf("%s%s%s %.*s (%u expectations, %llu decisions, %llu inputs)\n",
	    !color ? "" : r->failures ? "\033[31m" : "\033[32m",
	    r->failures ? "FAIL" : "ok  ", color ? "\033[0m" : "", STR_ARG(t->name),
	    r->expects, (unsigned long long)r->decisions,
	    (unsigned long long)r->inputs);
	for (const char *p = r->text->str; *p;) {
		size_t n = strcspn(p, "\n");

		printf("  %.*s\n", (int)n, p);
		p += n + (p[n] == '\n');
	}
}

/* ---- one test, one file ---- */

static void run_test(struct file *f, const struct rtest *t, const struct diags *d)
{
	struct rtest_result r = { .text = g_string_new(NULL) };
	struct rtest_host h = { .catalog = &catalog_kinds, .read = read_feed, .ctx = f,
		.whole = whole };
	struct session *s = f->s;
	g_autofree char *name = g_strndup(t->name.p, t->name.len);

	if (s->only && !g_regex_match(s->only, name, 0, NULL)) {
		s->skipped++;
	} else if (!(h.rules = load_rules(f, t, r.text))) {
		fputs(r.text->str, stderr);
		s->broken = true;
	} else {
		rtest_run(t, d, &h, &r);
		s->passed += !r.failures;
		s->failed += r.failures > 0;
		report_xml(f, t, &r);
		report_json(f, t, &r);
		if (s->c->format != FORMAT_JSON)
			report_text(f, t, &r);
	}
	ruleset_unref(h.rules);
	g_string_free(r.text, TRUE);
}

static void read_tests(struct file *f, struct str bytes)
{
	const struct text text = { str_of(f->path), bytes };
	struct diags *d = diags_new(&text, 1);
	GString *why = g_string_new(NULL);
	uint32_t n = 0;
	struct rtest *v = rtest_read(0, f->arena, d, &n);

	if (!v) {
		diags_sort(d);
		diags_render(d, why);
		fputs(why->str, stderr);
		f->s->broken = true;
	}
	for (uint32_t i = 0; v && i < n; i++)
		run_test(f, &v[i], d);
	g_string_free(why, TRUE);
	diags_free(d);
}

static void run_file(struct session *s, const char *path)
{
	struct file f = { .s = s, .path = path };
	GError *e = NULL;
	char *bytes;
	gsize n;

	if (!g_file_get_contents(path, &bytes, &n, &e)) {
		fprintf(stderr, "retrainctl test: %s\n", e->message);
		g_error_free(e);
		s->broken = true;
		return;
	}
	f.dir = g_path_get_dirname(path);
	f.arena = arena_new(0);
	f.fed = g_ptr_array_new_with_free_func(g_free);
	read_tests(&f, (struct str){ bytes, (uint32_t)n });
	g_ptr_array_free(f.fed, TRUE);
	arena_free(f.arena);
	g_free(f.dir);
	g_free(bytes);
}

static gint by_text(gconstpointer a, gconstpointer b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A file, or the *.test.yaml of a directory and of those directly in it. */
static void run_path(struct session *s, const char *path, int depth)
{
	struct stat st;
	GPtrArray *names;
	GDir *dir;
	const char *name;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode)) {
		run_file(s, path);
		return;
	}
	names = g_ptr_array_new_with_free_func(g_free);
	dir = g_dir_open(path, 0, NULL);
	while (dir && (name = g_dir_read_name(dir)))
		if (*name != '.')
			g_ptr_array_add(names, g_build_filename(path, name, NULL));
	if (dir)
		g_dir_close(dir);
	g_ptr_array_sort(names, by_text);
	for (guint i = 0; i < names->len; i++) {
		name = names->pdata[i];
		if (g_str_has_suffix(name, ".test.yaml"))
			run_file(s, name);
		else if (depth == 0 && g_file_test(name, G_FILE_TEST_IS_DIR))
			run_path(s, name, 1);
	}
	g_ptr_array_free(names, TRUE);
}

static bool write_junit(const struct session *s)
{
	GString *x = g_string_new("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
	GError *e = NULL;

	g_string_append_printf(x, "<testsuites tests=\"%u\" failures=\"%u\">\n"
	    "  <testsuite name=\"retrainctl test\" tests=\"%u\" failures=\"%u\">\n%s"
	    "  </testsuite>\n</testsuites>\n", s->passed + s->failed, s->failed,
	    s->passed + s->failed, s->failed, s->xml->str);
	if (!g_file_set_contents(junit, x->str, (gssize)x->len, &e)) {
		fprintf(stderr, "retrainctl test: %s\n", e->message);
		g_error_free(e);
	}
	g_string_free(x, TRUE);
	return e == NULL;
}

static void summary(struct session *s)
{
	if (s->c->format == FORMAT_JSON) {
		json_close(s->json, ']');
		puts(s->json->str);
		return;
	}
	printf("%u passed, %u failed", s->passed, s->failed);
	if (s->skipped)
		printf(", %u not run", s->skipped);
	putchar('\n');
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct session s = { .c = c };
	GError *e = NULL;
	int status;

	if (!argc)
		return usage_error("test", "expected a test file or a directory");
	if (only && !(s.only = g_regex_new(only, 0, 0, &e))) {
		status = usage_error("test", "--run: %s", e->message);
		g_error_free(e);
		return status;
	}
	s.xml = g_string_new(NULL);
	s.json = g_string_new("[");
	for (int i = 0; i < argc; i++)
		run_path(&s, argv[i], 0);
	if (!s.broken && !s.passed && !s.failed) {
		fprintf(stderr, "retrainctl test: no test %s\n",
		    s.skipped ? "matches --run" : "in the directory");
		s.broken = true;
	}
	summary(&s);
	if (junit && !write_junit(&s))
		s.broken = true;
	g_string_free(s.xml, TRUE);
	g_string_free(s.json, TRUE);
	if (s.only)
		g_regex_unref(s.only);
	return s.broken ? CTL_USAGE : s.failed ? CTL_NO : CTL_OK;
}

const struct verb verb_test = {
	.name = "test",
	.args = "FILE|DIR... [--run RE] [--junit FILE] [--diff]",
	.summary = "run rule tests in virtual time",
	.help = "A test file feeds events and says what must be decided: see\n"
		"docs/testing-rules.md.  Of a directory its *.test.yaml are run.\n\n"
		"exit status: 0 all passed, 1 one failed, 2 a file is bad or missing",
	.rows = rows,
	.offline = true,
	.run = run,
};
