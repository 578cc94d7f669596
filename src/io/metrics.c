/* Metrics: families are rows of one table, the names of operations.md.
 *
 * To add a family: a row in `families`.  Values live in a hash table by rendered
 * labels; printing sorts them, so that the page is stable. */
#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "io/clock.h"
#include "io/metrics.h"

#define VALUES_MAX 1000		/* per family; the rest goes to "_other" */
#define BUCKETS 12

static const double bounds[BUCKETS] = { .0001, .0005, .001, .005, .01, .05, .1, .5, 1, 10,
	60, 3600 };

struct family {
	const char	*name;
	enum metric_kind kind;
	const char	*help;
	GHashTable	*values;	/* labels text -> struct cell * */
};
struct cell {
	uint64_t	 count;		/* counters; histograms: observations */
	double		 value;		/* gauges; histograms: sum */
	uint64_t	 bucket[BUCKETS];
};

static struct family families[] = {
#define ROW(name, kind, help) { name, METRIC_##kind, help, NULL }
	ROW("build_info", GAUGE, "1, with the version"),
	ROW("rules", GAUGE, "Loaded rules by mode"),
	ROW("rule_keys", GAUGE, "Keys with state of a rule"),
	ROW("rules_last_reload_successful", GAUGE, "1 if the last reload succeeded"),
	ROW("bundle_last_reload_successful", GAUGE,
	    "1 if the bundle is as its files say, 0 if its last good set runs or none"),
	ROW("rules_last_reload_success_timestamp_seconds", GAUGE,
	    "Time of the last good reload"),
	ROW("source_connected", GAUGE, "1 while the source is connected"),
	ROW("source_lag_messages", GAUGE, "Messages not read yet"),
	ROW("source_last_event_timestamp_seconds", GAUGE, "Time of the newest event"),
	ROW("runs", GAUGE, "Unfinished runs by state"),
	ROW("runs_unverified", GAUGE, "Runs not verified since the start"),
	ROW("store_bytes", GAUGE, "Bytes on disk"),
	ROW("store_reading_paused", GAUGE, "1 while reading stopped for lack of space"),
	ROW("outbox_pending", GAUGE, "Events not sent yet"),
	ROW("http_connections", GAUGE, "Open HTTP connections"),
	ROW("events_total", COUNTER, "Events by source and outcome"),
	ROW("quarantined_total", COUNTER, "Quarantined messages by reason"),
	ROW("source_reconnects_total", COUNTER, "Reconnects"),
	ROW("source_gaps_total", COUNTER, "Gaps in a source's positions"),
	ROW("rule_samples_total", COUNTER, "Samples of a rule's signals, by outcome"),
	ROW("rule_matched_total", COUNTER,
	    "Events that matched a rule, by what became of them"),
	ROW("decisions_total", COUNTER, "Decisions by rule and outcome"),
	ROW("suppressed_total", COUNTER, "Suppressed emissions by suppressor"),
	ROW("due_total", COUNTER, "Due times, decided or skipped"),
	ROW("runs_ended_total", COUNTER, "Ended runs"),
	ROW("steps_started_total", COUNTER, "Started steps by executor"),
	ROW("executor_operations_total", COUNTER, "Executor operations by answer"),
	ROW("commit_failures_total", COUNTER, "Failed commits"),
	ROW("outbox_dropped_total", COUNTER, "Events dropped from the outbox"),
	ROW("auth_failures_total", COUNTER, "Requests without a valid token"),
	ROW("http_requests_total", COUNTER, "Requests by route and code"),
	ROW("commit_duration_seconds", HISTOGRAM, "Time of a commit"),
	ROW("turn_duration_seconds", HISTOGRAM, "Time of a turn without its commit"),
	ROW("due_delay_seconds", HISTOGRAM, "Due time to decision"),
	ROW("run_duration_seconds", HISTOGRAM, "Run start to end"),
	ROW("start_delay_seconds", HISTOGRAM, "Run created to started"),
#undef ROW
};

static struct family *family(const char *name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(families); i++)
		if (strcmp(families[i].name, name) == 0)
			return &families[i];
	check_failed("a metric without a row in families[]", name, __FILE__, __LINE__);
}

static void label_value(GString *s, const char *v)
{
	for (; *v; v++)
		if (*v == '\n')
			g_string_append(s, "\\n");
		else if (*v == '"' || *v == '\\')
			g_string_append_printf(s, "\\%c", *v);
		else
			g_string_append_c(s, *v);
}

static void label(GString *s, const char *k, const char *v)
{
	g_string_append_printf(s, "%s%s=\"", s->len ? "," : "", k);
	label_value(s, v);
	g_string_append_c(s, '"');
}

static struct cell *cell(struct family *f, va_list ap)
{
	GString *s = g_string_new(NULL), *other = g_string_new(NULL);
	const char *k;
	struct cell *c;

	if (!f->values)
		f->values =
		    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	while ((k = va_arg(ap, const char *))) {
		label(s, k, va_arg(ap, const char *));
		label(other, k, "_other");
	}
	c = g_hash_table_lookup(f->values, s->str);
	if (!c && g_hash_table_size(f->values) >= VALUES_MAX) {
		g_string_assign(s, other->str);
		c = g_hash_table_lookup(f->values, s->str);
	}
	if (!c) {
		c = g_new0(struct cell, 1);
		g_hash_table_insert(f->values, g_strdup(s->str), c);
	}
	g_string_free(s, TRUE);
	g_string_free(other, TRUE);
	return c;
}

