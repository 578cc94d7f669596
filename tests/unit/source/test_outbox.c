/* The run source over an outbox that this test keeps itself. */
#include "fixture.h"

#include "base/arena.h"

static uint64_t rows_n;		/* ids 1..rows_n are there */
static uint32_t asked_max;

/* Takes the place of the store's. */
uint32_t store_outbox(struct store *store, uint64_t after, uint32_t limit,
    struct arena *arena, struct outbox_item **ret)
{
	uint32_t n = 0;

	(void)store;
	asked_max = MAX(asked_max, limit);
	*ret = ARENA_ARRAY(arena, struct outbox_item, limit);
	for (uint64_t id = after + 1; id <= rows_n && n < limit; id++)
		(*ret)[n++] = (struct outbox_item){
			.id = id,
			.type = STR("retraind.run.created"),
			.subject = STR("r"),
			.json = arena_printf(arena, "{\"id\":%d}", (int)id),
		};
	return n;
}

uint64_t store_outbox_last(const struct store *store)
{
	(void)store;
	return rows_n;
}

/* One turn with a batch that holds more than a turn may take. */
static uint32_t turn(struct fixture *fx, uint64_t *ret_first)
{
	static struct message room[2000];
	struct batch batch = { .v = room, .cap = 2000 };

	fx->ready = false;
	while (source_run.read(fx->source, &batch, 300))
		;
	*ret_first = batch.n ? (uint64_t)room[0].pos : 0;
	if (batch.n)
		assert_true(
		    str_is(room[0].content_type, STR("application/cloudevents+json")));
	source_run.release(fx->source);
	return batch.n;
}

static void at_most_500_a_turn_and_all_of_them_in_order(void **state)
{
	struct fixture fx;
	uint64_t first;

	(void)state;
	rows_n = 1100;
	fx_init(&fx, NULL, NULL);
	fx_open(&fx, &source_run, NULL);
	fx_start(&fx, NULL);
	assert_true(fx.ready);
	assert_int_equal(turn(&fx, &first), 500);
	assert_int_equal(first, 1);
	assert_true(fx.ready);
	fx_commit(&fx);
	assert_string_equal(fx_stored(&fx, "outbox"), "500");
	assert_int_equal(turn(&fx, &first), 500);
	assert_int_equal(first, 501);
	assert_int_equal(turn(&fx, &first), 100);
	assert_false(fx.ready);
	assert_int_equal(turn(&fx, &first), 0);
	fx_commit(&fx);
	assert_string_equal(fx_stored(&fx, "outbox"), "1100");
	rows_n = 1101;
	run_source_committed(fx.source, rows_n);
	assert_true(fx.ready);
	assert_int_equal(turn(&fx, &first), 1);
	assert_int_equal(first, 1101);
	fx_fini(&fx);
}

static void it_goes_on_behind_the_stored_position(void **state)
{
	struct fixture fx;
	uint64_t first;

	(void)state;
	rows_n = 9;
	fx_init(&fx, NULL, NULL);
	fx_open(&fx, &source_run, NULL);
	source_run.resume(fx.source, STR("outbox"), STR("7"));
	fx_start(&fx, NULL);
	assert_int_equal(turn(&fx, &first), 2);
	assert_int_equal(first, 8);
	fx_fini(&fx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(at_most_500_a_turn_and_all_of_them_in_order),
		cmocka_unit_test(it_goes_on_behind_the_stored_position),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
