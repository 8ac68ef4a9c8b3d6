#include "kafka/producer.h"

#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "kafka/client.h"
#include "kafka/requests.h"
#include "loop/partitioner.h"
#include "text/words.h"

namespace weir {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kSlice{1000};

// The client, or the broker, knows no such partition any more.
bool is_of_deleted_topic(rd_kafka_resp_err_t code) {
  return code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
         code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART;
}

}  // namespace

void KafkaProducer::TopicCloser::operator()(rd_kafka_topic_s* topic) const {
  rd_kafka_topic_destroy(topic);
}

KafkaProducer::KafkaProducer(ProducerSettings settings)
    : settings_(std::move(settings)), batch_bytes_(kBatchBytesMax) {}

KafkaProducer::~KafkaProducer() = default;

Status KafkaProducer::open() {
  if (!client_) {
    ClusterSettings cluster = settings_.cluster;
    cluster.properties.insert(cluster.properties.begin(),
                              {{"compression.codec", "lz4"},
                               {"linger.ms", "20"},
                               {"queue.buffering.max.messages", "200000"},
                               {"queue.buffering.max.kbytes", "65536"}});
    WEIR_TRY_ASSIGN(
        client_, Client::make(RD_KAFKA_PRODUCER, cluster,
                              {{"enable.idempotence", "true"},
                               {"partitioner", "murmur2_random"},
                               // Never given up: giving up would lose the order of what follows.
                               {"message.timeout.ms", "0"},
                               {"message.max.bytes", "100000000"},
                               {"batch.size", std::to_string(batch_bytes_)}},
                              {.delivered = [this](const rd_kafka_message_t& m) { delivered(m); },
                               .rebalanced = {}}));
    topic_.reset(rd_kafka_topic_new(client_->get(), settings_.topic.c_str(), nullptr));
    if (!topic_) {
      return Status::stop(ExitCode::config,
                          fmt::format("\"{}\" is no name for a topic", settings_.topic));
    }
  }
  WEIR_TRY_ASSIGN(const std::optional<TopicShape> shape,
                  find_topic_shape(*client_, settings_.topic, kSlice));
  is_topic_missing_ = !shape;
  if (!shape) {
    return topic_is_missing(settings_.topic);
  }
  WEIR_TRY_ASSIGN(const std::optional<std::size_t> limit,
                  message_bytes_max(*client_, settings_.topic, kSlice));
  const std::size_t batch_bytes = batch_bytes_max(limit);
  if (batch_bytes != batch_bytes_) {
    batch_bytes_ = batch_bytes;
    topic_.reset();
    client_.reset();
    return open();  // a client's batches are as large as it was told when it was made
  }
  partitions_ = shape->partitions;
  return Status::ok();
}

Status KafkaProducer::send(std::optional<std::string_view> key,
                           std::optional<std::string_view> value, Partition partition) {
  WEIR_ASSERT(partitions_ > 0);
  std::int32_t to = partition.value();
  if (partition == kPartitionByKey) {
    to = key ? partition_of(*key, partitions_).value() : RD_KAFKA_PARTITION_UA;
  } else if (to >= partitions_) {
    return Status::stop(ExitCode::config, fmt::format("topic {} has no partition {}, only {}",
                                                      settings_.topic, to, partitions_));
  }
  const auto start_of = [](const std::optional<std::string_view>& bytes) {
    return bytes ? (bytes->data() == nullptr ? "" : bytes->data()) : nullptr;
  };
  const auto deadline = steady_clock::now() + kSlice;
  for (;;) {
    const rd_kafka_resp_err_t code = rd_kafka_producev(
        client_->get(), RD_KAFKA_VTYPE_RKT, topic_.get(), RD_KAFKA_VTYPE_PARTITION, to,
        RD_KAFKA_VTYPE_MSGFLAGS, RD_KAFKA_MSG_F_COPY, RD_KAFKA_VTYPE_KEY, start_of(key),
        key ? key->size() : std::size_t{0}, RD_KAFKA_VTYPE_VALUE, start_of(value),
        value ? value->size() : std::size_t{0}, RD_KAFKA_VTYPE_OPAQUE,
        reinterpret_cast<void*>(sent_),  // NOLINT: a number, which the delivery report brings back
        RD_KAFKA_VTYPE_END);
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
      rd_kafka_poll(client_->get(), 10);
      if (steady_clock::now() > deadline) {
        return Status::retry(
            fmt::format("topic {}: the broker takes nothing now", settings_.topic));
      }
      continue;
    }
    if (is_of_deleted_topic(code)) {
      return topic_is_deleted();
    }
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR && code != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE) {
      return end_of_client();
    }
    const bool is_refused = code != RD_KAFKA_RESP_ERR_NO_ERROR;
    if (is_refused) {
      refused_.push_back({sent_, rd_kafka_err2str(code)});
    }
    ++sent_;
    is_settled_.push_back(is_refused);
    return serve();
  }
}

Status KafkaProducer::serve() {
  rd_kafka_poll(client_->get(), 0);
  settle();
  return is_topic_deleted_ ? topic_is_deleted() : Status::ok();
}

void KafkaProducer::settle() {
  while (!is_settled_.empty() && is_settled_.front()) {
    is_settled_.pop_front();
    ++settled_;
  }
}

void KafkaProducer::delivered(const rd_kafka_message_t& message) {
  const auto number = reinterpret_cast<std::uint64_t>(message._private);
  if (is_of_deleted_topic(message.err)) {  // no record's fault: all that follow would fare alike
    is_topic_deleted_ = true;
    return;
  }
  switch (message.err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
      break;
    case RD_KAFKA_RESP_ERR__PURGE_QUEUE:
    case RD_KAFKA_RESP_ERR__PURGE_INFLIGHT:
      return;  // whether it was written is not known
    default:
      refused_.push_back({number, rd_kafka_err2str(message.err)});
  }
  is_settled_[number - settled_] = true;
}

Status KafkaProducer::flush() {
  const auto deadline = steady_clock::now() + kSlice;
  while (true) {
    WEIR_TRY(serve());
    if (settled_ == sent_) {
      return Status::ok();
    }
    if (rd_kafka_fatal_error(client_->get(), nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR) {
      return end_of_client();
    }
    if (steady_clock::now() > deadline) {
      return Status::retry(fmt::format("topic {}: {} records are not acknowledged yet",
                                       settings_.topic, sent_ - settled_));
    }
    rd_kafka_flush(client_->get(), 50);
  }
}

Status KafkaProducer::topic_is_deleted() const {
  return Status::stop(
      ExitCode::config,
      fmt::format("there is no topic {} any more: it was deleted. The first {} records of this run "
                  "were written to it, those behind them not; create it again (`{} topics apply "
                  "CONFIG`) and start again",
                  settings_.topic, settled_, tool_command()));
}

Status KafkaProducer::end_of_client() const {
  char why[512] = "";
  rd_kafka_fatal_error(client_->get(), why, sizeof(why));
  return Status::stop(ExitCode::temporary,
                      fmt::format("writing to topic {}: {}. Start again: the first {} records are "
                                  "written",
                                  settings_.topic, why, settled_));
}

}  // namespace weir
