/* The OpenAPI document, out of the route table. */
#include <string.h>

#include "api/priv.h"
#include "base/json.h"

static const char *schema_type(char type)
{
	return type == 'b' ? "boolean" : type == 'i' ? "integer" :
	    type == 'o' ? "object" : type == 'l' ? "array" : "string";
}

static void put_schema(char type, GString *s)
{
	json_key(s, "schema");
	json_open(s, '{');
	json_key(s, "type"), json_cstr(s, schema_type(type));
	json_close(s, '}');
}

static void put_parameter(struct str name, const char *in, char type, GString *s)
{
	json_open(s, '{');
	json_key(s, "name"), json_str(s, name);
	json_key(s, "in"), json_cstr(s, in);
	json_key(s, "required"), json_bool(s, strcmp(in, "path") == 0);
	put_schema(type, s);
	json_close(s, '}');
}

static void put_parameters(const struct route *r, GString *s)
{
	const char *list = r->query;
	struct route_word w;

	json_key(s, "parameters");
	json_open(s, '[');
	for (const char *at = strchr(r->path, '{'); at; at = strchr(at + 1, '{'))
		put_parameter((struct str){ at + 1, (uint32_t)strcspn(at + 1, "}") },
		    "path", 's', s);
	while (route_word(&list, &w))
		put_parameter(w.name, "query", w.type, s);
	if (route_changes(r))
		put_parameter(STR("Idempotency-Key"), "header", 's', s);
	json_close(s, ']');
}

static void put_body(const struct route *r, GString *s)
{
	const char *list = r->body, *again = r->body;
	struct route_word w;

	if (!r->body)
		return;
	json_key(s, "requestBody");
	json_open(s, '{');
	json_key(s, "content");
	json_open(s, '{');
	json_key(s, "application/json");
	json_open(s, '{');
	json_key(s, "schema");
	json_open(s, '{');
	if (strcmp(r->body, "*") != 0) {
		json_key(s, "type"), json_cstr(s, "object");
		json_key(s, "additionalProperties"), json_bool(s, false);
		json_key(s, "required");
		json_open(s, '[');
		while (route_word(&again, &w))
			if (w.required)
				json_str(s, w.name);
		json_close(s, ']');
		json_key(s, "properties");
		json_open(s, '{');
		while (route_word(&list, &w)) {
			json_key_str(s, w.name);
			json_open(s, '{');
			json_key(s, "type"), json_cstr(s, schema_type(w.type));
			json_close(s, '}');
		}
		json_close(s, '}');
	}
	json_close(s, '}');
	json_close(s, '}');
	json_close(s, '}');
	json_close(s, '}');
}

static void put_response(const char *code, const char *text, GString *s)
{
	json_key(s, code);
	json_open(s, '{');
	json_key(s, "description"), json_cstr(s, text);
	json_close(s, '}');
}

static void put_operation(const struct route *r, GString *s)
{
	char *method = g_ascii_strdown(r->method, -1);

	json_key(s, method);
	json_open(s, '{');
	json_key(s, "summary"), json_cstr(s, r->doc);
	json_key(s, "x-role"), json_cstr(s, role_name(r->role));
	if (r->role == ROLE_OPEN) {
		json_key(s, "security");
		json_open(s, '[');
		json_close(s, ']');
	}
	put_parameters(r, s);
	put_body(r, s);
	json_key(s, "responses");
	json_open(s, '{');
	if (r->role == ROLE_INGEST)
		put_response("202", "Committed", s);
	else
		put_response("200", "Done", s);
	put_response("default", "{\"error\": text}", s);
	json_close(s, '}');
	json_close(s, '}');
	g_free(method);
}

/* Rows of one path need not stand together. */
static bool is_first(const struct route *r)
{
	for (const struct route *q = api_routes; q != r; q++)
		if (strcmp(q->path, r->path) == 0)
			return false;
	return true;
}

static void put_security(GString *s)
{
	json_key(s, "components");
	json_raw(s, STR("{\"securitySchemes\":{\"token\":{\"type\":\"http\","
	    "\"scheme\":\"bearer\"}}}"));
	json_key(s, "security");
	json_raw(s, STR("[{\"token\":[]}]"));
}

void on_openapi(struct call *c)
{
	GString *s = g_string_new(NULL);

	json_open(s, '{');
	json_key(s, "openapi"), json_cstr(s, "3.1.0");
	json_key(s, "info");
	json_open(s, '{');
	json_key(s, "title"), json_cstr(s, "retraind");
	json_key(s, "version"), json_cstr(s, c->api->version);
	json_close(s, '}');
	put_security(s);
	json_key(s, "paths");
	json_open(s, '{');
	for (const struct route *r = api_routes; r->method; r++) {
		if (!is_first(r))
			continue;
		json_key(s, r->path);
		json_open(s, '{');
		for (const struct route *q = r; q->method; q++)
			if (strcmp(q->path, r->path) == 0)
				put_operation(q, s);
		json_close(s, '}');
	}
	json_close(s, '}');
	json_close(s, '}');
	call_take(c, 200, s);
}
