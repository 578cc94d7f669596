/* replay --verify: every decision of a range of the journal made again, and compared
 * with the row that was stored (promise G12). */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/time.h"
#include "cmd/fingerprint.h"
#include "cmd/retrainctl/history.h"
#include "replay/verify.h"

static gboolean verify, any_build;
static char *from, *to, *state;

static const GOptionEntry rows[] = {
	{ "verify", 0, 0, G_OPTION_ARG_NONE, &verify, "compare all decisions", NULL },
	{ "from", 0, 0, G_OPTION_ARG_STRING, &from, "begin at the snapshot before this"
	    " (the first one)", "TIME" },
	{ "to", 0, 0, G_OPTION_ARG_STRING, &to, "end before this (the last commit)",
	  "TIME" },
	{ "any-build", 0, 0, G_OPTION_ARG_NONE, &any_build,
	  "compare though another build, libc, CPU or zone data decided", NULL },
	{ "state", 0, 0, G_OPTION_ARG_FILENAME, &state,
	  "state directory (of the configuration)", "DIR" },
	{ NULL, 0, 0, 0, NULL, NULL, NULL },
};

struct verifying {
	struct past	*past;
	struct arena	*arena;		/* of one decision */
	int64_t		 to_ms;
	char		*now;		/* our fingerprint */
	GString		*then;		/* another one, that decided some of it */
	uint64_t	 next;		/* id of the next stored row; 0: none */
	uint64_t	 first;		/* id of the first stored row of all */
	uint64_t	 inputs, decisions, gone;	/* gone: no longer stored */
	GString		*different;	/* the first difference */
	struct str	 field, stored, again;	/* of it, in `keep` */
	uint64_t	 decision;
	struct arena	*keep;
};

static void other_build(struct verifying *v, struct str fingerprint)
{
	if (!v->then->len && !str_is(fingerprint, str_of(v->now)))
		g_string_append_len(v->then, fingerprint.p, fingerprint.len);
}

static void differs(struct verifying *v, const struct decision_row *r,
    const char *field, struct str stored, struct str again)
{
	g_string_printf(v->different, "decision %llu of rule %.*s",
	    (unsigned long long)r->id, STR_ARG(r->rule));
	if (r->key.len)
		g_string_append_printf(v->different, " key %.*s", STR_ARG(r->key));
	v->decision = r->id;
	v->field = arena_str(v->keep, str_of(field));
	v->stored = arena_str(v->keep, stored);
	v->again = arena_str(v->keep, again);
}

/* The stored row that comes next; not later than `seq`. */
static bool next_row(struct verifying *v, uint64_t seq, struct decision_row *ret,
    bool *any, struct err *err)
{
	*any = v->next != 0;
	if (*any && !past_decision(v->past, v->next, v->arena, ret, any, err))
		return false;
	*any = *any && ret->seq <= seq;
	return true;
}

/* False: it differs, or could not be read. */
static bool compare(struct verifying *v, const struct decision_row *again,
    struct err *err)
{
	struct decision_row row = { 0 };
	struct str a, b;
	const char *field;
	bool any;

	arena_reset(v->arena);
	if (!next_row(v, again->seq, &row, &any, err))
		return false;
	v->decisions++;
	if (again->id < v->first)
		v->gone++;
	else if (!any || row.id > again->id)
		differs(v, again, "row", STR("is not there"), STR("was made"));
	else if (row.id < again->id)
		differs(v, &row, "row", STR("is there"), STR("was not made"));
	else if ((field = decision_difference(&row, again, v->arena, &a, &b)))
		differs(v, again, field, a, b);
	else
		v->next = again->id + 1;
	return !v->different->len;
}

static bool on_before(void *arg, struct journal *j, const struct journal_input *in)
{
	struct verifying *v = arg;

	(void)j;
	if (in->in->kind == INPUT_START)
		other_build(v, in->in->start->fingerprint);
	return in->turn->wall_ms < v->to_ms && (any_build || !v->then->len);
}

static bool on_after(void *arg, struct journal *j, const struct journal_input *in,
    struct err *err)
{
	const struct decided *d = &in->fx->decided;
	struct verifying *v = arg;

	(void)j;
	v->inputs++;
	for (uint32_t i = in->decisions; i < d->decisions_n; i++)
		if (!compare(v, &d->decisions[i], err))
			return err->code ? false :
			    err_set(err, ERR_CONFLICT, "a decision differs");
	return true;
}

/* Where the stored rows begin, and where those of this replay do. */
static bool find_rows(struct verifying *v, uint64_t seq, struct err *err)
{
	struct decision_row row;
	bool any;

	arena_reset(v->arena);
	if (!past_decision(v->past, 0, v->arena, &row, &any, err))
		return false;
	v->first = any ? row.id : 0;
	return past_decision_after(v->past, seq, &v->next, err);
}

/* Rows of inputs that were replayed, which no input made. */
static bool leftover(struct verifying *v, struct recall *r, struct err *err)
{
	struct decision_row row = { 0 };
	bool any;

	arena_reset(v->arena);
	if (!next_row(v, world_seq(recall_world(r)), &row, &any, err))
		return false;
	if (any)
		differs(v, &row, "row", STR("is there"), STR("was not made"));
	return true;
}

