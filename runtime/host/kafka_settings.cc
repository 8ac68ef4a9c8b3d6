#include "host/kafka_settings.h"

#include <charconv>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "config/document.h"
#include "kafka/topic_guard.h"
#include "text/quantity.h"

namespace weir {

namespace {

// The setting that a property of this name fills; nullptr: it passes through.
std::chrono::milliseconds* own_setting(KafkaSettings& settings, std::string_view name) {
  return name == "session.timeout.ms"       ? &settings.session_silence_max
         : name == "max.poll.interval.ms"   ? &settings.poll_silence_max
         : name == "transaction.timeout.ms" ? &settings.transaction_age_max
                                            : nullptr;
}

Status parse(std::string_view name, std::string_view value, std::chrono::milliseconds& setting) {
  constexpr std::int64_t kMin = 1'000;
  constexpr std::int64_t kMax = 900'000;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || number < kMin ||
      number > kMax) {
    return Status::stop(ExitCode::config,
                        fmt::format("{} is \"{}\", not a number of milliseconds from {} to {}",
                                    name, value, kMin, kMax));
  }
  setting = std::chrono::milliseconds(number);
  return Status::ok();
}

Result<KafkaSettings> read(const std::vector<config::KafkaProperty>& properties) {
  KafkaSettings settings;
  for (const config::KafkaProperty& property : properties) {
    if (std::chrono::milliseconds* setting = own_setting(settings, property.name)) {
      WEIR_TRY(parse(property.name, property.value, *setting));
    } else if (property.name == "bootstrap.servers") {
      settings.cluster.bootstrap = property.value;
    } else {
      settings.cluster.properties.push_back({property.name, property.value});
    }
  }
  return settings;
}

}  // namespace

Status check_kafka_property(std::string_view name, std::string_view value) {
  KafkaSettings settings;
  if (std::chrono::milliseconds* setting = own_setting(settings, name)) {
    return parse(name, value, *setting);
  }
  return name == "bootstrap.servers" ? check_bootstrap(value) : check_property(name, value);
}

Status check_turn(const config::Deployment& deployment) {
  WEIR_TRY_ASSIGN(const KafkaSettings settings, read(deployment.kafka));
  const std::chrono::milliseconds age_max = settings.transaction_age_max;
  const std::chrono::milliseconds interval_max = deployment.turn.interval_max;
  return interval_max <= age_max / 2
             ? Status::ok()
             : Status::stop(
                   ExitCode::config,
                   fmt::format("turn.interval_max is {0} and kafka: transaction.timeout.ms {1}: "
                               "the broker ends a transaction of that age, so a turn may take half "
                               "of it at most, or none would ever be committed. Set "
                               "turn.interval_max to {2} or less, or transaction.timeout.ms to "
                               "{3} or more",
                               duration_text(interval_max), age_max.count(),
                               duration_text(age_max / 2), 2 * interval_max.count()))
                   .within(deployment.file);
}

KafkaSettings kafka_settings(const config::Deployment& deployment, const Log& log) {
  Result<KafkaSettings> read_settings = read(deployment.kafka);
  WEIR_ASSERT(read_settings.is_ok());
  KafkaSettings settings = std::move(read_settings).value();
  ClusterSettings& cluster = settings.cluster;
  cluster.client_id = deployment.id;
  for (const config::Setting& setting : deployment.settings) {
    if (setting.path == std::vector<std::string>{"kafka", "bootstrap.servers"}) {
      const std::string origin = config::origin_of(setting);
      cluster.bootstrap_origin =
          origin == "default"
              ? fmt::format("default, as {} says no kafka.bootstrap.servers", deployment.file)
              : origin;
    }
  }
  cluster.log = [&log](int severity, std::string_view message) {
    constexpr int kSyslogError = 3;
    if (severity <= kSyslogError) {
      log.warning("kafka client", {{"message", std::string(message)}});
    } else {
      log.debug("kafka client", {{"message", std::string(message)}});
    }
  };
  if (!may_ask_topic_id(cluster)) {
    log.info(
        "topics are told apart by partition count, offsets and stream time only: their ids "
        "can't be asked for with these security.protocol, sasl.* and ssl.*");
  }
  return settings;
}

}  // namespace weir
