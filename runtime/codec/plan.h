// What decoding a message type takes, worked out once: per message a table of the JSON names and
// what each becomes on the wire, and what the configuration adds for the record as a whole.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <google/protobuf/descriptor.h>

#include "codec/wire.h"
#include "weir/message_pool.h"
#include "weir/status.h"

namespace weir {

enum class TimeFormat {
  rfc3339,  // "2015-09-12T00:46:58.771Z"
  epoch_s,  // numbers, or strings of them; a fraction of the unit is kept
  epoch_ms,
  epoch_us,
  zoneless,  // "2013-11-07T06:20:48", in `zone`
};

// The message's Timestamp `field`, filled from the JSON field `from` with the event's own time.
// That may be a field of the message too, which then is filled as well. Empty: what the JSON calls
// `field` itself, by any of its names. Null or missing: the Timestamp stays as the record has it.
// Touches neither the dedup key nor the Kafka timestamp.
struct EventTime {
  std::string field;
  std::string from;
  TimeFormat format = TimeFormat::rfc3339;
  std::string zone;  // zoneless only: `UTC` or `±HH:MM`
};

enum class UnknownFields { count, dead_letter };
enum class OnMissingKey { dead_letter, pass };

struct PlanOptions {
  // JSON name to field.
  std::vector<std::pair<std::string, std::string>> rename;
  // Field to value (as text), for records that lack the field or have null.
  std::vector<std::pair<std::string, std::string>> defaults;
  // String fields that lose white space (of ASCII) at both ends. The dedup key keeps it.
  std::vector<std::string> trim;
  std::optional<EventTime> event_time;
  // The dedup key: JSON names at the top level, in this order. A name that is a field's stands for
  // all of that field's names.
  std::vector<std::string> key;
  UnknownFields unknown_fields = UnknownFields::count;
  // pass: a record without a whole key has an empty declared key, and is not deduplicated.
  OnMissingKey on_missing_key = OnMissingKey::dead_letter;
  int depth_max = kMessageDepthMax;  // of objects and arrays, and no more than this
  // No more than this: the places of tokens are numbers of 32 bits.
  std::size_t value_bytes_max = std::size_t{1} << 30;
};

// How a field's value is written.
enum class Kind : std::uint8_t {
  int32,
  int64,
  uint32,
  uint64,
  sint32,
  sint64,
  fixed32,
  fixed64,
  sfixed32,
  sfixed64,
  float32,
  float64,
  boolean,
  string,
  bytes,
  enumeration,
  message,
};

// How a message is written in JSON; all but `plain` are google.protobuf's own.
enum class Shape : std::uint8_t {
  plain,
  timestamp,
  duration,
  field_mask,
  wrapper,
  structure,
  value,
  list_value,
  any,
};

struct MessagePlan;

struct EnumPlan {
  std::unordered_map<std::string_view, std::int32_t> numbers;
  std::unordered_map<std::int32_t, std::string_view> names;
};

struct FieldPlan {
  std::string name;
  WireTag tag;
  Kind kind = Kind::int32;
  bool repeated = false;
  bool packed = false;
  bool map = false;  // `message` is the entry's plan
  bool has_presence = false;
  bool null_is_value = false;  // google.protobuf.Value and NullValue
  bool trim = false;
  std::uint32_t seen_bit = 0;
  std::int32_t oneof_bit = -1;
  MessagePlan* message = nullptr;
  const EnumPlan* enumeration = nullptr;
};

// A JSON name and what it stands for.
struct NameEntry {
  static constexpr std::uint32_t kNone = 0xFFFF'FFFF;

  std::string name;
  std::uint32_t follower = kNone;  // what came next in the last record: a guess
  std::int32_t field = -1;
  std::int32_t key_part = -1;
  bool event_time = false;
  bool renamed = false;
  bool unknown = false;  // seen in records, known to nobody
  bool special = false;  // key_part, event_time or renamed
};

// Names of one message's JSON object. Records of a stream have their members in the same order
// nearly always, so the guess is tried before the table.
class NameTable {
 public:
  NameEntry& add(std::string_view name);

