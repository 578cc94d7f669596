/* backtest: what rules would have done with recorded events. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "cmd/retrainctl/backtest_show.h"
#include "cmd/retrainctl/recorded.h"
#include "cmd/retrainctl/ruletexts.h"
#include "replay/chart.h"
#include "replay/sweep.h"

#define AXES_MAX 8

static char **sets, **rule_files, *chart;

static const GOptionEntry rows[] = {
	RECORDED_ROWS,
	{ "rules", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rule_files,
	  "rule file or directory (the configured rules)", "FILE|DIR" },
	{ "set", 0, 0, G_OPTION_ARG_STRING_ARRAY, &sets,
	  "try each of these values (again for every combination)",
	  "PATH=V1,V2|LO..HI/STEP" },
	{ "chart", 0, 0, G_OPTION_ARG_FILENAME, &chart,
	  "draw signals, limits and firings", "FILE.svg|FILE.html" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct job {
	struct ctl	*c;
	struct config	*config;
	struct arena	*a;
	struct recorded	 r;
	struct rule_text *texts;
	uint32_t	 texts_n;
	struct str	*names;		/* rules that were named */
	uint32_t	 names_n;
	struct sweep_axis axes[AXES_MAX];
	uint32_t	 axes_n;
	struct variant	*variants;
	uint32_t	 variants_n;
};

static bool say(const struct err *err)
{
	fprintf(stderr, "retrainctl backtest: %s\n", err->msg);
	return false;
}

/* ---- rules ---- */

/* What is a file is one, the rest are names of rules. */
static bool gather(struct job *j, int argc, char **argv)
{
	GPtrArray *paths = g_ptr_array_new();
	struct reload_options o;
	struct err err = { 0 };
	bool ok;

	j->names = ARENA_ARRAY(j->a, struct str, argc + 1);
	for (int i = 0; i < argc; i++)
		if (access(argv[i], F_OK) == 0)
			g_ptr_array_add(paths, argv[i]);
		else
			j->names[j->names_n++] = str_of(argv[i]);
	for (char **p = rule_files; p && *p; p++)
		g_ptr_array_add(paths, *p);
	config_reload_options(j->config, &o);
	if (!paths->len)
		g_ptr_array_add(paths, (char *)(uintptr_t)o.dir);
	ok = ruletexts_read((const char *const *)(void *)paths->pdata, paths->len, j->a,
	    &j->texts, &j->texts_n, &err);
	g_ptr_array_free(paths, TRUE);
	return ok || say(&err);
}

static bool read_sets(struct job *j)
{
	struct err err = { 0 };
	uint32_t n = 1;

	for (char **s = sets; s && *s; s++) {
		if (j->axes_n == AXES_MAX) {
			err_set(&err, ERR_USAGE, "more than %d times --set", AXES_MAX);
			return say(&err);
		}
		if (!sweep_parse(str_of(*s), j->a, &j->axes[j->axes_n], &err))
			return say(&err);
		n *= j->axes[j->axes_n++].n;
		if (n > SWEEP_MAX) {
			err_set(&err, ERR_USAGE, "%u variants, at most %d are possible",
			    n, SWEEP_MAX);
			return say(&err);
		}
	}
	j->variants_n = n;
	j->variants = ARENA_ARRAY(j->a, struct variant, n);
	return true;
}

/* The i-th combination: the last axis goes fastest. */
static bool variant_texts(struct job *j, uint32_t i, struct rule_text **texts)
{
	struct variant *v = &j->variants[i];
	struct err err = { 0 };
	uint32_t left = j->variants_n;

	*texts = j->texts;
	v->name = STR("as it is");
	v->paths = ARENA_ARRAY(j->a, struct str, j->axes_n + 1);
	v->values = ARENA_ARRAY(j->a, struct str, j->axes_n + 1);
	for (uint32_t k = 0; k < j->axes_n; k++) {
		const struct sweep_axis *x = &j->axes[k];
		struct str value;

		left /= x->n;
		value = x->values[i / left % x->n];
		if (!sweep_apply(*texts, j->texts_n, x->path, value, j->a, texts, &err))
			return say(&err);
		v->paths[v->axes_n] = x->path;
		v->values[v->axes_n++] = value;
		v->name = k ? arena_printf(j->a, "%.*s %.*s=%.*s", STR_ARG(v->name),
		    STR_ARG(x->path), STR_ARG(value)) : arena_printf(j->a, "%.*s=%.*s",
		    STR_ARG(x->path), STR_ARG(value));
	}
	return true;
}

static const struct rule **named(struct job *j, struct ruleset *rs)
{
	const struct rule **v = ARENA_ARRAY(j->a, const struct rule *, j->names_n + 1);
	struct str *all = ARENA_ARRAY(j->a, struct str, rs->rules_n + 1), near;
	struct err err = { 0 };

	for (uint32_t i = 0; i < rs->rules_n; i++)
		all[i] = rs->rules[i].name;
	for (uint32_t i = 0; i < j->names_n; i++) {
		v[i] = ruleset_rule(rs, j->names[i]);
		if (v[i])
			continue;
		near = nearest_word(j->names[i], all, rs->rules_n);
		err_set(&err, ERR_USAGE, near.len ? "no rule or file '%.*s' (did you mean"
		    " '%.*s'?)" : "no rule or file '%.*s'%.*s", STR_ARG(j->names[i]),
		    STR_ARG(near));
		say(&err);
		return NULL;
	}
	return v;
}

