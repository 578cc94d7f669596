/* Baselines out of documents, checked member by member.
 *
 * Whoever writes a baseline is a training script that nobody watches: so every refusal
 * names the entry, the member, what was expected and what was found.
 *
 * To add a member: a row of members[], its function, docs/baselines.schema.json. */
#include "signal/baseline_read.h"

#include <math.h>
#include <stdlib.h>

#include "base/arena.h"

#define EDGES_MAX 255
#define COUNTS_MAX (EDGES_MAX + 1)
#define VALUES_MAX 2000
#define KNOWN "n, mean, sd, edges, categories, counts, values"

static bool number(struct value v, double *ret)
{
	return v.tag != VALUE_BOOL && value_number(v, ret);
}

static bool one(struct value v, double least, double *ret, bool *has, struct err *err)
{
	*has = true;
	if (!number(v, ret) || *ret < least)
		return err_set(err, ERR_SYNTAX, "expected a number%s, found %s",
		    least == 0 ? " not below 0" : "", value_type_name(v));
	return true;
}

static bool numbers(struct value v, uint32_t least, uint32_t most, double floor,
    struct arena *a, const double **ret, uint32_t *ret_n, struct err *err)
{
	double *to;

	if (v.tag != VALUE_LIST)
		return err_set(err, ERR_SYNTAX, "expected a list of numbers, found %s",
		    value_type_name(v));
	if (v.list->n < least || v.list->n > most)
		return err_set(err, ERR_LIMIT, "expected %u to %u numbers, found %u",
		    least, most, v.list->n);
	to = ARENA_ARRAY(a, double, MAX(v.list->n, 1));
	for (uint32_t i = 0; i < v.list->n; i++)
		if (!number(v.list->v[i], &to[i]) || to[i] < floor)
			return err_set(err, ERR_SYNTAX,
			    "element %u: expected a number%s", i + 1,
			    floor == 0 ? " not below 0" : "");
	*ret = to;
	*ret_n = v.list->n;
	return true;
}

static bool read_n(struct value v, struct arena *a, struct baseline *b, struct err *err)
{
	double d;

	(void)a;
	if (!number(v, &d) || d < 1 || d != floor(d) || d > 1e15)
		return err_set(err, ERR_SYNTAX,
		    "expected a whole number of samples, at least 1");
	b->n = (uint64_t)d;
	return true;
}

static bool read_mean(struct value v, struct arena *a, struct baseline *b,
    struct err *err)
{
	(void)a;
	return one(v, -HUGE_VAL, &b->mean, &b->has_mean, err);
}

static bool read_sd(struct value v, struct arena *a, struct baseline *b, struct err *err)
{
	(void)a;
	return one(v, 0, &b->sd, &b->has_sd, err);
}

static bool read_edges(struct value v, struct arena *a, struct baseline *b,
    struct err *err)
{
	if (!numbers(v, 1, EDGES_MAX, -HUGE_VAL, a, &b->edges, &b->edges_n, err))
		return false;
	for (uint32_t i = 1; i < b->edges_n; i++)
		if (b->edges[i] <= b->edges[i - 1])
			return err_set(err, ERR_SYNTAX,
			    "element %u: edges must ascend", i + 1);
	return true;
}

static bool read_categories(struct value v, struct arena *a, struct baseline *b,
    struct err *err)
{
	struct str *to;

	if (v.tag != VALUE_LIST || v.list->n < 1 || v.list->n > EDGES_MAX)
		return err_set(err, ERR_SYNTAX, "expected a list of 1 to %d texts",
		    EDGES_MAX);
	to = ARENA_ARRAY(a, struct str, v.list->n);
	for (uint32_t i = 0; i < v.list->n; i++) {
		if (v.list->v[i].tag != VALUE_STRING)
			return err_set(err, ERR_SYNTAX, "element %u: expected a text",
			    i + 1);
		to[i] = arena_str(a, value_as_str(v.list->v[i]));
		for (uint32_t j = 0; j < i; j++)
			if (str_is(to[i], to[j]))
				return err_set(err, ERR_SYNTAX,
				    "element %u: '%.*s' was given already", i + 1,
				    STR_ARG(to[i]));
	}
	b->categories = to;
	b->categories_n = v.list->n;
	return true;
}

static bool read_counts(struct value v, struct arena *a, struct baseline *b,
    struct err *err)
{
	return numbers(v, 2, COUNTS_MAX, 0, a, &b->counts, &b->counts_n, err);
}

static int by_size(const void *pa, const void *pb)
{
	double a = *(const double *)pa, b = *(const double *)pb;

	return (a > b) - (a < b);
}

