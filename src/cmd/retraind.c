/* retraind: decides when a model must be retrained, and sees the retraining through. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <glib.h>
#include <jansson.h>

#include "cmd/retraind.h"
#include "io/log.h"

static const char usage[] =
"usage: retraind [--config FILE] [--dir DIR] [--check] [--force]\n"
"\n"
"Decides when a machine-learning model must be retrained, starts the pipeline and\n"
"records the run.  Settings: retraind.yaml(5); rules: docs/rules.md; the command line\n"
"is retrainctl(1).\n"
"\n"
"  -c, --config FILE  configuration (default: DIR/retraind.yaml with --dir, else\n"
"                     /etc/retraind/retraind.yaml if it is there)\n"
"  -d, --dir DIR      rules/, state/ and retraind.sock are in DIR, over the file's\n"
"                     own paths (default: $RETRAIND_DIR)\n"
"      --check        read the configuration and the rules, say what is wrong, exit\n"
"      --force        accept a state directory on a network file system\n"
"  -h, --help         this text\n"
"      --version      the version\n"
"\n"
"Signals: TERM, INT stop after the running turn (runs go on); HUP reloads rules and\n"
"tokens, and names in the log what else has changed and takes a restart.\n"
"Exit status: 0 stopped, 1 runtime or I/O error, 2 configuration, usage or schema,\n"
"3 another retraind holds the state directory.\n";

struct args {
	char		*config, *dir;
	gboolean	 check, force, help, version;
};

/* GOption, because getopt.h and base/option.h both define struct option. */
static bool parse(int argc, char **argv, struct args *a)
{
	const GOptionEntry rows[] = {
		{ "config", 'c', 0, G_OPTION_ARG_FILENAME, &a->config, NULL, NULL },
		{ "dir", 'd', 0, G_OPTION_ARG_FILENAME, &a->dir, NULL, NULL },
		{ "check", 0, 0, G_OPTION_ARG_NONE, &a->check, NULL, NULL },
		{ "force", 0, 0, G_OPTION_ARG_NONE, &a->force, NULL, NULL },
		{ "help", 'h', 0, G_OPTION_ARG_NONE, &a->help, NULL, NULL },
		{ "version", 0, 0, G_OPTION_ARG_NONE, &a->version, NULL, NULL },
		{ NULL, 0, 0, 0, NULL, NULL, NULL },
	};
	GOptionContext *ctx = g_option_context_new(NULL);
	GError *e = NULL;
	bool ok;

	g_option_context_set_help_enabled(ctx, FALSE);
	g_option_context_add_main_entries(ctx, rows, NULL);
	ok = g_option_context_parse(ctx, &argc, &argv, &e);
	if (!ok) {
		fprintf(stderr, "retraind: %s\n", e->message);
		g_error_free(e);
	} else if (argc > 1) {
		fprintf(stderr, "retraind: unexpected argument '%s'\n", argv[1]);
		ok = false;
	}
	g_option_context_free(ctx);
	return ok;
}

static struct config *read_config(struct args *a)
{
	GString *why = g_string_new(NULL);
	struct config *c;

	if (!a->dir && !a->config && getenv("RETRAIND_DIR"))
		a->dir = g_strdup(getenv("RETRAIND_DIR"));
	if (!a->config && !a->dir && access("/etc/retraind/retraind.yaml", F_OK) == 0)
		a->config = g_strdup("/etc/retraind/retraind.yaml");
	c = config_read(a->config, a->dir, why);
	fputs(why->str, stderr);
	g_string_free(why, TRUE);
	return c;
}

/* The rules as the daemon would load them; 0: fine. */
static int check_rules(const struct config *c)
{
	struct reload_options o;
	struct reload *r;
	GString *text = g_string_new(NULL);
	struct ruleset *rs;
	struct loop *loop = loop_new();

	config_reload_options(c, &o);
	o.watch = false;
	log_open(LOG_ERROR, "logfmt");
	r = reload_new(NULL, loop, NULL, &c->catalog, &o);
	rs = reload_now(r, STR(""), text);
	if (rs && reload_ok(r)) {
		fputs(text->str, stderr);
		printf("%s: ok, %u rules, %u pipelines\n",
		       c->path[0] ? c->path : "defaults", rs->rules_n, rs->pipelines_n);
	}
	int status = rs && reload_ok(r) ? 0 : EXIT_CONFIG;
	ruleset_unref(rs);
	reload_free(r);
	loop_free(loop);
	g_string_free(text, TRUE);
	return status;
}

static int serve(struct config *c, const struct args *a)
{
	static const char *const formats[] = { "auto", "auto", "journal", "logfmt" };
	struct daemon d = { .config = c, .config_path = a->config, .dir = a->dir };

	d.container = pid1_split();
	umask(077);
	signal(SIGPIPE, SIG_IGN);
#ifndef __SANITIZE_ADDRESS__		/* the leak checker must be able to look at us */
	prctl(PR_SET_DUMPABLE, 0);
#endif
	json_object_seed(0);
	json_set_alloc_funcs(g_malloc, g_free);	/* no memory: the end, not "no JSON" */
	log_open((enum log_level)c->log.level, formats[c->log.format]);
	d.fingerprint = fingerprint_new();
	d.loop = loop_new();
	signals_open(&d);
	if (parts_open(&d, a->force))
		loop_run(d.loop);
	signals_close(&d);
	parts_close(&d);
	loop_free(d.loop);
	g_free(d.fingerprint);
	log_info("stopped");
	log_close();
	config_free(c);
	return d.status;
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	struct config *c;
	int status;

	if (!parse(argc, argv, &a)) {
		fprintf(stderr, "try 'retraind --help'\n");
		return EXIT_CONFIG;
	}
	if (a.help || a.version) {
		fputs(a.help ? usage : "retraind " RETRAIND_VERSION "\n", stdout);
		return 0;
	}
	c = read_config(&a);
	if (!c)
		status = EXIT_CONFIG;
	else if (a.check) {
		status = check_rules(c);
		config_free(c);
	} else
		status = serve(c, &a);
	g_free(a.config);
	g_free(a.dir);
	return status;
}
