/* YAML text -> tree, over libyaml's events.
 *
 * Invariants
 *   (1) Every span lies in the text.  libyaml's marks count characters; they are
 *       turned into bytes by a cursor that moves with them (marks hardly go back).
 *   (2) Recursion is bounded by DEPTH_MAX, memory by TEXT_MAX and NODES_MAX.
 *   (3) Only what breaks the grammar ends a file; every other complaint is
 *       added and the tree goes on, so that one pass shows them all.
 * To diagnose one more YAML trap: if it breaks the grammar, see
 * looks_unquoted(), else node() or add_pair().
 */
#include "base/yaml.h"

#include <yaml.h>

#include "base/arena.h"
#include "base/check.h"

#define TEXT_MAX (4u << 20)
#define NODES_MAX 500000
#define DEPTH_MAX 64
#define SMALL_MAP 16		/* up to here duplicates are looked for one by one */

static const char quote_hint[] = "quote this expression";

struct loader {
	yaml_parser_t	 parser;
	yaml_event_t	 event;		/* the current one */
	uint32_t	 text;
	struct str	 src;
	uint32_t	 base;		/* bytes of a byte order mark */
	size_t		 chars;		/* cursor: this many characters after base .. */
	uint32_t	 off;		/* .. are at this byte */
	uint32_t	 nodes, depth;
	struct arena	*arena;
	struct diags	*diags;
};

/* Byte offset of a character index. */
static uint32_t byte_of(struct loader *l, size_t index)
{
	const char *p = l->src.p;

	while (l->chars < index && l->off < l->src.len) {
		do
			l->off++;
		while (l->off < l->src.len && ((unsigned char)p[l->off] & 0xc0) == 0x80);
		l->chars++;
	}
	while (l->chars > index && l->off > l->base) {
		do
			l->off--;
		while (l->off > l->base && ((unsigned char)p[l->off] & 0xc0) == 0x80);
		l->chars--;
	}
	return l->off;
}

static struct span span_of(struct loader *l, yaml_mark_t from, yaml_mark_t to)
{
	uint32_t a = byte_of(l, from.index), b = byte_of(l, to.index);

	return (struct span){ .text = l->text, .off = a, .len = b > a ? b - a : 0 };
}

/* A guess, for the hint of a syntax error: is the value on the line of `off`
 * one that YAML reads as something else than text? */
static bool looks_unquoted(struct str src, uint32_t off)
{
	uint32_t start = MIN(off, src.len), stop = start;
	const char *p, *end;

	while (start > 0 && src.p[start - 1] != '\n')
		start--;
	while (stop < src.len && src.p[stop] != '\n')
		stop++;
	p = src.p + start;
	end = src.p + stop;
	p = start < stop ? memchr(p, ':', (size_t)(end - p)) : NULL;
	for (p = p ? p + 1 : end; p < end && *p == ' '; p++)
		;
	return p < end && (strchr("![\"'&*%@`?{", *p) || g_strstr_len(p, end - p, ": "));
}

/* The one syntax error that ends a file. */
static void syntax_error(struct loader *l)
{
	const yaml_parser_t *p = &l->parser;
	struct span at = { .text = l->text };
	struct diag *d;
	bool hint;

	if (p->error == YAML_READER_ERROR) {
		at.off = MIN(l->base + (uint32_t)p->problem_offset, l->src.len);
		diag_add(l->diags, SEV_ERROR, at, "invalid YAML: %s", p->problem);
		return;
	}
	at.off = byte_of(l, p->problem_mark.index);
	hint = looks_unquoted(l->src, at.off);
	if (!hint && p->context && p->problem_mark.line > p->context_mark.line &&
	    p->problem_mark.line - p->context_mark.line == 1)
		hint = looks_unquoted(l->src, byte_of(l, p->context_mark.index));
	d = diag_add(l->diags, SEV_ERROR, at, "invalid YAML: %s%s%s",
	    p->problem ? p->problem : "syntax error", p->context ? " " : "",
	    p->context ? p->context : "");
	if (hint)
		diag_hint(l->diags, d, "%s", quote_hint);
}

/* Moves to the next event; false after a syntax error. */
static bool advance(struct loader *l)
{
	yaml_event_delete(&l->event);
	if (yaml_parser_parse(&l->parser, &l->event))
		return true;
	CHECK(l->parser.error != YAML_MEMORY_ERROR);
	memset(&l->event, 0, sizeof(l->event));
	syntax_error(l);
	return false;
}

static struct yaml *complain(struct loader *l, struct yaml *y, const char *what,
    const char *hint)
{
	struct diag *d = diag_add(l->diags, SEV_ERROR, y->at, "%s", what);

	if (hint)
		diag_hint(l->diags, d, "%s", hint);
	return y;
}