/* ---- a variant ---- */

static bool write_chart(const struct chart *c)
{
	GString *s = g_string_new(NULL);
	GError *e = NULL;

	if (g_str_has_suffix(chart, ".html"))
		chart_html(c, "backtest", s);
	else
		chart_svg(c, s);
	if (!g_file_set_contents(chart, s->str, (gssize)s->len, &e)) {
		fprintf(stderr, "retrainctl backtest: %s\n", e->message);
		g_error_free(e);
	}
	g_string_free(s, TRUE);
	return e == NULL;
}

/* Another pass: the span is known now, and so which keys to look at. */
static bool draw(struct job *j, const struct backtest *b, struct ruleset *rs,
    const struct rule *const *only, struct err *err)
{
	struct chart *c = chart_new(b, rs);
	struct backtest_options o = { .rules = rs,
		.only = only, .only_n = j->names_n, .sample = chart_sample,
		.sample_ctx = c };
	struct backtest *again = NULL;
	bool ok = j->r.iter.rewind(j->r.iter.ctx, err);

	recorded_options(&j->r, &o);
	o.sample_ms = MAX((b->to_ms - b->from_ms) / 600, 1);
	o.refused = NULL;
	if (ok)
		again = backtest_run(&o, &j->r.iter, err);
	ok = again && write_chart(c);
	backtest_free(again);
	chart_free(c);
	return ok;
}

static bool run_variant(struct job *j, uint32_t i, struct err *err)
{
	struct backtest_options o = { 0 };
	struct rule_text *texts;
	GString *why = g_string_new(NULL);
	bool ok = false;

	if (!variant_texts(j, i, &texts) || (i && !j->r.iter.rewind(j->r.iter.ctx, err)))
		goto out;
	o.rules = ruletexts_build(texts, j->texts_n, j->r.catalog, j->a, why);
	if (!o.rules) {
		fputs(why->str, stderr);
		goto out;
	}
	o.only = named(j, o.rules);
	o.only_n = j->names_n;
	if (o.only && !recorded_begin(&j->r, backtest_window(o.rules, o.only, o.only_n),
	    err))
		goto out;
	recorded_options(&j->r, &o);
	if (o.only)
		j->variants[i].b = backtest_run(&o, &j->r.iter, err);
	ok = j->variants[i].b != NULL;
	if (ok && chart && i == 0)
		ok = draw(j, j->variants[i].b, o.rules, o.only, err);
	/* rows name the rule set's rules: both live until all is shown */
	j->variants[i].rules = o.rules;
	o.rules = NULL;
out:
	ruleset_unref(o.rules);
	g_string_free(why, TRUE);
	return ok;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static int run_all(struct job *j)
{
	double began = seconds(), took;
	struct err err = { 0 };
	uint64_t n = 0;

	for (uint32_t i = 0; i < j->variants_n; i++) {
		if (!run_variant(j, i, &err)) {
			if (err.code)
				say(&err);
			return CTL_USAGE;
		}
		n += j->variants[i].b->items;
	}
	took = seconds() - began;
	if (j->r.bar) {
		fprintf(stderr, "\r%50s\r", "");
		fprintf(stderr, "%llu events in %.1f s (%.0f/s)\n", (unsigned long long)n,
		    took, (double)n / MAX(took, 1e-6));
	}
	backtest_show(j->c, j->variants, j->variants_n);
	return CTL_OK;
}

static int run(struct ctl *c, int argc, char **argv)
{
	struct job j = { .c = c };
	GString *why = g_string_new(NULL);
	int status = CTL_USAGE;

	j.config = config_read(c->config, c->dir, why);
	j.a = arena_new(0);
	fputs(why->str, stderr);
	if (chart && !g_str_has_suffix(chart, ".svg") &&
	    !g_str_has_suffix(chart, ".html"))
		status = usage_error("backtest", "--chart '%s': expected FILE.svg or"
		    " FILE.html", chart);
	else if (j.config && recorded_open(c, "backtest", j.config, &j.r, &status)) {
		status = gather(&j, argc, argv) && read_sets(&j) ? run_all(&j) :
		    CTL_USAGE;
		recorded_close(&j.r);
	}
	for (uint32_t i = 0; j.variants && i < j.variants_n; i++) {
		backtest_free(j.variants[i].b);
		ruleset_unref(j.variants[i].rules);
	}
	arena_free(j.a);
	config_free(j.config);
	g_string_free(why, TRUE);
	return status;
}

const struct verb verb_backtest = {
	.name = "backtest",
	.args = "[RULE|FILE|DIR]... --since D | --from-file FILE | --from-kafka TOPIC",
	.summary = "run rules over recorded events",
	.help = "Events are those of the daemon's journal, a file or a topic.\n"
		"Shows each decision that the rules would have made.  Named rules act\n"
		"whatever their mode, the others not at all.  A firing starts a virtual\n"
		"run.  With --set each variant is one line: RULE.key[.key|[i]],\n"
		"RULE.when#N (its N-th number) or vars.NAME.  See docs/backtest.md.",
	.rows = rows,
	.offline = true,
	.run = run,
};
