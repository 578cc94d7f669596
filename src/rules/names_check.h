/* Checks of the resolver (names.c): each complains at most once per place. */
#ifndef RULES_NAMES_CHECK_H
#define RULES_NAMES_CHECK_H

#include "rules/names.h"

struct name_row {
	const char	*name;
	unsigned	 bit;
	enum expr_type	 type;
	uint32_t	 input;
	const char	*members;	/* NULL: anything */
};

/* Whether a word is among words separated by '|'. */
bool names_in(struct str word, const char *words);
/* An error at `path`, unless the same place was complained about just before (NULL). */
struct diag *names_tell(struct names *, const struct str *path, uint32_t n,
    const char *fmt, ...) __attribute__((format(printf, 4, 5)));
void check_member(struct names *, const struct name_row *, const struct str *path,
    uint32_t n);
void check_event(struct names *, const struct str *path, uint32_t n);
void check_vars(struct names *, const struct str *path, uint32_t n);
void check_params(struct names *, const struct str *path, uint32_t n);
void check_step(struct names *, const struct str *path, uint32_t n);
void check_signal(struct names *, struct rule_signal *, const struct str *path,
    uint32_t n);
/* False when the scalar reads something of a signal that later versions have. */
bool check_later(struct names *);

#endif
