// What one turn gathered so far: a plain value, so that what a turn would do can be asserted
// without a broker.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "loop/io.h"
#include "loop/limits.h"
#include "loop/probe.h"

namespace weir {

struct Turn {
  // How far the turn has come towards its commit. A step that timed out is taken up again there;
  // after a commit was sent, only committing again (or a new producer) is sound.
  enum class Phase : std::uint8_t { gathering, flushing, sending_offsets, committing };

  Phase phase = Phase::gathering;
  // A transaction is open at the broker.
  bool has_begun = false;
  // When the first record came; nullopt before.
  std::optional<std::chrono::steady_clock::time_point> began;
  TurnCounts counts;
  // Next offsets, only of partitions that moved.
  std::map<InputPartition, NextOffset> next_offsets;

  bool is_empty() const { return !has_begun && next_offsets.empty(); }

  // True when the turn should commit now. A turn that only moved past control records waits for
  // `idle_commit_interval_min` since `last_commit`.
  bool is_due(const Limits& limits, std::chrono::steady_clock::time_point now,
              std::chrono::steady_clock::time_point last_commit) const;

  // How long the next poll may wait for a record: not past the moment at which the turn is due.
  std::chrono::milliseconds wait_max(const Limits& limits,
                                     std::chrono::steady_clock::time_point now) const;
};

// How many records the next batch may have, after one of `records` that took so long under the
// limit `now`: as many as are done within `batch_time_max`, and at most twice as many as before.
std::size_t next_batch_max(const Limits& limits, std::size_t now, std::size_t records,
                           std::chrono::nanoseconds took);

}  // namespace weir
