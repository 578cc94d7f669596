/* Schedules: due times in wall time, each decided once or skipped with its reason.
 *
 *	closed <= cursor		both due times; cursor is less only
 *	  |          |			after an edit on a clock behind
 *	--x--x--x----x--------x---->	up to closed: settled for ever
 *					up to cursor: dealt with; open again when
 *					wall goes back, unless in decided[]
 *
 * Invariants
 *   (1) The cursor belongs to the schedule's definition (its hash); an edit begins a
 *       new one at the time of the edit, so it never fires at once.  A rule may have
 *       several; what one of them decided, the others skip: an instant fires once.
 *   (2) decided[] holds what was decided after `closed`; when it is full the oldest
 *       becomes `closed`.  So a due time that fired never fires again, and an edit
 *       leaves both.
 *   (3) One input decides at most DUE_MAX due times; the rest stay due, and are the
 *       next input's.
 *   (4) Before anything became `closed` it is where the schedule began, and goes back
 *       with wall once that is believed (DUE_BACK, which waits for clock.wait): the
 *       clock may have been years ahead then.
 *   (5) Born is where wall last set the cursor: the beginning, an edit, an enabling.
 *       A cursor that went back behind it fires what comes in its time, for born may
 *       have been ahead; once wall is past born, what was missed up to it is skipped.
 *       So a clock that goes back and forth fires nothing that was missed before born.
 *
 * A due time is missed when it comes more than MISSED_MS after its (jittered) time;
 * catch_up says what becomes of those.
 */
#include "base/time.h"
#include "decide/priv.h"

#define DUE_MAX 100
#define ROWS_MAX 100
#define SEARCH_MAX 100000
#define MISSED_MS 60000

static const struct schedule_cell *get(const struct decide *d, const struct sched *sc)
{
	return sc->cell ? cells_get(d->cells, sc->cell) : NULL;
}

static struct schedule_cell *touch(struct decide *d, const struct sched *sc)
{
	return cells_touch(d->cells, sc->cell);
}

static const struct rule_schedule *def(const struct sched *sc)
{
	return &sc->rs->rule->schedules[sc->index];
}

static int64_t starts(const struct sched *sc, int64_t due)
{
	return due + schedule_jitter(sc->rs->uid, due, def(sc)->jitter_ms);
}

static bool is_decided(const struct schedule_cell *s, int64_t due)
{
	for (uint32_t i = 0; i < s->decided_n; i++)
		if (s->decided[i] == due)
			return true;
	return false;
}

/* The first due time after `t` that was not decided. */
static int64_t next_open(const struct sched *sc, const struct schedule_cell *s, int64_t t)
{
	do
		t = schedule_next(def(sc)->at, t);
	while (t != INT64_MAX && is_decided(s, t));
	return t;
}

static void set_decided(struct schedule_cell *s, int64_t due)
{
	uint32_t i;

	if (s->decided_n == DECIDED_MAX && due < s->decided[0]) {
		s->closed = MAX(s->closed, due);	/* itself the oldest */
		s->began = 0;
		return;
	}
	if (s->decided_n == DECIDED_MAX) {
		s->closed = MAX(s->closed, s->decided[0]);
		s->began = 0;
		memmove(s->decided, s->decided + 1, --s->decided_n * sizeof(due));
	}
	for (i = s->decided_n; i > 0 && s->decided[i - 1] > due; i--)
		s->decided[i] = s->decided[i - 1];
	s->decided[i] = due;
	s->decided_n++;
}

/* Where wall last set the cursor, if the cursor went back behind that; INT64_MIN: it
 * did not.  Born is rounded up: the cursor that it was set with is not behind it. */
static int64_t born_ahead(const struct schedule_cell *s)
{
	int64_t born = (int64_t)s->born_s * 1000;

	return s->born_s && s->cursor <= born - 1000 ? born : INT64_MIN;
}

static bool is_missed(const struct decide *d, const struct sched *sc, int64_t due)
{
	return d->now_wall - starts(sc, due) > MISSED_MS;
}

/* The wall at which a cursor behind `born` goes on, its first open due time being
 * `due`: see go_to_born(). */
