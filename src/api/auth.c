/* Who may do what.
 *
 * Invariants
 *   (1) Zero is no: a role that is not named, a token that is not found, a host that is
 *       not listed are refused.
 *   (2) A token is compared by its SHA-256, over all tokens, without an early end.
 *   (3) The admin token's file is the record: made once (O_EXCL, fsync, rename), hashed
 *       at each start, never logged; deleting it makes a new one at the next start.
 *
 * To add a role: enum role, role_names[], role_allows() and the config's words. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/auth.h"
#include "io/log.h"
#include "io/secret.h"

#define HASH 32
#define TOKEN_MIN 16		/* characters: anything shorter can be guessed */

struct auth_token {
	char		*name;
	enum role	 role;
	uint8_t		 hash[HASH];
	char		**sources;	/* empty: all */
	int64_t		 left_milli;	/* mutations that may follow now, in 1/1000 */
	int64_t		 at_ms;		/* when that was counted; -1: never */
};
struct auth {
	struct auth_token *tokens;
	uint32_t	 tokens_n;
	char		**hosts;	/* lower case, without port unless given so */
	bool		 has_group;
	gid_t		 group;
	enum role	 group_role;
	int64_t		 per_second;
};

static const char *const role_names[] = { "nobody", "viewer", "ingest", "operator",
	"editor", "admin", "anyone" };

const char *role_name(enum role r)
{
	return (unsigned)r < G_N_ELEMENTS(role_names) ? role_names[r] : "nobody";
}

bool role_allows(enum role have, enum role need)
{
	if (need == ROLE_OPEN)
		return true;
	if (need <= ROLE_DENY || need > ROLE_ADMIN || have <= ROLE_DENY ||
	    have > ROLE_ADMIN)
		return false;
	if (have == ROLE_INGEST || need == ROLE_INGEST)
		return have == need || have >= ROLE_OPERATOR;
	return have >= need;
}

static void sha256(const char *p, size_t n, uint8_t ret[HASH])
{
	GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
	gsize len = HASH;

	g_checksum_update(sum, (const guchar *)p, (gssize)n);
	g_checksum_get_digest(sum, ret, &len);
	g_checksum_free(sum);
}

/* volatile: the compiler may not end the loop at the first difference. */
static bool same_hash(const uint8_t *a, const uint8_t *b)
{
	volatile uint8_t differ = 0;

	for (int i = 0; i < HASH; i++)
		differ = (uint8_t)(differ | (a[i] ^ b[i]));
	return differ == 0;
}

static struct auth_token *add_token(struct auth *a, const char *name, enum role role,
    const char *secret, size_t n)
{
	struct auth_token *t;

	a->tokens = g_renew(struct auth_token, a->tokens, a->tokens_n + 1);
	t = &a->tokens[a->tokens_n++];
	*t = (struct auth_token){ .name = g_strdup(name), .role = role, .at_ms = -1 };
	sha256(secret, n, t->hash);
	return t;
}

/* 256 random bits as text, in place before anybody can read a part of it. */
static bool make_admin_token(const char *dir, const char *path, struct err *err)
{
	char *fresh = g_strconcat(path, ".new", NULL), text[2 * HASH + 2];
	uint8_t r[HASH];
	bool ok = getrandom(r, sizeof(r), 0) == (ssize_t)sizeof(r);
	int fd, dirfd;

	for (int i = 0; i < HASH; i++)
		g_snprintf(text + 2 * i, 4, "%02x\n", r[i]);
	unlink(fresh);		/* of a start that ended half-way */
	fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	ok = ok && fd >= 0 && write(fd, text, 2 * HASH + 1) == 2 * HASH + 1 &&
	    fsync(fd) == 0 && rename(fresh, path) == 0;
	if (!ok)
		err_set(err, ERR_IO, "'%s': %s", path, g_strerror(errno));
	if (fd >= 0)
		close(fd);
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd >= 0) {
		fsync(dirfd);
		close(dirfd);
	}
	explicit_bzero(r, sizeof(r));
	explicit_bzero(text, sizeof(text));
	g_free(fresh);
	return ok;
}

