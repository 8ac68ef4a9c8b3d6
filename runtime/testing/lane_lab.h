// Lanes over the simulated Kafka with a stage and a codec so simple that a test sees through them.
// For tests of the loop; a stage's own tests use StageDriver.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "loop/loop.h"
#include "testing/memory_store.h"
#include "testing/sim_kafka.h"

namespace weir {

// Values are "key:rest". The declared dedup key is what stands before the colon. A value without a
// colon can't be decoded; one that begins with the colon has no key; on "die_unread" behind it the
// process dies. "unclean" counts as an unknown and two cleaned fields.
class TextCodec final : public Codec {
 public:
  DecodeCounts decode(std::span<const RawRecord> records, std::span<Decoded> decoded) override;

 private:
  std::vector<DedupKey> keys_;
};

// Emits the value to "out", and does what the rest of the value says: "drop", "throw", "set_aside",
// "nothing", "twice" (two outputs), "big" (an output larger than the topic takes), "die" (the
// process does).
class TextStage final : public Stage {
 public:
  static constexpr std::size_t kBigBytes = 10'000;

  void process(const Record& record, Out& out) override;

  // Last record first: a batch may be answered in any order.
  void process_batch(std::span<const Record> records, Out& out) override;
};

// A clock that a test moves.
class ManualClock final : public Clock {
 public:
  std::chrono::steady_clock::time_point now() override { return now_; }

  void advance(std::chrono::milliseconds by) { now_ += by; }

 private:
  std::chrono::steady_clock::time_point now_{std::chrono::hours(1)};
};

// One lane with everything it borrows.
class LabLane {
 public:
  // `deaths_path` as of DeathLedger::open.
  LabLane(SimKafka& kafka, MemoryStores& stores, LaneSettings settings,
          const std::string& transactional_id, const SimFaults& faults, Probe& probe,
          const std::string& deaths_path = "");

  Loop& loop() { return *loop_; }

  ManualClock& clock() { return clock_; }

  // Lets 20 ms pass and advances the loop. A stop is returned, other failures are recovered from by
  // the calls that follow.
  Status step();

  // As the process that is told to end: commits, leaves.
  Status drain();

 private:
  std::unique_ptr<Source> source_;
  std::unique_ptr<Sink> sink_;
  std::unique_ptr<DeathLedger> deaths_;
  TextCodec codec_;
  TextStage stage_;
  ManualClock clock_;
  std::unique_ptr<Loop> loop_;
};

// The settings that the lab's lanes share: input "in" with a window of 1 s in 4 buckets, output
// "out" to out.v1, dead letters.
LaneSettings lab_settings();

// Topics of those settings.
inline constexpr const char* kLabInput = "in";
inline constexpr const char* kLabOutput = "out.v1";
inline constexpr const char* kLabDeadLetters = "lab.dead_letters.v1";
inline constexpr const char* kLabGroup = "lab.v1";

void create_lab_topics(SimKafka& kafka, std::int32_t partitions);

}  // namespace weir
