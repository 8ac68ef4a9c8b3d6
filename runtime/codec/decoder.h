// One JSON record to protobuf wire bytes in one pass over its tokens, without a message object; the
// dedup key and the event time are picked up on the way.
//
// The measure is protobuf's own parser (util::JsonStringToMessage of 3.21 with
// ignore_unknown_fields): what it accepts decodes to the same message here, what it refuses is
// refused, except:
//   - JSON is RFC 8259's: no trailing commas, bare or single-quoted names, raw control characters,
//     unknown escapes (`\q`), other white space, `1.`: invalid_json.
//   - A list in a list of a repeated field is not flattened: type_mismatch.
//   - Objects and lists both count for the depth (at most 100); the parser counts
//     objects alone, to 100.
//   - A number in a string is a number by JSON's grammar; the parser takes what strtod takes
//   ("0x1",
//     ".5", " 1"), and stops reading at a NUL.
//   - Timestamps outside the years 1 to 9999 are out_of_range, Durations are not taken modulo 2^64.
//   - Field masks with quotes, brackets or parentheses are a type_mismatch.
//   - An empty member name is an unknown field; the parser confuses it with the list it is in.
//   - A number beyond double's range in an unknown field is skipped with that field.
//   - google.protobuf.Any: a ListValue in it is read from its "value", as the other types are that
//     have a form of their own; a second "@type" is ignored.
// As the parser does: the last of two equal names wins for a scalar, messages of two equal names
// merge, lists join; twice the same map key, `optional` field or oneof is an error; null is absent,
// also within a list; a single value stands for a list of one; an enum's unknown name is ignored
// (and counted here as an unknown field).
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "codec/json_tokens.h"
#include "codec/plan.h"
#include "codec/scalars.h"
#include "codec/wire.h"
#include "loop/io.h"
#include "weir/record.h"
#include "weir/status.h"

namespace weir {

// Given the name of an unknown field when it is first seen: as in the JSON at the top level,
// `message.Type.name` below, `field=NAME` for an enum. At most 100 names are given.
using UnknownFieldListener = std::function<void(std::string_view name)>;

class Decoder {
 public:
  Decoder(DecodePlan plan, UnknownFieldListener on_unknown_field);

  // Appends the wire bytes of `value` to `wire` (nothing where the plan has no message) and its
  // dedup key to `key` (nothing: none is declared, or it is missing and may be). On failure, a dead
  // letter, both are as they were. `value` is read within the call only and needs no padding.
  Status decode(std::string_view value, WireBuffer& wire, WireBuffer& key);

  const DecodePlan& plan() const { return plan_; }

  const DecodeCounts& counts() const { return counts_; }

 private:
  // Where in the message tree: one per message being written.
  struct Place {
    std::size_t seen = 0;         // its first word in seen_
    bool explicit_zeros = false;  // it merges into one written before: zeros must show
    bool in_any = false;          // "@type" is no unknown field here
    int depth = 0;                // open objects and lists
    int nesting = 0;              // open messages on the wire
  };

  // Whether a zero of a field without presence is written.
  enum class Zero { skip, write };

  bool record();
  bool members(MessagePlan& plan, Place place);
  bool member(MessagePlan& plan, std::uint32_t entry, const Place& place);
  bool unknown_member(MessagePlan& plan, std::uint32_t entry, std::string_view name,
                      const Place& place);
  bool field(FieldPlan& field, const Place& place);
  bool list(FieldPlan& field, Place place);
  bool list_of_one(FieldPlan& field, Place place);
  bool map(FieldPlan& field, Place place);
  bool map_keys_differ(std::size_t first);
  bool element(FieldPlan& field, Zero zero, const Place& place);
  bool message(MessagePlan& plan, Place place);
  bool scalar(const FieldPlan& field, Zero zero, bool tagged);
  bool string(const FieldPlan& field, Zero zero);
  bool integer(const FieldPlan& field, std::uint64_t& bits);
  bool boolean(bool& value);
  bool time(MessagePlan& plan, Zero zero);
  void append_time(const TimeParts& time, Zero zero);
  bool field_mask();
  bool any(Place place);
  bool any_type(int depth, std::uint32_t& type, std::uint32_t& value, bool& others);
  bool struct_body(Place place);
  bool list_value_body(Place place);
  bool value_body(Place place);
  bool skip_value(int depth);
  bool open_container(int depth, char close, bool& closed);
  bool member_name(std::string_view& name);
  bool next_or_close(char close, bool& closed);

  template <class Integer>
  bool integer(Integer min, Integer max, std::string_view expected, Integer& value);
  bool signed_number(std::int64_t min, std::int64_t max, std::int64_t& value);
  bool unsigned_number(std::uint64_t max, std::uint64_t& value);
  bool floating(bool single, double& value);
  bool enum_number(const FieldPlan& field, std::int32_t& number, bool& known);
  bool unknown_enum_name(const FieldPlan& field, std::string_view name);

  bool note_special(const NameEntry& entry);
  bool event_seconds(TimeParts& time);
  bool epoch(std::int64_t units_per_second, TimeParts& time);
  bool event_time(std::size_t seen);
  void apply_defaults(std::size_t seen);
  bool dedup_key(WireBuffer& key);
  // True: `name` is new, and was given to the listener.
  bool note_unknown(std::string_view name);

  bool test_and_set(std::size_t seen, std::uint32_t bit) {
    std::uint64_t& word = seen_[seen + bit / 64];
    const std::uint64_t mask = std::uint64_t{1} << (bit % 64);
    const bool was = (word & mask) != 0;
    word |= mask;
    return was;
  }

  std::size_t push_seen(const MessagePlan& plan) {
    const std::size_t at = seen_.size();
    seen_.resize(at + plan.seen_bits / 64 + 1, 0);
    return at;
  }

  [[gnu::cold]] bool fail(std::string_view reason, std::string message);
  [[gnu::cold]] bool fail_json(std::string_view expected);
  [[gnu::cold]] bool mismatch(std::string_view expected);
  [[gnu::cold]] bool fault(JsonTokens::Fault fault);
  [[gnu::cold]] bool within(std::string_view name);
  [[gnu::cold]] bool within(std::size_t index);
  void prefer_syntax_fault();

  DecodePlan plan_;
  UnknownFieldListener on_unknown_field_;
  std::set<std::string, std::less<>> unknown_names_;
  DecodeCounts counts_;

  JsonTokens tokens_;
  WireBuffer* wire_ = nullptr;
  std::string name_scratch_;
  std::string text_scratch_;
  std::string bytes_scratch_;
  std::vector<std::uint64_t> seen_;

  struct MapKey {
    std::size_t hash;
    std::uint32_t token;
  };

  std::vector<MapKey> map_keys_;

  static constexpr std::uint32_t kNoToken = 0xFFFF'FFFF;
  std::vector<std::uint32_t> key_tokens_;  // of the values, by part
  std::uint32_t time_token_ = kNoToken;
  DedupKey key_;

  std::string_view reason_;  // empty: no failure
  std::string message_;
  std::string path_;
};

// `value` (as text) as the wire bytes of the field `name` of `descriptor`, tag included: for
// defaults. Config failure when the field can't hold it; the message doesn't name the field.
Result<std::string> encode_default(const google::protobuf::Descriptor* descriptor,
                                   std::string_view name, std::string_view value);

}  // namespace weir
