/* The process kind with the real shim: starts, ends, repeats, aborts, restarts. */
#include "fixture.h"

#define UNTIL_GO "while [ ! -e go ]; do sleep 0.01; done"

static void run_case(void (*body)(struct fx *))
{
	struct fx f;

	fx_init(&f);
	fx_run(&f, body);
	fx_fini(&f);
}

static void completes(struct fx *f)
{
	const struct heard *h;

	BEGIN(f)
	fx_do(f, EXEC_START, KEY,
	    "echo '{\\\"auc\\\": 0.1}' > $RETRAIN_METRICS;"
	    "echo '{\\\"model\\\": \\\"m1\\\"}' > $RETRAIN_OUTPUTS;"
	    "printf abc > $RETRAIN_ARTIFACTS/model.bin");
	WAIT(f, f->reports->len >= 1);
	h = fx_next(f);
	assert_int_equal(h->op, EXEC_START);
	assert_int_equal(h->answer, REPORT_OK);
	assert_string_equal(h->key, KEY);
	WAIT(f, fx_ended(f));
	h = fx_last(f);
	assert_int_equal(h->op, EXEC_POLL);
	assert_int_equal(h->state, REPORT_COMPLETED);
	assert_int_equal(h->exit_code, 0);
	assert_string_equal(h->reason, "");
	assert_string_equal(h->metrics, "{\"auc\": 0.1}\n");
	assert_string_equal(h->outputs, "{\"model\": \"m1\"}\n");
	/* SHA-256 of "abc": FIPS 180-2, appendix B.1 */
	assert_string_equal(h->artifacts,
	    "[{\"path\":\"model.bin\",\"size\":3,\"sha256\":"
	    "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\"}]");
	assert_true(h->started_ms > 0 && h->finished_ms >= h->started_ms);
	DONE(f)
}

static void keeps_the_exit_code(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "exit 7");
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_int_equal(fx_last(f)->exit_code, 7);
	DONE(f)
}

/* O_NOFOLLOW refuses the link, so nobody knows whether the step has ended. */
static void what_cannot_be_looked_at_is_started(struct fx *f)
{
	char dir[200], record[220];

	g_snprintf(dir, sizeof(dir), "%s/runs/" KEY, f->dir);
	g_snprintf(record, sizeof(record), "%s/exit.json", dir);
	BEGIN(f)
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(symlink("nowhere", record), 0);
	fx_do(f, EXEC_START, KEY, "exit 7");
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->exit_code, 7);
	DONE(f)
}

static void names_the_signal(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "kill -9 $$");
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_int_equal(fx_last(f)->exit_code, -1);
	assert_string_equal(fx_last(f)->reason, "killed by signal 9 (Killed)");
	DONE(f)
}

static void missing_program(struct fx *f)
{
	struct exec_op o = { .kind = EXEC_START, .key = STR(KEY), .executor =
	    STR("local"),
		.argv = STR("[\"python4\"]"), .dir = STR("/"), .attempt = 1 };

	BEGIN(f)
	exec_do(f->exec, &o);
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_int_equal(fx_last(f)->exit_code, -1);
	assert_string_equal(fx_last(f)->reason, "exec python4: No such file or directory "
	    "(searched PATH /usr/local/bin:/usr/bin:/bin)");
	DONE(f)
}

static void bad_outputs_fail_it(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo '[1]' > $RETRAIN_OUTPUTS");
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_string_equal(fx_last(f)->reason, "outputs.json: expected a JSON object");
	assert_int_equal(fx_last(f)->exit_code, 0);
	DONE(f)
}

static void second_start_runs_nothing(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo x >> count; " UNTIL_GO);
	fx_do(f, EXEC_START, KEY, "echo y >> count");
	WAIT(f, f->reports->len >= 2 && *fx_read(f, "count"));
	fx_do(f, EXEC_START, KEY, "echo y >> count");
	assert_int_equal(fx_last(f)->answer, REPORT_EXISTED);
	assert_int_equal(fx_last(f)->state, REPORT_RUNNING);
	fx_reopen(f);
	fx_do(f, EXEC_START, KEY, "echo y >> count");
	assert_int_equal(fx_last(f)->answer, REPORT_EXISTED);
	assert_int_equal(fx_last(f)->state, REPORT_RUNNING);
	fx_touch(f, "go");
	WAIT(f, fx_ended(f));
	fx_do(f, EXEC_START, KEY, "echo y >> count");
	assert_int_equal(fx_last(f)->answer, REPORT_EXISTED);
	assert_int_equal(fx_last(f)->state, REPORT_COMPLETED);
	assert_string_equal(fx_read(f, "count"), "x\n");
	DONE(f)
}

