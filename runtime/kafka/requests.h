// Questions to the cluster that any of our clients may ask. Private to this folder.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/client.h"
#include "loop/io.h"
#include "weir/status.h"

namespace weir {

// What to do about `code`, met while `doing` something: retry where time mends it, else stop with
// the exit code that fits. Serves a producer's callbacks.
Status failure_of(const Client& client, rd_kafka_resp_err_t code, std::string_view doing);

// What a consumer is told of records that the client can't read: damaged, or of a format or codec
// that it doesn't know. It would go on behind them.
bool is_unreadable(rd_kafka_resp_err_t code);

// A topic that isn't there; the message names the command that makes it.
Status topic_is_missing(std::string_view topic);

// The same to a lane, whose offsets may speak of a topic that was there before.
Status topic_is_gone(std::string_view topic);

struct TopicShape {
  std::int32_t partitions = 0;
  std::int32_t replicas = 0;         // of its first partition
  std::vector<std::string> brokers;  // the whole cluster's, HOST:PORT as they advertise themselves
};

// nullopt: no such topic. Nothing is created by asking.
Result<std::optional<TopicShape>> find_topic_shape(const Client& client, const std::string& topic,
                                                   std::chrono::milliseconds wait_max);

// The same, but what isn't there is topic_is_missing().
Result<TopicShape> topic_shape(const Client& client, const std::string& topic,
                               std::chrono::milliseconds wait_max);

using TopicConfigs = std::map<std::string, std::string>;

// All settings of the topic as the broker has them, defaults included; nullopt: no such topic.
Result<std::optional<TopicConfigs>> topic_configs(const Client& client, const std::string& topic,
                                                  std::chrono::milliseconds wait_max);

// The topic's max.message.bytes, which holds for a batch as it is sent; nullopt: nobody may ask.
Result<std::optional<std::size_t>> message_bytes_max(const Client& client, const std::string& topic,
                                                     std::chrono::milliseconds wait_max);

// How large a batch may be that holds several records: the broker refuses batches as a whole, so
// one beyond the topic's limit must hold a single record. The client's default where the limit is
// larger, or not known.
inline constexpr std::size_t kBatchBytesMax = 1'000'000;
std::size_t batch_bytes_max(std::optional<std::size_t> message_bytes_max);

// What can be asked about logs by a client that sees what open transactions hide, too.
Result<std::unique_ptr<Client>> make_uncommitted_reader(const ClusterSettings& cluster);

// What the log of a partition holds of what `client` may see: where it starts
// (RD_KAFKA_OFFSET_BEGINNING), where it ends (RD_KAFKA_OFFSET_END), or the first offset stamped at
// or after a time in ms, which is the end where there is none.
Result<NextOffset> log_offset(const Client& client, const std::string& topic, Partition partition,
                              std::int64_t query, std::chrono::milliseconds wait_max);

void add_offset(rd_kafka_topic_partition_list_t& list, const std::string& topic,
                const OffsetToCommit& offset);

inline int to_ms(std::chrono::milliseconds wait) {
  return static_cast<int>(wait.count());
}

}  // namespace weir
