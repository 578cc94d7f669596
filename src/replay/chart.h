/* A backtest as a picture: for each comparison of a rule's condition the left side over
 * time against its limit, firings as marks, suppressed decisions dimmed. */
#ifndef REPLAY_CHART_H
#define REPLAY_CHART_H

#include "replay/backtest.h"

#define CHART_PANELS 12

struct chart;

/* Panels for the rules and keys that decided most. */
struct chart *chart_new(const struct backtest *, const struct ruleset *);
void chart_free(struct chart *);
/* To be called as backtest_options.sample of another pass over the same events. */
void chart_sample(void *chart, struct sim *, int64_t wall_ms);
void chart_svg(const struct chart *, GString *out);
void chart_html(const struct chart *, const char *title, GString *out);
#endif
