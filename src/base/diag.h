/* Diagnostics with positions, collected up to a bound and rendered by one
 * printer: file:line:col, the source line, a caret, the nearest known word. */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include <glib.h>

#include "base/str.h"

struct arena;

struct text {			/* one file, read once */
	struct str	 name, bytes;
};
struct span {			/* bytes of diags.texts[text] */
	uint32_t	 text, off, len;
};
enum severity { SEV_ERROR = 1, SEV_WARNING };
struct diag {
	enum severity	 severity;
	struct span	 at;
	struct str	 msg;	/* in the diags' own memory */
	bool		 hide_source;	/* the line may hold a secret */
	bool		 whole;		/* of all texts together, not of this one alone */
	struct str	 hint;	/* "did you mean 'x'?"; may be empty */
};

#define DIAGS_MAX 200		/* more are counted, not kept */

struct diags;

/* Texts are borrowed and must outlive the diags. */
struct diags *diags_new(const struct text *, uint32_t n);
void diags_free(struct diags *);
const struct text *diags_text(const struct diags *, uint32_t i);
uint32_t diags_errors(const struct diags *);	/* all of them, kept or not */
uint32_t diags_warnings(const struct diags *);
uint32_t diags_kept(const struct diags *);
/* In text order after diags_sort(). */
const struct diag *diags_at(const struct diags *, uint32_t i);
void diags_sort(struct diags *);
struct diag *diag_add(struct diags *, enum severity, struct span, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void diag_hint(struct diags *, struct diag *, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Line and column (1-based, in code points) of a byte offset. */
void text_locate(const struct text *, uint32_t off, unsigned *line, unsigned *col);
/* FILE:LINE:COL: error: MSG (HINT)\n | source line\n | ....^ */
void diags_render(const struct diags *, GString *out);
void diag_render(const struct diags *, uint32_t i, GString *out);	/* one of them */
/* Array of {file,line,column,length,severity,message,hint}. */
void diags_json(const struct diags *, GString *out);
void diag_json(const struct diags *, uint32_t i, GString *out);	/* one of them */
/* The known word at the smallest edit distance (<= 1 + len/3), or {NULL,0}. */
struct str nearest_word(struct str, const struct str *words, uint32_t n);
#endif
