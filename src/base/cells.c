/* Cells: numbered byte records with dirty marks, in shards.
 *
 * Invariants, beside those of the header
 *   (1) An id has one home shard for ever: a freed id is used again only there.
 *       So two records of one id never disagree about their shard, and a stale
 *       delta cannot bring a cell back in another place.  A shard's bytes name
 *       its free ids too, so that homes survive a restart.
 *   (2) Which id and shard a new cell gets is a function of what is live, not of
 *       how it came about: the lowest shard that has room, there the lowest free
 *       id.  A restart therefore changes nothing about what follows.
 *   (3) `ids` of a shard ascends, because new ids do.
 *   (4) A slot is on the dirty list exactly once if its mark is set, live or not;
 *       the sums of cells and of shards are changed by account(), and by the first
 *       touch.
 *
 * A shard's bytes:  codec, then per id:         id kind [length bytes]
 * A delta's bytes:  codec, then per dirty id: shard id kind [length bytes]
 * where kind 0 is a free id, without length and bytes.
 *
 * To change a layout kept in cells, raise CELLS_CODEC.
 */
#include "base/cells.h"

#include "base/check.h"
#include "base/codec.h"
#include "base/slab.h"

#define RECORD_COST 8		/* of a record beside its bytes, in round numbers */
#define IDS_MAX CELLS_IDS	/* these two bound what a damaged blob can allocate */
#define SHARDS_MAX (1u << 20)
#define NO_SHARD ((1u << 31) - 1)
#define BYTES_MASK ((1u << 24) - 1)	/* the most that one cell can hold */
#define HEAD_MAX 16	/* of a record: three varints of 32 bits and the kind */
#define GROW_DOUBLE 65536	/* longer arrays grow by a quarter, to a multiple of 64 */
#define AHEAD 16		/* see FETCH_SLOT */
#define DIRTY_KEEP 65536	/* a longer dirty list is given back by a commit */

#define SLABS 64
#define IN_SLAB (8 * SLABS)	/* longer ones lie by themselves */

struct slot {			/* one per id, so kept to 16 bytes */
	uint8_t		*data;
	uint32_t	 bytes : 24;
	uint32_t	 kind : 8;	/* 0: free */
	uint32_t	 shard : 31;	/* home; NO_SHARD only while loading */
	uint32_t	 dirty : 1;
};
_Static_assert(sizeof(struct slot) == sizeof(uint8_t *) + 8, "a slot is packed");

struct shard {
	uint32_t	*ids;
	uint32_t	 n, cap;
	uint32_t	 live;
	uint32_t	 low;		/* no free id lies before ids[low] */
	uint32_t	 dirty;		/* slots with a mark */
	bool		 loaded;
	uint64_t	 turn;		/* while loading: when it was written */
	uint64_t	 cost;
};

struct cells {
	struct slab	 slabs[SLABS];	/* of a slot's bytes, by slab_of() */
	struct slot	*slots;		/* [0] is unused */
	uint32_t	 n, cap;
	uint32_t	 live;
	struct shard	*shards;
	uint32_t	 shards_n, shards_cap;
	uint64_t	*room;		/* bit per shard: it takes new cells */
	uint32_t	*dirty;
	uint32_t	 dirty_n, dirty_cap;
	uint32_t	 dirty_shards;
	uint64_t	 cost, dirty_cost;
};

struct cells *cells_new(void)
{
	struct cells *c = g_new0(struct cells, 1);

	for (uint32_t i = 0; i < SLABS; i++)
		slab_init(&c->slabs[i], 8 * (i + 1));
	c->n = 1;
	c->cap = 64;
	c->slots = g_new0(struct slot, c->cap);
	return c;
}

