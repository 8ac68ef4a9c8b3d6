// One method per thing that happens. The loop neither logs nor counts; the probe owns metric names,
// labels and log levels. Called on the lane's thread, at most once per batch or rarer, never per
// record except for dead letters and drops.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <string_view>

#include "loop/io.h"

namespace weir {

// The six steps of a turn.
enum class Step : std::uint8_t { poll, decode, deduplicate, transform, produce, commit };

inline constexpr std::array kSteps{Step::poll,      Step::decode,  Step::deduplicate,
                                   Step::transform, Step::produce, Step::commit};
static_assert(
    [] {
      for (std::size_t i = 0; i < kSteps.size(); ++i) {
        if (kSteps[i] != static_cast<Step>(i)) {
          return false;
        }
      }
      return kSteps.back() == Step::commit;
    }(),
    "each step is there, in order: metrics are found by it");

// What became of the records of a turn.
struct TurnCounts {
  std::uint64_t records_in = 0;
  std::uint64_t emitted = 0;  // records that led to outputs
  std::uint64_t outputs = 0;  // records sent, dead letters not counted
  std::uint64_t duplicates = 0;
  std::uint64_t dropped = 0;
  std::uint64_t dead_letters = 0;
  std::uint64_t redeliveries = 0;  // below the expected offset, ignored
  std::uint64_t unknown_fields = 0;
  std::uint64_t cleaned_fields = 0;
  std::uint64_t output_bytes = 0;

  TurnCounts& operator+=(const TurnCounts& other) {
    static_assert(sizeof(TurnCounts) == 10 * sizeof(std::uint64_t), "each count is added below");
    records_in += other.records_in;
    emitted += other.emitted;
    outputs += other.outputs;
    duplicates += other.duplicates;
    dropped += other.dropped;
    dead_letters += other.dead_letters;
    redeliveries += other.redeliveries;
    unknown_fields += other.unknown_fields;
    cleaned_fields += other.cleaned_fields;
    output_bytes += other.output_bytes;
    return *this;
  }
};

enum class PartitionPhase : std::uint8_t { restoring, running };

class Probe {
 public:
  virtual ~Probe() = default;

  // Before each of the questions that a lane may ask the brokers in a row. Each has its bound, the
  // row has none: a lane that waits for them lives.
  virtual void brokers_asked() {}

  // Again without a revocation when local state or the producer was made anew. `time`: the stream
  // time at `committed`.
  virtual void partition_assigned(InputPartition, PartitionPhase, NextOffset /*from*/,
                                  NextOffset /*committed*/, StreamTime /*time*/) {}

  // Reading goes on from an offset that somebody else than weir committed; what is before it has an
  // outcome or not, nobody knows.
  virtual void foreign_offset_taken(InputPartition, NextOffset) {}

  virtual void partition_restored(InputPartition, NextOffset /*committed*/) {}

  virtual void partitions_revoked(bool /*lost*/) {}

  virtual void step_took(Step, std::chrono::nanoseconds) {}

  // Counted when it happens and again when an aborted turn is repeated; the committed truth is in
  // turn_committed.
  virtual void record_dead_lettered(const Origin&, std::string_view /*reason*/,
                                    std::string_view /*message*/) {}

  virtual void record_dropped(std::string_view /*reason*/) {}

  virtual void turn_committed(const TurnCounts&, std::chrono::nanoseconds /*age*/) {}

  virtual void turn_aborted(std::string_view /*why*/) {}

  // Once per partition of a committed turn.
  virtual void offset_committed(InputPartition, NextOffset, StreamTime) {}

  // A read_committed reader gets as far as this just now: the brokers were asked, or it was read to
  // its end. One that is told later may be an earlier one.
  virtual void end_seen(InputPartition, NextOffset) {}

  // As the client remembers the end of the log, behind open transactions, too: while its brokers
  // are silent it goes on saying the last one.
  virtual void end_remembered(InputPartition, NextOffset) {}

  // `reason` is Status::reason's word, `why` its message.
  virtual void producer_recreated(std::string_view /*reason*/, std::string_view /*why*/) {}

  // Nothing is owned any more.
  virtual void consumer_rejoined(std::string_view /*reason*/, std::string_view /*why*/) {}

  virtual void state_wiped(InputPartition, std::string_view /*why*/) {}
};

// Tells the probe how long a step took, from here to the end of the scope.
class Stopwatch {
 public:
  Stopwatch(Probe& probe, Step step) : probe_(probe), step_(step) {}

  ~Stopwatch() { probe_.step_took(step_, std::chrono::steady_clock::now() - began_); }

  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  Probe& probe_;
  const Step step_;
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

}  // namespace weir
