// Why a record is set aside: the bounded words that metrics and the `weir-reason` header carry.
#pragma once

#include <string_view>

namespace weir::reason {

inline constexpr std::string_view kTombstone = "tombstone";     // no value at all
inline constexpr std::string_view kEmptyValue = "empty_value";  // no bytes where JSON is expected
inline constexpr std::string_view kTooLarge = "too_large";      // more bytes than the limit
inline constexpr std::string_view kInvalidUtf8 = "invalid_utf8";
inline constexpr std::string_view kInvalidJson = "invalid_json";  // also truncated, trailing bytes
inline constexpr std::string_view kTooDeep = "too_deep";
inline constexpr std::string_view kTypeMismatch = "type_mismatch";
inline constexpr std::string_view kOutOfRange = "out_of_range";
inline constexpr std::string_view kUnknownField = "unknown_field";
// Two members of a oneof, an `optional` field twice, a map key twice.
inline constexpr std::string_view kDuplicateField = "duplicate_field";
inline constexpr std::string_view kBadEventTime = "bad_event_time";
inline constexpr std::string_view kMissingKey = "missing_key";
inline constexpr std::string_view kBadKey = "bad_key";  // an object or array as dedup key
inline constexpr std::string_view kDuplicateKeyField = "duplicate_key_field";
inline constexpr std::string_view kInvalidProtobuf = "invalid_protobuf";

}  // namespace weir::reason
