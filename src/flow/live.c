/* Runs in cells and in memory.
 *
 * Invariants
 *   (1) What is in struct run can be rebuilt from the cells: run_create() writes them
 *       and then reads them by the same code as run_load().
 *   (2) A run cell or step cell is written only through run_touch() or step_touch(),
 *       which mark it for the commit and for a row.
 *   (3) world.runs is ascending by id; an ended run stays in it until the end of the
 *       input that ended it.
 */
#include "flow/engine.h"

static void mark(struct world *w, struct run *r)
{
	if (!r->dirty)
		g_ptr_array_add(w->dirty, r);
	r->dirty = true;
}

struct run_cell *run_touch(struct world *w, struct run *r)
{
	struct run_cell *c = cells_touch(w->cells, r->cell);

	mark(w, r);
	c->seq = w->seq;
	return c;
}

struct step_cell *step_touch(struct world *w, struct run *r, uint32_t i)
{
	mark(w, r);
	r->steps[i].dirty = true;
	return cells_touch(w->cells, r->steps[i].cell);
}

bool run_is_unverified(const struct run *r)
{
	for (uint32_t i = 0; i < r->c->steps_n; i++)
		if (r->steps[i].c->unverified)
			return true;
	return false;
}

static int by_due(const void *a, const void *b, void *ctx)
{
	const struct run *x = a, *y = b;

	(void)ctx;
	if (x->due != y->due)
		return x->due < y->due ? -1 : 1;
	return (x->c->id > y->c->id) - (x->c->id < y->c->id);
}

/* An unverified step's timeout waits until its executor has said how it is. */
static int64_t run_next_due(const struct run *r)
{
	int64_t due = NEVER;

	if (r->c->state == RUN_PENDING)
		due = r->c->pending_until;
	else if (r->c->state == RUN_RUNNING && !run_is_unverified(r))
		due = r->c->timeout_at;
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		const struct step_cell *s = r->steps[i].c;

		if (s->state != STEP_RUNNING)
			continue;
		due = MIN(due, s->due_at);
		if (!s->unverified)
			due = MIN(due, s->timeout_at);
	}
	return due;
}

void run_due_update(struct world *w, struct run *r)
{
	int64_t due = run_is_terminal(r->c->state) ? NEVER : run_next_due(r);

	if (due == r->due)
		return;
	if (r->at)
		g_sequence_remove(r->at);
	r->due = due;
	r->at = due == NEVER ? NULL : g_sequence_insert_sorted(w->due, r, by_due, NULL);
}

void run_key_add(struct world *w, struct run *r, uint32_t i)
{
	struct step_ref *ref = g_new(struct step_ref, 1);

	*ref = (struct step_ref){ r, i };
	g_hash_table_replace(w->by_key, g_strdup(r->steps[i].c->key), ref);
}

void pipe_use(struct world *w, struct pipeline *p)
{
	struct pipe_use *use = g_hash_table_lookup(w->pipes, p->hash);

	if (!use) {
		use = g_new0(struct pipe_use, 1);
		use->pipeline = pipeline_ref(p);
		g_hash_table_insert(w->pipes, use->pipeline->hash, use);
	}
	if (use->runs++ == 0 && w->fx)
		row_pipeline(w, use->pipeline, false);
}

void pipe_unuse(struct world *w, struct pipeline *p)
{
	struct pipe_use *use = g_hash_table_lookup(w->pipes, p->hash);

	CHECK(use && use->runs > 0);
	if (--use->runs)
		return;
	row_pipeline(w, use->pipeline, true);
	g_hash_table_remove(w->pipes, use->pipeline->hash);
}

/* The run's cells have the sizes that this code gives them. */
static bool run_whole(const struct cells *cells, uint32_t cell)
{
	const struct run_cell *c = cells_get(cells, cell);

	if (cells_bytes(cells, cell) < sizeof(*c) || c->steps_n > STEPS_MAX ||
	    cells_bytes(cells, cell) != sizeof(*c) + c->steps_n * sizeof(c->steps[0]) ||
	    cells_kind(cells, c->birth) != CELL_BLOB)
		return false;
	for (uint32_t i = 0; i < c->steps_n; i++)
		if (cells_kind(cells, c->steps[i]) != CELL_STEP ||
		    cells_bytes(cells, c->steps[i]) != sizeof(struct step_cell))
			return false;
	return true;
}

/* Builds struct run out of its cell.  NULL: the cell is not what it should be. */
static struct run *run_read(struct world *w, uint32_t cell)
{
	struct run *r = g_new0(struct run, 1);
	struct pipe_use *use;

	r->cell = cell;
	r->c = cells_get(w->cells, cell);
	r->due = NEVER;
	r->bytes = g_byte_array_new();
	g_byte_array_set_size(r->bytes, blob_len(w->cells, r->c->birth));
	blob_copy(w->cells, r->c->birth, (char *)r->bytes->data);
	if (!birth_read((struct str){ (char *)r->bytes->data, r->bytes->len }, &r->b) ||
	    r->b.steps_n != r->c->steps_n) {
		run_free(r);
		return NULL;
	}
	r->steps = g_new0(struct step, r->c->steps_n);
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		r->steps[i].cell = r->c->steps[i];
		r->steps[i].c = cells_get(w->cells, r->c->steps[i]);
	}
	use = g_hash_table_lookup(w->pipes, r->b.pipeline_hash.p);
	if (use && use->pipeline->steps_n == r->c->steps_n) {
		r->pipeline = use->pipeline;
		use->runs++;
	}
	return r;
}