/* Two daemons' shims under one key, at the same time: one of them runs. */
static void racing_shims_run_once(struct fx *f)
{
	BEGIN(f)
	for (int i = 0; i < 5; i++) {
		fx_do(f, EXEC_START, KEY, "echo x >> count; " UNTIL_GO);
		fx_reopen(f);
	}
	fx_do(f, EXEC_START, KEY, "echo x >> count; " UNTIL_GO);
	WAIT(f, f->reports->len > 0 && *fx_read(f, "count"));
	fx_touch(f, "go");
	WAIT(f, fx_ended(f));
	assert_string_equal(fx_read(f, "count"), "x\n");
	DONE(f)
}

static void next_daemon_attaches(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, UNTIL_GO "; exit 5");
	WAIT(f, f->reports->len >= 1);
	assert_int_equal(exec_active(f->exec), 1);
	fx_reopen(f);
	assert_int_equal(exec_active(f->exec), 0);
	fx_do(f, EXEC_POLL, KEY, NULL);
	assert_int_equal(fx_last(f)->state, REPORT_RUNNING);
	assert_int_equal(exec_active(f->exec), 1);
	fx_touch(f, "go");
	WAIT(f, fx_ended(f));		/* by itself: the shim is watched */
	assert_int_equal(fx_last(f)->exit_code, 5);
	assert_int_equal(exec_active(f->exec), 0);
	DONE(f)
}

static void ended_while_nobody_looked(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, UNTIL_GO "; exit 6");
	WAIT(f, f->reports->len >= 1);
	exec_free(f->exec);
	f->exec = NULL;
	fx_touch(f, "go");
	WAIT(f, fx_exists(f, "runs/" KEY "/exit.json"));
	fx_open(f);
	fx_do(f, EXEC_POLL, KEY, NULL);
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_int_equal(fx_last(f)->exit_code, 6);
	DONE(f)
}

/* The first line of `name` as a number. */
static pid_t pid_in(const struct fx *f, const char *name)
{
	return (pid_t)strtol(fx_read(f, name), NULL, 10);
}

#define ESCAPE "(setsid sh -c 'echo $$ > escaped; trap : TERM; " \
	"while :; do sleep 0.01; done' &) ; "

static void abort_kills_the_tree(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo $$ > main; trap : TERM; " ESCAPE
	    "while :; do sleep 0.01; done");
	WAIT(f, pid_in(f, "main") && pid_in(f, "escaped"));
	fx_do(f, EXEC_ABORT, KEY, NULL);
	assert_int_equal(fx_last(f)->op, EXEC_ABORT);
	assert_int_equal(fx_last(f)->answer, REPORT_OK);
	assert_int_equal(fx_last(f)->state, REPORT_RUNNING);
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_ABORTED);
	assert_true(fx_is_gone(pid_in(f, "main")));
	assert_true(fx_is_gone(pid_in(f, "escaped")));
	DONE(f)
}

static void abort_by_the_next_daemon(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo $$ > main; exec sleep 1000");
	WAIT(f, pid_in(f, "main"));
	fx_reopen(f);
	fx_do(f, EXEC_ABORT, KEY, NULL);
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_ABORTED);
	assert_true(fx_is_gone(pid_in(f, "main")));
	DONE(f)
}

static void abort_right_after_start(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "sleep 1000");
	fx_do(f, EXEC_ABORT, KEY, NULL);
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_ABORTED);
	DONE(f)
}

static void abort_before_start_forbids_it(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_ABORT, KEY, NULL);
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_ABORTED);
	fx_do(f, EXEC_START, KEY, "echo x > count");
	assert_int_equal(fx_last(f)->answer, REPORT_EXISTED);
	assert_int_equal(fx_last(f)->state, REPORT_ABORTED);
	assert_false(fx_exists(f, "count"));
	DONE(f)
}

