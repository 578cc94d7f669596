/* Health, readiness, metrics, version. */
#include "api/priv.h"
#include "base/json.h"
#include "io/metrics.h"

void on_healthz(struct call *c)
{
	call_text(c, 200, "text/plain; charset=utf-8", STR("ok\n"));
}

/* Brokers never count: the daemon is ready while they are down. */
void on_readyz(struct call *c)
{
	struct turn_status st = { .reasons = { "the world is not loaded yet" },
		.reasons_n = 1 };
	GString *s = g_string_new(NULL);

	if (c->api->p.turn)
		turn_status(c->api->p.turn, &st);
	json_open(s, '{');
	json_key(s, "ready"), json_bool(s, st.ready);
	json_key(s, "reasons");
	json_open(s, '[');
	for (unsigned i = 0; i < st.reasons_n; i++)
		json_cstr(s, st.reasons[i]);
	json_close(s, ']');
	json_close(s, '}');
	call_take(c, st.ready ? 200 : 503, s);
}

void on_metrics(struct call *c)
{
	GString *s = g_string_new(NULL);

	if (c->api->p.turn)
		turn_metrics(c->api->p.turn);
	metric_set("http_connections", server_connections(c->api->server), NULL);
	metrics_print(s);
	call_text(c, 200, "text/plain; version=0.0.4; charset=utf-8",
	    (struct str){ s->str, (uint32_t)s->len });
	g_string_free(s, TRUE);
}

void on_version(struct call *c)
{
	const struct store *store = c->api->p.store;
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "version"), json_cstr(s, c->api->version);
	json_key(s, "instance"), json_cstr(s, store ? store_meta(store)->instance : NULL);
	json_key(s, "epoch"), json_cstr(s, store ? store_meta(store)->epoch : NULL);
	json_close(s, '}');
	call_take(c, 200, s);
}
