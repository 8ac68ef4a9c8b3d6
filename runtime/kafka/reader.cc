#include "kafka/reader.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "kafka/client.h"
#include "kafka/gathering.h"
#include "kafka/requests.h"

namespace weir {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

KafkaReader::KafkaReader(ClusterSettings cluster, std::string topic)
    : cluster_(std::move(cluster)), topic_(std::move(topic)) {}

KafkaReader::~KafkaReader() = default;

Status KafkaReader::open(ReadFrom from) {
  if (!client_) {
    ClusterSettings cluster = cluster_;
    cluster.properties.insert(
        cluster.properties.begin(),
        {{"fetch.wait.max.ms", "100"}, {"queued.max.messages.kbytes", "32768"}});
    WEIR_TRY_ASSIGN(client_, Client::make(RD_KAFKA_CONSUMER, cluster,
                                          {// The client wants a name; nobody joins or commits.
                                           {"group.id", "weir-reader"},
                                           {"isolation.level", "read_committed"},
                                           {"enable.auto.commit", "false"},
                                           {"enable.auto.offset.store", "false"},
                                           {"auto.offset.reset", "error"},
                                           {"enable.partition.eof", "true"},
                                           {"check.crcs", "true"}}));
  }
  return start(from);
}

Status KafkaReader::start(ReadFrom from) {
  WEIR_TRY_ASSIGN(const TopicShape shape, topic_shape(*client_, topic_, cluster_.request_wait_max));
  const ListPtr list(rd_kafka_topic_partition_list_new(shape.partitions));
  std::vector<Position> unread;
  for (std::int32_t p = 0; p < shape.partitions; ++p) {
    const auto ask = [&](std::int64_t query) {
      return log_offset(*client_, topic_, Partition(p), query, cluster_.request_wait_max);
    };
    WEIR_TRY_ASSIGN(const NextOffset begin, ask(RD_KAFKA_OFFSET_BEGINNING));
    WEIR_TRY_ASSIGN(const NextOffset end, ask(RD_KAFKA_OFFSET_END));
    NextOffset first = begin;
    switch (from.kind) {
      case ReadFrom::Kind::earliest:
        break;
      case ReadFrom::Kind::latest:
        first = end;
        break;
      case ReadFrom::Kind::offset:
        first = std::clamp(NextOffset(from.value), begin, end);
        break;
      case ReadFrom::Kind::timestamp: {
        WEIR_TRY_ASSIGN(first, ask(std::max<std::int64_t>(from.value, 0)));
        first = std::clamp(first, begin, end);
        break;
      }
    }
    rd_kafka_topic_partition_list_add(list.get(), topic_.c_str(), p)->offset = first.value();
    if (first < end) {
      unread.push_back({{InputIndex(0), Partition(p)}, end});
    }
  }
  if (const rd_kafka_resp_err_t code = rd_kafka_assign(client_->get(), list.get())) {
    return failure_of(*client_, code, fmt::format("reading topic {}", topic_));
  }
  partitions_ = shape.partitions;
  unread_ = std::move(unread);
  return Status::ok();
}

Result<std::vector<KafkaReader::Hidden>> KafkaReader::hidden() const {
  WEIR_TRY_ASSIGN(const std::unique_ptr<Client> uncommitted, make_uncommitted_reader(cluster_));
  std::vector<Hidden> hidden;
  for (std::int32_t p = 0; p < partitions_; ++p) {
    const auto ask_end = [&](const Client& client) {
      return log_offset(client, topic_, Partition(p), RD_KAFKA_OFFSET_END,
                        cluster_.request_wait_max);
    };
    // First, or what is written meanwhile would count.
    WEIR_TRY_ASSIGN(const NextOffset end, ask_end(*uncommitted));
    WEIR_TRY_ASSIGN(const NextOffset readable, ask_end(*client_));
    if (readable < end) {
      hidden.push_back({Partition(p), readable, end});
    }
  }
  return hidden;
}

Result<Batch> KafkaReader::poll(milliseconds wait_max, std::size_t records_max) {
  const auto deadline = steady_clock::now() + wait_max;
  Gathering gathering;
  const auto read_up_to = [this](InputPartition where, NextOffset next) {
    std::erase_if(unread_,
                  [&](const Position& end) { return end.where == where && next >= end.next; });
  };
  while (gathering.size() < records_max) {
    const auto left = gathering.is_empty()
                          ? std::chrono::ceil<milliseconds>(deadline - steady_clock::now())
                          : milliseconds(0);
    MessagePtr message(
        rd_kafka_consumer_poll(client_->get(), to_ms(std::max(left, milliseconds(0)))));
    if (!message) {
      break;
    }
    const InputPartition where{InputIndex(0), Partition(message->partition)};
    if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || is_unreadable(message->err)) {
      return Status::stop(
          ExitCode::bad_input,
          fmt::format("topic {} partition {} offset {} can't be read: {}", topic_,
                      message->partition, message->offset, rd_kafka_message_errstr(message.get())));
    }
    switch (message->err) {
      case RD_KAFKA_RESP_ERR_NO_ERROR:
        read_up_to(where, next(Offset(message->offset)));
        gathering.add(where, std::move(message));
        break;
      case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        read_up_to(where, NextOffset(message->offset));
        gathering.add_end({where, NextOffset(message->offset)});
        break;
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return Status::stop(ExitCode::bad_input,
                            fmt::format("topic {} was deleted while it was read", topic_));
      case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
      case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return failure_of(*client_, message->err, fmt::format("reading topic {}", topic_));
      default:
        break;  // passes
    }
  }
  return std::move(gathering).finish();
}

}  // namespace weir