void cells_free(struct cells *c)
{
	if (!c)
		return;
	for (uint32_t i = 1; i < c->n; i++)
		if (c->slots[i].bytes > IN_SLAB)
			g_free(c->slots[i].data);
	for (uint32_t i = 0; i < SLABS; i++)
		slab_fini(&c->slabs[i]);
	for (uint32_t i = 0; i < c->shards_n; i++)
		g_free(c->shards[i].ids);
	g_free(c->slots);
	g_free(c->shards);
	g_free(c->room);
	g_free(c->dirty);
	g_free(c);
}

static struct slab *slab_of(struct cells *c, uint32_t bytes)
{
	return &c->slabs[bytes ? (bytes - 1) / 8 : 0];
}

/* A cell's memory; not zeroed. */
static uint8_t *data_new(struct cells *c, uint32_t bytes)
{
	return bytes > IN_SLAB ? g_malloc(bytes) : slab_take(slab_of(c, bytes), bytes);
}

static void data_free(struct cells *c, uint8_t *data, uint32_t bytes)
{
	if (bytes > IN_SLAB)
		g_free(data);
	else
		slab_give(slab_of(c, bytes), data);
}

static uint8_t *data_resize(struct cells *c, uint8_t *data, uint32_t old, uint32_t bytes)
{
	uint8_t *now;

	if (old > IN_SLAB && bytes > IN_SLAB)
		return g_realloc(data, bytes);
	if (old <= IN_SLAB && bytes <= IN_SLAB && slab_of(c, old) == slab_of(c, bytes)) {
		slab_fit(slab_of(c, bytes), data, bytes);
		return data;
	}
	now = data_new(c, bytes);
	memcpy(now, data, MIN(old, bytes));
	data_free(c, data, old);
	return now;
}

/* Makes room for `want` elements, the new ones zeroed. */
static void *grow(void *v, uint32_t *cap, uint32_t want, size_t elem)
{
	uint32_t more = MAX(*cap, 8);

	if (want <= *cap)
		return v;
	while (more < want)	/* a large one is moved by its pages, not copied */
		more = more < GROW_DOUBLE ? 2 * more : (more + more / 4) & ~63u;
	v = g_realloc_n(v, more, elem);
	memset((char *)v + *cap * elem, 0, (more - *cap) * elem);
	*cap = more;
	return v;
}

static struct slot *live_slot(const struct cells *c, uint32_t id)
{
	CHECK(id > 0 && id < c->n && c->slots[id].kind);
	return &c->slots[id];
}

static uint64_t cost_of(const struct slot *s)
{
	return s->bytes + (uint64_t)RECORD_COST;
}

static void set_room(struct cells *c, uint32_t shard)
{
	uint64_t bit = UINT64_C(1) << (shard % 64);

	if (c->shards[shard].cost < SHARD_BYTES)
		c->room[shard / 64] |= bit;
	else
		c->room[shard / 64] &= ~bit;
}

/* Adds (or with `add` false takes away) a slot's part of every sum.  A free
 * slot costs a record where it is dirty, and nothing else. */
static void account(struct cells *c, const struct slot *s, bool add)
{
	uint64_t cost = add ? cost_of(s) : -cost_of(s);	/* unsigned: wraps */
	uint32_t one = add ? 1 : UINT32_MAX;		/* -1, likewise */
	struct shard *shard = &c->shards[s->shard];

	if (s->dirty)
		c->dirty_cost += cost;
	if (!s->kind)
		return;
	c->cost += cost;
	shard->cost += cost;
	shard->live += one;
	c->live += one;
	set_room(c, s->shard);
}

/* Before account(add): the mark decides about the dirty sum. */
static void mark(struct cells *c, uint32_t id)
{
	struct slot *s = &c->slots[id];

	if (s->dirty)
		return;
	s->dirty = true;
	c->dirty = grow(c->dirty, &c->dirty_cap, c->dirty_n + 1, sizeof(*c->dirty));
	c->dirty[c->dirty_n++] = id;
	if (c->shards[s->shard].dirty++ == 0)
		c->dirty_shards++;
}

