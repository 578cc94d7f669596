/* Inside of the detectors: how a state begins, and what each kind brings. */
#ifndef SIGNAL_DETECT_PRIV_H
#define SIGNAL_DETECT_PRIV_H

#include <math.h>
#include <string.h>

#include "signal/detect.h"

struct head {			/* of every state */
	uint8_t		 drift, warn, ready, pad;
	uint32_t	 held;	/* stays at its greatest value */
	uint64_t	 n;	/* fed since the reset */
};
struct learned {		/* behind it, where the spec learns (Welford) */
	uint64_t	 n;
	double		 mean, m2;
};
struct reference {		/* the baseline in use */
	bool		 known;
	double		 mean, sd;
	double		 rate;	/* the mean of zeroes and ones; see rate_of() */
};
struct feed {
	const struct detect_spec *spec;
	struct head	*head;
	void		*body;
	struct reference ref;
	double		 limit;
	unsigned	 step;
};
struct look {
	const struct detect_spec *spec;
	const struct head *head;
	const void	*body;
	struct reference ref;
	double		 limit;
	unsigned	 step;
};
typedef void (*feed_fn)(struct feed *, double x);
typedef void (*view_fn)(const struct look *, struct detect_view *);

#define PAR(s, i) ((s)->p[i])
#define PAR_N(s, i) ((uint32_t)(s)->p[i])

/* One finite sample (standardised where asked), and what can be read: by kind. */
void threshold_feed(struct feed *, double);
void threshold_view(const struct look *, struct detect_view *);
void change_feed(struct feed *, double);
void change_view(const struct look *, struct detect_view *);
void cusum_feed(struct feed *, double);
void cusum_view(const struct look *, struct detect_view *);
void ewma_feed(struct feed *, double);
void ewma_view(const struct look *, struct detect_view *);
void shewhart_feed(struct feed *, double);
void shewhart_view(const struct look *, struct detect_view *);
void ph_feed(struct feed *, double);
void ph_view(const struct look *, struct detect_view *);
void ewma_river_feed(struct feed *, double);
void ewma_river_view(const struct look *, struct detect_view *);
void adwin_feed(struct feed *, double);
void adwin_view(const struct look *, struct detect_view *);
uint32_t adwin_bytes(const struct detect_spec *, const void *body);
void ddm_feed(struct feed *, double);
void ddm_view(const struct look *, struct detect_view *);
void eddm_feed(struct feed *, double);
void eddm_view(const struct look *, struct detect_view *);
void hddm_a_feed(struct feed *, double);
void hddm_a_view(const struct look *, struct detect_view *);
void hddm_w_feed(struct feed *, double);
void hddm_w_view(const struct look *, struct detect_view *);
void fhddm_feed(struct feed *, double);
void fhddm_view(const struct look *, struct detect_view *);
uint32_t fhddm_bytes(const struct detect_spec *);
void bernoulli_feed(struct feed *, double);
void bernoulli_view(const struct look *, struct detect_view *);
void binomial_feed(struct feed *, double);
void binomial_view(const struct look *, struct detect_view *);
uint32_t binomial_bytes(const struct detect_spec *);
void ks_feed(struct feed *, double);
void ks_view(const struct look *, struct detect_view *);
uint32_t ks_bytes(const struct detect_spec *);

/* Layouts that tests and the vectors look into. */
struct cusum { double up, down; };
struct ewma { double z, decay; };	/* decay: (1 - lambda)^(2i) */
struct page_hinkley { double mean, up, up_min, down, down_max; };
struct ewma_river { double z, mean, e1, e2; };
struct ddm { double p, p_min, s_min; };
struct eddm { uint64_t last, errors; double mean, m2, max; };
struct hddm_a { uint64_t n_min, n_max; double mean, mean_min, mean_max; };
struct hddm_w_part { double ewma, ibc; };	/* ibc 0: nothing seen */
struct hddm_w { struct hddm_w_part total, inc1, inc2, dec1, dec2; };
struct bernoulli { uint32_t s, m, h, step; double p0; };
struct bits { uint32_t at, filled, ones, pad; double best; uint8_t bit[]; };
struct level { double x; };
struct shewhart { double x; };
struct adwin_bucket { double total, m2; };
struct adwin { double total, m2; uint64_t width; uint32_t rows, buckets; };
#endif
