// Creates and describes topics. Calls only: what a topic should look like is decided elsewhere.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/client_settings.h"
#include "weir/record.h"
#include "weir/status.h"

namespace weir {

class Client;

struct NewTopic {
  std::string name;
  std::int32_t partitions = 1;
  std::int32_t replicas = 1;
  std::map<std::string, std::string> configs;
};

struct TopicDescription {
  std::int32_t partitions = 0;
  std::int32_t replicas = 0;
  std::map<std::string, std::string> configs;  // all, defaults included
};

// What exactly-once depends on in a topic's settings.
struct TopicFacts {
  bool has_broker_timestamps = false;        // message.timestamp.type=LogAppendTime
  std::optional<std::int64_t> ahead_ms_max;  // message.timestamp.after.max.ms; nullopt: no limit
  bool is_compacted = false;
  std::optional<std::int64_t> retention_ms;  // nullopt: not limited by time
  std::int64_t record_bytes_max = 0;         // max.message.bytes
};

TopicFacts facts_of(const TopicDescription& description);

// What to type so that `topic` gets other settings: "name=value", a comma between them.
std::string configure_command(std::string_view bootstrap, std::string_view topic,
                              std::string_view settings);

// Any thread, one at a time. Every call returns within about the settings' `request_wait_max`,
// Remedy::retry meaning that the cluster didn't answer.
class KafkaAdmin {
 public:
  explicit KafkaAdmin(ClusterSettings settings);
  ~KafkaAdmin();

  Result<std::int32_t> brokers();

  // Names of all topics that the client may see, without the brokers' own (`__…`).
  Result<std::vector<std::string>> topics();

  // nullopt: there is no such topic.
  Result<std::optional<TopicDescription>> describe(const std::string& topic);

  // Creates all, or says which could not be; they can be used when it returns ok. One that is there
  // already is a failure.
  Status create(std::span<const NewTopic> topics);

  // Ok, too, when there is no such topic.
  Status remove(const std::string& topic);

 private:
  Status connect();
  Status wait_until_known(const std::string& topic);

  const ClusterSettings settings_;
  std::unique_ptr<Client> client_;
};

}  // namespace weir
