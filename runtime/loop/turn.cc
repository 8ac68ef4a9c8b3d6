#include "loop/turn.h"

#include <algorithm>

namespace weir {

using namespace std::chrono_literals;

bool Turn::is_due(const Limits& limits, std::chrono::steady_clock::time_point now,
                  std::chrono::steady_clock::time_point last_commit) const {
  if (began.has_value()) {
    return now - *began >= limits.turn_interval_max ||
           counts.records_in >= limits.turn_records_max ||
           counts.output_bytes >= limits.turn_bytes_max;
  }
  return !next_offsets.empty() && now - last_commit >= limits.idle_commit_interval_min;
}

std::chrono::milliseconds Turn::wait_max(const Limits& limits,
                                         std::chrono::steady_clock::time_point now) const {
  if (!began) {
    return limits.poll_wait_max;
  }
  const auto left =
      std::chrono::ceil<std::chrono::milliseconds>(*began + limits.turn_interval_max - now);
  return std::clamp(left, std::chrono::milliseconds(0), limits.poll_wait_max);
}

std::size_t next_batch_max(const Limits& limits, std::size_t now, std::size_t records,
                           std::chrono::nanoseconds took) {
  if (records == 0) {
    return now;
  }
  const auto in_time = static_cast<double>(records) *
                       (limits.batch_time_max / std::max<std::chrono::duration<double>>(took, 1us));
  const auto most = static_cast<double>(std::min(now * 2, limits.batch_records_max));
  return static_cast<std::size_t>(std::clamp(in_time, 1.0, most));
}

}  // namespace weir
