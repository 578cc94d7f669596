/* What may follow a known name: members, parameters, steps, aggregates.
 *
 * The expression compiler leaves these to run time; most are known at load, so a
 * misspelled one is told with its place and the nearest word. */
#include "rules/names_check.h"

#include "signal/drift.h"
#include "signal/tester.h"

#define AGGREGATES "count|sum|avg|min|max|stddev|first|last|rate|delta|distinct|" \
	"quantile|age|ratio|list"
#define JUDGED_MEMBERS "drift|stat|limit|n|p|over"
#define KEPT_EVENT "id|source|type|subject|time|data"
#define STEP_FACT "state|outputs|metrics"

bool names_in(struct str word, const char *words)
{
	for (const char *p = words, *end; *p; p = *end ? end + 1 : end) {
		end = strchrnul(p, '|');
		if (str_is(word, (struct str){p, (uint32_t)(end - p)}))
			return true;
	}
	return false;
}

static void near_in(struct names *nm, struct diag *d, struct str word, const char *words)
{
	struct str v[16];
	uint32_t n = 0;

	for (const char *p = words, *end; *p && n < 16; p = *end ? end + 1 : end) {
		end = strchrnul(p, '|');
		v[n++] = (struct str){p, (uint32_t)(end - p)};
	}
	load_near(nm->ld, d, word, v, n);
}

static bool ident_byte(char c)
{
	return g_ascii_isalnum(c) || c == '_';
}

/* Where `path` stands in the scalar that is being compiled. */
static struct span path_at(struct names *nm, const struct str *path, uint32_t n)
{
	GString *text = g_string_new(NULL);
	struct str s = nm->node->scalar;
	struct span at = nm->node->at;

	for (uint32_t i = 0; i < n; i++)
		g_string_append_printf(text, "%s%.*s", i ? "." : "", STR_ARG(path[i]));
	for (uint32_t i = 0; text->len <= s.len && i <= s.len - text->len; i++) {
		uint32_t end = i + (uint32_t)text->len;

		if (memcmp(s.p + i, text->str, text->len) != 0 ||
		    (i && (ident_byte(s.p[i - 1]) || s.p[i - 1] == '.')) ||
		    (end < s.len && ident_byte(s.p[end])))
			continue;
		at = yaml_sub(nm->node, nm->ld->diags, i, (uint32_t)text->len);
		break;
	}
	g_string_free(text, true);
	return at;
}

struct diag *names_tell(struct names *nm, const struct str *path, uint32_t n,
    const char *fmt, ...)
{
	struct span at = path_at(nm, path, n);
	struct diag *d = NULL;
	char msg[512];
	va_list ap;

	va_start(ap, fmt);
	g_vsnprintf(msg, sizeof msg, fmt, ap);
	va_end(ap);
	if (nm->told != at.off + 1)
		d = diag_add(nm->ld->diags, SEV_ERROR, at, "%s", msg);
	nm->told = at.off + 1;
	return d;
}

void check_member(struct names *nm, const struct name_row *row,
    const struct str *path, uint32_t n)
{
	struct diag *d;

	if (n < 2 || !row->members || names_in(path[1], row->members))
		return;
	d = names_tell(nm, path, 2, "'%s' has no member '%.*s'", row->name,
	    STR_ARG(path[1]));
	near_in(nm, d, path[1], row->members);
}

void check_event(struct names *nm, const struct str *path, uint32_t n)
{
	struct diag *d;

	if (n < 2 || names_in(path[1], KEPT_EVENT))
		return;
	d = names_tell(nm, path, 2,
	    "the event of a selector has no member '%.*s': expected id, source, type,"
	    " subject, time or data", STR_ARG(path[1]));
	near_in(nm, d, path[1], KEPT_EVENT);
}

void check_vars(struct names *nm, const struct str *path, uint32_t n)
{
	const struct value_map *m = nm->vars.tag == VALUE_MAP ? nm->vars.map : NULL;
	struct str known[64];
	uint32_t known_n = 0;
	struct diag *d;

	if (n < 2)
		return;
	for (uint32_t i = 0; m && i < m->n; i++) {
		if (str_is(value_as_str(m->keys[i]), path[1]))
			return;
		if (known_n < G_N_ELEMENTS(known))
			known[known_n++] = value_as_str(m->keys[i]);
	}
	d = names_tell(nm, path, 2, "this file's vars have no '%.*s'", STR_ARG(path[1]));
	load_near(nm->ld, d, path[1], known, known_n);
}