static int64_t goes_on(const struct sched *sc, int64_t due, int64_t born)
{
	return due > born ? born : MAX(born, starts(sc, due) + MISSED_MS + 1);
}

static void arm(struct decide *d, struct sched *sc)
{
	const struct schedule_cell *s = get(d, sc);
	const struct rule *r = sc->rs->rule;
	int64_t at = INT64_MAX, due, born;

	if (s && s->has_cursor && r && r->kind == RULE_SCHEDULE) {
		due = next_open(sc, s, s->cursor);
		at = due == INT64_MAX ? due : starts(sc, due);
		if (s->cursor > s->closed || s->began)
			d->cursor_max = MAX(d->cursor_max, s->cursor);
		born = born_ahead(s);
		if (born != INT64_MIN)
			d->born_min = MIN(d->born_min, goes_on(sc, due, born));
	}
	heap_set(&d->wall, &sc->due, at);
}

void schedule_arm(struct decide *d, struct rule_state *rs)
{
	for (uint32_t i = 0; i < rs->sched_n; i++)
		arm(d, &rs->sched[i]);
}

int64_t schedule_at(const struct rule_state *rs)
{
	int64_t at = INT64_MAX;

	for (uint32_t i = 0; i < rs->sched_n; i++)
		if (rs->sched[i].due.pos)
			at = MIN(at, rs->sched[i].due.at);
	return at;
}

struct sched *schedule_of_due(struct rule_state *rs, uint64_t id)
{
	uint32_t i = (uint32_t)(id >> 32) & 0xffff;

	return i < rs->sched_n ? &rs->sched[i] : NULL;
}

struct sched *schedule_that_has(struct rule_state *rs, int64_t due)
{
	for (uint32_t i = 0; i < rs->sched_n; i++)
		if (schedule_next(def(&rs->sched[i])->at, due - 1) == due)
			return &rs->sched[i];
	return &rs->sched[0];	/* it was edited since */
}

static void set_ids(struct sched *sc, struct rule_state *rs, uint32_t i)
{
	sc->rs = rs;
	sc->index = i;
	sc->due.id = 5ull << 56 | (uint64_t)i << 32 | rs->id;
}

void schedule_load(struct rule_state *rs, uint32_t cell)
{
	rs->sched = g_renew(struct sched, rs->sched, rs->sched_n + 1);
	rs->sched[rs->sched_n] = (struct sched){ .cell = cell };
	set_ids(&rs->sched[rs->sched_n], rs, rs->sched_n);
	rs->sched_n++;
}

static void set_cursor(struct schedule_cell *s, int64_t wall)
{
	int64_t up = wall > 0 ? (wall - 1) / 1000 + 1 : 0;

	s->cursor = wall;
	s->born_s = (uint32_t)MIN(up, (int64_t)UINT32_MAX);
}

static void begin_at(struct decide *d, struct sched *sc, int64_t wall)
{
	struct schedule_cell *s = touch(d, sc);

	s->has_cursor = 1;
	set_cursor(s, wall);
	if (s->began)		/* else what is settled stays: wall may be wrong */
		s->closed = wall;
	arm(d, sc);
}

static void row_add(struct decide *d, const struct rule_state *rs, struct str schedule,
    int64_t due, const char *outcome)
{
	struct decided *o = d->out;

	o->dues =
	    arena_grow(d->arena, o->dues, o->dues_n, &o->dues_cap, sizeof(*o->dues));
	o->dues[o->dues_n++] = (struct due_row){ .rule_id = rs->id, .due_ms = due,
		.schedule = arena_str(d->arena, schedule),
		.outcome = arena_str(d->arena, str_of(outcome)) };
}

void schedule_row(struct decide *d, const struct rule_state *rs, uint32_t schedule,
    int64_t due, const char *outcome)
{
	row_add(d, rs, rs->rule->schedules[schedule].name, due, outcome);
}

uint32_t schedule_mark(const struct rule *r, uint32_t schedule)
{
	uint32_t mark;

	memcpy(&mark, r->schedules[schedule].hash, sizeof(mark));
	return mark;
}