/* The earlier daemon's shim may claim before or after the abort file is written. */
static void abort_races_with_an_earlier_start(struct fx *f)
{
	BEGIN(f)
	f->options.starts_per_second = 1000;
	for (f->round = 0; f->round < 10; f->round++) {
		f->key[22] = (char)('c' + f->round);
		fx_reopen(f);
		fx_do(f, EXEC_START, f->key, "exec sleep 1000");
		fx_reopen(f);
		fx_do(f, EXEC_ABORT, f->key, NULL);
		WAIT(f, fx_ended(f) && g_str_equal(fx_last(f)->key, f->key));
		assert_int_equal(fx_last(f)->state, REPORT_ABORTED);
	}
	DONE(f)
}

static pid_t shim_of(const struct fx *f)
{
	const char *pid = strstr(fx_read(f, "runs/" KEY "/claim"), "\"pid\":");

	return pid ? (pid_t)strtol(pid + 6, NULL, 10) : 0;
}

static void dead_shim_takes_main_along(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo $$ > main; exec sleep 1000");
	WAIT(f, pid_in(f, "main") && f->reports->len);
	assert_int_equal(kill(shim_of(f), SIGKILL), 0);
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_string_equal(fx_last(f)->reason, "lost: the shim died");
	WAIT(f, fx_is_gone(pid_in(f, "main")));
	fx_do(f, EXEC_START, KEY, "echo x > count");
	assert_int_equal(fx_last(f)->answer, REPORT_EXISTED);
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	DONE(f)
}

/* The pid in a claim may belong to somebody else by now. */
static void foreign_pid_is_not_signalled(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo $$ > main; exec sleep 1000");
	WAIT(f, pid_in(f, "main") && f->reports->len);
	assert_int_equal(kill(shim_of(f), SIGKILL), 0);
	WAIT(f, fx_ended(f));
	{
		char *path = g_build_filename(f->dir, "runs/" KEY "/claim", NULL);
		char *text = g_strdup_printf("{\"version\":1,\"pid\":%d,\"start\":1}",
		    (int)getpid());

		assert_true(g_file_set_contents(path, text, -1, NULL));
		g_free(text);
		g_free(path);
	}
	fx_do(f, EXEC_ABORT, KEY, NULL);	/* a TERM would end this test */
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	DONE(f)
}

static void forget_removes_the_records(struct fx *f)
{
	struct exec_logs log;

	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo hello");
	WAIT(f, fx_ended(f));
	exec_forget(f->exec, STR(KEY));
	assert_false(fx_exists(f, "runs/" KEY "/claim"));
	assert_false(fx_exists(f, "runs/" KEY "/exit.json"));
	assert_string_equal(fx_read(f, "runs/" KEY "/log"), "hello\n");
	assert_true(exec_log_path(f->exec, STR(KEY), &log));
	assert_true(g_str_has_suffix(log.path, "/runs/" KEY "/log"));
	assert_false(exec_log_path(f->exec, STR(KEY2), &log));
	assert_false(exec_log_path(f->exec, STR("rt-../../../../etc/passwd"), &log));
	DONE(f)
}

static void unknown_key_is_absent(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_POLL, KEY, NULL);
	assert_int_equal(fx_last(f)->answer, REPORT_OK);
	assert_int_equal(fx_last(f)->state, REPORT_ABSENT);
	DONE(f)
}

static void unknown_executor_is_refused(struct fx *f)
{
	struct exec_op o = { .kind = EXEC_START, .key = STR(KEY), .executor =
	    STR("gpu") };

	BEGIN(f)
	exec_do(f->exec, &o);
	assert_int_equal(fx_last(f)->answer, REPORT_REFUSED);
	assert_string_equal(fx_last(f)->reason, "no executor 'gpu' in the configuration");
	DONE(f)
}

