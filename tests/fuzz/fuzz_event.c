/* libFuzzer: bytes -> event.  Exercises src/event/{scan,number,event,cloudevent,plan}.c
 * and holds the scanner to jansson: what one accepts the other does, zero bytes aside. */
#include <jansson.h>
#include <stdlib.h>

#include "base/arena.h"
#include "event/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(0);
	struct plan plan;
	struct str path[] = {STR("data"), STR("a"), STR("b")},
		   s = {(const char *)data, (uint32_t)n};
	struct event e = {.data = s};
	json_t *tree = json_loadb(s.p, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

	plan_init(&plan, a);
	plan_add(&plan, path, 3);
	plan_finish(&plan);
	if (n && !memchr(s.p, 0, n) &&
	    event_fill(&e, &plan, &(struct event_limits){.depth = 512, .keys = 1 << 20},
		a) != !!tree)
		abort();
	json_decref(tree);
	arena_free(a);
	return 0;
}