/* Shards up to and including `shard` exist afterwards. */
static void need_shard(struct cells *c, uint32_t shard)
{
	uint32_t words = c->shards_cap / 64;

	if (shard < c->shards_n)
		return;
	if (shard >= c->shards_cap) {
		c->shards = grow(c->shards, &c->shards_cap, MAX(shard + 1, 64),
		    sizeof(*c->shards));
		c->room = g_renew(uint64_t, c->room, c->shards_cap / 64);
		memset(c->room + words, 0,
		    (c->shards_cap / 64 - words) * sizeof(*c->room));
	}
	for (; c->shards_n <= shard; c->shards_n++)
		set_room(c, c->shards_n);
}

static uint32_t open_shard(struct cells *c)
{
	for (uint32_t i = 0; i < c->shards_cap / 64; i++)
		if (c->room[i])
			return i * 64 + (uint32_t)__builtin_ctzll(c->room[i]);
	need_shard(c, c->shards_n);
	return c->shards_n - 1;
}

static void push_id(struct shard *s, uint32_t id)
{
	s->ids = grow(s->ids, &s->cap, s->n + 1, sizeof(*s->ids));
	s->ids[s->n++] = id;
}

/* A free id at home in `shard`. */
static uint32_t free_id(struct cells *c, uint32_t shard)
{
	struct shard *s = &c->shards[shard];
	uint32_t id;

	if (s->live == s->n)
		s->low = s->n;
	while (s->low < s->n && c->slots[s->ids[s->low]].kind)
		s->low++;
	if (s->low < s->n)
		return s->ids[s->low++];
	CHECK(c->n < IDS_MAX && c->shards_n < SHARDS_MAX);
	id = c->n;
	c->slots = grow(c->slots, &c->cap, c->n + 1, sizeof(*c->slots));
	c->slots[id].shard = shard & NO_SHARD;
	c->n++;
	push_id(s, id);
	s->low = s->n;
	return id;
}

uint32_t cells_add(struct cells *c, uint8_t kind, uint32_t bytes)
{
	uint32_t id = free_id(c, open_shard(c));
	struct slot *s = &c->slots[id];

	CHECK(kind && bytes <= BYTES_MASK);
	if (s->dirty)
		account(c, s, false);		/* freed since the last commit */
	s->kind = kind;
	s->bytes = bytes & BYTES_MASK;
	s->data = data_new(c, bytes);
	memset(s->data, 0, bytes);
	mark(c, id);
	account(c, s, true);
	return id;
}

