/* diff: which decisions would be different between two rule sets. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/json.h"
#include "cmd/retrainctl/backtest_show.h"
#include "cmd/retrainctl/history.h"
#include "cmd/retrainctl/recorded.h"
#include "cmd/retrainctl/ruletexts.h"

static const GOptionEntry rows[] = {
	RECORDED_ROWS,
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct side {
	struct ruleset	*rules;
	struct backtest	*b;
};

static bool say(const struct err *err)
{
	fprintf(stderr, "retrainctl diff: %s\n", err->msg);
	return false;
}

/* @live, or @ and the beginning of a hash: out of the database. */
static bool stored(struct ctl *c, const char *name, struct arena *a,
    struct rule_text **v, uint32_t *n)
{
	struct history h;
	struct err err = { 0 };
	uint8_t hash[32];
	struct str packed;
	int status;
	bool ok;

	if (!history_open(c, "diff", NULL, &h, &status))
		return false;
	ok = past_ruleset_named(h.past, str_of(name), hash, &err) &&
	    past_ruleset(h.past, hash, a, &packed, &err);
	if (ok && !ruleset_unpack(packed, v, n, a))
		ok = err_set(&err, ERR_CORRUPT, "the stored rule set is malformed");
	history_close(&h);
	return ok || say(&err);
}

static bool load(struct ctl *c, const char *what, const struct catalog *catalog,
    struct arena *a, struct side *side)
{
	GString *why = g_string_new(NULL);
	struct rule_text *v;
	struct err err = { 0 };
	uint32_t n;

	if (*what == '@' ? stored(c, what + 1, a, &v, &n) :
	    ruletexts_read(&what, 1, a, &v, &n, &err) || say(&err))
		side->rules = ruletexts_build(v, n, catalog, a, why);
	fputs(why->str, stderr);
	g_string_free(why, TRUE);
	return side->rules != NULL;
}

static bool replay(struct recorded *r, struct side *side)
{
	struct backtest_options o = { .rules = side->rules };
	struct err err = { 0 };

	recorded_options(r, &o);
	side->b = backtest_run(&o, &r->iter, &err);
	return side->b || say(&err);
}

/* ---- output ---- */

static void put_what(GString *s, const struct backtest_row *r)
{
	g_string_append(s, outcome_name(r->outcome));
	if (r->by)
		g_string_append_printf(s, " by %s", suppressor_name(r->by));
	if (r->count > 1)
		g_string_append_printf(s, " x%u", r->count);
	if (r->events > 1)
		g_string_append_printf(s, " with %u events", r->events);
}

static void put_side(GString *s, char sign, const struct backtest_row *r)
{
	char text[TIME_TEXT];

	g_string_append_printf(s, "%c %s %.*s", sign, time_print(r->at_ms, text),
	    STR_ARG(r->rule));
	if (r->key.len)
		g_string_append_printf(s, " key=%.*s", STR_ARG(r->key));
	g_string_append_c(s, ' ');
	put_what(s, r);
}

/* The same event or due time, decided differently. */
static void put_change(GString *s, const struct backtest_row *old,
    const struct backtest_row *new)
{
	char text[TIME_TEXT];

	put_side(s, '~', old);
	g_string_append(s, " -> ");
	if (new->at_ms != old->at_ms)
		g_string_append_printf(s, "%s ", time_print(new->at_ms, text));
	put_what(s, new);
	if (!str_is(old->params, new->params))
		g_string_append_printf(s, " params %.*s -> %.*s", STR_ARG(old->params),
		    STR_ARG(new->params));
}

static void show_text(struct ctl *c, const struct diff_row *v, uint32_t n)
{
	static const char *const colors[] = { "", "\033[31m", "\033[32m", "\033[33m" };
	GString *s = g_string_new(NULL);

	for (uint32_t i = 0; i < n; i++) {
		const struct backtest_row *r = v[i].new ? v[i].new : v[i].old;

		g_string_truncate(s, 0);
		if (v[i].kind == DIFF_CHANGED)
			put_change(s, v[i].old, v[i].new);
		else
			put_side(s, v[i].kind == DIFF_ONLY_OLD ? '-' : '+', r);
		if (v[i].kind != DIFF_CHANGED && r->reason.len)
			g_string_append_printf(s, ": %.*s", STR_ARG(r->reason));
		printf("%s%s%s\n", c->color ? colors[v[i].kind] : "", s->str,
		    c->color ? "\033[0m" : "");
	}
	g_string_free(s, TRUE);
}

