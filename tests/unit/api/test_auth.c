/* Who may do what: roles, tokens, peers, hosts, origins, rate, the admin token. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"

#define NOBODY ((uid_t)65534)

struct world {
	char		*dir;
	struct api_options o;
	struct api_token tokens[5];
	struct auth	*auth;
};

static const char *const secrets[] = { "viewer-0123456789", "ingest-0123456789",
	"operator-0123456789", "editor-0123456789", "admin-0123456789" };

static int setup(void **state)
{
	static struct str hosts[] = { { "ml.example", 10 }, { "other.example:9000",
	    18 } };
	static struct str sources[] = { { "http", 4 } };
	struct world *w = g_new0(struct world, 1);
	struct err err = { 0 };

	w->dir = g_dir_make_tmp("auth-XXXXXX", NULL);
	w->o = (struct api_options){ .listen = "192.0.2.1:8484", .state_dir = w->dir,
		.config_dir = w->dir, .hosts = { hosts, 2 }, .tokens = w->tokens,
		.tokens_n = 5, .group = STR("54321"), .group_role = ROLE_OPERATOR,
		.mutations_per_second = 3 };
	for (unsigned i = 0; i < 5; i++) {
		char *path = g_strdup_printf("%s/token%u", w->dir, i);
		char *line = g_strconcat(secrets[i], "\n", NULL);
		assert_true(g_file_set_contents_full(path, line, -1,
		    G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
		g_free(line);
		w->tokens[i] = (struct api_token){ .name = str_of(role_name(i + 1)),
			.role = i + 1, .secret = { SECRET_FILE, str_of(path) } };
	}
	w->tokens[1].sources = (struct option_strs){ sources, 1 };
	w->auth = auth_new(&w->o, &err);
	if (!w->auth)
		fail_msg("%s", err.msg);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	GDir *d = g_dir_open(w->dir, 0, NULL);
	const char *name;

	auth_free(w->auth);
	while ((name = g_dir_read_name(d))) {
		char *path = g_build_filename(w->dir, name, NULL);
		g_unlink(path);
		g_free(path);
	}
	g_dir_close(d);
	g_rmdir(w->dir);
	for (unsigned i = 0; i < 5; i++)
		g_free((char *)(uintptr_t)w->tokens[i].secret.name.p);
	g_free(w->dir);
	g_free(w);
	return 0;
}

static struct auth_token *bearer(struct world *w, const char *secret)
{
	char *h = g_strconcat("Bearer ", secret, NULL);
	struct auth_token *t = auth_bearer(w->auth, h);

	g_free(h);
	return t;
}

/* Rows: have; columns: need; as the document of the roles says. */
static void every_pair_of_roles(void **state)
{
	static const char *const may[] = {	/* DVIOEA_ : need */
		[ROLE_DENY]	= "......x",
		[ROLE_VIEWER]	= ".x....x",
		[ROLE_INGEST]	= "..x...x",
		[ROLE_OPERATOR]	= ".xxx..x",
		[ROLE_EDITOR]	= ".xxxx.x",
		[ROLE_ADMIN]	= ".xxxxxx",
		[ROLE_OPEN]	= "......x",	/* nobody has it: it is a route's */
	};

	(void)state;
	for (int have = 0; have <= ROLE_OPEN; have++)
		for (int need = 0; need <= ROLE_OPEN; need++)
			if (role_allows((enum role)have, (enum role)need) !=
			    (may[have][need] == 'x'))
				fail_msg("%s for %s", role_name((enum role)have),
				    role_name((enum role)need));
	assert_false(role_allows((enum role)7, ROLE_VIEWER));
	assert_false(role_allows((enum role)-1, ROLE_VIEWER));
	assert_false(role_allows(ROLE_ADMIN, (enum role)7));
	assert_false(role_allows(ROLE_ADMIN, (enum role)-1));
}