static void over_the_limit_is_busy(struct fx *f)
{
	BEGIN(f)
	f->options.running = 1;
	fx_reopen(f);
	fx_do(f, EXEC_START, KEY, UNTIL_GO);
	fx_do(f, EXEC_START, KEY2, "exit 0");
	assert_string_equal(fx_last(f)->key, KEY2);
	assert_int_equal(fx_last(f)->answer, REPORT_BUSY);
	assert_true(fx_last(f)->again_ms > 0);
	assert_false(fx_exists(f, "runs/" KEY2));
	fx_touch(f, "go");
	WAIT(f, fx_ended(f));
	fx_do(f, EXEC_START, KEY2, "exit 0");
	WAIT(f, g_str_equal(fx_last(f)->key, KEY2) && fx_ended(f));
	DONE(f)
}

static void starts_are_spread(struct fx *f)
{
	BEGIN(f)
	f->options.starts_per_second = 1;
	fx_reopen(f);
	fx_do(f, EXEC_START, KEY, "exit 0");
	fx_do(f, EXEC_START, KEY2, "exit 0");
	assert_int_equal(fx_last(f)->answer, REPORT_BUSY);
	assert_in_range((unsigned)fx_last(f)->again_ms, 1, 1001);
	WAIT(f, fx_ended(f));
	DONE(f)
}

static void full_disk_starts_nothing(struct fx *f)
{
	BEGIN(f)
	f->min_free = INT64_MAX;
	fx_reopen(f);
	fx_do(f, EXEC_START, KEY, "exit 0");
	assert_int_equal(fx_last(f)->answer, REPORT_BUSY);
	assert_false(fx_exists(f, "runs/" KEY));
	DONE(f)
}

static void another_user_reads_its_input(struct fx *f)
{
	BEGIN(f)
	if (geteuid() != 0)
		skip();
	f->options.user = STR("nobody");
	fx_reopen(f);
	fx_do(f, EXEC_START, KEY, "cat $RETRAIN_INPUT; id -un; echo $HOME $USER;"
	    " echo x > $TMPDIR/x && echo x > $RETRAIN_ARTIFACTS/x;"
	    " cat $RETRAIN_DIR/spec.json 2>/dev/null || rm -f $RETRAIN_DIR/claim 2>&-;"
	    " ls $RETRAIN_DIR/.. 2>/dev/null || echo blind");
	WAIT(f, fx_ended(f));
	assert_int_equal(fx_last(f)->state, REPORT_COMPLETED);
	assert_string_equal(fx_read(f, "runs/" KEY "/log"),
	    "{\"params\":{}}nobody\n/nonexistent nobody\nblind\n");
	assert_true(fx_exists(f, "runs/" KEY "/claim"));
	DONE(f)
}

/* What outlives a shim that was killed is ended by its cgroup. */
static void cgroup_ends_what_a_dead_shim_left(struct fx *f)
{
	static const char *const roots[] = { "/sys/fs/cgroup/unified", "/sys/fs/cgroup" };
	unsigned i = g_file_test("/sys/fs/cgroup/unified/cgroup.procs",
	    G_FILE_TEST_EXISTS) ? 0 : 1;

	BEGIN(f)
	if (access(arena_printf(f->arena, "%s/cgroup.procs", roots[i]).p, W_OK) < 0)
		skip();
	f->options.cgroup = str_of(roots[i]);
	fx_reopen(f);
	fx_do(f, EXEC_START, KEY, ESCAPE "echo $$ > main; exec sleep 1000");
	WAIT(f, pid_in(f, "main") && pid_in(f, "escaped") && f->reports->len);
	assert_int_equal(kill(shim_of(f), SIGKILL), 0);
	WAIT(f, fx_last(f)->op == EXEC_POLL);
	WAIT(f, (fx_ended(f) ? (void)0 : fx_do(f, EXEC_POLL, KEY, NULL), fx_ended(f)));
	assert_string_equal(fx_last(f)->reason, "lost: the shim died");
	assert_true(fx_is_gone(pid_in(f, "escaped")));
	DONE(f)
}

static void on_idle(void *ctx)
{
	((struct fx *)ctx)->idle = true;
}

static void interrupt_ends_steps(struct fx *f)
{
	BEGIN(f)
	fx_do(f, EXEC_START, KEY, "echo $$ > main; exec sleep 1000");
	WAIT(f, pid_in(f, "main") && f->reports->len);
	exec_interrupt(f->exec, 30000, on_idle, f);
	WAIT(f, f->idle);
	assert_true(fx_exists(f, "runs/" KEY "/exit.json"));
	assert_true(fx_is_gone(pid_in(f, "main")));
	assert_int_equal(fx_last(f)->state, REPORT_FAILED);
	assert_string_equal(fx_last(f)->native_state, "interrupted");
	DONE(f)
}

