// The consumer of one lane: Source over librdkafka.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kafka/client_settings.h"
#include "loop/io.h"

struct rd_kafka_message_s;
struct rd_kafka_topic_partition_list_s;

namespace weir {

class Client;
class FenceWatch;
class Gathering;
class TopicGuard;

// Reads what is committed, with an eager assignor, static membership and explicit offsets only.
//
// Batches must be gone before close() and rejoin(): a client whose records are still held can't be
// destroyed, and is left behind.
class KafkaSource final : public Source {
 public:
  explicit KafkaSource(SourceSettings settings);
  ~KafkaSource() override;

  Status open(AssignmentListener& listener) override;
  Status found_group(std::span<const OffsetToCommit> beginnings) override;
  Result<Batch> poll(std::chrono::milliseconds wait_max, std::size_t records_max) override;
  Status seek(std::span<const Position> positions) override;
  Result<std::vector<Committed>> committed(std::span<const InputPartition> partitions) override;
  Result<LogBounds> log_bounds(InputPartition where) override;
  // The high watermark: records of open transactions count.
  std::optional<NextOffset> known_end(InputPartition where) override;
  std::vector<Position> ends(std::span<const InputPartition> partitions) override;
  Result<NextOffset> log_end(InputPartition where, std::optional<Timestamp> until) override;
  Result<NextOffset> offset_at(InputPartition where, Timestamp time) override;
  Result<TopicIdentity> identity(InputIndex input) override;
  Result<std::string> membership() override;
  Status rejoin() override;
  void close() override;

  // Asks the brokers for no more than an answer, within a second: for whoever wants to know of them
  // before they gave it partitions, while other clients do the asking.
  void knock();

  // Some broker answered since all of them were down.
  bool is_reachable() const;

  // When some broker last answered. A member that has partitions asks every few seconds at least.
  std::chrono::steady_clock::time_point last_answer() const;

 private:
  class TopicCache;
  using List = rd_kafka_topic_partition_list_s;

  Status connect();
  Status subscribe();
  void rebalanced(int code, const List& partitions);
  void stay_away();
  Status away() const;
  void tell_assigned();
  Status assign_read();
  Status take_error(const rd_kafka_message_s& message, Gathering& gathering);
  Status failure_of_call(int code, std::string_view doing);
  Status fatal_failure(std::string_view detail);
  // `query` as ListOffsets has it: a time in ms, or a word for an end. `client` decides what is
  // visible.
  Result<NextOffset> list_offset(Result<const Client*> client, InputPartition where,
                                 std::int64_t query) const;
  Result<const Client*> committed_reader();
  Result<const Client*> uncommitted_reader();
  std::optional<InputIndex> input_of(std::string_view topic) const;

  const SourceSettings settings_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Client> uncommitted_client_;  // once it was asked for; no member of the group
  std::unique_ptr<FenceWatch> fences_;
  std::unique_ptr<TopicGuard> topics_;
  AssignmentListener* listener_ = nullptr;
  bool is_subscribed_ = false;
  std::optional<std::chrono::steady_clock::time_point> away_until_;  // not a member meanwhile

  // What the group gave us, and where each is read next; nullopt: not read.
  std::map<InputPartition, std::optional<NextOffset>> owned_;
  bool is_told_ = true;      // the listener knows owned_
  bool was_lost_ = false;    // the assignment was lost before a call of ours hid that
  Status listener_failure_;  // of the listener, or of what it asked for; the result of poll
  Gathering* gathering_ = nullptr;
};

}  // namespace weir
