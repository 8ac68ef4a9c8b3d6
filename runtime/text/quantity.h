// Durations and sizes as the configuration writes them, and messages too: a whole number and its
// unit.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

// In the largest unit that leaves a whole number, days only from two on: "1500ms", "24h", "7d".
std::string duration_text(std::chrono::milliseconds time);
// "64KiB".
std::string size_text(std::int64_t bytes);

// What is wrong with `text`, and `time` or `bytes` is left alone; or nothing. The least is not
// negative.
std::string read_duration(std::string_view text, std::chrono::milliseconds min,
                          std::chrono::milliseconds max, std::chrono::milliseconds& time);
std::string read_size(std::string_view text, std::int64_t min, std::int64_t max,
                      std::int64_t& bytes);

}  // namespace weir