/* Where `id` stands in ids[], which ascends. */
static uint32_t position(const struct shard *s, uint32_t id)
{
	uint32_t lo = 0, hi = s->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (s->ids[mid] < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	CHECK(lo < s->n && s->ids[lo] == id);
	return lo;
}

void cells_drop(struct cells *c, uint32_t id)
{
	struct slot *s = live_slot(c, id);
	struct shard *home = &c->shards[s->shard];

	account(c, s, false);
	data_free(c, s->data, s->bytes);
	s->data = NULL;
	s->bytes = 0;
	s->kind = 0;
	mark(c, id);
	account(c, s, true);
	home->low = MIN(home->low, position(home, id));
}

uint8_t cells_kind(const struct cells *c, uint32_t id)
{
	return id < c->n ? (uint8_t)c->slots[id].kind : 0;
}

uint32_t cells_bytes(const struct cells *c, uint32_t id)
{
	return live_slot(c, id)->bytes;
}

const void *cells_get(const struct cells *c, uint32_t id)
{
	return live_slot(c, id)->data;
}

void *cells_touch(struct cells *c, uint32_t id)
{
	struct slot *s = live_slot(c, id);

	if (!s->dirty) {
		mark(c, id);
		c->dirty_cost += cost_of(s);
	}
	return s->data;
}

void *cells_resize(struct cells *c, uint32_t id, uint32_t bytes)
{
	struct slot *s = live_slot(c, id);

	CHECK(bytes <= BYTES_MASK);
	account(c, s, false);
	s->data = data_resize(c, s->data, s->bytes, bytes);
	if (bytes > s->bytes)
		memset(s->data + s->bytes, 0, bytes - s->bytes);
	s->bytes = bytes & BYTES_MASK;
	mark(c, id);
	account(c, s, true);
	return s->data;
}

uint32_t cells_next(const struct cells *c, uint32_t after)
{
	if (after >= c->n)
		return 0;
	for (uint32_t id = after + 1; id < c->n; id++)
		if (c->slots[id].kind)
			return id;
	return 0;
}

uint32_t cells_count(const struct cells *c)
{
	return c->live;
}

uint64_t cells_total_bytes(const struct cells *c)
{
	return c->cost;
}

uint64_t cells_dirty_bytes(const struct cells *c)
{
	return c->dirty_cost;
}

uint32_t cells_shards(const struct cells *c)
{
	return c->shards_n;
}

uint32_t cells_dirty_shards(const struct cells *c)
{
	return c->dirty_shards;
}

bool cells_shard_dirty(const struct cells *c, uint32_t shard)
{
	CHECK(shard < c->shards_n);
	return c->shards[shard].dirty > 0;
}

uint64_t cells_shard_bytes(const struct cells *c, uint32_t shard)
{
	CHECK(shard < c->shards_n);
	return c->shards[shard].cost;
}

/* A varint as put_u64() writes it. */
static uint8_t *put_number(uint8_t *to, uint32_t v)
{
	for (; v >= 0x80; v >>= 7)
		*to++ = (uint8_t)(v | 0x80);
	*to++ = (uint8_t)v;
	return to;
}

/* To memory that room_for() made: a commit writes thousands of records. */
static uint8_t *put_record(const struct cells *c, uint32_t id, bool with_shard,
    uint8_t *to)
{
	const struct slot *s = &c->slots[id];

	if (with_shard)
		to = put_number(to, s->shard);
	to = put_number(to, id);
	*to++ = (uint8_t)s->kind;
	if (!s->kind)
		return to;
	to = put_number(to, s->bytes);
	memcpy(to, s->data, s->bytes);
	return to + s->bytes;
}

/* For n records whose bytes are at most `bytes`, and the codec before them. */
static uint8_t *room_for(GByteArray *out, uint32_t n, uint64_t bytes)
{
	guint at = out->len;
	uint64_t want = at + 1 + (uint64_t)HEAD_MAX * n + bytes;

	CHECK(want < G_MAXUINT);
	g_byte_array_set_size(out, (guint)want);
	out->data[at] = CELLS_CODEC;
	return out->data + at + 1;
}

static void end_at(GByteArray *out, const uint8_t *end)
{
	g_byte_array_set_size(out, (guint)(end - out->data));
}

/* Cells lie anywhere in memory, and a commit walks thousands of them: the one that
 * comes AHEAD is fetched meanwhile, its slot first, halfway then its bytes.  Macros: gcc
 * drops calls of functions that only prefetch. */
#define FETCH_SLOT(c, ids, n, i) \
	do { \
		if ((i) + AHEAD < (n)) \
			__builtin_prefetch(&(c)->slots[(ids)[(i) + AHEAD]]); \
	} while (0)
#define FETCH_BYTES(c, ids, n, i) \
	do { \
		if ((i) + AHEAD / 2 < (n)) \
			__builtin_prefetch((c)->slots[(ids)[(i) + AHEAD / 2]].data); \
	} while (0)

void cells_encode_dirty(const struct cells *c, GByteArray *out)
{
	uint8_t *to = room_for(out, c->dirty_n, c->dirty_cost);

	for (uint32_t i = 0; i < c->dirty_n; i++) {
		FETCH_SLOT(c, c->dirty, c->dirty_n, i);
		FETCH_BYTES(c, c->dirty, c->dirty_n, i);
		to = put_record(c, c->dirty[i], true, to);
	}
	end_at(out, to);
}

void cells_encode_shard(const struct cells *c, uint32_t shard, GByteArray *out)
{
	const struct shard *s = &c->shards[shard];
	uint8_t *to;

	CHECK(shard < c->shards_n);
	to = room_for(out, s->n, s->cost);
	for (uint32_t i = 0; i < s->n; i++) {
		FETCH_SLOT(c, s->ids, s->n, i);
		FETCH_BYTES(c, s->ids, s->n, i);
		to = put_record(c, s->ids[i], false, to);
	}
	end_at(out, to);
}

void cells_clean(struct cells *c)
{
	for (uint32_t i = 0; i < c->dirty_n; i++) {
		struct slot *s = &c->slots[c->dirty[i]];

		FETCH_SLOT(c, c->dirty, c->dirty_n, i);
		s->dirty = false;
		c->shards[s->shard].dirty = 0;
	}
	c->dirty_n = c->dirty_shards = 0;
	c->dirty_cost = 0;
	if (c->dirty_cap > DIRTY_KEEP) {
		g_clear_pointer(&c->dirty, g_free);
		c->dirty_cap = 0;
	}
}

/* One record of `shard`; stored only if `apply`.  False: malformed. */
static bool load_record(struct cells *c, struct reader *r, uint32_t shard, bool apply)
{
	uint64_t id = get_u64(r);
	uint8_t kind = get_u8(r);
	struct str data = { NULL, 0 };
	struct slot *s;

	if (kind)
		data = get_str(r);
	if (r->bad || id == 0 || id >= IDS_MAX || data.len > BYTES_MASK)
		return false;
	for (; c->n <= id; c->n++) {
		c->slots = grow(c->slots, &c->cap, c->n + 1, sizeof(*c->slots));
		c->slots[c->n].shard = NO_SHARD;
	}
	s = &c->slots[id];
	if (s->shard != NO_SHARD && s->shard != shard)
		return false;
	s->shard = shard & NO_SHARD;
	if (!apply)
		return true;
	data_free(c, s->data, s->bytes);
	s->data = kind ? data_new(c, data.len) : NULL;
	if (data.len)
		memcpy(s->data, data.p, data.len);
	s->bytes = data.len & BYTES_MASK;
	s->kind = kind;
	return true;
}

bool cells_load_shard(struct cells *c, uint32_t shard, uint64_t turn, struct str blob)
{
	struct reader r = reader_of(blob);

	if (shard >= SHARDS_MAX || get_u8(&r) != CELLS_CODEC)
		return false;
	need_shard(c, shard);
	if (c->shards[shard].loaded)
		return false;
	c->shards[shard].loaded = true;
	c->shards[shard].turn = turn;
	while (!reader_done(&r))
		if (!load_record(c, &r, shard, true))
			return false;
	return true;
}

bool cells_load_delta(struct cells *c, uint64_t turn, struct str blob)
{
	struct reader r = reader_of(blob);

	if (get_u8(&r) != CELLS_CODEC)
		return false;
	while (!reader_done(&r)) {
		uint64_t n = get_u64(&r);
		uint32_t shard = (uint32_t)n;

		if (r.bad || n >= SHARDS_MAX)
			return false;
		need_shard(c, shard);
		if (!load_record(c, &r, shard,
		    !c->shards[shard].loaded || turn > c->shards[shard].turn))
			return false;
	}
	return true;
}

/* Ids that no record names (of a damaged database) become shard 0's. */
void cells_loaded(struct cells *c)
{
	if (c->n > 1)
		need_shard(c, 0);
	for (uint32_t id = 1; id < c->n; id++) {
		struct slot *s = &c->slots[id];

		if (s->shard == NO_SHARD)
			s->shard = 0;
		push_id(&c->shards[s->shard], id);
		account(c, s, true);
	}
}