static void print_json(const struct history *h, const struct verifying *v, int64_t since,
    const struct err *err)
{
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "span"), history_span_json(h, s);
	json_key(s, "from"), json_time(s, since);
	json_key(s, "inputs"), json_i64(s, (int64_t)v->inputs);
	json_key(s, "decisions"), json_i64(s, (int64_t)v->decisions);
	json_key(s, "no_longer_stored"), json_i64(s, (int64_t)v->gone);
	json_key(s, "fingerprint"), json_cstr(s, v->now);
	json_key(s, "other_fingerprint");
	json_cstr(s, v->then->len ? v->then->str : NULL);
	json_key(s, "error"), json_cstr(s, err->code && !v->different->len ? err->msg :
	    NULL);
	json_key(s, "difference");
	if (v->different->len) {
		json_open(s, '{');
		json_key(s, "decision"), json_i64(s, (int64_t)v->decision);
		json_key(s, "field"), json_str(s, v->field);
		json_key(s, "stored"), json_str(s, v->stored);
		json_key(s, "again"), json_str(s, v->again);
		json_close(s, '}');
	} else
		json_nil(s);
	json_close(s, '}');
	puts(s->str);
	g_string_free(s, TRUE);
}

static void print_text(const struct history *h, const struct verifying *v, int64_t since,
    const struct err *err)
{
	GString *span = g_string_new(NULL);
	char at[TIME_TEXT];

	if (v->then->len)
		printf("another build or machine decided some of it:\n  then: %s\n"
		    "  now:  %s\n", v->then->str, v->now);
	history_span_text(h, span);
	printf("covered: %s, %u snapshots\nreplayed from %s: %llu inputs, %llu"
	    " decisions\n", span->str, h->span.snapshots, time_print(since, at),
	    (unsigned long long)v->inputs, (unsigned long long)v->decisions);
	if (v->different->len)
		printf("%s differs in its %.*s:\n  stored: %.*s\n  again:  %.*s\n",
		    v->different->str, STR_ARG(v->field), STR_ARG(v->stored),
		    STR_ARG(v->again));
	else if (v->then->len && !any_build)
		puts("not compared further: with --any-build it is");
	else if (err->code)
		printf("the replay ended: %s\n", err->msg);
	else if (v->gone)
		printf("every decision is the same, but for %llu that are no longer"
		    " stored\n", (unsigned long long)v->gone);
	else
		puts("every decision is the same");
	g_string_free(span, TRUE);
}

static int verify_it(struct ctl *c, struct history *h, const struct past_snap *snap,
    int64_t to_ms)
{
	struct verifying v = { .past = h->past, .to_ms = to_ms, .arena = arena_new(0),
		.keep = arena_new(0), .now = fingerprint_new(),
		.then = g_string_new(NULL), .different = g_string_new(NULL) };
	const struct recall_options o = { .past = h->past, .catalog = &h->config->catalog,
		.any_formats = any_build,
		.host = { .ctx = &v, .before = on_before, .after = on_after,
			.fetch = history_fetch }, .fetch_ctx = h };
	struct recall *r = recall_new(&o);
	struct err err = { 0 };
	bool ok;

	if (*snap->fingerprint)
		other_build(&v, str_of(snap->fingerprint));
	ok = recall_load(r, snap, &err) &&
	    find_rows(&v, world_seq(recall_world(r)), &err);
	if (ok && (any_build || !v.then->len))
		ok = recall_run(r, h->span.turn1, &err) != JOURNAL_FAILED &&
		    leftover(&v, r, &err);
	ok = ok && !v.different->len && (any_build || !v.then->len);
	(c->format == FORMAT_JSON ? print_json : print_text)(h, &v, snap->wall_ms, &err);
	recall_free(r);
	g_string_free(v.then, TRUE);
	g_string_free(v.different, TRUE);
	arena_free(v.arena);
	arena_free(v.keep);
	g_free(v.now);
	return ok ? CTL_OK : CTL_NO;
}

static int run(struct ctl *c, int argc, char **argv)
{
	int64_t from_ms = INT64_MIN, to_ms = INT64_MAX;
	struct past_snap snap;
	struct history h;
	int status;

	(void)argv;
	if (argc || !verify)
		return usage_error("replay", "expected --verify");
	if ((from && !history_time("replay", "from", from, &from_ms)) ||
	    (to && !history_time("replay", "to", to, &to_ms)))
		return CTL_USAGE;
	if (!history_open(c, "replay", state, &h, &status))
		return status;
	if (!from)
		from_ms = h.span.from_ms;
	status = history_snap(&h, "replay", from_ms, &snap) ?
	    verify_it(c, &h, &snap, to_ms) : CTL_NO;
	history_close(&h);
	return status;
}

const struct verb verb_replay = {
	.name = "replay",
	.args = "--verify [--from TIME] [--to TIME] [--any-build] [--state DIR]",
	.summary = "decide the recorded past again, and compare every decision",
	.help = "Reads the state directory of this machine; the daemon may run.  Exits 1"
	    " at\nthe first difference, and where another build decided (unless"
	    " --any-build).",
	.rows = rows,
	.offline = true,
	.run = run,
};