void check_params(struct names *nm, const struct str *path, uint32_t n)
{
	struct str known[64];
	uint32_t known_n = 0;
	struct diag *d;

	for (uint32_t i = 0; i < nm->params_n; i++) {
		bool hit = n < 2 || str_is(nm->params[i].name, path[1]);

		if (hit && nm->params_read)
			nm->params_read[i] = true;
		if (hit && n >= 2)
			return;
		if (known_n < G_N_ELEMENTS(known))
			known[known_n++] = nm->params[i].name;
	}
	if (n < 2)
		return;
	d = names_tell(nm, path, 2, "the pipeline has no parameter '%.*s'",
	    STR_ARG(path[1]));
	load_near(nm->ld, d, path[1], known, known_n);
}

void check_step(struct names *nm, const struct str *path, uint32_t n)
{
	uint32_t i = 0;
	struct diag *d;

	if (n < 2) {
		names_tell(nm, path, n,
		    "steps are read one by one, as steps.NAME.outputs");
		return;
	}
	while (i < nm->steps_n && !str_is(nm->steps[i], path[1]))
		i++;
	if (i == nm->steps_n) {
		d = names_tell(nm, path, 2, "the pipeline has no step '%.*s'",
		    STR_ARG(path[1]));
		load_near(nm->ld, d, path[1], nm->steps, nm->steps_n);
	} else if (nm->done && !nm->done[i]) {
		d = names_tell(nm, path, 2, "this step does not wait for '%.*s'",
		    STR_ARG(path[1]));
		if (d)
			diag_hint(nm->ld->diags, d, "add '%.*s' to needs",
			    STR_ARG(path[1]));
	} else if (n >= 3 && str_is(path[2], STR("items"))) {
		names_tell(nm, path, 3, "'items' is not available in this version");
	} else if (n >= 3 && !names_in(path[2], STEP_FACT)) {
		d = names_tell(nm, path, 3, "a step has no member '%.*s'",
		    STR_ARG(path[2]));
		near_in(nm, d, path[2], STEP_FACT);
	}
}

static bool is_signal(const struct names *nm, struct str name)
{
	for (uint32_t i = 0; i < nm->signals_n; i++)
		if (str_is(nm->signals[i].spec.name, name))
			return nm->signals[i].spec.kind == SIGNAL_WINDOW;
	return false;
}

/* Words after the names of signals, outside quotes, that later versions know.  Told
 * before compiling, because a call (`v.quantile(0.9)`) is no part of a path. */
bool check_later(struct names *nm)
{
	struct str s = nm->node->scalar, two[2];
	bool ok = true;
	char quote = 0;

	for (uint32_t i = 0, end; i < s.len; i = end) {
		end = i + 1;
		if (quote ? s.p[i] == quote : s.p[i] == '"' || s.p[i] == '\'')
			quote = quote ? 0 : s.p[i];
		if (quote || !ident_byte(s.p[i]))
			continue;
		while (end < s.len && ident_byte(s.p[end]))
			end++;
		two[0] = (struct str){s.p + i, end - i};
		if (!is_signal(nm, two[0]) || (i && s.p[i - 1] == '.') || end >= s.len ||
		    s.p[end] != '.')
			continue;
		for (i = ++end; end < s.len && ident_byte(s.p[end]);)
			end++;
		two[1] = (struct str){s.p + i, end - i};
		if (!names_in(two[1], JUDGED_MEMBERS))
			continue;
		names_tell(nm, two, 2, "a window has no '%.*s': that is of signals with"
		    " %s", STR_ARG(two[1]), names_in(two[1], detector_members()) ?
		    "'detect' or 'test'" : "'test'");
		ok = false;
	}
	return ok;
}

/* Whether a method of the signal is called, as `name.word(`; the first one that is not
 * `known` is left in *ret. */
static bool calls_method(struct str s, struct str name, const char *known,
    struct str *ret)
{
	bool any = false;

	*ret = (struct str){NULL, 0};
	for (uint32_t i = 0, end, from; i + name.len < s.len; i = end) {
		end = i + 1;
		if ((i && (ident_byte(s.p[i - 1]) || s.p[i - 1] == '.')) ||
		    memcmp(s.p + i, name.p, name.len) != 0 || s.p[i + name.len] != '.')
			continue;
		from = end = i + name.len + 1;
		while (end < s.len && ident_byte(s.p[end]))
			end++;
		if (end == from || end == s.len || s.p[end] != '(')
			continue;
		any = true;
		*ret = (struct str){s.p + from, end - from};
		if (!str_is(*ret, str_of(known)))
			return true;
	}
	return any;
}

