/* Silences: a person says what shall fire nothing for a while, and why.
 *
 *	rule=fraud-*  label.team!=x		terms, all of which must hold
 *	FIELD=GLOB, FIELD!=GLOB		* any bytes, ? one byte; an absent field is ""
 *
 * Each is a cell of its own.  It ends at a time of the wall clock, or when somebody ends
 * it; both ask again what it held back.  Once ended it is gone: a wall clock that goes
 * back does not bring it back.
 */
#include <inttypes.h>

#include "base/diag.h"
#include "base/json.h"
#include "decide/priv.h"

#define SILENCES_MAX 1000
#define TERMS_MAX 16
#define TERM_BYTES_MAX 512
#define NOTE_BYTES_MAX 1024	/* of author and of reason, each */

enum field { FIELD_RULE, FIELD_BUNDLE, FIELD_KEY, FIELD_MODEL, FIELD_PIPELINE,
	FIELD_OWNER, FIELD_LABEL };
/* ORDER field */
static const char *const fields[] = { "rule", "bundle", "key", "model", "pipeline",
	"owner", "label." };

struct term {
	enum field	 field;
	bool		 not;
	struct str	 label, glob, text;
};
struct silence {
	uint32_t	 cell;
	uint64_t	 id;
	int64_t		 until_ms;
	struct term	 terms[TERMS_MAX];	/* text in the cell */
	uint32_t	 terms_n;
};

/* ---- terms ---- */

static bool field_of(struct str name, struct term *t)
{
	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++) {
		t->field = (enum field)i;
		if (i == FIELD_LABEL && str_starts(name, STR("label."))) {
			t->label = (struct str){ name.p + 6, name.len - 6 };
			return t->label.len > 0;
		}
		if (str_is(name, str_of(fields[i])))
			return i != FIELD_LABEL;
	}
	return false;
}

static bool unknown_field(struct str name, struct err *err)
{
	struct str words[G_N_ELEMENTS(fields)], near;

	for (size_t i = 0; i < G_N_ELEMENTS(fields); i++)
		words[i] = str_of(fields[i]);
	near = nearest_word(name, words, G_N_ELEMENTS(words));
	return err_set(err, ERR_USAGE, "'%.*s' is not one of rule, bundle, key, model,"
	    " pipeline, owner and label.NAME%s%.*s%s", STR_ARG(name),
	    near.len ? ": did you mean '" : "", STR_ARG(near), near.len ? "'?" : "");
}

static bool term_read(struct str text, struct term *t, struct err *err)
{
	const char *eq = text.len ? memchr(text.p, '=', text.len) : NULL;
	struct str name;

	*t = (struct term){ .text = text };
	if (!eq || eq == text.p || text.len > TERM_BYTES_MAX)
		return err_set(err, ERR_USAGE, "'%.*s': expected FIELD=GLOB or"
		    " FIELD!=GLOB of at most %d bytes", (int)MIN(text.len, 100), text.p,
		    TERM_BYTES_MAX);
	t->not = eq[-1] == '!';
	name = (struct str){ text.p, (uint32_t)(eq - text.p) - t->not };
	t->glob = (struct str){ eq + 1, text.len - (uint32_t)(eq + 1 - text.p) };
	return field_of(name, t) || unknown_field(name, err);
}

/* Greedy with one point to return to: time is the product of the lengths at most. */
static bool glob_matches(struct str g, struct str s)
{
	uint32_t i = 0, j = 0, star = UINT32_MAX, from = 0;

	while (j < s.len) {
		if (i < g.len && g.p[i] == '*') {
			star = i++;
			from = j;
		} else if (i < g.len && (g.p[i] == '?' || g.p[i] == s.p[j])) {
			i++, j++;
		} else if (star != UINT32_MAX) {
			i = star + 1;
			j = ++from;
		} else {
			return false;
		}
	}
	while (i < g.len && g.p[i] == '*')
		i++;
	return i == g.len;
}

static struct str bundle_of(struct str rule)
{
	const char *slash = rule.len ? memchr(rule.p, '/', rule.len) : NULL;

	return (struct str){ rule.p, slash ? (uint32_t)(slash - rule.p) : 0 };
}

static struct str label_of(struct ctx *c, struct str name)
{
	struct value v = { 0 };

	if (c->rule->labels.tag == VALUE_MAP)
		v = value_member(c->rule->labels, name, c->d->arena);
	if (v.tag == VALUE_STRING)
		return value_as_str(v);
	return v.tag == VALUE_ABSENT ? STR("") : value_key(v, c->d->arena);
}

