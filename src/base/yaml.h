/* YAML text -> tree with a span on every node.  JSON is accepted as YAML.
 *
 * Diagnosed here: syntax errors (one, it ends the file), duplicate keys,
 * anchors and aliases (refused), tags (refused), more than one document, a key
 * that is no scalar, nesting over 64, and the YAML 1.1 `true:` left by a tool
 * that rewrote `on:`.  Scalars stay text; who reads them types them. */
#ifndef BASE_YAML_H
#define BASE_YAML_H

#include "base/diag.h"

struct arena;

enum yaml_kind { YAML_SCALAR = 1, YAML_SEQ, YAML_MAP };

struct yaml_pair;
struct yaml {
	enum yaml_kind	 kind;
	bool		 quoted;	/* a quoted or block scalar: always a string */
	bool		 block;		/* a literal or folded block scalar */
	struct span	 at;
	struct str	 scalar;	/* unescaped; in the arena */
	struct yaml_pair *pairs;	/* of a map, in file order */
	struct yaml	**items;	/* of a sequence */
	uint32_t	 n;
};
struct yaml_pair {
	struct yaml	*key, *value;
};

/* NULL after a syntax error; an empty file gives an empty map. */
struct yaml *yaml_parse(uint32_t text, struct arena *, struct diags *);
/* The value of `key`, or NULL. */
const struct yaml *yaml_get(const struct yaml *map, struct str key);
/* Plain scalar typing of YAML 1.2 core: null ~ empty, true|false, int, float. */
bool yaml_is_null(const struct yaml *);
bool yaml_bool(const struct yaml *, bool *ret);
bool yaml_int(const struct yaml *, int64_t *ret);
bool yaml_double(const struct yaml *, double *ret);
/* The tree as JSON text, scalars typed as above. */
void yaml_to_json(const struct yaml *, GString *out);
/* Span of the source text that produced bytes [off, off+len) of a scalar (for
 * errors inside expressions); exact for plain, quoted and block scalars, but the
 * whole scalar where folded lines lost an empty line. */
struct span yaml_sub(const struct yaml *, const struct diags *, uint32_t off,
    uint32_t len);
#endif
