/* 16-byte CEL values.
 *
 * Strings and bytes are borrowed (event, constants, or the evaluation's arena);
 * lists and maps live in an arena and are immutable once built.  VALUE_RAW is a
 * span of accepted JSON text holding an object or array that nobody has parsed
 * yet: the machine replaces it by its value at first use.  VALUE_HOST is an
 * object of a floor to the right, reached through its own table only.
 * Nothing is reference counted. */
#ifndef EXPR_VALUE_H
#define EXPR_VALUE_H

#include <glib.h>

#include "base/str.h"

struct arena;
struct host;
struct value_list;
struct value_map;

enum value_tag {
	VALUE_ABSENT = 0,	/* a slot with nothing in it; never an operand */
	VALUE_NULL, VALUE_BOOL, VALUE_INT, VALUE_UINT, VALUE_DOUBLE, VALUE_STRING,
	VALUE_BYTES, VALUE_LIST, VALUE_MAP, VALUE_TIMESTAMP, VALUE_DURATION, VALUE_TYPE,
	VALUE_OPTIONAL, VALUE_HOST, VALUE_RAW, VALUE_ERROR,
};
enum value_error {		/* value.aux of a VALUE_ERROR */
	VALUE_NO_DATA = 1,	/* missing field, cold window: the outcome "unknown" */
	VALUE_NO_OVERLOAD, VALUE_OVERFLOW, VALUE_DIVIDE, VALUE_NO_KEY, VALUE_RANGE,
	VALUE_BAD_ARGUMENT,	/* a conversion or a format that does not parse */
	VALUE_COST,		/* cost, iteration, size or match limit */
};

struct value {
	uint8_t		 tag;
	uint8_t		 flags;		/* of strings: VALUE_ASCII */
	uint16_t	 aux;		/* of errors: enum value_error */
	uint32_t	 len;		/* bytes of strings; nanos of timestamps; of
					 * errors: offset in the program + 1, or 0 */
	union {
		int64_t	 i;		/* INT, BOOL; DURATION: ns; TIMESTAMP: s */
		uint64_t u;
		double	 d;
		const char *s;		/* STRING, BYTES, RAW; text of an ERROR */
		const struct value_list *list;
		const struct value_map *map;
		const struct value *opt;	/* OPTIONAL: NULL is none */
		const struct host *host;
	};
};
#define VALUE_ASCII 1

struct value_list {
	uint32_t	 n;
	const struct value *v;
};
/* Insertion order; lookup by numeric-aware key equality. */
struct value_map {
	uint32_t	 n;
	const struct value *keys, *values;
	const uint32_t	*index;		/* open addressing above 8 keys; NULL below */
	uint32_t	 mask;
};

/* A lazy object: a signal, a fact, a whole document.  select answers ABSENT for
 * a name it does not have (an error NO_KEY to the user), and may answer an error
 * such as NO_DATA.  next (may be NULL) iterates: *it starts at 0. */
struct host_ops {
	const char *type_name;
	struct value (*select)(const struct host *, struct str name, struct arena *);
	struct value (*call)(const struct host *, struct str fn, const struct value *arg,
	    unsigned n, struct arena *);		/* NULL: no methods */
	bool (*next)(const struct host *, uint32_t *it, struct value *k, struct value *v,
	    struct arena *);
};
struct host {
	const struct host_ops *ops;
};

struct value value_null(void);
struct value value_bool(bool);
struct value value_int(int64_t);
struct value value_double(double);
struct value value_str(struct str);		/* borrowed; finds the ASCII flag */
struct value value_time_ms(int64_t ms);
struct value value_duration_ms(int64_t ms);
struct value value_host(const struct host *);
struct value value_error(enum value_error, const char *text);	/* kept, not copied */
/* Lists and maps from arrays that live as long as the arena. */
struct value value_list_of(const struct value *, uint32_t n, struct arena *);
struct value value_map_of(const struct value *keys, const struct value *values,
    uint32_t n, struct arena *);

bool value_is_no_data(struct value);
struct str value_as_str(struct value);			/* of STRING and BYTES */
/* CEL equality (heterogeneous, numeric-aware); errors are never equal. */
bool value_equal(struct value, struct value);
/* A member of a MAP (by string key) or HOST; ABSENT if there is none. */
struct value value_member(struct value, struct str name, struct arena *);
/* Number of any numeric tag or bool (0, 1) as double; false for the rest and
 * for non-finite numbers. */
bool value_number(struct value, double *ret);
int64_t value_ms(struct value);		/* of TIMESTAMP and DURATION */
const char *value_type_name(struct value);

/* Accepted JSON text -> value (jansson, JSON_ALLOW_NUL; an integer literal within
 * int64 is INT, else DOUBLE; the last duplicate key wins).  ERROR if refused. */
struct value value_from_json(struct str json, struct arena *);
/* CEL's JSON mapping: int beyond +-(2^53-1) as string, non-finite as string,
 * bytes base64, timestamps RFC 3339, durations "1.5s".  HOST: iterated, or null. */
void value_to_json(struct value, struct arena *, GString *out);
/* As `explain` shows it: short, strings quoted, lists cut after a few members. */
void value_print(struct value, GString *out);
/* Deep copy into another arena (strings too); RAW is parsed, HOST becomes a map. */
struct value value_copy(struct value, struct arena *to);
#endif
