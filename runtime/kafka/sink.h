// The transactional producer of one lane: Sink over librdkafka.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "kafka/client_settings.h"
#include "loop/io.h"

struct rd_kafka_error_s;
struct rd_kafka_message_s;

namespace weir {

class Client;
class FenceWatch;
class TopicGuard;

// A broker refuses whole batches and doesn't say which record is at fault. So a refusal of more
// than one record names nobody at first: the transaction aborts, and until the next commit every
// record travels alone.
class KafkaSink final : public Sink {
 public:
  explicit KafkaSink(SinkSettings settings);
  ~KafkaSink() override;

  Status open() override;
  Result<bool> has_written() override;
  // Before the first transaction: keys are spread over as many partitions as this says.
  Result<TopicIdentity> identity(OutputIndex index) override;
  // Where the producer compresses by lz4 or not at all, a record over its topic's
  // max.message.bytes is known here; and one stamped as far ahead as one that was refused in the
  // turn that is tried again.
  std::optional<Refusal> foresee_refusal(const OutRecord& record) override;
  Status begin() override;
  Status send(std::span<const OutRecord> records) override;
  Status flush() override;
  Status send_offsets(std::span<const OffsetToCommit> offsets,
                      std::string_view membership) override;
  Status commit() override;
  Status abort() override;
  // Also after a transaction in which a record was refused: the client's sequence numbers are
  // spoilt then, and its next transaction would fail. recreate() after the transaction's end
  // settles all doubt; one that cuts the transaction off leaves doubt about the consumer standing.
  Doubt doubt() const override;

  std::span<const Refusal> refusals() const override { return refusals_; }

  Status recreate() override;

 private:
  struct Output;

  struct Sent {
    Origin origin;
    OutputIndex output;
    Timestamp timestamp;
  };

  Status connect();
  Status warm_up();
  bool is_too_large(Output& output, const OutRecord& record);
  void drop_client();
  Status send_one(const OutRecord& record);
  void delivered(const rd_kafka_message_s& message);
  Status delivery_failure();
  Status failure_of_call(rd_kafka_error_s* error, std::string_view doing);
  Status fatal_failure(std::string_view doing);
  Status fatal_failure(std::string_view doing, int code, std::string_view why);
  void end_transaction();

  const SinkSettings settings_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<FenceWatch> fences_;
  std::unique_ptr<TopicGuard> topics_;
  std::vector<Output> outputs_;
  std::size_t batch_bytes_;
  // Whether the weight of a record is known here, and the level of its lz4; nullopt: uncompressed.
  bool can_weigh_ = false;
  std::optional<int> lz4_level_;
  bool is_warm_ = false;
  bool is_open_ = false;
  bool is_recreating_ = false;
  bool is_cut_off_ = false;  // … in the middle of a transaction

  bool has_ever_begun_ = false;  // a transaction

  // Of the open transaction.
  bool in_transaction_ = false;
  std::vector<Sent> sent_;  // a delivery report carries the index
  std::size_t acknowledged_ = 0;
  std::size_t failed_ = 0;
  std::string first_failure_;
  std::vector<Refusal> suspects_;
  std::vector<Refusal> refusals_;
  std::optional<std::chrono::steady_clock::time_point> commit_began_;
  std::optional<std::chrono::steady_clock::time_point> abort_began_;

  bool one_by_one_ = false;  // this client sends every record in a batch of its own
  bool wants_one_by_one_ = false;
  bool is_spoilt_ = false;  // a new client is needed before the next transaction
  Doubt cut_off_doubt_ = Doubt::none;
};

}  // namespace weir