static void interrupt_with_nothing_to_do(struct fx *f)
{
	BEGIN(f)
	exec_interrupt(f->exec, 30000, on_idle, f);
	assert_true(f->idle);
	DONE(f)
}

static void bad_options_are_refused(void **state)
{
	struct fx f;
	struct err err = { 0 };

	(void)state;
	fx_init(&f);
	f.options.umask = STR("89");
	assert_false(exec_open(f.exec, STR("x"), STR("process"), &f.options, &err));
	assert_string_equal(err.msg,
	    "'umask' expects an octal number such as 027, not '89'");
	f.options.umask = STR("022");
	f.options.user = STR("nobody-of-that-name");
	assert_false(exec_open(f.exec, STR("x"), STR("process"), &f.options, &err));
	assert_string_equal(err.msg, "user 'nobody-of-that-name' does not exist");
	assert_false(exec_open(f.exec, STR("x"), STR("slurm"), &f.options, &err));
	assert_string_equal(err.msg, "unknown kind 'slurm'");
	fx_fini(&f);
}

#define CASE(name) static void test_##name(void **s) { (void)s; run_case(name); }
CASE(completes)
CASE(keeps_the_exit_code)
CASE(what_cannot_be_looked_at_is_started)
CASE(names_the_signal)
CASE(missing_program)
CASE(bad_outputs_fail_it)
CASE(second_start_runs_nothing)
CASE(racing_shims_run_once)
CASE(next_daemon_attaches)
CASE(ended_while_nobody_looked)
CASE(abort_kills_the_tree)
CASE(abort_by_the_next_daemon)
CASE(abort_right_after_start)
CASE(abort_before_start_forbids_it)
CASE(abort_races_with_an_earlier_start)
CASE(dead_shim_takes_main_along)
CASE(foreign_pid_is_not_signalled)
CASE(forget_removes_the_records)
CASE(unknown_key_is_absent)
CASE(unknown_executor_is_refused)
CASE(over_the_limit_is_busy)
CASE(starts_are_spread)
CASE(full_disk_starts_nothing)
CASE(another_user_reads_its_input)
CASE(cgroup_ends_what_a_dead_shim_left)
CASE(interrupt_ends_steps)
CASE(interrupt_with_nothing_to_do)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_completes),
		cmocka_unit_test(test_keeps_the_exit_code),
		cmocka_unit_test(test_what_cannot_be_looked_at_is_started),
		cmocka_unit_test(test_names_the_signal),
		cmocka_unit_test(test_missing_program),
		cmocka_unit_test(test_bad_outputs_fail_it),
		cmocka_unit_test(test_second_start_runs_nothing),
		cmocka_unit_test(test_racing_shims_run_once),
		cmocka_unit_test(test_next_daemon_attaches),
		cmocka_unit_test(test_ended_while_nobody_looked),
		cmocka_unit_test(test_abort_kills_the_tree),
		cmocka_unit_test(test_abort_by_the_next_daemon),
		cmocka_unit_test(test_abort_right_after_start),
		cmocka_unit_test(test_abort_before_start_forbids_it),
		cmocka_unit_test(test_abort_races_with_an_earlier_start),
		cmocka_unit_test(test_dead_shim_takes_main_along),
		cmocka_unit_test(test_foreign_pid_is_not_signalled),
		cmocka_unit_test(test_forget_removes_the_records),
		cmocka_unit_test(test_unknown_key_is_absent),
		cmocka_unit_test(test_unknown_executor_is_refused),
		cmocka_unit_test(test_over_the_limit_is_busy),
		cmocka_unit_test(test_starts_are_spread),
		cmocka_unit_test(test_full_disk_starts_nothing),
		cmocka_unit_test(test_another_user_reads_its_input),
		cmocka_unit_test(test_cgroup_ends_what_a_dead_shim_left),
		cmocka_unit_test(test_interrupt_ends_steps),
		cmocka_unit_test(test_interrupt_with_nothing_to_do),
		cmocka_unit_test(bad_options_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
