/* Sinks: outbox -> Kafka, MQTT, webhook, mail.  No kind exists in this version; the
 * outbox itself is written and the run source reads it. */
#ifndef SINK_SINK_H
#define SINK_SINK_H

#include "rules/catalog.h"

#endif
