/* The loop and what hangs on it: threads, children, metrics, the HTTP server. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "io/clock.h"
#include "io/loop.h"
#include "io/metrics.h"
#include "io/pool.h"
#include "io/secret.h"
#include "io/server.h"
#include "io/spawn.h"

static int setup(void **state)
{
	*state = loop_new();
	return 0;
}

static int teardown(void **state)
{
	loop_free(*state);
	return 0;
}

struct order { struct loop *loop; struct io_watch *timer; GString *text; };

static void on_timer(void *arg)
{
	struct order *o = arg;

	g_string_append_c(o->text, 't');
	io_watch_free(o->timer);	/* inside its own callback */
	loop_stop(o->loop);
}

static void first_hook(void *arg)
{
	g_string_append_c(((struct order *)arg)->text, '1');
}

static void hooks_run_before_each_sleep_and_timers_once(void **state)
{
	struct order o = { *state, NULL, g_string_new(NULL) };

	o.timer = loop_timer(o.loop, on_timer, &o);
	loop_before_sleep(o.loop, first_hook, &o);
	io_watch_after(o.timer, 1);
	loop_run(o.loop);
	loop_drop_hook(o.loop, &o);
	assert_string_equal(o.text->str, "1t");
	g_string_free(o.text, TRUE);
}

/* Setting the machine's clock is not for a test: the kernel's descriptor is a pipe. */
static int clock_pipe[2] = { -1, -1 };
static int clock_armed;

int timerfd_create(int id, int flags)
{
	assert_int_equal(id, CLOCK_REALTIME);
	assert_true(flags & TFD_NONBLOCK);
	assert_int_equal(pipe2(clock_pipe, O_NONBLOCK | O_CLOEXEC), 0);
	return clock_pipe[0];
}

int timerfd_settime(int fd, int flags, const struct itimerspec *at,
    struct itimerspec *old)
{
	(void)at;
	(void)old;
	assert_int_equal(fd, clock_pipe[0]);
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	errno = ECANCELED;	/* set since the last time; it is armed all the same */
	return clock_armed++ ? -1 : 0;
}

static void on_set(void *arg)
{
	struct order *o = arg;

	assert_int_equal(clock_armed, (int)o->text->len + 2);	/* again, before */
	g_string_append_c(o->text, 's');
	if (o->text->len == 2)
		loop_stop(o->loop);
	else
		assert_int_equal(write(clock_pipe[1], "!", 1), 1);
}

static void each_step_of_the_clock_is_told(void **state)
{
	struct order o = { *state, NULL, g_string_new(NULL) };
	struct io_watch *w = loop_clock_set(o.loop, on_set, &o);

	assert_non_null(w);
	assert_int_equal(clock_armed, 1);
	assert_int_equal(write(clock_pipe[1], "!", 1), 1);
	loop_run(o.loop);
	assert_string_equal(o.text->str, "ss");
	io_watch_free(w);
	close(clock_pipe[1]);
	g_string_free(o.text, TRUE);
}

struct jobs { struct loop *loop; unsigned done; int sum; };

static void *square(void *arg)
{
	int *v = arg;

	*v *= *v;
	return v;
}

static void on_done(void *ctx, void *ret)
{
	struct jobs *j = ctx;

	j->sum += *(int *)ret;
	if (++j->done == 10)
		loop_stop(j->loop);
}

static void jobs_come_back_on_the_loop(void **state)
{
	struct jobs j = { *state, 0, 0 };
	struct pool *p = pool_new(j.loop, "test", 2, 10);
	int v[11];

	for (int i = 0; i < 10; i++) {
		v[i] = i;
		assert_true(pool_run(p, square, on_done, &v[i], &j));
	}
	assert_false(pool_run(p, square, on_done, &v[10], &j));	/* the queue is full */
	loop_run(j.loop);
	assert_int_equal(j.sum, 285);
	pool_free(p);
}

