/* An MQTT subscriber: libmosquitto with its blocking calls on the helper and its
 * socket on the loop.  All calls are made on the loop's thread.
 *
 * Acknowledgements wait for mqtt_acknowledge(): until then nothing at all is written,
 * because libmosquitto sends what is queued in order.  It connects, and connects
 * again, by itself until closed. */
#ifndef IO_MQTT_H
#define IO_MQTT_H

#include <mosquitto.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

struct loop;
struct pool;
struct mqtt;

struct mqtt_settings {		/* texts are copied */
	const char	*client_id, *host;
	int		 port;
	bool		 tls;
	const char	*ca, *cert, *key; /* paths; NULL: the system's, none, none */
	const char	*user;		/* or NULL */
	int		 keepalive_s;
	uint16_t	 receive_maximum;
	uint32_t	 max_packet;
};
struct mqtt_host {
	struct loop	*loop;
	struct pool	*helper;
	const char	*label;		/* for log lines; copied */
	/* The password for the next connect, allocated (wiped by us); NULL: none. */
	char		*(*password)(void *);
	void		(*on_up)(void *, bool session_present);
	void		(*on_down)(void *, const char *why);
	void		(*on_readable)(void *);	/* call mqtt_read() */
	/* From inside mqtt_read(), and once in a while before it. */
	void		(*on_message)(void *, const struct mosquitto_message *,
			    const mosquitto_property *);
	/* All of the last mqtt_subscribe() was answered; `refused`: the first filter that
	 * was not granted, or NULL. */
	void		(*on_subscribed)(void *, const char *refused);
	void		*ctx;
};

struct mqtt *mqtt_new(const struct mqtt_host *, const struct mqtt_settings *);
void mqtt_connect(struct mqtt *);	/* now; and whenever it is lost */
/* Hands over up to `max` messages (a TLS record may bring more); true: ask again. */
bool mqtt_read(struct mqtt *, uint32_t max);
/* What was handed over may be acknowledged. */
void mqtt_acknowledge(struct mqtt *);
/* Filters to add (QoS 1, retained messages only where they are new) and to remove. */
void mqtt_subscribe(struct mqtt *, char *const *add, char *const *remove);
/* Cuts the connection; queued acknowledgements are thrown away.  Without `again` it
 * stays so until mqtt_connect(). */
void mqtt_drop(struct mqtt *, const char *why, bool again);
void mqtt_close(struct mqtt *);		/* NULL is fine; no callback follows */
#endif
