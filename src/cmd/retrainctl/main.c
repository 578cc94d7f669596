/* retrainctl: the command line of retraind.
 *
 * To add a verb: a file with a `struct verb`, and its row in verbs[] below.  Parsing,
 * usage and completion come from the rows. */
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>

#include "base/diag.h"
#include "cmd/retrainctl/ctl.h"

#define VERBS(X) \
	X(abort) X(backfill) X(backtest) X(check) X(completion) X(cron) X(describe) \
	X(diff) \
	X(doctor) X(eval) X(events) X(explain) X(get) X(logs) X(new) X(pause) X(reload) \
	X(replay) X(resume) X(retry) X(run) X(schema) X(silence) X(sources) X(test) \
	X(trigger) X(version)
#define X(name) extern const struct verb verb_##name;
VERBS(X)
#undef X
#define X(name) &verb_##name,
const struct verb *const verbs[] = { VERBS(X) NULL };
#undef X

static const char common_usage[] =
    "\n`retrainctl VERB --help` prints a verb's arguments.  Options of every verb:\n"
    "  -o, --output FORMAT   table (default), wide, json, yaml, name\n"
    "  -w, --watch           print again every second, until interrupted\n"
    "  --address ADDRESS     path of the daemon's socket, or http://host:port with\n"
    "                        the token in $RETRAIND_TOKEN (default:\n"
    "                        $RETRAIND_ADDRESS, $RETRAIND_DIR/retraind.sock,\n"
    "                        /run/retraind/retraind.sock)\n"
    "  --dir DIR             the daemon's --dir ($RETRAIND_DIR)\n"
    "  --config FILE         configuration, for verbs that need no daemon\n"
    "  -h, --help            of retrainctl, or of a verb\n"
    "\nexit status: 0 ok, 1 a negative answer, 2 usage or I/O, 3 warnings under"
    " --strict\n";

static void usage(FILE *f)
{
	fputs("usage: retrainctl VERB [ARGUMENTS] [OPTIONS]\n\n", f);
	for (const struct verb *const *v = verbs; *v; v++)
		fprintf(f, "  %-11s %s\n", (*v)->name, (*v)->summary);
	fputs(common_usage, f);
}

int usage_error(const char *verb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "retrainctl %s: ", verb);
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "; try 'retrainctl %s --help'\n", verb);
	va_end(ap);
	return CTL_USAGE;
}

static const struct verb *find(const char *name)
{
	for (const struct verb *const *v = verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

static int unknown(const char *name)
{
	struct str words[64], near;
	uint32_t n = 0;

	for (const struct verb *const *v = verbs; *v && n < 64; v++)
		words[n++] = str_of((*v)->name);
	near = nearest_word(str_of(name), words, n);
	if (*name == '-') {
		fprintf(stderr, "retrainctl: expected a verb before '%s'; try 'retrainctl"
		    " --help'\n", name);
		return CTL_USAGE;
	}
	fprintf(stderr, "retrainctl: unknown verb '%s'", name);
	if (near.len)
		fprintf(stderr, " (did you mean '%.*s'?)", STR_ARG(near));
	fputs("; try 'retrainctl --help'\n", stderr);
	return CTL_USAGE;
}

static bool parse_format(struct ctl *c, const char *text)
{
	static const char *const names[] = {
		"", "table", "wide", "json", "yaml", "name"
	};

	c->format = FORMAT_TABLE;
	for (int i = FORMAT_TABLE; text && i <= FORMAT_NAME; i++)
		if (strcmp(text, names[i]) == 0) {
			c->format = (enum format)i;
			return true;
		}
	return !text;
}

/* Verbs without a daemon look where the daemon would. */
static void find_config(struct ctl *c)
{
	const char *dir = getenv("RETRAIND_DIR");

	if (c->config || c->dir)
		return;
	if (dir && *dir)
		c->dir = g_strdup(dir);
	else if (access("/etc/retraind/retraind.yaml", R_OK) == 0)
		c->config = g_strdup("/etc/retraind/retraind.yaml");
}

static int run_verb(struct ctl *c, const struct verb *v, int argc, char **argv)
{
	char *format = NULL, *summary;
	const GOptionEntry common[] = {
		{ "output", 'o', 0, G_OPTION_ARG_STRING, &format,
		  "table, wide, json, yaml, name", "FORMAT" },
		{ "watch", 'w', 0, G_OPTION_ARG_NONE, &c->watch,
		  "print again every second", NULL },
		{ "address", 0, 0, G_OPTION_ARG_STRING, &c->address, "of the daemon",
		  "ADDRESS" },
		{ "dir", 0, 0, G_OPTION_ARG_FILENAME, &c->dir, "the daemon's --dir",
		  "DIR" },
		{ "config", 0, 0, G_OPTION_ARG_FILENAME, &c->config, "configuration file",
		  "FILE" },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	char *params = g_strdup_printf("%s\n\n%s", v->args, v->summary);
	GOptionContext *ctx = g_option_context_new(params);
	GError *e = NULL;
	int status;

	summary = g_strdup_printf("retrainctl %s", v->name);
	g_set_prgname(summary);
	if (v->help)
		g_option_context_set_description(ctx, v->help);
	if (v->rows)
		g_option_context_add_main_entries(ctx, v->rows, NULL);
	g_option_context_add_main_entries(ctx, common, NULL);
	if (!g_option_context_parse(ctx, &argc, &argv, &e)) {
		status = usage_error(v->name, "%s", e->message);
		g_error_free(e);
	} else if (!parse_format(c, format))
		status = usage_error(v->name,
				     "unknown format '%s': expected table, wide, json,"
				     " yaml or name",
				     format);
	else {
		find_config(c);
		status = v->run(c, argc - 1, argv + 1);
	}
	g_option_context_free(ctx);
	g_free(format);
	g_free(params);
	g_free(summary);
	return status;
}

int main(int argc, char **argv)
{
	struct ctl c = { .format = FORMAT_TABLE };
	const struct verb *v;
	int status;

	setlocale(LC_CTYPE, "");
	c.color = isatty(1) && !getenv("NO_COLOR");
	if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
	    strcmp(argv[1], "help") == 0) {
		usage(argc < 2 ? stderr : stdout);
		return argc < 2 ? CTL_USAGE : CTL_OK;
	}
	v = find(strcmp(argv[1], "--version") == 0 ? "version" : argv[1]);
	if (!v)
		return unknown(argv[1]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run_verb(&c, v, argc - 1, argv + 1);
	client_free(&c);
	g_free(c.address);
	g_free(c.config);
	g_free(c.dir);
	curl_global_cleanup();
	return status;
}