static void tokens_are_told_apart(void **state)
{
	struct world *w = *state;

	for (unsigned i = 0; i < 5; i++) {
		struct auth_token *t = bearer(w, secrets[i]);
		assert_non_null(t);
		assert_int_equal(auth_token_role(t), i + 1);
		assert_string_equal(auth_token_name(t), role_name(i + 1));
	}
	assert_null(bearer(w, ""));
	assert_null(bearer(w, "viewer-012345678"));
	assert_null(bearer(w, "viewer-0123456789\n"));
	assert_null(bearer(w, "Viewer-0123456789"));
	assert_null(auth_bearer(w->auth, NULL));
	assert_null(auth_bearer(w->auth, secrets[4]));
	assert_null(auth_bearer(w->auth, "Basic admin-0123456789"));
	assert_non_null(auth_bearer(w->auth, "bearer admin-0123456789"));
}

static void an_ingest_token_has_its_sources(void **state)
{
	struct world *w = *state;

	assert_true(auth_token_source(bearer(w, secrets[1]), STR("http")));
	assert_false(auth_token_source(bearer(w, secrets[1]), STR("htt")));
	assert_false(auth_token_source(bearer(w, secrets[1]), STR("other")));
	assert_true(auth_token_source(bearer(w, secrets[2]), STR("other")));
}

static void a_peer_has_the_role_of_its_group(void **state)
{
	struct world *w = *state;
	struct server_peer p = { .local = true, .uid = NOBODY, .gid = 1,
		.groups = { 7, 54321, 9 }, .groups_n = 3 };

	assert_int_equal(auth_peer(w->auth, &p), ROLE_OPERATOR);
	p.groups_n = 1;
	assert_int_equal(auth_peer(w->auth, &p), ROLE_DENY);
	p.gid = 54321;
	assert_int_equal(auth_peer(w->auth, &p), ROLE_OPERATOR);
	p.uid = 0;
	assert_int_equal(auth_peer(w->auth, &p), ROLE_ADMIN);
	p.uid = geteuid();
	assert_int_equal(auth_peer(w->auth, &p), ROLE_ADMIN);
	p.local = false;		/* TCP has no peer */
	assert_int_equal(auth_peer(w->auth, &p), ROLE_DENY);
}

static void without_a_group_only_the_owner(void **state)
{
	struct world *w = *state;
	struct server_peer p = { .local = true, .uid = NOBODY, .gid = 0 };
	struct err err = { 0 };
	struct auth *a;
	gid_t gid;

	w->o.group = STR("");
	a = auth_new(&w->o, &err);
	assert_non_null(a);
	assert_false(auth_group(a, &gid));
	assert_int_equal(auth_peer(a, &p), ROLE_DENY);
	auth_free(a);
	w->o.group = STR("no-such-group-here");
	a = auth_new(&w->o, &err);
	assert_int_equal(auth_peer(a, &p), ROLE_DENY);
	auth_free(a);
}

static void hosts_and_origins(void **state)
{
	static const struct { const char *host; bool ok; } rows[] = {
		{ "localhost", true }, { "localhost:8484", true }, { "LOCALHOST:1",
		    true },
		{ "127.0.0.1:8484", true }, { "[::1]", true }, { "[::1]:8484", true },
		{ "192.0.2.1:8484", true }, { "192.0.2.1", true },
		{ "ml.example", true }, { "ml.example:443", true },
		{ "other.example:9000", true }, { "other.example", false },
		{ "other.example:9001", false },
		{ "", false }, { ":8484", false }, { "evil.example", false },
		{ "localhost.evil.example", false }, { "127.0.0.1.evil.example", false },
		{ "::1", false }, { "localhost:1:2", false }, { "[::1", false },
		{ "xml.example", false },
	};
	struct world *w = *state;

	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		char *origin = g_strconcat("https://", rows[i].host, NULL);
		if (auth_host(w->auth, rows[i].host) != rows[i].ok)
			fail_msg("host '%s'", rows[i].host);
		if (auth_origin(w->auth, origin) != rows[i].ok)
			fail_msg("origin '%s'", origin);
		g_free(origin);
	}
	assert_true(auth_origin(w->auth, "http://localhost:8484"));
	assert_false(auth_origin(w->auth, "null"));
	assert_false(auth_origin(w->auth, "localhost"));
	assert_false(auth_origin(w->auth, "file://localhost"));
	assert_false(auth_origin(w->auth, "http://localhost/x"));
}