void metric_add(const char *name, double by, ...)
{
	va_list ap;

	va_start(ap, by);
	cell(family(name), ap)->count += (uint64_t)by;
	va_end(ap);
}

void metric_set(const char *name, double value, ...)
{
	va_list ap;

	va_start(ap, value);
	cell(family(name), ap)->value = value;
	va_end(ap);
}

void metric_observe(const char *name, double seconds, ...)
{
	va_list ap;
	struct cell *c;

	va_start(ap, seconds);
	c = cell(family(name), ap);
	va_end(ap);
	c->count++;
	c->value += seconds;
	for (unsigned i = 0; i < BUCKETS; i++)
		c->bucket[i] += seconds <= bounds[i];
}

uint64_t *metric_counter(const char *name, ...)
{
	va_list ap;
	struct cell *c;

	va_start(ap, name);
	c = cell(family(name), ap);
	va_end(ap);
	return &c->count;
}

static void print_cell(GString *out, const struct family *f, const char *labels,
    const struct cell *c)
{
	const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
	char num[G_ASCII_DTOSTR_BUF_SIZE];

	if (f->kind == METRIC_HISTOGRAM) {
		for (unsigned i = 0; i < BUCKETS; i++)
			g_string_append_printf(
			    out,
			    "retraind_%s_bucket{%s%sle=\"%g\"} %" G_GUINT64_FORMAT "\n",
			    f->name, labels, *labels ? "," : "", bounds[i], c->bucket[i]);
		g_string_append_printf(
		    out, "retraind_%s_bucket{%s%sle=\"+Inf\"} %" G_GUINT64_FORMAT "\n",
		    f->name, labels, *labels ? "," : "", c->count);
		g_string_append_printf(out, "retraind_%s_sum%s%s%s %s\n", f->name, open,
				       labels, close,
				       g_ascii_dtostr(num, sizeof(num), c->value));
		g_string_append_printf(out,
				       "retraind_%s_count%s%s%s %" G_GUINT64_FORMAT "\n",
				       f->name, open, labels, close, c->count);
		return;
	}
	g_string_append_printf(out, "retraind_%s%s%s%s ", f->name, open, labels, close);
	if (f->kind == METRIC_COUNTER)
		g_string_append_printf(out, "%" G_GUINT64_FORMAT "\n", c->count);
	else
		g_string_append_printf(out, "%s\n",
				       g_ascii_dtostr(num, sizeof(num), c->value));
}

static void print_family(GString *out, const struct family *f)
{
	static const char *const kinds[] = { "", "counter", "gauge", "histogram" };
	GList *keys;

	if (!f->values || !g_hash_table_size(f->values))
		return;
	g_string_append_printf(out, "# HELP retraind_%s %s\n# TYPE retraind_%s %s\n",
			       f->name, f->help, f->name, kinds[f->kind]);
	keys = g_list_sort(g_hash_table_get_keys(f->values), (GCompareFunc)strcmp);
	for (GList *k = keys; k; k = k->next)
		print_cell(out, f, k->data, g_hash_table_lookup(f->values, k->data));
	g_list_free(keys);
}

static unsigned open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	if (!d)
		return 0;
	while (readdir(d))
		n++;
	closedir(d);
	return n > 3 ? n - 3 : 0;	/* ".", "..", and the directory itself */
}

/* Start in clock ticks since boot: field 22 of /proc/self/stat, after "(comm)". */
static double start_time(void)
{
	char *text = NULL, *p;
	unsigned long long ticks = 0;
	struct clock_now now = clock_read();

	if (g_file_get_contents("/proc/self/stat", &text, NULL, NULL) &&
	    (p = strrchr(text, ')')))
		for (int field = 2; *p && field < 22; p++)
			if (*p == ' ' && ++field == 22)
				ticks = g_ascii_strtoull(p + 1, NULL, 10);
	g_free(text);
	return (double)(now.wall_ms - now.boot_ms) / 1e3 + (double)ticks /
	    (double)sysconf(_SC_CLK_TCK);
}

static void print_process(GString *out)
{
	struct rusage u;
	struct rlimit lim;
	long rss = 0;
	char *text = NULL;

	getrusage(RUSAGE_SELF, &u);
	getrlimit(RLIMIT_NOFILE, &lim);
	if (g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
		sscanf(text, "%*d %ld", &rss);
	g_free(text);
#define ROW(name, kind, fmt, value) \
	g_string_append_printf(out, "# TYPE " name " " kind "\n" name " " fmt "\n", value)
	ROW("process_cpu_seconds_total", "counter", "%.6f", (double)(u.ru_utime.tv_sec +
	    u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
	ROW("process_resident_memory_bytes", "gauge", "%ld", rss * sysconf(_SC_PAGESIZE));
	ROW("process_open_fds", "gauge", "%u", open_fds());
	ROW("process_max_fds", "gauge", "%llu", (unsigned long long)lim.rlim_cur);
	ROW("process_start_time_seconds", "gauge", "%.3f", start_time());
#undef ROW
}

void metrics_print(GString *out)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(families); i++)
		print_family(out, &families[i]);
	print_process(out);
}

void metrics_reset(void)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(families); i++)
		g_clear_pointer(&families[i].values, g_hash_table_destroy);
}