static struct str field_value(struct ctx *c, const struct term *t)
{
	const struct pipeline *p = c->rule->pipeline;

	switch (t->field) {
	case FIELD_RULE:
		return c->rule->name;
	case FIELD_BUNDLE:
		return bundle_of(c->rule->name);
	case FIELD_KEY:
		return c->key;
	case FIELD_MODEL:
		return ctx_model_name(c);
	case FIELD_PIPELINE:
		return p ? p->name : STR("");
	case FIELD_OWNER:
		return c->rule->owner;
	case FIELD_LABEL:
		return label_of(c, t->label);
	}
	return STR("");
}

static bool matches(struct ctx *c, const struct silence *s)
{
	for (uint32_t i = 0; i < s->terms_n; i++)
		if (glob_matches(s->terms[i].glob, field_value(c, &s->terms[i])) ==
		    s->terms[i].not)
			return false;
	return true;
}

/* ---- cells ---- */

struct view { struct str author, reason; };

static struct view view_of(const struct decide *d, const struct silence *s)
{
	const struct silence_cell *c = cells_get(d->cells, s->cell);
	const char *text = (const char *)(c + 1);

	return (struct view){ { text, c->author_len },
		{ text + c->author_len, c->reason_len } };
}

static struct silence *silence_at(const struct decide *d, guint i)
{
	return g_ptr_array_index(d->silences, i);
}

/* A cell that no code of ours wrote is passed over. */
void silence_load(struct decide *d, uint32_t cell)
{
	const struct silence_cell *c = cells_get(d->cells, cell);
	uint32_t left = cells_bytes(d->cells, cell), at = (uint32_t)sizeof(*c);
	struct silence *s;
	struct err err;

	if (left < at || left < at + c->author_len + c->reason_len)
		return;
	s = g_new0(struct silence, 1);
	s->cell = cell;
	s->id = c->id;
	s->until_ms = c->until_ms;
	at += (uint32_t)c->author_len + c->reason_len;
	for (uint32_t i = 0; i < MIN(c->terms_n, TERMS_MAX) && at + 2 <= left; i++) {
		const char *p = (const char *)c + at;
		uint16_t n;

		memcpy(&n, p, sizeof(n));
		at += 2u + n;
		if (at <= left && term_read((struct str){ p + 2, n },
		    &s->terms[s->terms_n], &err))
			s->terms_n++;
	}
	g_ptr_array_add(d->silences, s);
}

static int by_id(const void *pa, const void *pb)
{
	const struct silence *a = *(struct silence *const *)pa;
	const struct silence *b = *(struct silence *const *)pb;

	return (a->id > b->id) - (a->id < b->id);
}

static void arm(struct decide *d)
{
	int64_t first = INT64_MAX;

	for (guint i = 0; i < d->silences->len; i++)
		first = MIN(first, silence_at(d, i)->until_ms);
	heap_set(&d->wall, &d->silence, first);
}

void silence_loaded(struct decide *d)
{
	g_ptr_array_sort(d->silences, by_id);
	arm(d);
}

void silence_init(struct decide *d)
{
	d->silences = g_ptr_array_new_with_free_func(g_free);
}

void silence_fini(struct decide *d)
{
	g_ptr_array_free(d->silences, TRUE);
}

static void drop(struct decide *d, guint i)
{
	cells_drop(d->cells, silence_at(d, i)->cell);
	g_ptr_array_remove_index(d->silences, i);
}

/* ---- asked, begun, ended ---- */

/* Of several, the one that lasts longest is named: until then all are silent. */
bool silence_ask(struct ctx *c, struct check *k)
{
	const struct decide *d = c->d;
	const struct silence *by = NULL;
	struct view v;

	for (guint i = 0; i < d->silences->len; i++) {
		const struct silence *s = silence_at(d, i);

		if (s->until_ms > c->wall && (!by || s->until_ms > by->until_ms) &&
		    matches(c, s))
			by = s;
	}
	if (!by)
		return suppress_say(k, SUPP_SILENCE, false, STR(""), 0);
	v = view_of(d, by);
	return suppress_say(k, SUPP_SILENCE, true, arena_printf(d->arena,
	    "s-%" PRIu64 " of %.*s, %.*s left%s%.*s", by->id, STR_ARG(v.author),
	    STR_ARG(span_str(by->until_ms - c->wall, d->arena)),
	    v.reason.len ? ": " : "", STR_ARG(v.reason)), by->until_ms);
}