static bool read_admin_token(struct auth *a, const char *dir, struct err *err)
{
	char *path = g_build_filename(dir, "admin.token", NULL), *secret = NULL;
	struct option_secret where = { SECRET_FILE, str_of(path) };
	bool ok = access(path, F_OK) == 0 || make_admin_token(dir, path, err);
	size_t n = 0;

	if (ok && secret_read(&where, dir, &secret, &n, err)) {
		if (n >= TOKEN_MIN)
			add_token(a, "admin", ROLE_ADMIN, secret, n);
		else
			ok = err_set(err, ERR_USAGE,
			    "'%s' is shorter than %d characters: "
			    "delete it and a new one is made", path, TOKEN_MIN);
		secret_free(secret, n);
	} else
		ok = false;
	g_free(path);
	return ok;
}

static char **copy_strs(const struct option_strs *s)
{
	char **v = g_new0(char *, s->n + 1);

	for (uint32_t i = 0; i < s->n; i++)
		v[i] = g_strndup(s->v[i].p, s->v[i].len);
	return v;
}

static bool read_tokens(struct auth *a, const struct api_options *o, struct err *err)
{
	for (uint32_t i = 0; i < o->tokens_n; i++) {
		const struct api_token *row = &o->tokens[i];
		char *secret, *name;
		size_t n;
		struct auth_token *t;

		if (!secret_read(&row->secret, o->config_dir, &secret, &n, err))
			return err_in(err, "token '%.*s'", STR_ARG(row->name));
		if (n < TOKEN_MIN) {
			secret_free(secret, n);
			return err_set(err, ERR_USAGE,
			    "token '%.*s': its secret is shorter "
			    "than %d characters", STR_ARG(row->name), TOKEN_MIN);
		}
		name = g_strndup(row->name.p, row->name.len);
		t = add_token(a, name, row->role, secret, n);
		t->sources = copy_strs(&row->sources);
		g_free(name);
		secret_free(secret, n);
	}
	return true;
}

static char *listen_host(const char *text)
{
	const char *colon = text ? strrchr(text, ':') : NULL;

	return g_strndup(text ? text : "", colon ? (gsize)(colon - text) : 0);
}

static void read_hosts(struct auth *a, const struct api_options *o)
{
	GPtrArray *v = g_ptr_array_new();

	g_ptr_array_add(v, g_strdup("localhost"));
	g_ptr_array_add(v, g_strdup("127.0.0.1"));
	g_ptr_array_add(v, g_strdup("[::1]"));
	g_ptr_array_add(v, listen_host(o->listen));
	for (uint32_t i = 0; i < o->hosts.n; i++)
		g_ptr_array_add(v, g_ascii_strdown(o->hosts.v[i].p, o->hosts.v[i].len));
	g_ptr_array_add(v, NULL);
	a->hosts = (char **)g_ptr_array_free(v, FALSE);
}

/* Looked up once: no name service on the way of a request. */
static void read_group(struct auth *a, const struct api_options *o)
{
	char *name = g_strndup(o->group.p ? o->group.p : "", o->group.len), *end = name;
	struct group *g = *name ? getgrnam(name) : NULL;
	unsigned long n = g ? g->gr_gid : strtoul(name, &end, 10);

	a->has_group = g || (g_ascii_isdigit(*name) && !*end);
	a->group = (gid_t)n;
	a->group_role = o->group_role;
	if (*name && !a->has_group)
		log_info("access.group '%s' does not exist: the socket is for root and "
		    "the daemon's own user", name);
	g_free(name);
}

struct auth *auth_new(const struct api_options *o, struct err *err)
{
	struct auth *a = g_new0(struct auth, 1);

	a->per_second = o->mutations_per_second > 0 ? o->mutations_per_second : 20;
	read_hosts(a, o);
	read_group(a, o);
	if (read_admin_token(a, o->state_dir, err) && read_tokens(a, o, err))
		return a;
	auth_free(a);
	return NULL;
}

