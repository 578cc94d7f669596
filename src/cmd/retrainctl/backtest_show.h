/* Results of backtests as tables or JSON. */
#ifndef CMD_RETRAINCTL_BACKTEST_SHOW_H
#define CMD_RETRAINCTL_BACKTEST_SHOW_H

#include "cmd/retrainctl/ctl.h"
#include "replay/backtest.h"

struct variant {
	struct str	 name;		/* "r.when#1=0.2" */
	struct str	*paths, *values;
	uint32_t	 axes_n;
	struct backtest	*b;
	struct ruleset	*rules;
};
void backtest_show(struct ctl *, const struct variant *, uint32_t n);
/* Of one row, as members of an open JSON object. */
void backtest_row_json(GString *, const struct backtest_row *);
#endif