static bool order_check(const struct decide *d, const struct silence_order *o,
    struct err *err)
{
	struct term t;

	if (o->terms_n == 0 || o->terms_n > TERMS_MAX)
		return err_set(err, ERR_USAGE, "a silence has 1 to %d terms, as"
		    " rule=risk/*", TERMS_MAX);
	for (uint32_t i = 0; i < o->terms_n; i++)
		if (!term_read(o->terms[i], &t, err))
			return false;
	if (o->until_ms <= d->now_wall)
		return err_set(err, ERR_USAGE, "the silence would have ended already");
	if (o->author.len > NOTE_BYTES_MAX || o->reason.len > NOTE_BYTES_MAX)
		return err_set(err, ERR_USAGE, "the reason is longer than %d bytes",
		    NOTE_BYTES_MAX);
	if (d->silences->len >= SILENCES_MAX)
		return err_set(err, ERR_LIMIT, "there are %d silences already: end some",
		    SILENCES_MAX);
	return true;
}

bool decide_silence(struct decide *d, const struct silence_order *o, uint64_t *ret_id,
    struct err *err)
{
	uint32_t bytes = (uint32_t)sizeof(struct silence_cell) + o->author.len +
	    o->reason.len, cell;
	struct silence_cell *c;
	char *p;

	if (!order_check(d, o, err))
		return false;
	for (uint32_t i = 0; i < o->terms_n; i++)
		bytes += 2 + o->terms[i].len;
	cell = cells_add(d->cells, CELL_SILENCE, bytes);
	c = cells_touch(d->cells, cell);
	*c = (struct silence_cell){ .created_ms = d->now_wall, .until_ms = o->until_ms,
		.author_len = (uint16_t)o->author.len, .terms_n = (uint16_t)o->terms_n,
		.reason_len = (uint16_t)o->reason.len };
	c->id = ++((struct meta_cell *)cells_touch(d->cells, d->meta))->silence;
	*ret_id = c->id;
	p = (char *)(c + 1);
	memcpy(p, o->author.p ? o->author.p : "", o->author.len);
	p += o->author.len;
	memcpy(p, o->reason.p ? o->reason.p : "", o->reason.len);
	p += o->reason.len;
	for (uint32_t i = 0; i < o->terms_n; i++) {
		uint16_t n = (uint16_t)o->terms[i].len;

		memcpy(p, &n, sizeof(n));
		memcpy(p + sizeof(n), o->terms[i].p, n);
		p += sizeof(n) + n;
	}
	silence_load(d, cell);
	arm(d);
	return true;
}

bool decide_silence_end(struct decide *d, struct str id, struct err *err)
{
	char text[24];

	for (guint i = 0; i < d->silences->len; i++) {
		g_snprintf(text, sizeof(text), "s-%" PRIu64, silence_at(d, i)->id);
		if (!str_is(id, str_of(text)))
			continue;
		drop(d, i);
		arm(d);
		opens_now(d, SUPP_SILENCE);
		return true;
	}
	return err_set(err, ERR_NOT_FOUND, "no silence '%.*s'", STR_ARG(id));
}

/* What it held back has a deadline of its own at the same time: opens.c. */
void silence_due(struct decide *d)
{
	for (guint i = d->silences->len; i-- > 0;)
		if (silence_at(d, i)->until_ms <= d->now_wall)
			drop(d, i);
	arm(d);
}

void decide_silences_json(const struct decide *d, GString *out)
{
	char text[24];

	json_open(out, '[');
	for (guint i = 0; i < d->silences->len; i++) {
		const struct silence *s = silence_at(d, i);
		const struct silence_cell *c = cells_get(d->cells, s->cell);
		struct view v = view_of(d, s);

		g_snprintf(text, sizeof(text), "s-%" PRIu64, s->id);
		json_open(out, '{');
		json_key(out, "id"), json_cstr(out, text);
		json_key(out, "match"), json_open(out, '[');
		for (uint32_t n = 0; n < s->terms_n; n++)
			json_str(out, s->terms[n].text);
		json_close(out, ']');
		json_key(out, "author"), json_str(out, v.author);
		json_key(out, "reason"), json_str(out, v.reason);
		json_key(out, "created"), json_time(out, c->created_ms);
		json_key(out, "until"), json_time(out, c->until_ms);
		json_close(out, '}');
	}
	json_close(out, ']');
}
