/* Which texts of which bundle make up the next rule set.
 *
 *	files ──► texts of all ──► build ──► an error is in some bundle's text
 *	             ▲                              │
 *	             └── its last good texts ◄──────┘   until it builds
 *
 * Invariants
 *	(1) A bundle only goes OK -> KEPT -> FAILED, so this ends.
 *	(2) While `shared` is wrong, nothing is held against those who refer to it.
 *	(3) The order of the texts and the numbers of the generations follow from the
 *	    texts alone: the same files over the same last good texts give the same hash.
 *	(4) What is wrong with all texts together (too many rules, no directory) changes
 *	    no bundle at all. */
#include "turn/bundles.h"

#include <stdlib.h>

#include "base/arena.h"
#include "base/json.h"

#define SHARED STR("shared")

struct texts { struct rule_text *v; uint32_t n, cap; };
struct member {			/* of the work; beside the bundle with the same index */
	struct str	 name;
	bool		 files, old;	/* has texts of that kind */
	bool		 wrong;		/* in this attempt */
};
struct work {
	struct arena	*a;
	const struct catalog *catalog;
	struct rules_found found;
	struct texts	 old, all;
	struct member	*m;
	struct bundles	*b;
	uint32_t	*generations, generations_n;	/* [new - 1] = the old number */
	bool		 refused;
};

/* ---- results ---- */

static void bundle_add(struct work *w, struct str name)
{
	uint32_t i = w->b->n++;

	w->b->v = g_renew(struct bundle, w->b->v, w->b->n);
	w->b->v[i] = (struct bundle){ .name = g_strndup(name.len ? name.p : "", name.len),
		.state = BUNDLE_OK, .text = g_string_new(NULL),
		.json = g_string_new(NULL) };
}

void bundles_free(struct bundles *b)
{
	if (!b)
		return;
	for (uint32_t i = 0; i < b->n; i++) {
		g_free(b->v[i].name);
		g_string_free(b->v[i].text, TRUE);
		g_string_free(b->v[i].json, TRUE);
	}
	g_free(b->v);
	g_string_free(b->text, TRUE);
	g_string_free(b->json, TRUE);
	g_free(b);
}

bool bundles_ok(const struct bundles *b)
{
	for (uint32_t i = 0; i < b->n; i++)
		if (b->v[i].state == BUNDLE_KEPT || b->v[i].state == BUNDLE_FAILED)
			return false;
	return !b->text->len;
}

const char *bundle_shown(const struct bundle *b)
{
	return *b->name ? b->name : ".";
}

const char *bundle_state_name(enum bundle_state s)
{
	static const char *const names[] = { "", "ok", "kept", "failed", "removed" };

	return names[s];
}

void bundles_text(const struct bundles *b, GString *out)
{
	g_string_append(out, b->text->str);
	for (uint32_t i = 0; i < b->n; i++)
		g_string_append(out, b->v[i].text->str);
}

static void put_items(const GString *items, GString *json)
{
	if (items->len)
		json_raw(json, (struct str){ items->str, (uint32_t)items->len });
}

void bundles_diagnostics(const struct bundles *b, GString *json)
{
	json_open(json, '[');
	put_items(b->json, json);
	for (uint32_t i = 0; i < b->n; i++)
		put_items(b->v[i].json, json);
	json_close(json, '[');
}

void bundles_json(const struct bundles *b, GString *json)
{
	json_open(json, '[');
	for (uint32_t i = 0; i < b->n; i++) {
		const struct bundle *x = &b->v[i];

		json_open(json, '{');
		json_key(json, "name"), json_cstr(json, bundle_shown(x));
		json_key(json, "state"), json_cstr(json, bundle_state_name(x->state));
		json_key(json, "rules"), json_i64(json, x->rules);
		json_key(json, "errors"), json_i64(json, x->errors);
		json_key(json, "since"), json_time(json, x->since_ms);
		json_key(json, "diagnostics"), json_open(json, '[');
		put_items(x->json, json);
		json_close(json, '[');
		json_close(json, '{');
	}
	json_close(json, '[');
}

/* Not in a file: a directory or a file that can't be read. */
static void put_error(GString *text, GString *json, const struct err *err)
{
	g_string_append_printf(text, "%s\n", err->msg);
	json_open(json, '{');
	json_key(json, "severity"), json_cstr(json, "error");
	json_key(json, "message"), json_cstr(json, err->msg);
	json_close(json, '{');
}