static void a_bucket_of_mutations(void **state)
{
	struct world *w = *state;
	struct auth_token *t = bearer(w, secrets[2]), *other = bearer(w, secrets[3]);

	for (int i = 0; i < 3; i++)
		assert_true(auth_take(w->auth, t, 5000));
	assert_false(auth_take(w->auth, t, 5000));
	assert_true(auth_take(w->auth, other, 5000));
	assert_false(auth_take(w->auth, t, 5333));	/* 3 a second: one each 334 ms */
	assert_true(auth_take(w->auth, t, 5334));
	assert_false(auth_take(w->auth, t, 5335));
	for (int i = 0; i < 3; i++)
		assert_true(auth_take(w->auth, t, 60000));
	assert_false(auth_take(w->auth, t, 60000));
}

static char *admin_file(struct world *w, char **ret_path)
{
	char *path = g_build_filename(w->dir, "admin.token", NULL), *text;

	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	*ret_path = path;
	return text;
}

static void the_admin_token_is_made_once(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	struct stat st;
	char *path, *first = admin_file(w, &path), *second;

	assert_int_equal(strlen(first), 65);	/* 256 bits in hex, a line */
	assert_int_equal(strspn(first, "0123456789abcdef"), 64);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	first[64] = '\0';
	assert_int_equal(auth_token_role(bearer(w, first)), ROLE_ADMIN);
	auth_free(w->auth);
	w->auth = auth_new(&w->o, &err);	/* the next start: the same */
	assert_non_null(bearer(w, first));
	auth_free(w->auth);
	assert_int_equal(unlink(path), 0);
	g_free(path);
	w->auth = auth_new(&w->o, &err);	/* deleted: another */
	assert_null(bearer(w, first));
	second = admin_file(w, &path);
	second[64] = '\0';
	assert_non_null(bearer(w, second));
	g_free(first), g_free(second), g_free(path);
}

static void refused_secrets(void **state)
{
	struct world *w = *state;
	struct err err = { 0 };
	char *path = g_strndup(w->tokens[0].secret.name.p, w->tokens[0].secret.name.len);

	assert_true(g_file_set_contents(path, "short\n", -1, NULL));
	assert_null(auth_new(&w->o, &err));
	assert_string_equal(err.msg,
	    "token 'viewer': its secret is shorter than 16 characters");
	assert_int_equal(unlink(path), 0);
	err = (struct err){ 0 };
	assert_null(auth_new(&w->o, &err));
	assert_non_null(strstr(err.msg, "token 'viewer': "));
	g_free(path);
}

static void beyond_loopback_needs_tls(void **state)
{
	static const struct { const char *listen; bool ok; } rows[] = {
		{ "127.0.0.1:8484", true }, { "127.3.2.1:0", true }, { "[::1]:8484",
		    true },
		{ NULL, true }, { "0.0.0.0:8484", false }, { ":8484", false },
		{ "[::]:8484", false }, { "192.0.2.1:8484", false },
		{ "[fe80::1]:8484", false },
	};
	struct api_options o = { 0 };
	struct err err = { 0 };

	(void)state;
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		o = (struct api_options){ .listen = rows[i].listen };
		if (auth_listen_ok(&o, &err) != rows[i].ok)
			fail_msg("'%s'", rows[i].listen);
		o.insecure = true;
		assert_true(auth_listen_ok(&o, &err));
		o.insecure = false;
		o.tls_cert = STR("cert.pem");
		o.tls_key = (struct option_secret){ SECRET_FILE, STR("key.pem") };
		assert_true(auth_listen_ok(&o, &err));
		o.tls_key.from = SECRET_NONE;
		assert_false(auth_listen_ok(&o, &err));
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(every_pair_of_roles),
		T(tokens_are_told_apart),
		T(an_ingest_token_has_its_sources),
		T(a_peer_has_the_role_of_its_group),
		T(without_a_group_only_the_owner),
		T(hosts_and_origins),
		T(a_bucket_of_mutations),
		T(the_admin_token_is_made_once),
		T(refused_secrets),
		T(beyond_loopback_needs_tls),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
