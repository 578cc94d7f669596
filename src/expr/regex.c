/* matches(): patterns in RE2's spirit on PCRE2.
 *
 * The result must not depend on the machine, so there is no JIT, newline is LF
 * whatever PCRE2 was built with, and every limit counts steps.  Of PCRE2's two
 * interpreters it is pcre2_dfa_match(), which follows all alternatives at once:
 * no pattern makes it backtrack without end, and its memory is a fixed array.
 * From each start it may read to the end of the text, so a pattern that is not
 * anchored is charged for that.  Back-references,
 * look-around, recursion, conditions, call-outs and verbs are refused when the
 * pattern is compiled: only these groups pass:
 *
 *	(  (?:  (?P<name>  (?<name>  (?flags)  (?flags:
 *
 * Compiled patterns live in an arena: PCRE2 is given it as its allocator. */
#include "expr/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/arena.h"
#include "expr/fn.h"

#define MATCH_LIMIT 100000
#define DEPTH_LIMIT 1000
#define HEAP_LIMIT_KIB 256
#define WORKSPACE 1024		/* ints; three per alternative followed */
#define COMPILED_MAX 65536	/* bytes of a compiled pattern */

struct regex {
	pcre2_code	*code;
	uint32_t	 pattern_len;
	bool		 anchored;
};

static void *take(size_t n, void *arena)
{
	return arena_alloc(arena, n);
}

static void leave(void *p, void *arena)		/* the arena frees it */
{
	(void)p;
	(void)arena;
}

/* Which construct at p[i] == '(' or '\\' is refused, or NULL. */
static const char *refused_group(struct str p, uint32_t i)
{
	const char *rest = p.p + i + 2;
	uint32_t n = p.len - i - 2, flags = 0;

	if (i + 1 < p.len && p.p[i + 1] == '*')
		return "verbs such as (*UTF)";
	if (i + 1 >= p.len || p.p[i + 1] != '?')
		return NULL;
	if (n == 0 || *rest == ':')
		return NULL;
	if (n >= 2 && *rest == '<' && rest[1] != '=' && rest[1] != '!')
		return NULL;
	if (n >= 2 && *rest == 'P' && rest[1] == '<')
		return NULL;
	if (*rest == '=' || *rest == '!' || *rest == '<')
		return "look-around";
	while (flags < n && strchr("imsUx-", rest[flags]) && rest[flags])
		flags++;
	if (flags && flags < n && (rest[flags] == ')' || rest[flags] == ':'))
		return NULL;
	return "this kind of group";
}

static const char *refused_escape(char c)
{
	if ((c >= '1' && c <= '9') || c == 'k' || c == 'g')
		return "back-references";
	return c == 'K' || c == 'G' || c == 'C' || c == 'R' || c == 'X' ?
	    "this escape sequence" : NULL;
}

/* Position of a construct that is refused, or UINT32_MAX. */
static uint32_t refused(struct str p, const char **ret_what)
{
	uint32_t class_from = 0;
	bool class = false;

	for (uint32_t i = 0; i < p.len; i++) {
		*ret_what = NULL;
		if (p.p[i] == '\\' && i + 1 < p.len) {
			if (p.p[i + 1] == 'Q') {
				while (i + 1 < p.len &&
				    !(p.p[i] == '\\' && p.p[i + 1] == 'E'))
					i++;
				continue;
			}
			if (!class)
				*ret_what = refused_escape(p.p[i + 1]);
			if (*ret_what)
				return i;
			i++;
		} else if (class) {
			class = p.p[i] != ']' || i == class_from;
			if (p.p[i] == '[' && i + 1 < p.len && p.p[i + 1] == ':')
				while (i + 1 < p.len && p.p[i] != ']')
					i++;
		} else if (p.p[i] == '[') {
			class = true;
			class_from = i + 1;
			if (class_from < p.len && p.p[class_from] == '^')
				class_from = ++i + 1;
		} else if (p.p[i] == '(') {
			*ret_what = refused_group(p, i);
			if (*ret_what)
				return i;
		}
	}
	return UINT32_MAX;
}

