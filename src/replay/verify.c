/* Columns of a decision row, in the order in which a difference says most.
 *
 * To add a column of decision_row: a line in columns[]. */
#include "replay/verify.h"

#include <inttypes.h>
#include <stddef.h>

#include "base/arena.h"

enum column_type { TEXT = 1, U64, I64, U32, OUTCOME, BY, COUNT };

static const struct {
	const char	*name;
	enum column_type type;
	size_t		 offset;
} columns[] = {
#define COLUMN(name, type, member) { name, type, offsetof(struct decision_row, member) }
	COLUMN("id", U64, id), COLUMN("rule", TEXT, rule), COLUMN("key", TEXT, key),
	COLUMN("outcome", OUTCOME, outcome), COLUMN("by", BY, by),
	COLUMN("input", U64, seq), COLUMN("time", I64, time_ms),
	COLUMN("event", TEXT, event_id), COLUMN("due", I64, due_ms),
	COLUMN("run", U64, run), COLUMN("run name", TEXT, run_id),
	COLUMN("count", COUNT, count), COLUMN("reason", TEXT, reason),
	COLUMN("trace", TEXT, trace), COLUMN("rule id", U32, rule_id),
#undef COLUMN
};

static struct str text_of(const struct decision_row *r, unsigned i, struct arena *a)
{
	const void *at = (const char *)r + columns[i].offset;
	const char *name = NULL;
	uint32_t n;

	switch (columns[i].type) {
	case TEXT:
		return *(const struct str *)at;
	case U64:
		return arena_printf(a, "%" PRIu64, *(const uint64_t *)at);
	case I64:
		return arena_printf(a, "%" PRId64, *(const int64_t *)at);
	case U32:
		return arena_printf(a, "%" PRIu32, *(const uint32_t *)at);
	case COUNT:		/* a row that is none of counting stands for one */
		n = *(const uint32_t *)at;
		return arena_printf(a, "%" PRIu32, n ? n : 1);
	case OUTCOME:
		name = outcome_name(r->outcome);
		break;
	case BY:
		name = r->by ? suppressor_name(r->by) : "";
		break;
	}
	return name ? str_of(name) : STR("?");
}

const char *decision_difference(const struct decision_row *stored,
    const struct decision_row *again, struct arena *a, struct str *ret_stored,
    struct str *ret_again)
{
	for (unsigned i = 0; i < sizeof(columns) / sizeof(*columns); i++) {
		*ret_stored = text_of(stored, i, a);
		*ret_again = text_of(again, i, a);
		if (!str_is(*ret_stored, *ret_again))
			return columns[i].name;
	}
	return NULL;
}
