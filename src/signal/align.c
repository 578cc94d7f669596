/* Where windows and their panes begin.
 *
 *	sliding   panes of W/60 (W < 60 ms: 1 ms), from the epoch
 *	tumbling  one pane per window: [k W + offset, (k+1) W + offset), on the epoch's
 *		  line or on the local time of a zone
 *	hopping   windows [k E + offset, k E + offset + W), panes of gcd(W, E)
 *
 * In a zone window k begins at the first instant whose local time has reached
 * k W + offset.  So days begin at midnight, last 23 to 25 hours where the clocks
 * change, a local time that does not exist is the change itself, and the hour that
 * occurs twice belongs to the window that it was in first: numbers never go back.
 */
#include "base/time.h"
#include "base/zone.h"
#include "signal/window.h"

#define PANES_PER_WINDOW 60
#define SHIFT_MAX (26 * INT64_C(3600000))	/* more than any change of offset */

static bool in_zone(const struct signal_spec *spec)
{
	return spec->window == WINDOW_TUMBLING && spec->zone;
}

static int64_t gcd(int64_t a, int64_t b)
{
	while (b) {
		int64_t r = a % b;

		a = b;
		b = r;
	}
	return a;
}

static int64_t width(const struct signal_spec *spec)
{
	int64_t w = spec->over_ms;

	if (spec->window == WINDOW_TUMBLING)
		return w;
	if (spec->window == WINDOW_HOPPING)
		return gcd(w, spec->every_ms);
	return w < PANES_PER_WINDOW ? 1 : w / PANES_PER_WINDOW;
}

static int64_t offset(const struct signal_spec *spec)
{
	return spec->window == WINDOW_SLIDING ? 0 : spec->offset_ms;
}

/* The greatest local time that was ever reached at or before t. */
static int64_t local_reached(const struct zone *z, int64_t t)
{
	int64_t best = t + zone_offset_ms(z, t);
	int64_t x = zone_next_transition(z, t - SHIFT_MAX);

	for (; x <= t; x = zone_next_transition(z, x))
		best = later(best, x - 1 + zone_offset_ms(z, x - 1));
	return best;
}

int64_t align_number(const struct signal_spec *spec, int64_t t)
{
	if (in_zone(spec))
		t = local_reached(spec->zone, t);
	return floor_div(t - offset(spec), width(spec));
}

int64_t align_start(const struct signal_spec *spec, int64_t number)
{
	int64_t at = number * width(spec) + offset(spec), ret[2];

	if (!in_zone(spec))
		return at;
	zone_instants(spec->zone, at, ret);
	return ret[0];
}

int64_t align_held(const struct signal_spec *spec, int64_t clock)
{
	if (spec->window == WINDOW_TUMBLING)
		return align_number(spec, clock) - 1;
	return floor_div(clock - spec->offset_ms - spec->over_ms, spec->every_ms);
}

void align_window(const struct signal_spec *spec, int64_t window, int64_t *pane,
    int64_t *n)
{
	if (spec->window == WINDOW_TUMBLING) {
		*pane = window;
		*n = 1;
		return;
	}
	*pane = window * (spec->every_ms / width(spec));
	*n = spec->over_ms / width(spec);
}

int64_t align_end(const struct signal_spec *spec, int64_t window)
{
	if (spec->window == WINDOW_TUMBLING)
		return align_start(spec, window + 1);
	return window * spec->every_ms + spec->offset_ms + spec->over_ms;
}

int64_t align_first(const struct signal_spec *spec, int64_t pane)
{
	int64_t w = width(spec);

	if (spec->window == WINDOW_TUMBLING)
		return pane;
	return floor_div(pane - spec->over_ms / w, spec->every_ms / w) + 1;
}

int64_t align_last(const struct signal_spec *spec, int64_t pane)
{
	if (spec->window == WINDOW_TUMBLING)
		return pane;
	return floor_div(pane, spec->every_ms / width(spec));
}
