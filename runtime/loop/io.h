// The seams of the runtime. What stands behind them is Kafka, protobuf and the wall clock in
// production, the simulated Kafka in tests; the loop can't tell. No client's type shows here, so
// that another client can stand behind them.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "loop/topic_identity.h"
#include "weir/record.h"
#include "weir/status.h"

namespace weir {

// Which of the lane's inputs, in the order of its settings.
using InputIndex = Strong<struct InputIndexTag, std::uint16_t>;
// Which of the lane's outputs, in the order of its settings.
using OutputIndex = Strong<struct OutputIndexTag, std::uint16_t>;

struct InputPartition {
  InputIndex input;
  Partition partition;

  friend auto operator<=>(const InputPartition&, const InputPartition&) = default;
};

// Where to read on.
struct Position {
  InputPartition where;
  NextOffset next;
};

// The place of one input record: who is to blame for an output.
struct Origin {
  InputPartition where;
  Offset offset;

  friend auto operator<=>(const Origin&, const Origin&) = default;
};

// ---- input ----

// One record as Kafka delivered it; a view into its Batch.
struct RawRecord {
  InputPartition where;
  Offset offset;
  Timestamp timestamp;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // nullopt: a tombstone
  std::span<const Header> headers;
};

// Records and the bytes that they are views into. Offsets ascend per partition, with gaps (control
// records, aborted transactions).
struct Batch {
  // The client's buffers; freed with the batch.
  struct Buffers {
    virtual ~Buffers() = default;
  };

  std::vector<RawRecord> records;
  // Partitions whose end was reached, after their records: the position there, which lies past
  // control records. A later record takes it back.
  std::vector<Position> ends;
  std::unique_ptr<Buffers> buffers;
};

// The group's committed offset of a partition and the metadata committed with it.
struct Committed {
  InputPartition where;
  std::optional<NextOffset> next;  // nullopt: never committed, or expired
  std::string metadata;
};

// An offset to commit and what to commit with it.
struct OffsetToCommit {
  InputPartition where;
  NextOffset next;
  std::string metadata;
};

// What the log holds now for a read_committed reader.
struct LogBounds {
  NextOffset start;  // the earliest retained record, or later
  NextOffset end;    // the last stable offset
};

// Told about the group's decisions, inside Source::poll, on the lane's thread.
class AssignmentListener {
 public:
  virtual ~AssignmentListener() = default;

  // The lane owns `partitions` and nothing else from now on. Returns where to read each of them. A
  // failure leaves them unread and becomes the result of poll; unless they are revoked meanwhile,
  // the next poll asks again.
  virtual Result<std::vector<Position>> assigned(std::span<const InputPartition> partitions) = 0;

  // The lane owns nothing when this returns. Not `lost`: the open turn may still be committed
  // within this call, and only within it. `lost`: others may own the partitions already.
  virtual void revoked(bool lost) = 0;
};

// The consumer of one lane. All calls on the lane's thread; each returns within its bound.
class Source {
 public:
  virtual ~Source() = default;

  // Joins the group. `listener` is borrowed and outlives the source. The questions below
  // (committed, log_bounds, log_end, offset_at, identity) and `found_group` work before it, too.
  virtual Status open(AssignmentListener& listener) = 0;

  // Commits where a new group begins, as no member of it; ok, too, when any of these partitions has
  // an offset by now. A founder that is held up in between, for however long, commits nothing once
  // another one has founded the group.
  virtual Status found_group(std::span<const OffsetToCommit> beginnings) = 0;

  // Up to `records_max` records, waiting `wait_max` for the first. An empty batch is no error.
  // Remedy::retry: nothing was taken from the log.
  // Records polled before a revocation in the same call are dropped here.
  virtual Result<Batch> poll(std::chrono::milliseconds wait_max, std::size_t records_max) = 0;

  // Reads on from these positions; the partitions are owned. Nothing polled before is delivered
  // after.
  virtual Status seek(std::span<const Position> positions) = 0;

  // The group's committed offsets as of now, after any transaction in flight on them has ended.
  virtual Result<std::vector<Committed>> committed(std::span<const InputPartition> partitions) = 0;

  virtual Result<LogBounds> log_bounds(InputPartition where) = 0;

  // Where the log ends, whatever open transactions hide: all that it holds by now lies below. With
  // `until` the first record stamped at or after it, if there is one.
  virtual Result<NextOffset> log_end(InputPartition where, std::optional<Timestamp> until) = 0;

  // The log's end as the last fetch told it: cheap, for measuring lag only.
  virtual std::optional<NextOffset> known_end(InputPartition where) = 0;

  // As LogBounds::end, asked for all at once, within a second; without those that can't be told, or
  // none. For measuring lag, too: a client that has fetched enough hears no more of the ends.
  virtual std::vector<Position> ends(std::span<const InputPartition> partitions) = 0;