static void run_index(struct world *w, struct run *r)
{
	g_ptr_array_add(w->runs, r);
	g_hash_table_insert(w->by_name, g_strndup(r->b.name.p, r->b.name.len), r);
	for (uint32_t i = 0; i < r->c->steps_n; i++)
		if (r->steps[i].c->phase > PHASE_BACKOFF)
			run_key_add(w, r, i);
	run_due_update(w, r);
}

bool run_load(struct world *w, uint32_t cell, struct err *err)
{
	struct run *r = run_whole(w->cells, cell) ? run_read(w, cell) : NULL;

	if (!r)
		return err_set(err, ERR_CORRUPT,
		    "the record of a run in cell %u is malformed", cell);
	run_index(w, r);
	return true;
}

static uint32_t step_write(struct world *w, const struct order *o, uint32_t i)
{
	const struct step_spec *spec = &o->pipeline->steps[i];
	uint32_t id = cells_add(w->cells, CELL_STEP, (uint32_t)sizeof(struct step_cell));
	struct step_cell *s = cells_touch(w->cells, id);

	s->state = STEP_PENDING;
	s->exit_code = -1;
	s->due_at = s->timeout_at = NEVER;
	for (uint32_t k = 0; k < o->adopt_n && spec->kind != STEP_GATE; k++) {
		const struct adopt *a = &o->adopt[k];

		if (!str_is(a->step, spec->name))
			continue;
		s->adopted = 1;
		s->state = STEP_COMPLETED;
		s->started_ms = s->finished_ms = w->wall;
		s->outputs = blob_put(w->cells, a->outputs);
		s->metrics = blob_put(w->cells, a->metrics);
	}
	return id;
}

/* Invariant (1) in one place: the cells, then the memory read from them. */
struct run *run_create(struct world *w, const struct order *o)
{
	struct pipeline *p = o->pipeline;
	struct world_cell *wc = cells_touch(w->cells, w->cell);
	uint32_t cell, n = p->steps_n;
	struct pipe_use *use;
	struct run_cell *c;
	struct run *r;

	cell =
	    cells_add(w->cells, CELL_RUN, (uint32_t)(sizeof(*c) + n * sizeof(uint32_t)));
	c = cells_touch(w->cells, cell);
	c->id = ++wc->last_run;
	c->seq = w->seq;
	c->state = RUN_PENDING;
	c->created_ms = w->wall;
	c->pending_until = p->pending_ms ? w->tick + p->pending_ms : NEVER;
	c->timeout_at = NEVER;
	c->birth = birth_write(w, o, c->id);
	c->steps_n = n;
	for (uint32_t i = 0; i < n; i++)
		c->steps[i] = step_write(w, o, i);
	pipe_use(w, p);
	r = run_read(w, cell);
	CHECK(r && r->pipeline);
	use = g_hash_table_lookup(w->pipes, p->hash);
	use->runs--;			/* run_read() counted it once more */
	run_index(w, r);
	mark(w, r);
	for (uint32_t i = 0; i < n; i++)
		r->steps[i].dirty = true;
	return r;
}

void run_free(void *run)
{
	struct run *r = run;

	g_byte_array_free(r->bytes, TRUE);
	g_free(r->b.steps);
	g_free(r->b.executors);
	g_free(r->steps);
	g_free(r);
}

void run_remove(struct world *w, struct run *r)
{
	char *name = g_strndup(r->b.name.p, r->b.name.len);

	if (r->at)
		g_sequence_remove(r->at);
	g_hash_table_remove(w->by_name, name);
	g_free(name);
	for (uint32_t i = 0; i < r->c->steps_n; i++) {
		const struct step_cell *s = r->steps[i].c;

		blob_drop(w->cells, s->reason);
		blob_drop(w->cells, s->outputs);
		blob_drop(w->cells, s->metrics);
		blob_drop(w->cells, s->artifacts);
		blob_drop(w->cells, s->native_id);
		blob_drop(w->cells, s->native_state);
		blob_drop(w->cells, s->start);
		cells_drop(w->cells, r->steps[i].cell);
	}
	blob_drop(w->cells, r->c->birth);
	blob_drop(w->cells, r->c->reason);
	blob_drop(w->cells, r->c->gate_version);
	blob_drop(w->cells, r->c->code);
	blob_drop(w->cells, r->c->environment);
	cells_drop(w->cells, r->cell);
	if (r->pipeline)
		pipe_unuse(w, r->pipeline);
	g_ptr_array_remove(w->runs, r);		/* keeps the order; frees r */
}

struct run *run_find(const struct world *w, struct str name)
{
	char *z = g_strndup(name.p, name.len);
	struct run *r = g_hash_table_lookup(w->by_name, z);

	g_free(z);
	return r;
}

struct run *run_by_id(const struct world *w, uint64_t id)
{
	uint32_t lo = 0, hi = w->runs->len;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		struct run *r = w->runs->pdata[mid];

		if (r->c->id == id)
			return r;
		if (r->c->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}
