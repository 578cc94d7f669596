/* libFuzzer: src/event/{scan,number,plan,event}.c and jansson must agree, NULs aside. */
#include <jansson.h>
#include <stdlib.h>

#include "base/arena.h"
#include "event/event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct arena *a = arena_new(0);
	struct event_limits limits = {.depth = 512, .keys = 1 << 20};
	struct str path[] = {STR("data"), STR("a"), STR("b")};
	struct event e = {.data = {(const char *)data, (uint32_t)n}};
	json_t *tree = json_loadb(e.data.p, n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
	struct plan plan;

	plan_init(&plan, a);
	plan_add(&plan, path, 3);
	plan_finish(&plan);
	if (n && !memchr(data, 0, n) && event_fill(&e, &plan, &limits, a) != !!tree)
		abort();
	json_decref(tree);
	arena_free(a);
	return 0;
}
