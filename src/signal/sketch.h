/* Sketches: what a row keeps for `quantile`, `distinct` and `list`.
 *
 * Each is one cell per row, made with the first sample; putting rows together loses
 * nothing beyond what each of them lost.
 *
 *	bins	  DDSketch (Masson, Rim, Lee, VLDB 2019), relative error 0.01: values fall
 *		  into bins gamma^(i-1) < |x| <= gamma^i, gamma = 1.01/0.99, and are
 *		  estimated as 2 gamma^i / (gamma + 1).  Where a cell is full (2,040 bins,
 *		  nine orders of magnitude each way), the lowest two become one.
 *	distinct  hashes, exact up to 256, then HyperLogLog (Flajolet and others, 2007)
 *		  with 4,096 registers and linear counting: standard error 1.6 %.
 *	list	  the newest 1,000 samples, by event time. */
#ifndef SIGNAL_SKETCH_H
#define SIGNAL_SKETCH_H

#include "base/arena.h"
#include "base/cells.h"
#include "expr/value.h"

#define BINS_ALPHA 0.01
#define DISTINCT_EXACT 256
#define HLL_P 12
#define LIST_MAX 1000

/* ---- quantiles ---- */
struct bin {
	int32_t	 key;		/* ascends with the value; see bin_index() */
	uint32_t n;
};
struct bins {			/* while reading, in an arena */
	struct bin *v;
	uint32_t n, cap;
	bool	 unknown;
};
/* Key of a value with `log_gamma` = log(gamma); 0 for 0. */
int32_t bin_key(double x, double log_gamma);
double bin_value(int32_t key, double gamma);
int32_t bin_index(int32_t key);		/* the i of gamma^i; the key is not 0 */
uint64_t bins_take(struct cells *, uint64_t cell, double x);	/* returns the cell */
void bins_merge(struct cells *, uint64_t to, uint64_t from);
void bins_read(struct bins *, const struct cells *, uint64_t cell, struct arena *);
void bins_number(struct bins *, double x, struct arena *);
/* The value of rank q (n - 1), 0 <= q <= 1; NaN: nothing is there. */
double bins_quantile(struct bins *, double q, double gamma);

/* ---- distinct ---- */
struct distinct {
	uint64_t *v;
	uint32_t n, cap;
	uint8_t	 *registers;	/* NULL: still exact */
	bool	 unknown;
};
uint64_t hash_mix(uint64_t);		/* SplitMix64's output at this state */
uint64_t hash_number(double);
uint64_t hash_text(struct str);
void hll_add(uint8_t *registers, unsigned p, uint64_t hash);
double hll_estimate(const uint8_t *registers, unsigned p);
uint64_t distinct_take(struct cells *, uint64_t cell, uint64_t hash);
void distinct_merge(struct cells *, uint64_t to, uint64_t from);
void distinct_read(struct distinct *, const struct cells *, uint64_t cell,
    struct arena *);
void distinct_hash(struct distinct *, uint64_t hash, struct arena *);
uint64_t distinct_count(struct distinct *, struct arena *);

/* ---- lists ---- */
struct entry {			/* a sample that is kept */
	int64_t	 t;
	union {
		double	 x;
		struct {
			uint32_t text, mark;	/* a text: its cell; no number is so */
		};
	};
};
struct entry entry_of(struct cells *, int64_t t, double x, struct str text);
bool entry_is_text(const struct entry *);
void entry_drop(struct cells *, const struct entry *);		/* its text */
struct pick {
	int64_t	 t;
	double	 x;
	uint32_t text;		/* a text cell; 0: a number */
	uint32_t order;		/* of arrival here */
};
struct picks {
	struct pick *v;
	uint32_t n, cap;
	bool	 unknown;
};
uint64_t list_take(struct cells *, uint64_t cell, int64_t t, double x, struct str text);
void list_merge(struct cells *, uint64_t to, uint64_t from);
void list_drop(struct cells *, uint64_t cell);
void list_read(struct picks *, const struct cells *, uint64_t cell, struct arena *);
void picks_add(struct picks *, int64_t t, double x, uint32_t text, struct arena *);
struct value picks_value(struct picks *, const struct cells *, struct arena *);
struct str text_of(const struct cells *, uint32_t cell);
#endif
