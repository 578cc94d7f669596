/* Who may do what: tokens, peers of the unix socket, hosts and origins.  Knows nothing
 * of requests, so that every rule can be tested by itself. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/api.h"

struct auth;
struct auth_token;

/* Reads (at the first start: makes) state_dir/admin.token and every configured secret;
 * only their SHA-256 is kept.  Options are copied. */
struct auth *auth_new(const struct api_options *, struct err *);
void auth_free(struct auth *);
/* May `have` use a route that asks for `need`?  Unknown on either side: no. */
bool role_allows(enum role have, enum role need);
const char *role_name(enum role);
/* Role of the other end of the unix socket; ROLE_DENY: none. */
enum role auth_peer(const struct auth *, const struct server_peer *);
/* The token of an "Authorization: Bearer ..." value, in constant time; or NULL. */
struct auth_token *auth_bearer(const struct auth *, const char *authorization);
enum role auth_token_role(const struct auth_token *);
const char *auth_token_name(const struct auth_token *);
/* May this token post to that http source? */
bool auth_token_source(const struct auth_token *, struct str source);
/* Takes one mutation out of the token's bucket; false: none is left now. */
bool auth_take(const struct auth *, struct auth_token *, int64_t now_ms);
/* "localhost:8484": one of ours?  An Origin is "http[s]://HOST". */
bool auth_host(const struct auth *, const char *host);
bool auth_origin(const struct auth *, const char *origin);
/* Group that the socket belongs to; false: there is none of that name. */
bool auth_group(const struct auth *, gid_t *ret);
/* Beyond loopback only with TLS, or where insecure is said. */
bool auth_listen_ok(const struct api_options *, struct err *);
#endif
