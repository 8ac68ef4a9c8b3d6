// Every bound of a lane, in one place. Reaching one pauses, commits or stops; none forgets
// silently.
#pragma once

#include <chrono>
#include <cstddef>

namespace weir {

struct Limits {
  // Records per batch: the unit of decode, dedup, process and produce.
  std::size_t batch_records_max = 2000;
  // How long one may take, as far as the one before shows: a turn's transaction stays open for as
  // long, and the group waits for the next poll.
  std::chrono::milliseconds batch_time_max{1000};
  // How long a poll waits for its first record.
  std::chrono::milliseconds poll_wait_max{50};
  // A turn commits when it is this old, or holds this many records, or produced this many bytes.
  std::chrono::milliseconds turn_interval_max{100};
  std::size_t turn_records_max = 50'000;
  std::size_t turn_bytes_max = std::size_t{64} << 20;
  // A commit that only moves past control records, so that lag reaches zero, happens this often.
  std::chrono::milliseconds idle_commit_interval_min{1000};
  // How long a revocation may take to finish the turn before it is aborted.
  std::chrono::milliseconds revoke_wait_max{10'000};
  // How often the topics are asked whether they are still the same, and where they end.
  std::chrono::milliseconds topics_checked_every{30'000};
  // How often the process may die on one record before it is set aside.
  int deaths_max = 3;
};

}  // namespace weir
