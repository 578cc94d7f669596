/* The slot plan: paths in the order in which rules asked for them, and the tree
 * that the scanner walks beside the document.
 *
 * Both "event.X" and the members of "data" hang under one root, because that is
 * how a structured CloudEvent lies in memory: one walk fills everything.  The
 * attributes which every event needs are in the tree from the start.
 *
 * To keep another attribute always: enum scan_attr and attr_names[] here, and
 * read it in cloudevent.c.
 */
#include "event/plan.h"

#include <glib.h>

#include "base/arena.h"
#include "base/check.h"
#include "event/scan.h"

#define FEW_CHILDREN 16			/* up to here a look at each is faster */

/* ORDER scan_attr */
static const char *const attr_names[ATTR_N] = {
	"id", "source", "type", "subject", "time", "specversion", "datacontenttype",
	"data_base64", "retraindepth",
};

static struct scan_node *child_named(struct scan_node *node, struct str key)
{
	for (uint32_t i = 0; i < node->n; i++)
		if (str_is(node->child[i].key, key))
			return &node->child[i];
	return NULL;
}

static struct scan_node *child_add(struct plan *plan, struct scan_node *node,
    struct str key)
{
	struct scan_node *c = child_named(node, key);

	if (c)
		return c;
	node->child = arena_grow(plan->arena, node->child, node->n, &node->cap,
	    sizeof *node->child);
	CHECK(node->child);
	c = &node->child[node->n++];
	*c = (struct scan_node){.key = arena_str(plan->arena, key), .slot = SLOT_NONE};
	return c;
}

void plan_init(struct plan *plan, struct arena *arena)
{
	*plan = (struct plan){.arena = arena, .tree = ARENA_NEW(arena, struct scan_tree)};
	plan->tree->root.slot = SLOT_NONE;
	for (unsigned i = 0; i < ATTR_N; i++)
		child_add(plan, &plan->tree->root, str_of(attr_names[i]))->attr =
		    (uint8_t)(i + 1);
	child_add(plan, &plan->tree->root, STR("data"))->is_data = true;
}

/* The node of a path; NULL for one that no document can fill. */
static struct scan_node *path_node(struct plan *plan, const struct str *seg, uint32_t n)
{
	struct scan_node *node = &plan->tree->root;

	if (str_is(seg[0], STR("event"))) {
		if (n != 2 || str_is(seg[1], STR("data")))
			return NULL;
		return child_add(plan, node, seg[1]);
	}
	if (!str_is(seg[0], STR("data")))
		return NULL;
	for (uint32_t i = 0; i < n; i++)
		node = child_add(plan, node, seg[i]);
	return node;
}

static bool path_is(const struct path *p, const struct str *seg, uint32_t n)
{
	if (p->n != n)
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (!str_is(p->seg[i], seg[i]))
			return false;
	return true;
}

uint32_t plan_add(struct plan *plan, const struct str *seg, uint32_t n)
{
	struct scan_node *node;
	struct path path = {NULL, n};

	CHECK(n >= 1 && n <= PLAN_SEGMENTS_MAX);
	node = path_node(plan, seg, n);
	if (node && node->slot != SLOT_NONE)
		return node->slot;
	for (uint32_t i = 0; !node && i < plan->n; i++)
		if (path_is(&plan->v[i], seg, n))
			return i;
	if (plan->n == PLAN_PATHS_MAX)
		return UINT32_MAX;
	path.seg = ARENA_ARRAY(plan->arena, struct str, n);
	for (uint32_t i = 0; i < n; i++)
		path.seg[i] = arena_str(plan->arena, seg[i]);
	plan->v = arena_grow(plan->arena, plan->v, plan->n, &plan->cap, sizeof *plan->v);
	CHECK(plan->v);
	plan->v[plan->n] = path;
	if (node)
		node->slot = plan->n;
	return plan->n++;
}

static int by_length(const void *a, const void *b)
{
	const struct scan_node *x = a, *y = b;

	if (x->key.len != y->key.len)
		return x->key.len < y->key.len ? -1 : 1;
	return str_cmp(x->key, y->key);
}

static void finish(struct scan_node *node, uint32_t *inner)
{
	if (!node->n)
		return;
	node->inner = (*inner)++;
	node->lens = 0;
	qsort(node->child, node->n, sizeof *node->child, by_length);
	for (uint32_t i = 0; i < node->n; i++) {
		node->lens |= UINT64_C(1) << (node->child[i].key.len & 63);
		finish(&node->child[i], inner);
	}
}

void plan_finish(struct plan *plan)
{
	struct scan_tree *tree = plan->tree;

	tree->inner = 0;
	finish(&tree->root, &tree->inner);
	for (unsigned i = 0; i < ATTR_N; i++)
		tree->slot[i] = scan_child(&tree->root, str_of(attr_names[i]))->slot;
}

const struct scan_node *plan_root(const struct plan *plan)
{
	return &plan->tree->root;
}

const struct scan_node *plan_data(const struct plan *plan)
{
	return scan_child(&plan->tree->root, STR("data"));
}

static bool key_is(const struct scan_node *c, struct str key)
{
	return c->key.len == key.len && memcmp(c->key.p, key.p, key.len) == 0;
}

const struct scan_node *scan_child(const struct scan_node *node, struct str key)
{
	struct scan_node want = {.key = key};

	if (!(node->lens >> (key.len & 63) & 1))
		return NULL;
	if (node->n > FEW_CHILDREN)
		return bsearch(&want, node->child, node->n, sizeof want, by_length);
	for (const struct scan_node *c = node->child, *end = c + node->n; c < end; c++)
		if (key_is(c, key))
			return c;
	return NULL;
}