  std::uint32_t find(std::string_view name) const;

  // The entry of `name`, guessed from the member before (`previous`, or kNone); kNone: unknown.
  std::uint32_t next(std::uint32_t previous, std::string_view name) {
    std::uint32_t& guess = previous == NameEntry::kNone ? first_ : entries_[previous].follower;
    if (guess < entries_.size() && equal(entries_[guess].name, name)) {
      return guess;
    }
    const std::uint32_t found = find(name);
    if (found != NameEntry::kNone) {
      guess = found;
    }
    return found;
  }

  NameEntry& operator[](std::uint32_t index) { return entries_[index]; }

  const std::vector<NameEntry>& entries() const { return entries_; }

 private:
  void index(std::uint32_t entry);

  // Names are short: two overlapping words at most, where a call of memcmp would cost more.
  static bool equal(std::string_view a, std::string_view b) {
    const std::size_t size = a.size();
    if (size != b.size()) {
      return false;
    }
    if (size > 16 || size < 4) {
      return a == b;
    }
    const std::size_t word = size < 8 ? 4 : 8;
    const auto load = [word](const char* at) {
      std::uint64_t value = 0;
      if (word == 8) {
        std::memcpy(&value, at, 8);
      } else {
        std::uint32_t half = 0;
        std::memcpy(&half, at, 4);
        value = half;
      }
      return value;
    };
    return load(a.data()) == load(b.data()) &&
           load(a.data() + size - word) == load(b.data() + size - word);
  }

  std::vector<NameEntry> entries_;
  std::vector<std::uint32_t> buckets_;  // open addressing, a power of two, at most half full
  std::uint32_t first_ = NameEntry::kNone;
};

struct MessagePlan {
  const google::protobuf::Descriptor* descriptor = nullptr;
  std::string name;
  Shape shape = Shape::plain;
  std::vector<FieldPlan> fields;
  NameTable names;
  std::uint32_t seen_bits = 0;  // one per field, one per oneof
};

// Wire bytes of a field that the record lacked.
struct DefaultValue {
  std::uint32_t seen_bit = 0;
  std::string wire;
};

// The plan for one input. Belongs to one decoder, which teaches it the order and the unknown names
// of the stream; what it decodes to never depends on that.
class DecodePlan {
 public:
  // `descriptor` is borrowed; nullptr: values without a message type, of which only the key is
  // read. Fails with ExitCode::config: the message begins with the setting as a deployment's file
  // spells it below the input (`defaults.NAME: …`), and says what was probably meant.
  static Result<DecodePlan> compile(const google::protobuf::Descriptor* descriptor,
                                    PlanOptions options);

  DecodePlan(DecodePlan&&) noexcept;
  DecodePlan& operator=(DecodePlan&&) noexcept;
  ~DecodePlan();

  const PlanOptions& options() const { return options_; }

  bool has_message() const { return has_message_; }

  MessagePlan& root() { return *root_; }

  const std::vector<DefaultValue>& defaults() const { return defaults_; }

  // The Timestamp field that event_time fills; nullptr: none.
  const FieldPlan* event_time_field() const { return event_time_; }

  // Of event_time, seconds east of Greenwich.
  std::int64_t zone_seconds() const { return zone_seconds_; }

  // What is no failure and a slip most likely: each field of `key` that is none of the message's,
  // nor renamed to one or read by event_time, in words as compile's.
  std::vector<std::string> notes() const;

  // The plan of a type met inside a google.protobuf.Any; fails as compile does.
  Result<MessagePlan*> message_of(std::string_view full_name);

 private:
  class Compiler;

  DecodePlan();

  PlanOptions options_;
  std::unique_ptr<Compiler> compiler_;
  MessagePlan* root_ = nullptr;
  bool has_message_ = false;
  std::vector<DefaultValue> defaults_;
  const FieldPlan* event_time_ = nullptr;
  std::int64_t zone_seconds_ = 0;
};

}  // namespace weir
