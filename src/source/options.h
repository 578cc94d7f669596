/* What an instance of each kind is configured with (private to this floor). */
#ifndef SOURCE_OPTIONS_H
#define SOURCE_OPTIONS_H

#include "base/err.h"
#include "base/option.h"

enum kafka_start { START_BEGIN = 1, START_END };

struct source_common {		/* rows that every kind has */
	int64_t		 journal;	/* enum journal_mode */
	int64_t		 payload;
	struct str	 preset;
	const struct yaml *map;
};
struct kafka_options {
	struct source_common common;
	struct option_strs brokers, topics, partitions;
	int64_t		 start;		/* enum kafka_start */
	int64_t		 security;	/* index into kafka_security_words, from 1 */
	int64_t		 discovery_ms;
	struct str	 mechanism, user;
	struct option_secret password;
	struct str	 ca, cert;
	struct option_secret key;
	struct str	 lag_group;
	const struct yaml *properties;
};
struct mqtt_options {
	struct source_common common;
	struct str	 url, client_id, user;
	struct option_strs topics;
	struct option_secret password;
	struct str	 ca, cert;
	struct option_secret key;
	int64_t		 keepalive_ms, receive_maximum, max_packet, qos;
};
struct http_options {
	struct source_common common;
	struct option_strs hooks;
	int64_t		 queue, queue_bytes;
};

struct mqtt_url {
	bool		 tls;
	struct str	 host;		/* without brackets; part of the url's text */
	int		 port;
};
/* "mqtt://host[:1883]" or "mqtts://host[:8883]". */
bool mqtt_url_parse(struct str url, struct mqtt_url *, struct err *);
/* May this librdkafka setting be given in `properties:`? */
bool kafka_property_check(struct str name, struct err *);
/* Is this partition in the list ("3", "0-7"; an empty list has all)? */
bool kafka_partition_wanted(const struct option_strs *, int32_t partition);
#endif
