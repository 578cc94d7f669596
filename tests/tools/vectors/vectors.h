/* What the kinds of vectors share.  To extend: a function for the new kind, and a row
 * in vectors.c's table. */
#ifndef TOOLS_VECTORS_H
#define TOOLS_VECTORS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct vec {
	const char	*file;		/* its base name */
	const json_t	*all;		/* the whole file */
	json_t		*streams;	/* streams.json beside the file, or NULL */
	unsigned	 passed, failed, skipped;
};

/* The name of what is checked follows the file's. */
void vec_check(struct vec *, bool ok, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void vec_skip(struct vec *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Equal up to `tolerance`, relative (absolute below 1). */
void vec_near(struct vec *, double want, double got, double tolerance,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Indexes as in a list of numbers. */
void vec_indexes(struct vec *, const json_t *want, const uint32_t *got, uint32_t n,
    const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Numbers of a stream: a list, {"data": [..]}, or the name of one.  NULL: unknown;
 * free() it. */
double *vec_stream(struct vec *, const json_t *, uint32_t *n);
/* A number; also the words Infinity, -Infinity and NaN.  False: none. */
bool vec_number(const json_t *, double *);

struct samples { double *ref, *cur; uint32_t m, n; };	/* ascending */

/* A field of `samples` by a formula that no rule uses; NaN: unknown. */
double vec_other_value(const char *key, const struct samples *);
bool vec_other_special(struct vec *, const char *key, const json_t *);

/* Each gets the value of a top-level key, or an element of `vectors`. */
void vec_detector(struct vec *, const json_t *);
void vec_bernoulli_fires(struct vec *, const json_t *);
void vec_bernoulli_designs(struct vec *, const json_t *);
void vec_arl(struct vec *, const char *key, const json_t *);
void vec_histograms(struct vec *, const json_t *);
void vec_samples(struct vec *, const json_t *);
void vec_special(struct vec *, const json_t *);
void vec_psi(struct vec *, const json_t *);
void vec_machine(struct vec *, const json_t *);
void vec_hysteresis(struct vec *, const json_t *);
void vec_levels(struct vec *, const json_t *);
void vec_m_of_n(struct vec *, const json_t *);
void vec_window(struct vec *, const json_t *);
void vec_ddsketch(struct vec *, const json_t *);
void vec_hyperloglog(struct vec *, const json_t *);
#endif
