/* The struct that an option table filled, as the JSON text that kinds are opened with.
 *
 * Durations are ms, sizes bytes, words themselves.  Secrets, maps and nodes become null:
 * no kind has one yet; the first that does adds its case here. */
#include "base/json.h"
#include "base/option.h"
#include "exec/kind.h"

static void add_word(GString *out, const char *words, int64_t n)
{
	while (n-- > 1 && *words)
		words = strchrnul(words, '|') + 1;
	json_str(out, (struct str){ words, (uint32_t)strcspn(words, "|") });
}

static void add_strs(GString *out, const struct option_strs *list)
{
	json_open(out, '[');
	for (uint32_t i = 0; i < list->n; i++)
		json_str(out, list->v[i]);
	json_close(out, ']');
}

static void add_option(GString *out, const struct option *o, const char *at)
{
	const void *p = at + o->offset;

	json_key(out, o->name);
	switch (o->type) {
	case OPT_STR:
		json_str(out, *(const struct str *)p);
		break;
	case OPT_INT: case OPT_DURATION: case OPT_SIZE:
		json_i64(out, *(const int64_t *)p);
		break;
	case OPT_DOUBLE:
		json_double(out, *(const double *)p);
		break;
	case OPT_BOOL:
		json_bool(out, *(const bool *)p);
		break;
	case OPT_ENUM:
		add_word(out, o->words, *(const int64_t *)p);
		break;
	case OPT_STRS:
		add_strs(out, p);
		break;
	case OPT_SECRET: case OPT_NODE: case OPT_MAP:
		json_nil(out);
	}
}

void options_json_add(GString *out, const struct option *o, const void *at)
{
	for (; o->name; o++)
		add_option(out, o, at);
}
