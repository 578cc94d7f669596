/* The input of a rule set as one blob for the database, and the hash that names it.
 *
 * The hash covers the blob, the formats of the sources and LAYOUT: raise LAYOUT when
 * the same text comes to mean something else. */
#include "base/codec.h"
#include "base/json.h"
#include "rules/build.h"

#define LAYOUT 2
#define PACK_VERSION 2

void ruleset_pack(struct ruleset *rs, const struct rule_text *v, uint32_t n)
{
	GByteArray *out = g_byte_array_new();

	put_u8(out, PACK_VERSION);
	put_u64(out, n);
	for (uint32_t i = 0; i < n; i++) {
		put_str(out, v[i].bundle);
		put_str(out, v[i].name);
		put_str(out, v[i].dir);
		put_str(out, v[i].bytes);
		put_u64(out, v[i].shared);
		put_u8(out, v[i].companion);
	}
	rs->packed = arena_str(rs->arena, (struct str){(const char *)out->data,
	    out->len});
	g_byte_array_unref(out);
}

bool ruleset_unpack(struct str packed, struct rule_text **ret, uint32_t *ret_n,
    struct arena *arena)
{
	struct reader r = reader_of(packed);
	uint8_t version = get_u8(&r);
	uint64_t n = get_u64(&r);

	if (version != PACK_VERSION || r.bad || n > packed.len)	/* >= 4 bytes each */
		return false;
	*ret = ARENA_ARRAY(arena, struct rule_text, n);
	*ret_n = (uint32_t)n;
	for (uint64_t i = 0; i < n; i++) {
		(*ret)[i].bundle = get_str(&r);
		(*ret)[i].name = get_str(&r);
		(*ret)[i].dir = get_str(&r);
		(*ret)[i].bytes = get_str(&r);
		(*ret)[i].shared = (uint32_t)get_u64(&r);
		(*ret)[i].companion = get_u8(&r) != 0;
	}
	return reader_done(&r);
}

void ruleset_hash(struct ruleset *rs, const struct catalog *c)
{
	GString *s = g_string_new_len(rs->packed.p, rs->packed.len);

	json_open(s, '{');
	json_key(s, "layout"), json_i64(s, LAYOUT);
	for (uint32_t i = 0; i < c->instances_n; i++) {
		const struct catalog_instance *in = &c->instances[i];

		if (in->what != CATALOG_SOURCE)
			continue;
		json_key_str(s, in->name);
		json_open(s, '{');
		json_key(s, "id"), json_i64(s, in->id);
		json_key(s, "preset"), json_str(s, in->preset);
		json_key(s, "map");
		if (in->map)
			load_canonical(in->map, s);
		else
			json_nil(s);
		json_close(s, '}');
	}
	json_close(s, '}');
	load_sha256((struct str){s->str, (uint32_t)s->len}, rs->hash);
	g_string_free(s, true);
}