static void on_exit_status(void *ctx, struct child *c, int status)
{
	struct jobs *j = ctx;

	assert_true(child_pid(c) > 0);
	j->sum = status;
	loop_stop(j->loop);
}

static void a_child_tells_its_exit_code(void **state)
{
	struct jobs j = { *state, 0, 0 };
	char *argv[] = { (char *)(uintptr_t)"sh", (char *)(uintptr_t)"-c",
		(char *)(uintptr_t)"read x; exit 7", NULL }, *envp[] = { NULL };
	struct spawn_options o = { .path = "/bin/sh", .exec_fd = -1, .argv = argv,
		.envp = envp, .in = -1, .out = -1, .err = -1 };
	struct err err = { 0 };

	assert_non_null(spawn_child(j.loop, &o, on_exit_status, &j, &err));
	loop_run(j.loop);
	assert_true(WIFEXITED(j.sum));
	assert_int_equal(WEXITSTATUS(j.sum), 7);
	o.path = "/no/such/program";
	assert_null(spawn_child(j.loop, &o, on_exit_status, &j, &err));
	assert_non_null(strstr(err.msg, "No such file"));
}

static void a_full_family_counts_the_rest_as_other(void **state)
{
	GString *s = g_string_new(NULL);

	(void)state;
	metrics_reset();
	for (int i = 0; i < 1003; i++) {
		char *name = g_strdup_printf("r%04d", i);
		metric_add("rule_matched_total", 2, "rule", name, "outcome", "late",
			   NULL);
		g_free(name);
	}
	metrics_print(s);
	assert_non_null(strstr(s->str, "retraind_rule_matched_total{rule=\"r0999\","
	    "outcome=\"late\"} 2\n"));
	assert_null(strstr(s->str, "r1000"));
	assert_non_null(strstr(s->str, "{rule=\"_other\",outcome=\"_other\"} 6\n"));
	assert_non_null(strstr(s->str, "# TYPE retraind_rule_matched_total counter\n"));
	assert_non_null(strstr(s->str, "process_open_fds "));
	g_string_free(s, TRUE);
	metrics_reset();
}

static void a_secret_file_that_others_may_write_is_refused(void **state)
{
	char *dir = g_dir_make_tmp("retraind-secret-XXXXXX", NULL);
	char *path = g_build_filename(dir, "token", NULL), *text;
	struct option_secret s = { .from = SECRET_FILE, .name = STR("token") };
	struct err err = { 0 };
	size_t n;

	(void)state;
	assert_true(g_file_set_contents(path, "hush\n\n", 6, NULL));
	assert_int_equal(chmod(path, 0600), 0);
	assert_true(secret_read(&s, dir, &text, &n, &err));
	assert_int_equal(n, 5);		/* one newline is dropped */
	secret_free(text, n);
	assert_int_equal(chmod(path, 0622), 0);
	assert_false(secret_read(&s, dir, &text, &n, &err));
	assert_int_equal(err.code, ERR_DENIED);
	unlink(path);
	rmdir(dir);
	g_free(path);
	g_free(dir);
}

/* The server, asked by a thread with a plain socket. */
struct exchange {
	struct loop	*loop;
	struct server	*server;
	struct request	*held;
	struct io_watch	*timer;
	int		 port;
	const char	*send;
	GString		*got;
	unsigned	 handled;
};

static void *ask(void *arg)
{
	struct exchange *x = arg;
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)x->port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char buf[4096];
	ssize_t n;

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 &&
	    write(fd, x->send, strlen(x->send)) > 0)
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			g_string_append_len(x->got, buf, n);
	close(fd);
	return NULL;
}

static void on_asked(void *ctx, void *ret)
{
	(void)ret;
	loop_stop(((struct exchange *)ctx)->loop);
}

static void later(void *arg)
{
	struct exchange *x = arg;

	request_answer(x->held, 202, "text/plain", STR("after"), "X-Test: yes\r\n");
}