static void refuse_properties(struct loader *l, struct yaml *y, const void *anchor,
    const void *tag)
{
	if (anchor)
		complain(l, y, "anchors are not supported", quote_hint);
	if (tag)
		complain(l, y, "tags are not supported", quote_hint);
}

static struct yaml *scalar(struct loader *l, struct yaml *y)
{
	yaml_scalar_style_t style = l->event.data.scalar.style;
	struct str s = { (const char *)l->event.data.scalar.value,
		(uint32_t)l->event.data.scalar.length };

	y->kind = YAML_SCALAR;
	y->quoted = style != YAML_PLAIN_SCALAR_STYLE;
	y->block = style == YAML_LITERAL_SCALAR_STYLE ||
	    style == YAML_FOLDED_SCALAR_STYLE;
	y->scalar = arena_str(l->arena, s);
	refuse_properties(l, y, l->event.data.scalar.anchor, l->event.data.scalar.tag);
	/* A block scalar's mark is at the start of what follows it. */
	while (y->block && y->at.len &&
	    g_ascii_isspace(l->src.p[y->at.off + y->at.len - 1]))
		y->at.len--;
	return y;
}

static struct yaml *node(struct loader *l);

static uint32_t end_of(const struct yaml *y)
{
	return y->at.off + y->at.len;
}

/* SYNTAX: SEQUENCE-START node * SEQUENCE-END */
static struct yaml *sequence(struct loader *l, struct yaml *y)
{
	bool flow = l->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
	uint32_t cap = 0;

	y->kind = YAML_SEQ;
	refuse_properties(l, y, l->event.data.sequence_start.anchor,
	    l->event.data.sequence_start.tag);
	for (;;) {
		struct yaml *item;

		if (!advance(l))
			return NULL;
		if (l->event.type == YAML_SEQUENCE_END_EVENT)
			break;
		item = node(l);
		if (!item)
			return NULL;
		y->items = arena_grow(l->arena, y->items, y->n, &cap, sizeof(item));
		y->items[y->n++] = item;
	}
	if (flow)
		y->at.len = byte_of(l, l->event.end_mark.index) - y->at.off;
	else if (y->n)
		y->at.len = MAX(end_of(y->items[y->n - 1]), y->at.off) - y->at.off;
	return y;
}

static guint str_hash(gconstpointer p)
{
	const struct str *s = p;
	guint h = 5381;

	for (uint32_t i = 0; i < s->len; i++)
		h = h * 33 + (unsigned char)s->p[i];
	return h;
}

static gboolean str_same(gconstpointer a, gconstpointer b)
{
	return str_is(*(const struct str *)a, *(const struct str *)b);
}

/* The earlier key of the same text.  `seen` is made when the map grows. */
static const struct yaml *earlier(const struct yaml *map, const struct yaml *key,
    GHashTable **seen)
{
	if (map->n < SMALL_MAP) {
		for (uint32_t i = 0; i < map->n; i++)
			if (str_is(map->pairs[i].key->scalar, key->scalar))
				return map->pairs[i].key;
		return NULL;
	}
	if (!*seen) {
		*seen = g_hash_table_new(str_hash, str_same);
		for (uint32_t i = 0; i < map->n; i++)
			g_hash_table_insert(*seen, &map->pairs[i].key->scalar,
			    map->pairs[i].key);
	}
	return g_hash_table_lookup(*seen, &key->scalar);
}

/* Checks a key and keeps the pair; a refused one is dropped. */
static void add_pair(struct loader *l, struct yaml *map, struct yaml_pair pair,
    uint32_t *cap, GHashTable **seen)
{
	struct yaml *key = pair.key;
	const struct yaml *first;
	unsigned line, col;

	if (key->kind != YAML_SCALAR) {
		complain(l, key, "a key must be text", quote_hint);
		return;
	}
	if (!key->quoted && str_is(key->scalar, STR("true"))) {
		complain(l, key, "this key is true: a YAML 1.1 tool rewrote \"on:\"; "
		    "write on: (or \"on\":)", NULL);
		key->scalar = STR("on");
	}
	first = earlier(map, key, seen);
	if (first && diags_kept(l->diags) < DIAGS_MAX) {
		text_locate(diags_text(l->diags, l->text), first->at.off, &line, &col);
		diag_add(l->diags, SEV_ERROR, key->at,
		    "duplicate key '%.*s', first on line %u", STR_ARG(key->scalar), line);
	}
	if (first)
		return;
	map->pairs = arena_grow(l->arena, map->pairs, map->n, cap, sizeof(pair));
	map->pairs[map->n++] = pair;
	if (*seen)
		g_hash_table_insert(*seen, &key->scalar, key);
}