/* Of a definition that is no more, the row says so. */
void schedule_row_of(struct decide *d, const struct rule_state *rs, uint32_t mark,
    int64_t due, const char *outcome)
{
	for (uint32_t i = 0; i < rs->rule->schedules_n; i++)
		if (schedule_mark(rs->rule, i) == mark) {
			schedule_row(d, rs, i, due, outcome);
			return;
		}
	row_add(d, rs, STR("edited"), due, outcome);
}

/* ---- skipping ---- */

struct skips {
	uint32_t	 n;
	int64_t		 first, last;
	const char	*why;		/* of the last one */
};

static void skip(struct decide *d, const struct rule_state *rs, struct str schedule,
    int64_t due, const char *why, struct skips *k)
{
	char outcome[48];

	g_snprintf(outcome, sizeof(outcome), "skipped(%s)", why);
	if (k->n < ROWS_MAX)
		row_add(d, rs, schedule, due, outcome);
	if (!k->n++)
		k->first = due;
	k->last = due;
	k->why = why;
}

/* One decision for all that an input skipped. */
static void skips_write(struct decide *d, struct rule_state *rs, const struct skips *k)
{
	char a[TIME_TEXT], b[TIME_TEXT];
	struct decision_row row = { .rule_id = rs->id, .outcome = OUTCOME_SUPPRESSED,
		.by = SUPP_SKIPPED, .due_ms = k->last, .count = k->n };

	if (!k->n)
		return;
	if (k->n == 1)
		row.reason = arena_printf(d->arena, "due time %s skipped: %s",
		    time_print(k->first, a), k->why);
	else
		row.reason =
		    arena_printf(d->arena, "%u due times from %s to %s skipped: %s", k->n,
				 time_print(k->first, a), time_print(k->last, b), k->why);
	decision_write(d, &row);
}

/* Has the due time after this one not come?  One that was decided counts too. */
static bool is_newest(const struct decide *d, const struct sched *sc, int64_t due)
{
	int64_t next = schedule_next(def(sc)->at, due);

	return next == INT64_MAX || starts(sc, next) > d->now_wall;
}

/* Did another schedule of the rule decide this instant? */
static bool is_twice(const struct decide *d, const struct sched *sc, int64_t due)
{
	const struct rule_state *rs = sc->rs;

	for (uint32_t i = 0; i < rs->sched_n; i++)
		if (&rs->sched[i] != sc && is_decided(get(d, &rs->sched[i]), due))
			return true;
	return false;
}

/* Why this due time is skipped at this wall; NULL: it is decided. */
static const char *skipped(const struct decide *d, const struct sched *sc, int64_t due)
{
	const struct rule_schedule *r = def(sc);

	if (is_twice(d, sc, due))
		return "twice";
	if (r->deadline_ms && d->now_wall - due > r->deadline_ms)
		return "deadline";
	if (!is_missed(d, sc, due) || r->catch_up == CATCH_UP_ALL)
		return NULL;
	return r->catch_up == CATCH_UP_LAST && is_newest(d, sc, due) ? NULL : "missed";
}

static void count_off(struct decide *d, struct rule_state *rs, uint32_t n)
{
	struct decision_row row = { .rule_id = rs->id, .outcome = OUTCOME_SUPPRESSED,
		.by = SUPP_DISABLED, .count = n };

	decision_write(d, &row);
}

void schedule_job_begin(struct decide *d, struct sched *sc)
{
	struct rule_state *rs = sc->rs;
	struct schedule_cell *s = touch(d, sc);
	struct job *j = &d->job;
	struct skips skips = { 0 };
	bool off = rule_off(d, rs);

	*j = (struct job){ .rs = rs, .sched = sc, .kind = JOB_DUE, .phase = PHASE_BODY };
	j->due = ARENA_ARRAY(d->arena, int64_t, DUE_MAX);
	for (uint32_t i = 0; i < SEARCH_MAX && j->n < DUE_MAX; i++) {
		int64_t due = next_open(sc, s, s->cursor);
		const char *why;

		if (due == INT64_MAX || starts(sc, due) > d->now_wall)
			break;
		why = skipped(d, sc, due);
		s->cursor = due;
		if (off)
			count_off(d, rs, 1);
		else if (why)
			skip(d, rs, def(sc)->name, due, why, &skips);
		else
			j->due[j->n++] = due;
	}
	skips_write(d, rs, &skips);
	arm(d, sc);
}