static pcre2_code *compile(struct str pattern, pcre2_general_context *memory,
    int *ret_code, PCRE2_SIZE *ret_off)
{
	pcre2_compile_context *context = pcre2_compile_context_create(memory);

	if (!context)
		return NULL;
	pcre2_set_newline(context, PCRE2_NEWLINE_LF);
	pcre2_set_bsr(context, PCRE2_BSR_UNICODE);
	pcre2_set_parens_nest_limit(context, 100);
	return pcre2_compile((PCRE2_SPTR)(pattern.len ? pattern.p : ""), pattern.len,
	    PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C |
	    PCRE2_NO_AUTO_CAPTURE, ret_code, ret_off, context);
}

struct regex *regex_compile(struct str pattern, struct arena *arena, char *msg,
    size_t msg_size, uint32_t *ret_off)
{
	pcre2_general_context *memory = pcre2_general_context_create(take, leave, arena);
	struct regex *re = ARENA_NEW(arena, struct regex);
	const char *what = NULL;
	PCRE2_UCHAR text[160];
	PCRE2_SIZE off = 0, size = 0;
	uint32_t options = 0;
	int code = 0;

	*ret_off = 0;
	if (pattern.len > REGEX_PATTERN_MAX) {
		g_snprintf(msg, msg_size, "pattern too long (over %d bytes)",
		    REGEX_PATTERN_MAX);
		return NULL;
	}
	*ret_off = refused(pattern, &what);
	if (*ret_off != UINT32_MAX) {
		g_snprintf(msg, msg_size, "%s cannot be used in a pattern", what);
		return NULL;
	}
	*ret_off = 0;
	if (!memory || !re) {
		g_strlcpy(msg, "memory limit of the evaluation", msg_size);
		return NULL;
	}
	re->code = compile(pattern, memory, &code, &off);
	if (!re->code) {
		*ret_off = (uint32_t)MIN(off, pattern.len);
		pcre2_get_error_message(code, text, sizeof(text));
		g_snprintf(msg, msg_size, "invalid pattern: %s", (const char *)text);
		return NULL;
	}
	re->pattern_len = pattern.len;
	if (pcre2_pattern_info(re->code, PCRE2_INFO_SIZE, &size) || size > COMPILED_MAX) {
		g_strlcpy(msg, "pattern too large when compiled", msg_size);
		return NULL;
	}
	pcre2_pattern_info(re->code, PCRE2_INFO_ALLOPTIONS, &options);
	re->anchored = options & PCRE2_ANCHORED;
	return re;
}

static int64_t match_cost(const struct regex *re, struct str s)
{
	int64_t starts = re->anchored ? 0 : (int64_t)s.len / 100;

	return (s.len / 10 + 1) * ((int64_t)re->pattern_len / 4 + 1) + starts * starts;
}

struct value regex_match(const struct regex *re, struct str s, struct machine *m)
{
	pcre2_general_context *memory;
	pcre2_match_context *context;
	pcre2_match_data *data;
	int work[WORKSPACE], r;

	if (!machine_charge(m, match_cost(re, s)))
		return value_fail_cost(LIMIT_COST);
	memory = pcre2_general_context_create(take, leave, m->arena);
	context = memory ? pcre2_match_context_create(memory) : NULL;
	data = context ? pcre2_match_data_create(1, memory) : NULL;
	if (!data)
		return value_fail_cost("memory limit of the evaluation");
	pcre2_set_match_limit(context, MATCH_LIMIT);
	pcre2_set_depth_limit(context, DEPTH_LIMIT);
	pcre2_set_heap_limit(context, HEAP_LIMIT_KIB);
	r = pcre2_dfa_match(re->code, (PCRE2_SPTR)(s.len ? s.p : ""), s.len, 0,
	    PCRE2_DFA_SHORTEST, data, context, work, WORKSPACE);
	if (r >= 0 || r == PCRE2_ERROR_NOMATCH)
		return value_bool(r >= 0);
	if (r == PCRE2_ERROR_BADOFFSET || (r <= PCRE2_ERROR_UTF8_ERR1 &&
	    r >= PCRE2_ERROR_UTF8_ERR21))
		return value_fail(m->arena, VALUE_BAD_ARGUMENT,
		    "matches(): the text is not UTF-8");
	return value_fail_cost("matches(): too many steps for this pattern and text");
}
