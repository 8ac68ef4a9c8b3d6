// What a deployment says under `kafka:`, as the clients take it.
#pragma once

#include <chrono>
#include <string_view>

#include "config/deployment.h"
#include "host/log.h"
#include "kafka/client_settings.h"

namespace weir {

struct KafkaSettings {
  ClusterSettings cluster;
  // The properties that both a client and its lane must know; librdkafka's names for them are
  // session.timeout.ms, max.poll.interval.ms and transaction.timeout.ms.
  std::chrono::milliseconds session_silence_max = SourceSettings().session_silence_max;
  std::chrono::milliseconds poll_silence_max = SourceSettings().poll_silence_max;
  std::chrono::milliseconds transaction_age_max = SinkSettings().transaction_age_max;
};

// Ok when the property may stand under `kafka:`; else stop(config) with the reason. For lint and
// for the start alike; connects nowhere.
Status check_kafka_property(std::string_view name, std::string_view value);

// Ok when the broker leaves a turn's transaction the time that the turn may take and as long again
// to be committed; else stop(config) that names both settings. As check_kafka_property otherwise,
// which `deployment`'s properties passed.
Status check_turn(const config::Deployment& deployment);

// `deployment`'s properties passed check_kafka_property. `log` is borrowed, and told here
// when topics can't be told apart by their ids.
KafkaSettings kafka_settings(const config::Deployment& deployment, const Log& log);

}  // namespace weir