/* ---- deciding ---- */

static bool decide_due(struct decide *d, const struct sched *sc, int64_t due,
    struct emission *em)
{
	struct rule_state *rs = sc->rs;
	uint8_t owner[OWNER_BYTES];
	struct keyed *k;
	struct ctx c;
	enum result res;

	owner_of_id(rs->id, owner);
	k = keyed_find(d, CELL_KEY, owner, STR(""));
	if (!k)
		k = key_new(d, rs, STR(""));
	keyed_use(d, k);
	ctx_init(d, &c, rs, k->key);
	c.schedule = sc->index;
	ctx_due(&c, due);
	ctx_vars(&c, k, due, rs->needs);
	res = ctx_test(&c, rs->rule->when);
	rs->count.fate[FATE_EVALUATED]++;
	if (res != key_get(d, k)->result)
		key_touch(d, k)->result = (uint8_t)res;
	if ((res == RESULT_UNKNOWN && rs->rule->on_nodata == POLICY_TRUE) ||
	    (res == RESULT_ERROR && rs->rule->on_error == POLICY_TRUE))
		res = RESULT_TRUE;
	if (res == RESULT_TRUE)
		return emit(d, &c, k, JOB_DUE, NULL, em);
	if (res == RESULT_ERROR)
		emit_error(&c, k, JOB_DUE, STR("when"));
	else
		schedule_row(d, rs, sc->index, due,
		    res == RESULT_FALSE ? "false" : "unknown");
	return false;
}

bool schedule_body(struct decide *d, struct job *j, struct emission *em)
{
	while (j->i < j->n) {
		int64_t due = j->due[j->i++];

		set_decided(touch(d, j->sched), due);
		if (decide_due(d, j->sched, due, em))
			return true;
	}
	return false;
}

/* ---- edits and clocks ---- */

/* What a definition that is no more missed. */
static void skip_edited(struct decide *d, const struct sched *sc, const struct rule *old)
{
	const struct schedule_cell *s = get(d, sc);
	const struct rule_schedule *was = NULL;
	struct skips skips = { 0 };
	int64_t due = s->cursor;

	for (uint32_t i = 0; old && i < old->schedules_n; i++)
		if (memcmp(old->schedules[i].hash, s->hash, 16) == 0)
			was = &old->schedules[i];
	if (!was || !s->has_cursor || !d->out || rule_get(d, sc->rs)->off)
		return;
	for (uint32_t i = 0; i < SEARCH_MAX; i++) {
		due = schedule_next(was->at, due);
		if (due > d->now_wall)
			break;
		if (!is_decided(s, due))
			skip(d, sc->rs, was->name, due, "edited", &skips);
	}
	skips_write(d, sc->rs, &skips);
}

/* The first of the schedules that were, with this hash (NULL: any). */
static struct sched *take(struct decide *d, struct sched *had, uint32_t n,
    const uint8_t *hash)
{
	for (uint32_t i = 0; i < n; i++)
		if (had[i].cell &&
		    (!hash || memcmp(get(d, &had[i])->hash, hash, 16) == 0))
			return &had[i];
	return NULL;
}

/* A definition that was not there takes the place of one that is no more, if any. */
static void begin_new(struct decide *d, struct sched *sc, struct sched *before)
{
	struct schedule_cell *w, old_cell = { .began = 1 };

	if (before) {
		sc->cell = before->cell;
		before->cell = 0;
		old_cell = *get(d, sc);
	} else {
		sc->cell = cells_add(d->cells, CELL_SCHEDULE, sizeof(*w));
	}
	w = touch(d, sc);
	*w = old_cell;		/* decided[] too: what fired is settled for this one */
	w->rule_id = sc->rs->id;
	w->has_cursor = 0;
	memcpy(w->hash, def(sc)->hash, 16);
	if (d->out)
		begin_at(d, sc, d->now_wall);
}