static void on_request(void *ctx, struct request *r)
{
	struct exchange *x = ctx;

	x->handled++;
	if (strcmp(request_path(r), "/later") == 0) {
		x->held = r;
		io_watch_after(x->timer, 1);
		return;
	}
	assert_string_equal(request_method(r), "POST");
	assert_string_equal(request_query(r, "a"), "b c");
	assert_string_equal(request_header(r, "content-type"), "x/y");
	assert_int_equal(request_header_count(r, "HOST"), 2);
	request_answer(r, 200, "text/plain", request_body(r), NULL);
}

static void exchange(struct loop *loop, const char *send, struct exchange *x)
{
	struct server_options o = { .listen = "127.0.0.1:0", .body_max = 100 };
	struct pool *p = pool_new(loop, "client", 1, 1);
	struct err err = { 0 };

	*x = (struct exchange){ .loop = loop, .send = send, .got = g_string_new(NULL) };
	x->timer = loop_timer(loop, later, x);
	x->server = server_open(loop, &o, on_request, x, &err);
	assert_non_null(x->server);
	x->port = server_port(x->server);
	assert_true(pool_run(p, ask, on_asked, x, x));
	loop_run(loop);
	server_close(x->server);
	io_watch_free(x->timer);
	pool_free(p);
}

static void a_request_reaches_its_handler_whole(void **state)
{
	struct exchange x;

	exchange(
	    *state,
	    "POST /p?a=b%20c HTTP/1.1\r\nHost: a\r\nHost: b\r\n"
	    "Content-Type: x/y\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
	    &x);
	assert_true(g_str_has_prefix(x.got->str, "HTTP/1.1 200 "));
	assert_true(g_str_has_suffix(x.got->str, "\r\n\r\nhello"));
	g_string_free(x.got, TRUE);
}

static void an_answer_may_come_later(void **state)
{
	struct exchange x;

	exchange(*state, "GET /later HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
		 &x);
	assert_true(g_str_has_prefix(x.got->str, "HTTP/1.1 202 "));
	assert_non_null(strstr(x.got->str, "X-Test: yes\r\n"));
	assert_true(g_str_has_suffix(x.got->str, "after"));
	g_string_free(x.got, TRUE);
}

#define POST "POST / HTTP/1.1\r\nHost: a\r\n"
#define TEN "xxxxxxxxxx"
#define BYTES_101 TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "x"

static void refused(struct loop *loop, const char *send)
{
	struct exchange x;

	exchange(loop, send, &x);
	assert_true(g_str_has_prefix(x.got->str, "HTTP/1.1 413 "));
	assert_int_equal(x.handled, 0);
	g_string_free(x.got, TRUE);
}

static void a_large_body_is_refused_before_it_is_sent(void **state)
{
	refused(*state, POST "Content-Length: 101\r\nExpect: 100-continue\r\n\r\n");
}

static void a_huge_body_is_refused_at_once(void **state)
{
	refused(*state, POST "Content-Length: 99999999\r\n\r\n");
}

/* Who is sending already is heard out: a reset would hide the answer. */
static void a_large_body_is_refused_before_any_handler(void **state)
{
	refused(*state, POST "Content-Length: 101\r\n\r\n" BYTES_101);
}

static void a_large_chunked_body_is_refused(void **state)
{
	refused(*state, POST "Transfer-Encoding: chunked\r\n\r\n65\r\n" BYTES_101
	    "\r\n0\r\n\r\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(hooks_run_before_each_sleep_and_timers_once),
		TEST(each_step_of_the_clock_is_told),
		TEST(jobs_come_back_on_the_loop),
		TEST(a_child_tells_its_exit_code),
		TEST(a_full_family_counts_the_rest_as_other),
		TEST(a_secret_file_that_others_may_write_is_refused),
		TEST(a_request_reaches_its_handler_whole),
		TEST(an_answer_may_come_later),
		TEST(a_large_body_is_refused_before_it_is_sent),
		TEST(a_huge_body_is_refused_at_once),
		TEST(a_large_body_is_refused_before_any_handler),
		TEST(a_large_chunked_body_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