static void show_json(const struct diff_row *v, uint32_t n)
{
	static const char *const kinds[] = { "", "removed", "added", "changed" };
	GString *j = g_string_new("[");

	for (uint32_t i = 0; i < n; i++) {
		const struct backtest_row *sides[] = { v[i].old, v[i].new };

		json_open(j, '{');
		json_key(j, "change"), json_cstr(j, kinds[v[i].kind]);
		for (int k = 0; k < 2; k++) {
			json_key(j, k ? "new" : "old");
			if (!sides[k]) {
				json_nil(j);
				continue;
			}
			json_open(j, '{');
			backtest_row_json(j, sides[k]);
			json_close(j, '}');
		}
		json_close(j, '}');
	}
	json_close(j, ']');
	puts(j->str);
	g_string_free(j, TRUE);
}

static int show(struct ctl *c, const struct side *old, const struct side *new,
    struct arena *a)
{
	uint32_t count[DIFF_CHANGED + 1] = { 0 }, n;
	struct diff_row *v;
	char from[TIME_TEXT], to[TIME_TEXT];

	n = backtest_diff(old->b, new->b, a, &v);
	for (uint32_t i = 0; i < n; i++)
		count[v[i].kind]++;
	if (c->format == FORMAT_JSON) {
		show_json(v, n);
		return n ? CTL_NO : CTL_OK;
	}
	show_text(c, v, n);
	if (new->b->from_ms == TIME_NONE) {
		puts("no events");
		return CTL_OK;
	}
	printf("%u only old (-), %u only new (+), %u changed (~); %s to %s, %llu"
	    " events\n", count[DIFF_ONLY_OLD], count[DIFF_ONLY_NEW],
	    count[DIFF_CHANGED], time_print(new->b->from_ms, from),
	    time_print(new->b->to_ms, to), (unsigned long long)new->b->events);
	return n ? CTL_NO : CTL_OK;
}

static int compare(struct ctl *c, struct recorded *r, char **argv)
{
	struct arena *a = arena_new(0);
	struct side old = { 0 }, new = { 0 };
	struct err err = { 0 };
	int status = CTL_USAGE;

	if (load(c, argv[0], r->catalog, a, &old) &&
	    load(c, argv[1], r->catalog, a, &new) &&
	    (recorded_begin(r, MAX(backtest_window(old.rules, NULL, 0),
	    backtest_window(new.rules, NULL, 0)), &err) || say(&err)) &&
	    replay(r, &old) &&
	    (r->iter.rewind(r->iter.ctx, &err) || say(&err)) && replay(r, &new)) {
		if (r->bar)
			fprintf(stderr, "\r%50s\r", "");
		status = show(c, &old, &new, a);
	}
	backtest_free(old.b);
	backtest_free(new.b);
	ruleset_unref(old.rules);
	ruleset_unref(new.rules);
	arena_free(a);
	return status;
}

static int run(struct ctl *c, int argc, char **argv)
{
	GString *why = g_string_new(NULL);
	struct config *config = config_read(c->config, c->dir, why);
	struct recorded r;
	int status = CTL_USAGE;

	fputs(why->str, stderr);
	if (argc != 2)
		status = usage_error("diff", "expected two: a rule file, a directory,"
		    " @live or @HASH");
	else if (config && recorded_open(c, "diff", config, &r, &status)) {
		status = compare(c, &r, argv);
		recorded_close(&r);
	}
	config_free(config);
	g_string_free(why, TRUE);
	return status;
}

const struct verb verb_diff = {
	.name = "diff",
	.args = "OLD NEW --since D | --from-file FILE | --from-kafka TOPIC",
	.summary = "show which decisions would be different",
	.help = "OLD and NEW are rule files or directories, @live for what the daemon\n"
		"runs, or @HASH for a rule set that it ran.  Decisions are matched by\n"
		"rule (uid), key and what caused them: - only the old rules, + only the\n"
		"new ones, ~ both but not the same.\n\n"
		"exit status: 0 none is different, 1 some are",
	.rows = rows,
	.offline = true,
	.run = run,
};