void auth_free(struct auth *a)
{
	if (!a)
		return;
	for (uint32_t i = 0; i < a->tokens_n; i++) {
		g_free(a->tokens[i].name);
		g_strfreev(a->tokens[i].sources);
	}
	g_free(a->tokens);
	g_strfreev(a->hosts);
	g_free(a);
}

enum role auth_peer(const struct auth *a, const struct server_peer *p)
{
	if (!p->local)
		return ROLE_DENY;
	if (p->uid == 0 || p->uid == geteuid())
		return ROLE_ADMIN;
	if (!a->has_group)
		return ROLE_DENY;
	if (p->gid == a->group)
		return a->group_role;
	for (unsigned i = 0; i < p->groups_n && i < G_N_ELEMENTS(p->groups); i++)
		if (p->groups[i] == a->group)
			return a->group_role;
	return ROLE_DENY;
}

struct auth_token *auth_bearer(const struct auth *a, const char *authorization)
{
	struct auth_token *found = NULL;
	uint8_t hash[HASH];

	if (!authorization || g_ascii_strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	authorization += 7;
	sha256(authorization, strlen(authorization), hash);
	for (uint32_t i = 0; i < a->tokens_n; i++)
		if (same_hash(hash, a->tokens[i].hash))
			found = &a->tokens[i];
	return found;
}

enum role auth_token_role(const struct auth_token *t)
{
	return t->role;
}

const char *auth_token_name(const struct auth_token *t)
{
	return t->name;
}

bool auth_token_source(const struct auth_token *t, struct str source)
{
	if (!t->sources || !t->sources[0])
		return true;
	for (char **s = t->sources; *s; s++)
		if (str_is(str_of(*s), source))
			return true;
	return false;
}

bool auth_take(const struct auth *a, struct auth_token *t, int64_t now_ms)
{
	int64_t most = a->per_second * 1000, gone = now_ms - t->at_ms;

	if (t->at_ms < 0 || gone >= 1000)
		t->left_milli = most;
	else
		t->left_milli = MIN(most, t->left_milli + MAX(gone, 0) * a->per_second);
	t->at_ms = now_ms;
	if (t->left_milli < 1000)
		return false;
	t->left_milli -= 1000;
	return true;
}

bool auth_host(const struct auth *a, const char *host)
{
	char *whole = g_ascii_strdown(host, -1), *bare = g_strdup(whole);
	char *colon = strrchr(bare, ':');
	bool ok = false;

	if (colon && !strchr(colon, ']') &&
	    (bare[0] == '[' || strchr(bare, ':') == colon))
		*colon = '\0';
	for (char **h = a->hosts; *h && *bare; h++)
		ok = ok || strcmp(*h, bare) == 0 || strcmp(*h, whole) == 0;
	g_free(whole);
	g_free(bare);
	return ok;
}

bool auth_origin(const struct auth *a, const char *origin)
{
	static const char *const schemes[] = { "http://", "https://" };

	for (unsigned i = 0; i < G_N_ELEMENTS(schemes); i++)
		if (g_str_has_prefix(origin, schemes[i]))
			return auth_host(a, origin + strlen(schemes[i]));
	return false;
}

bool auth_group(const struct auth *a, gid_t *ret)
{
	*ret = a->group;
	return a->has_group;
}

bool auth_listen_ok(const struct api_options *o, struct err *err)
{
	char *host = listen_host(o->listen);
	bool loopback = !o->listen || g_str_has_prefix(host, "127.") ||
	    strcmp(host, "[::1]") == 0;

	g_free(host);
	if (o->tls_cert.len > 0 && o->tls_key.from == SECRET_NONE)
		return err_set(err, ERR_USAGE, "http.tls: expected cert and key");
	if (loopback || o->insecure || o->tls_cert.len > 0)
		return true;
	return err_set(err, ERR_USAGE,
	    "http.listen '%s' is beyond loopback: expected http.tls "
	    "with cert and key, or insecure: true", o->listen);
}