static void check_bare(struct names *nm, struct rule_signal *sig, struct str name)
{
	struct str two[2] = {name, {0}};
	struct diag *d;

	if (!calls_method(nm->node->scalar, name, "quantile", &two[1])) {
		names_tell(nm, &name, 1,
		    "signal '%.*s' is no number: read an aggregate of it, as '%.*s.avg'",
		    STR_ARG(name), STR_ARG(name));
		return;
	}
	sig->read = true;
	sig->spec.aggregates |= AGG_QUANTILE;
	if (str_is(two[1], STR("quantile")))
		return;
	d = names_tell(nm, two, 2, "a signal has no method '%.*s', only quantile(q)",
	    STR_ARG(two[1]));
	near_in(nm, d, two[1], "quantile");
}

/* Whatever is read of the members of a map of signals: which member a loop's variable
 * reads is not known to the resolver, so every aggregate that stands after a dot. */
static uint32_t aggregates_after_dots(struct str s)
{
	uint32_t bits = 0;

	for (uint32_t i = 0, end; i < s.len; i = end) {
		end = i + 1;
		if (s.p[i] != '.')
			continue;
		while (end < s.len && ident_byte(s.p[end]))
			end++;
		bits |= signal_aggregate_bit((struct str){s.p + i + 1, end - i - 1});
	}
	return bits;
}

static void check_map(struct names *nm, struct rule_signal *sig, const struct str *path,
    uint32_t n)
{
	struct diag *d;

	sig->read = true;
	sig->spec.aggregates |= aggregates_after_dots(nm->node->scalar);
	if (n == 2 && signal_aggregate_bit(path[1])) {
		d = names_tell(nm, path, 2,
		    "signal '%.*s' is a map of signals (it has 'by')", STR_ARG(path[0]));
		if (d)
			diag_hint(nm->ld->diags, d,
			    "read one, as %.*s[\"x\"].%.*s, or all, as %.*s.exists(k, s,"
			    " s.%.*s > 0.2)", STR_ARG(path[0]), STR_ARG(path[1]),
			    STR_ARG(path[0]), STR_ARG(path[1]));
	} else if (n >= 3 && !signal_aggregate_bit(path[2])) {
		d = names_tell(nm, path, 3, "a signal has no '%.*s'", STR_ARG(path[2]));
		near_in(nm, d, path[2], AGGREGATES);
	}
}

/* A detector or a test, or a map of them: which words are known, not which are
 * needed. */
static void check_judge(struct names *nm, struct rule_signal *sig,
    const struct str *path, uint32_t n)
{
	bool test = sig->spec.kind == SIGNAL_TEST;
	const char *known = test ? tester_members() : detector_members();
	const char *is = test ? "test" : "detector";
	uint32_t at = sig->spec.by ? 2 : 1;
	struct diag *d;

	sig->read = true;
	if (sig->spec.by && n == 2 && names_in(path[1], known)) {
		d = names_tell(nm, path, 2,
		    "signal '%.*s' is a map of %ss (it has 'by')", STR_ARG(path[0]), is);
		if (d)
			diag_hint(nm->ld->diags, d, "read %.*s.exists(k, s, s.%.*s)",
			    STR_ARG(path[0]), STR_ARG(path[1]));
	} else if (n > at && !names_in(path[at], known)) {
		d = names_tell(nm, path, at + 1, "a %s has no '%.*s'", is,
		    STR_ARG(path[at]));
		near_in(nm, d, path[at], known);
	} else if (n == 1 && !sig->spec.by) {
		names_tell(nm, path, 1, "signal '%.*s' is a %s: read one of its"
		    " members, as '%.*s.drift'", STR_ARG(path[0]), is, STR_ARG(path[0]));
	}
}

void check_signal(struct names *nm, struct rule_signal *sig, const struct str *path,
    uint32_t n)
{
	uint32_t bit = n >= 2 ? signal_aggregate_bit(path[1]) : 0;
	struct diag *d;

	if (sig->spec.kind != SIGNAL_WINDOW) {
		check_judge(nm, sig, path, n);
	} else if (sig->spec.by) {
		check_map(nm, sig, path, n);
	} else if (bit == AGG_QUANTILE) {
		d = names_tell(nm, path, 2, "'quantile' takes a number from 0 to 1");
		if (d)
			diag_hint(nm->ld->diags, d, "write %.*s.quantile(0.9)",
			    STR_ARG(path[0]));
	} else if (bit) {
		sig->spec.aggregates |= bit;
		sig->read = true;
	} else if (n >= 2) {
		d = names_tell(nm, path, 2,
		    "a signal has no '%.*s': expected count, sum, avg, min, max, stddev,"
		    " first, last, rate, delta, distinct, quantile(q), age, ratio or"
		    " list",
		    STR_ARG(path[1]));
		near_in(nm, d, path[1], AGGREGATES);
	} else {
		check_bare(nm, sig, path[0]);
	}
}
