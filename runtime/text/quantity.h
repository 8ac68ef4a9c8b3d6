// Durations and sizes as the configuration writes them, and messages too: a whole number and its
// unit. And points in time.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// In the largest unit that leaves a whole number, days only from a week on: "1500ms", "24h", "7d".
std::string duration_text(std::chrono::milliseconds time);
// "64KiB".
std::string size_text(std::int64_t bytes);

// RFC 3339 in UTC, to the second: "2024-05-17T00:00:00Z".
std::string rfc3339(std::chrono::system_clock::time_point time);

// What is wrong with `text`, and `time` or `bytes` is left alone; or nothing. The least is not
// negative.
std::string read_duration(std::string_view text, std::chrono::milliseconds min,
                          std::chrono::milliseconds max, std::chrono::milliseconds& time);
std::string read_size(std::string_view text, std::int64_t min, std::int64_t max,
                      std::int64_t& bytes);

}  // namespace weir