/* ---- who takes part ---- */

bool bundle_name_ok(struct str s)
{
	for (uint32_t i = 0; i < s.len; i++)
		if (!g_ascii_isalnum(s.p[i]) && s.p[i] != '_' &&
		    !(i > 0 && (s.p[i] == '-' || s.p[i] == '.')))
			return false;
	return s.len > 0 && s.len <= 128;
}

static int by_str(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static uint32_t member_of(const struct work *w, struct str bundle)
{
	for (uint32_t i = 0; i < w->b->n; i++)
		if (str_is(w->m[i].name, bundle))
			return i;
	return UINT32_MAX;
}

/* Older generations of `shared` belong to those who were built against them. */
static bool counts(const struct rule_text *t)
{
	return !t->shared || !str_is(t->bundle, SHARED);
}

static void members(struct work *w)
{
	uint32_t n = 0;
	struct str *names = ARENA_ARRAY(w->a, struct str,
	    w->found.n + w->found.bad_n + w->old.n);

	for (uint32_t i = 0; i < w->found.n; i++)
		names[n++] = w->found.texts[i].bundle;
	for (uint32_t i = 0; i < w->found.bad_n; i++)
		names[n++] = w->found.bad[i].bundle;
	for (uint32_t i = 0; i < w->old.n; i++)
		if (counts(&w->old.v[i]))
			names[n++] = w->old.v[i].bundle;
	if (n)
		qsort(names, n, sizeof(*names), by_str);
	w->m = ARENA_ARRAY(w->a, struct member, n);
	for (uint32_t i = 0; i < n; i++)
		if (!i || !str_is(names[i], names[i - 1])) {
			w->m[w->b->n] = (struct member){ .name = names[i] };
			bundle_add(w, names[i]);
		}
	for (uint32_t i = 0; i < w->found.n; i++)
		w->m[member_of(w, w->found.texts[i].bundle)].files = true;
	for (uint32_t i = 0; i < w->old.n; i++)
		if (counts(&w->old.v[i]))
			w->m[member_of(w, w->old.v[i].bundle)].old = true;
}

static void give_way(struct work *w, uint32_t i)
{
	struct bundle *b = &w->b->v[i];

	b->state = b->state == BUNDLE_OK && w->m[i].old ? BUNDLE_KEPT : BUNDLE_FAILED;
}

static void first_states(struct work *w)
{
	for (uint32_t i = 0; i < w->b->n; i++)
		if (!w->m[i].files)
			w->b->v[i].state = BUNDLE_REMOVED;
	for (uint32_t i = 0; i < w->found.bad_n; i++) {
		uint32_t x = member_of(w, w->found.bad[i].bundle);
		struct bundle *b = &w->b->v[x];

		b->state = BUNDLE_OK;
		give_way(w, x);
		b->errors++;
		put_error(b->text, b->json, &w->found.bad[i].err);
	}
}

/* ---- the texts of an attempt ---- */

static void add(struct work *w, const struct rule_text *t, uint32_t shared)
{
	struct texts *all = &w->all;

	all->v = arena_grow(w->a, all->v, all->n, &all->cap, sizeof(*all->v));
	all->v[all->n] = *t;
	all->v[all->n++].shared = shared;
}

/* The texts of one generation of `shared`; old, or those of the files. */
static struct texts shared_texts(struct work *w, bool old, uint32_t generation)
{
	const struct rule_text *v = old ? w->old.v : w->found.texts;
	uint32_t n = old ? w->old.n : w->found.n;
	struct texts ret = { 0 };

	for (uint32_t i = 0; i < n; i++)
		if (str_is(v[i].bundle, SHARED) && v[i].shared == generation) {
			ret.v = arena_grow(w->a, ret.v, ret.n, &ret.cap, sizeof(*ret.v));
			ret.v[ret.n++] = v[i];
		}
	return ret;
}

/* Of generation 0 in this attempt. */
static struct texts newest_shared(struct work *w)
{
	uint32_t i = member_of(w, SHARED);

	if (i != UINT32_MAX && w->b->v[i].state == BUNDLE_OK)
		return shared_texts(w, false, 0);
	if (i != UINT32_MAX && w->b->v[i].state == BUNDLE_KEPT)
		return shared_texts(w, true, 0);
	return (struct texts){ 0 };
}

static bool same_texts(struct texts a, struct texts b)
{
	bool same = a.n == b.n;

	for (uint32_t i = 0; same && i < a.n; i++)
		same = str_is(a.v[i].name, b.v[i].name) &&
		    str_is(a.v[i].dir, b.v[i].dir) &&
		    str_is(a.v[i].bytes, b.v[i].bytes) &&
		    a.v[i].companion == b.v[i].companion;
	return same;
}

/* The number in this attempt of what was generation `old`; its texts are added. */
static uint32_t generation_of(struct work *w, struct texts newest, uint32_t old)
{
	struct texts mine = shared_texts(w, true, old);

	if (same_texts(mine, newest))
		return 0;
	for (uint32_t i = 0; i < w->generations_n; i++)
		if (same_texts(mine, shared_texts(w, true, w->generations[i])))
			return i + 1;
	w->generations[w->generations_n++] = old;
	for (uint32_t i = 0; i < mine.n; i++)
		add(w, &mine.v[i], w->generations_n);
	return w->generations_n;
}

static int by_place(const void *pa, const void *pb)
{
	const struct rule_text *a = pa, *b = pb;
	int r = str_cmp(a->bundle, b->bundle);

	r = r ? r : str_cmp(a->name, b->name);
	return r ? r : (a->shared > b->shared) - (a->shared < b->shared);
}

static void assemble(struct work *w)
{
	struct texts newest = newest_shared(w);

	w->all.n = 0;
	w->generations_n = 0;
	w->generations = ARENA_ARRAY(w->a, uint32_t, w->b->n + 1);
	for (uint32_t i = 0; i < newest.n; i++)
		add(w, &newest.v[i], 0);
	for (uint32_t b = 0; b < w->b->n; b++) {
		struct str name = w->m[b].name;
		uint32_t shared = UINT32_MAX;

		if (str_is(name, SHARED))
			continue;
		for (uint32_t i = 0; w->b->v[b].state == BUNDLE_OK && i < w->found.n; i++)
			if (str_is(w->found.texts[i].bundle, name))
				add(w, &w->found.texts[i], 0);
		for (uint32_t i = 0; w->b->v[b].state == BUNDLE_KEPT && i < w->old.n; i++)
			if (str_is(w->old.v[i].bundle, name)) {
				if (shared == UINT32_MAX)
					shared = generation_of(w, newest,
					    w->old.v[i].shared);
				add(w, &w->old.v[i], shared);
			}
	}
	if (w->all.n)
		qsort(w->all.v, w->all.n, sizeof(*w->all.v), by_place);
}

/* ---- what an attempt says ---- */

static void put_diag(const struct diags *d, uint32_t i, GString *text, GString *json)
{
	diag_render(d, i, text);
	diag_json(d, i, json);
}

static void blame(struct work *w, uint32_t x, const struct diags *d, uint32_t i)
{
	struct bundle *b = &w->b->v[x];

	w->m[x].wrong = true;
	b->errors++;
	put_diag(d, i, b->text, b->json);
}

static bool is_error_of_shared(const struct work *w, const struct diag *x)
{
	const struct rule_text *t = &w->all.v[x->at.text];

	return x->severity == SEV_ERROR && !t->shared && str_is(t->bundle, SHARED);
}

/* An old generation of shared no longer builds: neither do those who need it. */
static void blame_users(struct work *w, uint32_t generation, const struct diags *d,
    uint32_t i)
{
	for (uint32_t t = 0; t < w->all.n; t++) {
		const struct rule_text *text = &w->all.v[t];

		if (text->shared != generation || str_is(text->bundle, SHARED))
			continue;
		if (t && str_is(w->all.v[t - 1].bundle, text->bundle))
			continue;
		blame(w, member_of(w, text->bundle), d, i);
	}
}

/* Whoever has an error gives way; false: no one, so all of it is refused. */
static bool judge(struct work *w, const struct diags *d)
{
	bool shared = false, any = false;

	for (uint32_t i = 0; i < diags_kept(d); i++) {
		if (diags_at(d, i)->whole || diags_at(d, i)->at.text >= w->all.n) {
			put_diag(d, i, w->b->text, w->b->json);
			return false;
		}
		shared = shared || is_error_of_shared(w, diags_at(d, i));
	}
	for (uint32_t i = 0; i < diags_kept(d); i++) {
		const struct diag *x = diags_at(d, i);
		const struct rule_text *t = &w->all.v[x->at.text];

		if (x->severity != SEV_ERROR || (shared && !is_error_of_shared(w, x)))
			continue;
		if (t->shared && str_is(t->bundle, SHARED))
			blame_users(w, t->shared, d, i);
		else
			blame(w, member_of(w, t->bundle), d, i);
	}
	for (uint32_t i = 0; i < w->b->n; i++) {
		if (w->m[i].wrong)
			give_way(w, i);
		any = any || w->m[i].wrong;
		w->m[i].wrong = false;
	}
	if (!any)
		diags_render(d, w->b->text);
	return any;
}

static void put_warnings(struct work *w, const struct diags *d)
{
	for (uint32_t i = 0; i < diags_kept(d); i++) {
		uint32_t t = diags_at(d, i)->at.text, x;

		x = t < w->all.n ? member_of(w, w->all.v[t].bundle) : UINT32_MAX;

		if (x != UINT32_MAX && w->b->v[x].state == BUNDLE_OK)
			put_diag(d, i, w->b->v[x].text, w->b->v[x].json);
	}
}

static struct ruleset *attempt(struct work *w, bool *ret_again)
{
	struct text *names;
	struct ruleset *rs;
	struct diags *d;

	assemble(w);
	names = ARENA_ARRAY(w->a, struct text, w->all.n);
	for (uint32_t i = 0; i < w->all.n; i++)
		names[i] = (struct text){ w->all.v[i].name, w->all.v[i].bytes };
	d = diags_new(names, w->all.n);
	rs = ruleset_build(w->all.v, w->all.n, w->catalog, d);
	*ret_again = false;
	if (rs)
		put_warnings(w, d);
	else if (judge(w, d))
		*ret_again = true;
	else
		w->refused = true;
	diags_free(d);
	return rs;
}

/* ---- the whole ---- */

static struct ruleset *attempts(struct work *w)
{
	struct ruleset *rs;
	bool again;

	do
		rs = attempt(w, &again);
	while (again);
	return rs;
}

/* All go on with what they have. */
static void keep_all(struct work *w)
{
	for (uint32_t i = 0; i < w->b->n; i++)
		w->b->v[i].state = w->m[i].old ? BUNDLE_KEPT : BUNDLE_FAILED;
}

/* Nothing of it runs because it is wrong, not because it was taken away. */
static bool none_left(const struct work *w)
{
	bool failed = false;

	for (uint32_t i = 0; i < w->b->n; i++) {
		enum bundle_state s = w->b->v[i].state;

		if (s == BUNDLE_OK || s == BUNDLE_KEPT)
			return false;
		failed = failed || (s == BUNDLE_FAILED && (w->m[i].old || !w->old.n));
	}
	return failed || (w->b->text->len && !w->b->n);
}

static void count_rules(struct work *w, const struct ruleset *rs)
{
	for (uint32_t i = 0; i < rs->rules_n; i++) {
		struct str name = rs->rules[i].name;
		const char *slash = memchr(name.p, '/', name.len);
		uint32_t x = member_of(w, (struct str){ name.p,
		    slash ? (uint32_t)(slash - name.p) : 0 });

		if (x != UINT32_MAX)
			w->b->v[x].rules++;
	}
}

struct ruleset *bundles_build(const struct reload_options *o, const struct catalog *c,
    struct str packed, struct bundles **ret)
{
	struct work w = { .a = arena_new(0), .catalog = c,
		.b = g_new0(struct bundles, 1) };
	struct ruleset *rs = NULL;
	struct err err = { 0 };
	bool there;

	w.b->text = g_string_new(NULL);
	w.b->json = g_string_new(NULL);
	if (!packed.len || !ruleset_unpack(packed, &w.old.v, &w.old.n, w.a))
		w.old.n = 0;
	there = rules_find(o, w.a, &w.found, &err);
	if (!there) {
		w.found = (struct rules_found){ .n = 0 };
		put_error(w.b->text, w.b->json, &err);
	}
	members(&w);
	first_states(&w);
	if (there)
		rs = attempts(&w);
	if (!there || w.refused) {
		keep_all(&w);
		rs = attempts(&w);
	}
	if (rs && none_left(&w)) {
		ruleset_unref(rs);
		rs = NULL;
	}
	if (rs)
		count_rules(&w, rs);
	arena_free(w.a);
	*ret = w.b;
	return rs;
}