void schedule_use(struct decide *d, struct rule_state *rs, const struct rule *old)
{
	const struct rule *r = rs->rule;
	struct sched *had = rs->sched, *same;
	uint32_t had_n = rs->sched_n;

	for (uint32_t i = 0; i < had_n; i++)
		heap_set(&d->wall, &had[i].due, INT64_MAX);
	rs->sched_n = r->schedules_n;
	rs->sched = g_new0(struct sched, MAX(rs->sched_n, 1));
	for (uint32_t i = 0; i < rs->sched_n; i++) {
		set_ids(&rs->sched[i], rs, i);
		same = take(d, had, had_n, r->schedules[i].hash);
		if (same) {
			rs->sched[i].cell = same->cell;
			same->cell = 0;
		}
	}
	for (uint32_t i = 0; i < had_n; i++)
		if (had[i].cell)
			skip_edited(d, &had[i], old);
	for (uint32_t i = 0; i < rs->sched_n; i++)
		if (!rs->sched[i].cell)
			begin_new(d, &rs->sched[i], take(d, had, had_n, NULL));
	for (uint32_t i = 0; i < had_n; i++)
		if (had[i].cell)
			cells_drop(d->cells, had[i].cell);
	g_free(had);
	schedule_arm(d, rs);
}

void schedule_enable(struct decide *d, struct rule_state *rs)
{
	for (uint32_t i = 0; i < rs->sched_n; i++) {
		struct schedule_cell *s = touch(d, &rs->sched[i]);

		if (!d->out)
			s->has_cursor = 0;
		else if (s->cursor < d->now_wall)
			set_cursor(s, d->now_wall);
	}
	schedule_arm(d, rs);
}

bool schedule_is_back(const struct decide *d, int64_t wall)
{
	return wall < d->cursor_max;
}

void schedule_back(struct decide *d)
{
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		const struct rule_state *rs = d->by_rule[i];

		for (uint32_t k = 0; k < rs->sched_n; k++) {
			const struct schedule_cell *s = get(d, &rs->sched[k]);

			if (s && s->began && s->closed > d->now_wall)
				touch(d, &rs->sched[k])->closed = d->now_wall;
		}
	}
	schedule_clocks(d);
}

/* Wall is past born again, the cursor is not: what was missed between them is from
 * before the beginning.  The cursor waits for what may still come in its time. */
static void go_to_born(struct decide *d, struct sched *sc, int64_t born)
{
	struct rule_state *rs = sc->rs;
	struct schedule_cell *s = touch(d, sc);
	int64_t due, sure = d->now_wall - def(sc)->jitter_ms - MISSED_MS - 1;
	struct skips skips = { 0 };
	bool off = rule_off(d, rs);
	uint32_t off_n = 0;

	for (uint32_t i = 0; i < 2 * SEARCH_MAX; i++) {
		if (i == SEARCH_MAX)	/* decades: all up to there were missed */
			s->cursor = MAX(s->cursor, MIN(born, sure));
		due = next_open(sc, s, s->cursor);
		if (due > born) {
			s->cursor = born;
			if (s->began)
				s->closed = MAX(s->closed, born);
			break;
		}
		if (!is_missed(d, sc, due))
			break;
		if (!off)
			skip(d, rs, def(sc)->name, due, "clock", &skips);
		off_n += off;
		s->cursor = due;
	}
	skips_write(d, rs, &skips);
	if (off_n)
		count_off(d, rs, off_n);
}

static void cursor_clock(struct decide *d, struct sched *sc)
{
	const struct schedule_cell *s = get(d, sc);
	int64_t born = born_ahead(s);

	if (!s->has_cursor)
		begin_at(d, sc, d->now_wall);
	else if (s->cursor > MAX(d->now_wall, s->closed))
		touch(d, sc)->cursor = MAX(d->now_wall, s->closed);
	else if (born != INT64_MIN &&
	    d->now_wall >= goes_on(sc, next_open(sc, s, s->cursor), born))
		go_to_born(d, sc, born);
	arm(d, sc);
}

void schedule_clocks(struct decide *d)
{
	if (!d->unstarted && !schedule_is_back(d, d->now_wall) &&
	    d->now_wall < d->born_min)
		return;
	d->cursor_max = INT64_MIN;
	d->born_min = INT64_MAX;
	for (uint32_t i = 0; d->rules && i < d->rules->rules_n; i++) {
		struct rule_state *rs = d->by_rule[i];

		for (uint32_t k = 0; k < rs->sched_n; k++)
			cursor_clock(d, &rs->sched[k]);
	}
}