  // The first record stamped at or after `time` that a read_committed reader may read now; the end
  // of what it may read when there is none.
  virtual Result<NextOffset> offset_at(InputPartition where, Timestamp time) = 0;

  virtual Result<TopicIdentity> identity(InputIndex input) = 0;

  // Proof of membership for Sink::send_offsets, opaque; the broker refuses it once the group moved
  // on.
  virtual Result<std::string> membership() = 0;

  // A new consumer in place of this one, as a new member. The old assignment is gone (revoked(lost)
  // is not called).
  virtual Status rejoin() = 0;

  // Leaves for good; revoked(false) is called if partitions are owned.
  virtual void close() = 0;
};

// ---- output ----

// A partition chosen by murmur2 of the key, as Java's clients do.
inline constexpr Partition kPartitionByKey{-1};

// One record to be sent; a view.
struct OutRecord {
  OutputIndex output;
  Partition partition;
  Timestamp timestamp;  // > 0
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::span<const Header> headers;
  Origin origin;
};

// A record that the broker will not take, however often: too large, timestamp out of bounds.
struct Refusal {
  static constexpr auto kTooLarge = "output_too_large";
  static constexpr auto kTimestamp = "output_timestamp";
  static constexpr auto kOther = "output_refused";

  Origin origin;
  OutputIndex output;
  std::string reason;  // one of the above
  std::string message;
};

// What must be made anew before the next transaction, because a request of the last one went out
// without a clean answer and a late copy of it could strike the next.
enum class Doubt { none, producer, producer_and_consumer };

// The transactional producer of one lane. All calls on the lane's thread; each returns within a few
// seconds, but send_offsets, while brokers are silent, only after as long as a transaction may
// last. Remedy::retry means "not yet, call again".
class Sink {
 public:
  virtual ~Sink() = default;

  // Fences every earlier producer of this transactional id, finishing or aborting what it left
  // open. Nothing to do where it is open already.
  virtual Status open() = 0;

  // True when an output, or the dead letters, ever held a record. After open.
  virtual Result<bool> has_written() = 0;

  virtual Result<TopicIdentity> identity(OutputIndex output) = 0;

  // What is known beforehand to be refused by the broker, and why: such a record costs no
  // transaction. What passes may still be refused. After open, also before begin.
  virtual std::optional<Refusal> foresee_refusal(const OutRecord& record) = 0;

  virtual Status begin() = 0;

  // Copies the records. Order is kept per (output, partition).
  virtual Status send(std::span<const OutRecord> records) = 0;

  // All records sent so far are acknowledged, or the failure says what to do. With
  // Remedy::abort and non-empty refusals(), those records are the cause.
  virtual Status flush() = 0;

  // Adds offsets to the transaction. `membership` from Source::membership, taken after the last
  // poll.
  virtual Status send_offsets(std::span<const OffsetToCommit> offsets,
                              std::string_view membership) = 0;

  // Remedy::retry: outcome not known yet; only commit may be called, or recreate.
  // Remedy::recreate: outcome unknown for good; after recreate() the committed offsets tell it.
  virtual Status commit() = 0;

  virtual Status abort() = 0;

  // Of the transaction that ended last.
  virtual Doubt doubt() const = 0;

  // Records that the broker refused since the last begin.
  virtual std::span<const Refusal> refusals() const = 0;

  // A new producer with the same transactional id. Whatever the old one had in flight can't take
  // effect any more once this returned ok.
  virtual Status recreate() = 0;
};

// ---- codec ----

// What a record decodes to.
struct Decoded {
  std::string_view wire;  // protobuf wire bytes; valid until the next decode
  std::string_view
      declared_key;  // DedupKey bytes by the fields of `dedup.key`; empty: none declared
  Status status;     // ok, or dead_letter with its reason
};

// What decoding found that is not worth a dead letter.
struct DecodeCounts {
  std::uint64_t unknown_fields = 0;
  std::uint64_t cleaned_fields = 0;  // renamed, defaulted, trimmed

  DecodeCounts& operator+=(const DecodeCounts& other) {
    unknown_fields += other.unknown_fields;
    cleaned_fields += other.cleaned_fields;
    return *this;
  }
};

// Turns the values of a lane's inputs into protobuf wire bytes. One thread.
class Codec {
 public:
  virtual ~Codec() = default;

  // decoded[i] belongs to records[i]; a record that can't be decoded says so in its status.
  virtual DecodeCounts decode(std::span<const RawRecord> records, std::span<Decoded> decoded) = 0;
};

// ---- time ----

// Monotonic, for deadlines only. No output depends on it.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::chrono::steady_clock::time_point now() = 0;
};

}  // namespace weir
