/* Signals, systemd, PID 1. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#endif

#include "cmd/retraind.h"
#include "io/log.h"

static void notify(const char *state)
{
#ifdef HAVE_SYSTEMD
	sd_notify(0, state);
#else
	(void)state;
#endif
}

static void on_watchdog(void *arg)
{
	struct daemon *d = arg;

	notify("WATCHDOG=1");
	io_watch_after(d->watchdog, 10000);
}

void notify_ready(struct daemon *d)
{
	log_info("ready");
	notify("READY=1");
	if (!d->watchdog) {
		d->watchdog = loop_timer(d->loop, on_watchdog, d);
		on_watchdog(d);
	}
}

static void on_idle(void *arg)
{
	loop_stop(((struct daemon *)arg)->loop);
}

static void on_detached(void *arg)
{
	struct daemon *d = arg;

	turn_stop(d->turn, on_idle, d);
}

void daemon_stop(struct daemon *d, int status)
{
	if (d->stopping)
		_exit(status);
	d->stopping = true;
	notify("STOPPING=1");
	log_info("stopping: the turn is finished and committed, runs go on");
	if (!d->turn)
		loop_stop(d->loop);
	else if (d->container)	/* children end with the container: ask them first */
		exec_interrupt(d->exec, d->config->stop.timeout_ms, on_detached, d);
	else
		turn_stop(d->turn, on_idle, d);
}

static void on_term(void *arg)
{
	daemon_stop(arg, 128 + SIGTERM);
}

static void on_int(void *arg)
{
	daemon_stop(arg, 128 + SIGINT);
}

static bool same_node(const struct yaml *a, const struct yaml *b)
{
	g_autoptr(GString) x = g_string_new(NULL), y = g_string_new(NULL);

	if (a)
		yaml_to_json(a, x);
	if (b)
		yaml_to_json(b, y);
	return g_string_equal(x, y);
}

static bool same_list(const struct option_strs *a, const struct option_strs *b)
{
	uint32_t i = 0;

	while (i < a->n && i < b->n && str_is(a->v[i], b->v[i]))
		i++;
	return i == a->n && i == b->n;
}

static bool same_secret(const struct option_secret *a, const struct option_secret *b)
{
	return a->from == b->from && str_is(a->name, b->name);
}

static bool same(const struct option *r, const char *a, const char *b)
{
	const void *x = a + r->offset, *y = b + r->offset;

	switch (r->type) {
	case OPT_STR:
		return str_is(*(const struct str *)x, *(const struct str *)y);
	case OPT_STRS:
		return same_list(x, y);
	case OPT_NODE:
		return same_node(*(const struct yaml *const *)x,
		    *(const struct yaml *const *)y);
	case OPT_SECRET:
		return same_secret(x, y);
	case OPT_BOOL:
		return *(const bool *)x == *(const bool *)y;
	case OPT_INT: case OPT_ENUM: case OPT_DURATION: case OPT_SIZE:
		return *(const int64_t *)x == *(const int64_t *)y;
	case OPT_DOUBLE: case OPT_MAP:
		break;		/* no option is a double; list_changes() enters maps */
	}
	return true;
}

static void list_changes(const struct option *rows, const char *prefix,
			 const struct config *a, const struct config *b)
{
	for (; rows->name; rows++) {
		char *name = g_strdup_printf("%s%s", prefix, rows->name);
		if (rows->type == OPT_MAP) {
			char *p = g_strdup_printf("%s.", name);
			list_changes(rows->sub, p, a, b);
			g_free(p);
		} else if ((rows->flags & OPT_RESTART) &&
			   !same(rows, (const char *)a, (const char *)b))
			log_warn("%s changed: it takes effect at the next start", name);
		g_free(name);
	}
}

static void on_hup(void *arg)
{
	struct daemon *d = arg;
	GString *why = g_string_new(NULL);
	struct config *c = config_read(d->config_path, d->dir, why);
	struct api_options o;
	struct err err = { 0 };

	if (!c)
		log_error("configuration not reloaded: %s", why->str);
	else {
		list_changes(config_rows, "", d->config, c);
		config_api_options(c, &o);
		if (d->api && !api_reload(d->api, &o, &err))
			log_error("tokens not reloaded: %s", err.msg);
		config_free(c);
	}
	g_string_free(why, TRUE);
	if (d->reload)
		reload_ask(d->reload, NULL, NULL);
}

void signals_open(struct daemon *d)
{
	d->signals[0] = loop_signal(d->loop, SIGTERM, on_term, d);
	d->signals[1] = loop_signal(d->loop, SIGINT, on_int, d);
	d->signals[2] = loop_signal(d->loop, SIGHUP, on_hup, d);
}

void signals_close(struct daemon *d)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(d->signals); i++)
		io_watch_free(d->signals[i]);
	io_watch_free(d->watchdog);
}

static volatile sig_atomic_t child;

static void forward(int signo)
{
	if (child)
		kill((pid_t)child, signo);
}

bool pid1_split(void)
{
	struct sigaction sa = { .sa_handler = forward };
	int status;
	pid_t pid;

	if (getpid() != 1)
		return false;
	pid = fork();		/* before any thread and any connection */
	if (pid <= 0) {
		prctl(PR_SET_PDEATHSIG, SIGTERM);
		return true;
	}
	child = (sig_atomic_t)pid;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	for (;;) {		/* PID 1 reaps every orphan; the daemon reaps its own */
		pid_t got = waitpid(-1, &status, 0);
		if (got == pid)
			_exit(WIFEXITED(status) ? WEXITSTATUS(status)
						: 128 + WTERMSIG(status));
		if (got < 0 && errno == ECHILD)
			_exit(EXIT_RUNTIME);
	}
}