/* SYNTAX: MAPPING-START { node node } * MAPPING-END */
static struct yaml *mapping(struct loader *l, struct yaml *y)
{
	bool flow = l->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
	g_autoptr(GHashTable) seen = NULL;
	uint32_t cap = 0, end = y->at.off;

	y->kind = YAML_MAP;
	refuse_properties(l, y, l->event.data.mapping_start.anchor,
	    l->event.data.mapping_start.tag);
	for (;;) {
		struct yaml_pair pair;

		if (!advance(l))
			return NULL;
		if (l->event.type == YAML_MAPPING_END_EVENT)
			break;
		pair.key = node(l);
		if (!pair.key || !advance(l))
			return NULL;
		pair.value = node(l);
		if (!pair.value)
			return NULL;
		end = MAX(end, MAX(end_of(pair.key), end_of(pair.value)));
		add_pair(l, y, pair, &cap, &seen);
	}
	if (flow)
		end = byte_of(l, l->event.end_mark.index);
	y->at.len = end - y->at.off;
	return y;
}

/* The node that begins at the current event. */
static struct yaml *node(struct loader *l)
{
	struct yaml *y = ARENA_NEW(l->arena, struct yaml), *ret = NULL;

	y->at = span_of(l, l->event.start_mark, l->event.end_mark);
	if (++l->nodes > NODES_MAX) {
		complain(l, y, "too many values in one file", NULL);
		return NULL;
	}
	if (l->depth == DEPTH_MAX) {
		complain(l, y, "nested too deeply, at most 64 levels are accepted", NULL);
		return NULL;
	}
	l->depth++;
	switch (l->event.type) {
	case YAML_SCALAR_EVENT:
		ret = scalar(l, y);
		break;
	case YAML_SEQUENCE_START_EVENT:
		ret = sequence(l, y);
		break;
	case YAML_MAPPING_START_EVENT:
		ret = mapping(l, y);
		break;
	default:			/* an alias; read on as null */
		y->kind = YAML_SCALAR;
		ret = complain(l, y, "aliases are not supported", quote_hint);
		break;
	}
	l->depth--;
	return ret;
}

static struct yaml *empty_map(struct loader *l)
{
	struct yaml *y = ARENA_NEW(l->arena, struct yaml);

	y->kind = YAML_MAP;
	y->at.text = l->text;
	return y;
}

/* SYNTAX: STREAM-START [ DOCUMENT-START node DOCUMENT-END ] STREAM-END */
static struct yaml *document(struct loader *l)
{
	struct yaml *root;

	if (!advance(l) || !advance(l))
		return NULL;
	if (l->event.type == YAML_STREAM_END_EVENT)
		return empty_map(l);
	if (!advance(l))
		return NULL;
	root = node(l);
	/* The document's end, and what follows. */
	if (!root || !advance(l) || !advance(l))
		return NULL;
	if (l->event.type != YAML_STREAM_END_EVENT) {
		diag_add(l->diags, SEV_ERROR,
		    span_of(l, l->event.start_mark, l->event.end_mark),
		    "a second document begins here, only one is read from a file");
		return NULL;
	}
	return yaml_is_null(root) && !root->scalar.len ? empty_map(l) : root;
}

/* What libyaml would not, or not clearly, refuse. */
static bool acceptable(struct loader *l)
{
	struct span at = { .text = l->text };
	const char *bad, *nul = l->src.len ? memchr(l->src.p, 0, l->src.len) : NULL;
	const char *what = NULL;

	if (l->src.len > TEXT_MAX) {
		what = "the file is larger than 4 MiB";
	} else if (nul) {
		at.off = (uint32_t)(nul - l->src.p);
		what = "the file holds a NUL byte";
	} else if (l->src.len && !g_utf8_validate(l->src.p, l->src.len, &bad)) {
		at.off = (uint32_t)(bad - l->src.p);
		what = "the file is not valid UTF-8";
	}
	if (what)
		diag_add(l->diags, SEV_ERROR, at, "%s", what);
	return !what;
}

struct yaml *yaml_parse(uint32_t text, struct arena *arena, struct diags *diags)
{
	struct loader l = { .text = text, .arena = arena, .diags = diags };
	struct yaml *root;
	bool ok;

	l.src = diags_text(diags, text)->bytes;
	if (!l.src.p)
		l.src = STR("");
	if (!acceptable(&l))
		return NULL;
	if (str_starts(l.src, STR("\xef\xbb\xbf")))
		l.base = l.off = 3;
	ok = yaml_parser_initialize(&l.parser);
	CHECK(ok);				/* out of memory */
	yaml_parser_set_encoding(&l.parser, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.parser,
	    (const unsigned char *)l.src.p + l.base, l.src.len - l.base);
	root = document(&l);
	yaml_event_delete(&l.event);
	yaml_parser_delete(&l.parser);
	return root;
}
