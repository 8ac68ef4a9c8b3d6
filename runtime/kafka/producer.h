// A plain producer: idempotent, no transaction. For putting files into raw topics.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kafka/client_settings.h"
#include "loop/io.h"

struct rd_kafka_message_s;
struct rd_kafka_topic_s;

namespace weir {

class Client;

struct ProducerSettings {
  ClusterSettings cluster;
  std::string topic;
};

// One thread. Records are numbered as they are sent, from 0. Order is kept per partition, and the
// client repeats what the broker didn't acknowledge without doubling it, for as long as this object
// lives. A process that starts again sends from settled() on: what comes twice then is for a
// stage's dedup.
class KafkaProducer {
 public:
  // A record that the broker won't take.
  struct Refused {
    std::uint64_t number;
    std::string message;
  };

  explicit KafkaProducer(ProducerSettings settings);
  ~KafkaProducer();

  // stop(config) when there is no such topic, which is_topic_missing() tells from other reasons.
  // Remedy::retry: no broker yet.
  Status open();

  bool is_topic_missing() const { return is_topic_missing_; }

  // Copies the record. Remedy::retry: the queue is full, it wasn't taken. stop: this producer is
  // at its end; config: for the topic was deleted.
  Status send(std::optional<std::string_view> key, std::optional<std::string_view> value,
              Partition partition = kPartitionByKey);

  // Remedy::retry after about a second if not all is settled; stop as send().
  Status flush();

  // Serves acknowledgements that came in meanwhile; stop as send().
  Status serve();

  std::uint64_t sent() const { return sent_; }

  // So many records, counted from the first, need not be sent again.
  std::uint64_t settled() const { return settled_; }

  std::vector<Refused> take_refused() { return std::exchange(refused_, {}); }

 private:
  struct TopicCloser {
    void operator()(rd_kafka_topic_s* topic) const;
  };

  void delivered(const rd_kafka_message_s& message);
  void settle();
  Status topic_is_deleted() const;
  Status end_of_client() const;

  const ProducerSettings settings_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<rd_kafka_topic_s, TopicCloser> topic_;
  bool is_topic_missing_ = false;
  bool is_topic_deleted_ = false;  // since open()
  std::int32_t partitions_ = 0;
  std::size_t batch_bytes_;
  std::uint64_t sent_ = 0;
  std::uint64_t settled_ = 0;
  std::deque<bool> is_settled_;  // of the records from settled_ on
  std::vector<Refused> refused_;
};

}  // namespace weir
