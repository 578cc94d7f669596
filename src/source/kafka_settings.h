/* Options -> librdkafka settings (private to this floor). */
#ifndef SOURCE_KAFKA_SETTINGS_H
#define SOURCE_KAFKA_SETTINGS_H

#include "io/kafka.h"
#include "source/options.h"
#include "source/source.h"

/* Secrets and PEM files are read now; free with kafka_settings_free(). */
bool kafka_settings_build(const struct kafka_options *, struct str name,
    const struct source_host *, struct kafka_setting **ret, uint32_t *ret_n,
    struct err *);
bool kafka_topic_wanted(const struct kafka_options *, const char *topic);
#endif
