/* Vectors of distances and special functions. */
#include "vectors.h"

void vec_histograms(struct vec *v, const json_t *j) { (void)j; vec_skip(v, "hist"); }
void vec_samples(struct vec *v, const json_t *j) { (void)j; vec_skip(v, "samples"); }
void vec_special(struct vec *v, const json_t *j) { (void)j; vec_skip(v, "special"); }
void vec_psi(struct vec *v, const json_t *j) { (void)j; vec_skip(v, "psi"); }
void vec_machine(struct vec *v, const json_t *j) { (void)j; vec_skip(v, "machine"); }
void vec_hysteresis(struct vec *v, const json_t *j) { (void)j; vec_skip(v, "hyst"); }
