/* Looking up kinds and instances.  A configuration has a handful of each. */
#include "rules/catalog.h"

const struct catalog_instance *catalog_find(const struct catalog *c,
    enum catalog_what what, struct str name)
{
	for (uint32_t i = 0; i < c->instances_n; i++)
		if (c->instances[i].what == what && str_is(c->instances[i].name, name))
			return &c->instances[i];
	return NULL;
}

const struct catalog_kind *catalog_kind(const struct catalog *c, enum catalog_what what,
    struct str name)
{
	for (uint32_t i = 0; i < c->kinds_n; i++)
		if (c->kinds[i]->what == what && str_is(str_of(c->kinds[i]->name), name))
			return c->kinds[i];
	return NULL;
}