static bool read_values(struct value v, struct arena *a, struct baseline *b,
    struct err *err)
{
	if (!numbers(v, 0, VALUES_MAX, -HUGE_VAL, a, &b->values, &b->values_n, err))
		return false;
	qsort((double *)(uintptr_t)b->values, b->values_n, sizeof(double), by_size);
	return true;
}

static const struct {
	const char	*name;
	bool		 (*read)(struct value, struct arena *, struct baseline *,
	    struct err *);
} members[] = {
	{ "n", read_n }, { "mean", read_mean }, { "sd", read_sd },
	{ "edges", read_edges }, { "categories", read_categories },
	{ "counts", read_counts }, { "values", read_values },
};

/* What one member asks of another; NULL: nothing is wrong. */
static const char *check_whole(const struct baseline *b, struct err *err)
{
	uint32_t bins = b->edges_n ? b->edges_n : b->categories_n;

	const char *what = b->edges_n ? "edges" : "categories";

	if (!b->n) {
		err_set(err, ERR_SYNTAX, "expected a number of samples");
		return "n";
	}
	if (b->edges_n && b->categories_n) {
		err_set(err, ERR_SYNTAX, "'edges' are given already");
		return "categories";
	}
	if (!bins || b->counts_n == bins + 1)
		return NULL;
	if (!b->counts_n)
		err_set(err, ERR_SYNTAX, "expected the counts of the %s", what);
	else
		err_set(err, ERR_SYNTAX,
		    "expected %u numbers, one more than %s, found %u", bins + 1, what,
		    b->counts_n);
	return "counts";
}

static bool read_member(struct str name, struct value v, struct arena *a,
    struct baseline *b, const char **member, struct err *err)
{
	for (size_t m = 0; m < G_N_ELEMENTS(members); m++) {
		if (!str_is(name, str_of(members[m].name)))
			continue;
		*member = members[m].name;
		return members[m].read(v, a, b, err);
	}
	return err_set(err, ERR_SYNTAX, "unknown member '%.*s': expected " KNOWN,
	    (int)MIN(name.len, 60), name.p);
}

bool baseline_read(struct value v, struct arena *a, struct baseline *ret,
    const char **ret_member, struct err *err)
{
	const char *member = NULL;
	bool ok = true;

	*ret = (struct baseline){ 0 };
	if (ret_member)
		*ret_member = NULL;
	if (v.tag != VALUE_MAP)
		return err_set(err, ERR_SYNTAX,
		    "expected a map with n and what is known of it (" KNOWN
		    "), found %s", value_type_name(v));
	for (uint32_t i = 0; i < v.map->n && ok; i++) {
		member = NULL;
		ok = read_member(value_as_str(v.map->keys[i]), v.map->values[i], a, ret,
		    &member, err);
	}
	if (ok) {
		member = check_whole(ret, err);
		ok = !member;
	}
	if (ok)
		return true;
	if (ret_member)
		*ret_member = member;
	return member ? err_in(err, "%s", member) : false;
}

static int by_name(const void *a, const void *b)
{
	return str_cmp(((const struct baseline_entry *)a)->name,
	    ((const struct baseline_entry *)b)->name);
}

bool baseline_set_read(struct value v, struct arena *a, struct baseline_set *ret,
    struct err *err)
{
	*ret = (struct baseline_set){ 0 };
	if (v.tag != VALUE_MAP)
		return err_set(err, ERR_SYNTAX, "expected a map of entries, found %s",
		    value_type_name(v));
	if (v.map->n > BASELINE_ENTRIES_MAX)
		return err_set(err, ERR_LIMIT, "%u entries, at most %d", v.map->n,
		    BASELINE_ENTRIES_MAX);
	ret->v = ARENA_ARRAY(a, struct baseline_entry, MAX(v.map->n, 1));
	for (uint32_t i = 0; i < v.map->n; i++) {
		struct baseline_entry *e = &ret->v[i];

		e->name = arena_str(a, value_as_str(v.map->keys[i]));
		if (!baseline_read(v.map->values[i], a, &e->b, NULL, err))
			return err_in(err, "%.*s", (int)MIN(e->name.len, 80), e->name.p);
	}
	ret->n = v.map->n;
	if (ret->n)
		qsort(ret->v, ret->n, sizeof *ret->v, by_name);
	return true;
}

const struct baseline *baseline_set_find(const struct baseline_set *s, struct str name)
{
	const struct baseline_entry probe = { .name = name }, *e;

	e = s->n ? bsearch(&probe, s->v, s->n, sizeof *s->v, by_name) : NULL;
	return e ? &e->b : NULL;
}
