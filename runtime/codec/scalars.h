// Text to value, by proto3's JSON mapping: what a JSON string means where a field wants a number, a
// truth value, bytes or a time. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir {

enum class Parsed { ok, mismatch, out_of_range };

// An optional sign and decimal digits.
Parsed parse_integer(std::string_view text, std::int64_t& value);
Parsed parse_integer(std::string_view text, std::uint64_t& value);

// A token of JSON's number grammar. Beyond double: out_of_range; too small to hold: zero.
Parsed parse_double(std::string_view token, double& value);

// The text of a JSON string: a number, "NaN", "Infinity" or "-Infinity".
Parsed parse_double_text(std::string_view text, double& value);

// Rounds to the nearest float; out_of_range beyond the largest.
Parsed narrow(double value, float& narrowed);

// true, t, yes, y, 1 and their opposites in any case, as protobuf's own parser takes them.
Parsed parse_bool_text(std::string_view text, bool& value);

// Standard or URL-safe alphabet, padded or not; appends to `bytes`.
Parsed decode_base64(std::string_view text, std::string& bytes);

// A point in time or a span of it, as google.protobuf.Timestamp and Duration hold them.
struct TimeParts {
  std::int64_t seconds = 0;
  std::int32_t nanos = 0;
};

// What a text says about its zone.
enum class ZoneText { required, absent };

// `2015-09-12T00:46:58.771Z`, with Z or ±HH:MM; ZoneText::absent: none, read as UTC. Years 1 to
// 9999.
Parsed parse_time(std::string_view text, ZoneText zone, TimeParts& time);

// `-1.5s`, at most 9 digits of fraction, within ±315,576,000,000 seconds.
Parsed parse_duration(std::string_view text, TimeParts& span);

// True for a time that a Timestamp can hold: years 1 to 9999.
bool is_timestamp(std::int64_t seconds);

// `UTC`, `Z` or `±HH:MM` as seconds east of Greenwich.
std::optional<std::int64_t> parse_zone(std::string_view zone);

// `fooBar` to `foo_bar`, by the rules of protobuf's field masks; appends to `snake`.
void append_snake_case(std::string_view camel, std::string& snake);

}  // namespace weir
